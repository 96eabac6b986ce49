// How a level of the decoder is cut into the blocks of a GPU.
//
// A tiling that fits always exists: every axis can be cut, down to single channels,
// pixels and rows of the depthwise kernel.
#ifndef HYPERSEG_TF_CUDA_BLOCK_PLAN_H_
#define HYPERSEG_TF_CUDA_BLOCK_PLAN_H_

#include "cuda/context.h"
#include "cuda/plan.h"
#include "shapes.h"

namespace dpw {
namespace gpu {

// BlockShape in the integers that a GPU is fast with.
struct BlockSizes {
  int height, width, rows, columns, patch_height, patch_width;
  int feature, previous, channels, hidden, filters, kernel, halo, coordinates;
  bool neighbour, residual;
  Padding padding;

  explicit BlockSizes(const BlockShape& s)
      : height(static_cast<int>(s.height)),
        width(static_cast<int>(s.width)),
        rows(static_cast<int>(s.rows)),
        columns(static_cast<int>(s.columns)),
        patch_height(static_cast<int>(s.patch_height())),
        patch_width(static_cast<int>(s.patch_width())),
        feature(static_cast<int>(s.feature_channels)),
        previous(static_cast<int>(s.previous_channels)),
        channels(static_cast<int>(s.channels())),
        hidden(static_cast<int>(s.hidden)),
        filters(static_cast<int>(s.filters)),
        kernel(static_cast<int>(s.kernel)),
        halo(static_cast<int>(s.halo())),
        coordinates(s.positions ? 2 : 0),
        neighbour(s.neighbour && s.hidden),
        residual(s.residual()),
        padding(s.padding) {}
};

// How a level is cut: sizes of one block's work, and where its parts lie in shared
// memory, in floats.
struct BlockPlan {
  int tile_height = 1, tile_width = 1, tap_rows = 1;
  int inputs = 1, hidden = 0, filters = 1;  // channels at a time
  bool wide_expand = false, wide_project = false;
  int threads = 128;
  int64_t shared = 0;  // bytes

  int pixel_stride = 0, output_stride = 0, expand_stride = 0, project_stride = 0;
  int expand_weights = 0, depthwise_weights = 0, project_weights = 0;
  int hidden_values = 0, filtered = 0, sums = 0, sources = 0, owners = 0;

  void place(const BlockSizes& s) {
    const int64_t pixels = int64_t{tile_height + tap_rows - 1} *
                           (tile_width + s.kernel - 1);
    const int64_t depth = s.hidden ? hidden : inputs;
    const int64_t pixel = row_stride(pixels);
    const int64_t output = row_stride(int64_t{tile_height} * tile_width);
    const int64_t expand = row_stride(round_up(hidden, 8));
    const int64_t project = row_stride(round_up(filters, 8));
    int64_t used = 0;
    const auto take = [&](int64_t floats) {
      const int64_t from = used;
      used += round_up(floats, 4);
      return static_cast<int>(from < kMostInt ? from : kMostInt);
    };
    take(inputs * pixel);  // the input stands first
    expand_weights = take(s.hidden ? inputs * expand : 0);
    depthwise_weights = take(int64_t{hidden} * tap_rows * s.kernel);
    project_weights = take(depth * project);
    hidden_values = take(hidden * pixel);
    filtered = take(hidden * output);
    sums = take(filters * output);
    sources = take(pixel);
    owners = take(s.neighbour ? pixel : 0);
    pixel_stride = static_cast<int>(pixel < kMostInt ? pixel : kMostInt);
    output_stride = static_cast<int>(output < kMostInt ? output : kMostInt);
    expand_stride = static_cast<int>(expand);
    project_stride = static_cast<int>(project);
    shared = used * 4;
  }
};

// Which tiling: the cheapest by a count of instructions, of those that leave room for
// several blocks on a multiprocessor.
class BlockPlanner {
 public:
  BlockPlanner(const BlockShape& shape, const Device& device)
      : s_(shape), batch_(shape.batch), device_(device) {}

  BlockPlan choose() const {
    Cheapest<BlockPlan> best;
    const int64_t limit = comfortable_shared(device_);
    each_tile(s_.patch_height, s_.patch_width, [&](int tile_height, int tile_width) {
      for (int inputs : {s_.channels, 128, 64, 32}) {
        if (inputs > s_.channels) continue;
        for (int channels : {8, 16, 32, 64}) {
          // Chunks of hidden channels, or of filters where there are none.
          const int all = s_.hidden ? s_.hidden : s_.filters;
          if (channels > 8 && channels / 2 >= all) continue;
          for (int threads : {64, 128, 256}) {
            BlockPlan plan;
            plan.tile_height = tile_height;
            plan.tile_width = tile_width;
            plan.tap_rows = s_.kernel;
            plan.inputs = inputs;
            plan.hidden = s_.hidden ? at_most(channels, all) : 0;
            plan.filters = at_most(s_.hidden ? 64 : channels, s_.filters);
            plan.threads = threads;
            plan.place(s_);
            if (plan.shared <= limit) best.offer(plan, estimate(&plan));
          }
        }
      }
    });
    return best.found() ? best.plan() : shrink();
  }

