// How one dynamic convolution on a GPU, and its gradients, are cut into blocks.
//
// A tiling that fits always exists: every axis can be cut. Which one is chosen for the
// forward pass depends on the device, for the gradient of the weights it does not.
#ifndef HYPERSEG_TF_CUDA_CONV_PLAN_H_
#define HYPERSEG_TF_CUDA_CONV_PLAN_H_

#include "cuda/context.h"
#include "cuda/plan.h"
#include "shapes.h"

namespace dpw {
namespace gpu {

// ConvShape in the integers that a GPU is fast with: of the convolution that runs, which
// has the filters as inputs where it makes the gradient of the map.
struct ConvSizes {
  int height, width, rows, columns, patch_height, patch_width;
  int groups, depth, units;  // of a group: channels in, channels out
  int kernel, halo;
  int out_height, out_width;  // of a patch's output
  int64_t weights;            // per patch
  Padding padding;

  ConvSizes(const ConvShape& s, bool gradient)
      : height(static_cast<int>(s.height)),
        width(static_cast<int>(s.width)),
        rows(static_cast<int>(s.rows)),
        columns(static_cast<int>(s.columns)),
        patch_height(static_cast<int>(s.patch_height())),
        patch_width(static_cast<int>(s.patch_width())),
        groups(static_cast<int>(s.groups)),
        depth(static_cast<int>(gradient ? s.filters / s.groups : s.depth())),
        units(static_cast<int>(gradient ? s.depth() : s.filters / s.groups)),
        kernel(static_cast<int>(s.kernel)),
        halo(static_cast<int>(s.halo())),
        out_height(static_cast<int>(s.patch_height() + (gradient ? 2 * s.halo() : 0))),
        out_width(static_cast<int>(s.patch_width() + (gradient ? 2 * s.halo() : 0))),
        weights(s.weights),
        padding(s.padding) {}
};

// How a convolution is cut. Several groups are taken together only as whole ones.
struct ConvPlan {
  int tile_height = 1, tile_width = 1, tap_rows = 1;
  int groups = 1, units = 1, depth = 1;  // at a time
  int wide = 1;                          // units of a thread: 8, 4 or 1
  int threads = 128;
  int64_t shared = 0;  // bytes

  int pixel_stride = 0, output_stride = 0, unit_stride = 0;
  int weights = 0, sums = 0, sources = 0;

  int64_t pixels(int kernel) const {
    return int64_t{tile_height + tap_rows - 1} * (tile_width + kernel - 1);
  }
  int64_t outputs() const { return int64_t{tile_height} * tile_width; }

  // (groups * depth, pixels), (depth, taps, groups * units), (groups * units, outputs)
  void place(const ConvSizes& s) {
    const int64_t pixel = row_stride(pixels(s.kernel)), output = row_stride(outputs());
    const int64_t unit = row_stride(round_up(int64_t{groups} * units, wide));
    int64_t used = int64_t{groups} * depth * pixel;
    weights = static_cast<int>(used);
    used += int64_t{depth} * tap_rows * s.kernel * unit;
    sums = static_cast<int>(used);
    used += int64_t{groups} * units * output;
    sources = static_cast<int>(used);
    used += pixel;
    pixel_stride = static_cast<int>(pixel);
    output_stride = static_cast<int>(output);
    unit_stride = static_cast<int>(unit);
    shared = used * 4;
  }

  // The same for the gradient of the weights: (groups * depth, pixels), (outputs,
  // groups * units), (groups * units, depth * taps).
  void place_for_weights(const ConvSizes& s) {
    const int64_t pixel = row_stride(pixels(s.kernel));
    const int64_t unit = row_stride(round_up(int64_t{groups} * units, wide));
    int64_t used = int64_t{groups} * depth * pixel;
    weights = static_cast<int>(used);
    used += outputs() * unit;
    sums = static_cast<int>(used);
    used += round_up(int64_t{groups} * units * depth * tap_rows * s.kernel, 4);
    sources = static_cast<int>(used);
    used += pixel;
    pixel_stride = static_cast<int>(pixel);
    unit_stride = static_cast<int>(unit);
    shared = used * 4;
  }