 private:
  // Halves what takes most until it fits.
  BlockPlan shrink() const {
    BlockPlan plan;
    plan.tile_height = at_most(s_.patch_height, 4);
    plan.tile_width = at_most(s_.patch_width, 32);
    plan.tap_rows = s_.kernel;
    plan.inputs = at_most(s_.channels, 32);
    plan.hidden = at_most(s_.hidden, 8);
    plan.filters = at_most(s_.filters, 32);
    for (plan.place(s_); plan.shared > device_.block_shared; plan.place(s_)) {
      int* parts[] = {&plan.inputs,     &plan.filters,     &plan.tap_rows,
                      &plan.tile_width, &plan.tile_height, &plan.hidden};
      int* widest = largest(parts);
      if (*widest <= 1) break;  // the launch reports it
      *widest = (*widest + 1) / 2;
    }
    estimate(&plan);
    return plan;
  }

  // Cycles of a multiprocessor for its share of the level. Four multiply-adds a cycle
  // and warp, one access to shared memory a cycle; a broadcast is one, four floats of
  // every thread are four.
  double estimate(BlockPlan* plan) const {
    const auto rounds = [&](int64_t tasks) {
      return gpu::rounds(tasks, plan->threads);
    };
    const auto product = [&](int64_t pixels, int64_t units, int64_t depth, bool* wide) {
      const int64_t groups = ceil_divide(pixels, 4);
      const double eight = rounds(groups * ceil_divide(units, 8)) * 8.0;
      const double four = rounds(groups * ceil_divide(units, 4)) * 5.0;
      *wide = eight <= four;
      return static_cast<double>(depth) * (*wide ? eight : four);
    };
    const int64_t outputs = int64_t{plan->tile_height} * plan->tile_width;
    const int64_t pixels = int64_t{plan->tile_height + plan->tap_rows - 1} *
                           (plan->tile_width + s_.kernel - 1);
    const int64_t input_chunks = ceil_divide(s_.channels, plan->inputs);
    double cost = 4.0 * rounds(pixels * s_.channels);  // the gather, once
    int64_t weights = s_.channels * int64_t{plan->filters};
    if (s_.hidden) {
      const int64_t chunks = ceil_divide(s_.hidden, plan->hidden);
      const int64_t bands = ceil_divide(s_.kernel, plan->tap_rows);
      if (input_chunks * bands > 1) cost *= static_cast<double>(chunks * bands);
      const double taps = s_.kernel * s_.kernel;
      double chunk = product(pixels, plan->hidden, s_.channels, &plan->wide_expand) *
                     static_cast<double>(bands);
      chunk += rounds(ceil_divide(plan->tile_height, 4) * plan->tile_width *
                      plan->hidden) * taps * 3.0;
      chunk += product(outputs, plan->filters, plan->hidden, &plan->wide_project);
      chunk += kWait * static_cast<double>(2 + 2 * bands * input_chunks);
      cost += static_cast<double>(chunks) * chunk;
      weights = s_.hidden * (s_.channels + s_.kernel * int64_t{s_.kernel} +
                             plan->filters);
    } else {
      cost += product(outputs, plan->filters, s_.channels, &plan->wide_project);
      cost += kWait * static_cast<double>(2 * input_chunks);
    }
    cost += 3.0 * rounds(weights) + 4.0 * rounds(outputs * plan->filters) + kWait * 2.0;
    return total_cycles(device_, cost, blocks(*plan), plan->shared, plan->threads);
  }

 public:
  int64_t blocks(const BlockPlan& plan) const {
    return batch_ * s_.rows * s_.columns *
           ceil_divide(s_.patch_height, plan.tile_height) *
           ceil_divide(s_.patch_width, plan.tile_width) *
           ceil_divide(s_.filters, plan.filters);
  }

 private:
  const BlockSizes s_;
  const int64_t batch_;
  const Device device_;
};

}  // namespace gpu
}  // namespace dpw

#endif  // HYPERSEG_TF_CUDA_BLOCK_PLAN_H_