  // Halves what takes most until it fits.
  template <typename Place>
  void shrink(int64_t limit, const Place& replace) {
    for (replace(); shared > limit; replace()) {
      int* parts[] = {&depth, &units, &groups, &tap_rows, &tile_width, &tile_height};
      int* widest = largest(parts);
      if (*widest <= 1) break;  // the launch reports it
      // Part of a group cannot stand beside another group.
      if ((widest == &depth || widest == &units) && groups > 1) widest = &groups;
      *widest = (*widest + 1) / 2;
      if (groups == 1 && wide == 1 && units >= 4) wide = 4;
      if (units < 4) wide = 1;
    }
  }
};

inline int64_t conv_chunks(const ConvSizes& s, const ConvPlan& plan) {
  return ceil_divide(s.groups, plan.groups) * ceil_divide(s.units, plan.units);
}

inline int64_t conv_blocks(const ConvSizes& s, const ConvPlan& plan, int64_t batch) {
  return batch * s.rows * s.columns * conv_chunks(s, plan) *
         ceil_divide(s.out_height, plan.tile_height) *
         ceil_divide(s.out_width, plan.tile_width);
}

// Units of a thread: eight share what they read, fewer than four would compute in vain.
inline int wide_units(const ConvPlan& plan) {
  return plan.groups > 1 || plan.units < 4 ? 1 : plan.units < 8 ? 4 : 8;
}

// Cycles of a multiprocessor for its share, counted as BlockPlanner does.
inline double estimate(const ConvSizes& s, const ConvPlan& plan, int64_t batch,
                       const Device& device) {
  const auto rounds = [&](int64_t tasks) { return gpu::rounds(tasks, plan.threads); };
  const int64_t inputs = int64_t{plan.groups} * plan.depth;
  const int64_t taps = int64_t{s.kernel} * s.kernel;
  const int64_t tiles = plan.groups * ceil_divide(plan.units, plan.wide);
  const int64_t tasks = ceil_divide(plan.tile_height, 4) * plan.tile_width * tiles;
  double cost = 4.0 * rounds(plan.pixels(s.kernel) * inputs);
  cost += 3.0 * rounds(inputs * plan.units * taps) + 2.0 * kWait;
  cost += rounds(tasks) * static_cast<double>(plan.depth * taps) *
          (plan.wide == 8 ? 8.0 : 5.0);
  cost *= static_cast<double>(ceil_divide(s.depth, plan.depth));
  cost += 4.0 * rounds(plan.outputs() * plan.groups * plan.units) + kWait;
  return total_cycles(device, cost, conv_blocks(s, plan, batch), plan.shared,
                      plan.threads);
}

inline ConvPlan plan_conv(const ConvSizes& s, int64_t batch, const Device& device) {
  Cheapest<ConvPlan> best;
  const int64_t limit = comfortable_shared(device);
  each_tile(s.out_height, s.out_width, [&](int tile_height, int tile_width) {
    for (int depth : {s.depth, 32, 16, 8}) {
      if (depth > s.depth || depth > 256) continue;
      for (int units : {8, 16, 32, 64}) {
        if (units > 8 && units / 2 >= s.units * s.groups) continue;
        ConvPlan plan;
        plan.tile_height = tile_height;
        plan.tile_width = tile_width;
        plan.tap_rows = s.kernel;
        plan.depth = depth;
        plan.units = at_most(units, s.units);
        if (plan.units == s.units && depth == s.depth) {
          plan.groups = at_most(units / s.units, s.groups);
        }
        plan.wide = wide_units(plan);
        plan.place(s);
        if (plan.shared > limit) continue;
        for (int threads : {64, 128, 256}) {
          plan.threads = threads;
          best.offer(plan, estimate(s, plan, batch, device));
        }
      }
    }
  });
  if (best.found()) return best.plan();
  ConvPlan plan;
  plan.tile_height = at_most(s.out_height, 4);
  plan.tile_width = at_most(s.out_width, 32);
  plan.tap_rows = s.kernel;
  plan.depth = at_most(s.depth, 16);
  plan.units = at_most(s.units, 16);
  plan.wide = wide_units(plan);
  plan.shrink(device.block_shared, [&] { plan.place(s); });
  return plan;
}

// Tiles of a patch are summed in turn by one block, and a large patch by several.
inline ConvPlan plan_weights(const ConvSizes& s, const Device& device) {
  ConvPlan plan;
  plan.tile_width = at_most(s.patch_width, 32);
  plan.tile_height = at_most(s.patch_height, at_least(256 / plan.tile_width, 1));
  plan.tap_rows = s.kernel;
  const int taps = s.kernel * s.kernel;
  plan.depth = at_most(s.depth, at_least(128 / taps, 4));
  plan.units = at_most(s.units, 16);
  if (plan.units == s.units && plan.depth == s.depth) {
    plan.groups = at_most(at_least(16 / s.units / s.depth, 1), s.groups);
  }
  plan.wide = wide_units(plan);
  // What every device has: all cut alike, and sum in the same order.
  const int64_t limit = kFreeShared;
  plan.shrink(device.block_shared < limit ? device.block_shared : limit,
              [&] { plan.place_for_weights(s); });
  return plan;
}

inline int64_t weights_tiles(const ConvSizes& s, const ConvPlan& plan) {
  return ceil_divide(s.patch_height, plan.tile_height) *
         ceil_divide(s.patch_width, plan.tile_width);
}

inline int64_t weights_pieces(const ConvSizes& s, const ConvPlan& plan, int64_t batch) {
  return batch * s.rows * s.columns * conv_chunks(s, plan) *
         ceil_divide(s.depth, plan.depth) * ceil_divide(s.kernel, plan.tap_rows);
}

// Blocks that share the tiles of a patch: enough of them for a large device.
inline int64_t weights_splits(const ConvSizes& s, const ConvPlan& plan, int64_t batch) {
  const int64_t pieces = weights_pieces(s, plan, batch);
  const int64_t wanted = ceil_divide(512, pieces < 1 ? 1 : pieces);
  const int64_t tiles = weights_tiles(s, plan);
  return wanted < tiles ? wanted : tiles;
}

}  // namespace gpu
}  // namespace dpw

#endif  // HYPERSEG_TF_CUDA_CONV_PLAN_H_
