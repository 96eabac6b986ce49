// One dynamic patch-wise convolution on a GPU, and its two gradients.
//
// The gradient of the map is made in two steps, so that no two threads add to the same
// place: `TileConv` makes the gradient of each padded patch into the workspace (the
// same convolution with mirrored weights, zeros around the patch), `Fold` adds up, for
// each pixel, all the places that showed it, in a fixed order. The gradient of the
// weights is a sum over the pixels of a patch; where patches are few, parts of it go
// through the workspace and `Reduce` adds them, in a fixed order again.
#ifndef HYPERSEG_TF_CUDA_CONV_H_
#define HYPERSEG_TF_CUDA_CONV_H_

#include "cuda.h"
#include "cuda_context.h"

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
      int* widest = parts[0];
      for (int* part : parts) {
        if (*part > *widest) widest = part;
      }
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

inline ConvPlan plan_conv(const ConvSizes& s, int64_t batch, const Device& device) {
  ConvPlan best;
  double least = -1.0;
  const int64_t limit = comfortable_shared(device);
  for (int tile_width : {s.out_width, 64, 32, 16}) {
    if (tile_width > s.out_width || tile_width > 64) continue;
    for (int tile_height : {s.out_height, 32, 16, 8, 4, 2, 1}) {
      if (tile_height > s.out_height || tile_height > 32) continue;
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
          plan.wide = plan.groups > 1 || plan.units < 4 ? 1 : plan.units < 8 ? 4 : 8;
          plan.place(s);
          if (plan.shared > limit) continue;
          for (int threads : {64, 128, 256}) {
            plan.threads = threads;
            const double warps = threads / 32.0;
            const auto rounds = [&](int64_t tasks) {
              return static_cast<double>(ceil_divide(tasks, threads)) * warps;
            };
            const int64_t inputs = int64_t{plan.groups} * plan.depth;
            const int64_t taps = int64_t{s.kernel} * s.kernel;
            const int64_t tiles = plan.groups * ceil_divide(plan.units, plan.wide);
            const int64_t tasks =
                ceil_divide(tile_height, 4) * tile_width * tiles;
            double cost = 4.0 * rounds(plan.pixels(s.kernel) * inputs);
            cost += 3.0 * rounds(inputs * plan.units * taps) + 2.0 * kWait;
            cost += rounds(tasks) * static_cast<double>(plan.depth * taps) *
                    (plan.wide == 8 ? 8.0 : 5.0);
            cost *= static_cast<double>(ceil_divide(s.depth, plan.depth));
            cost += 4.0 * rounds(plan.outputs() * plan.groups * plan.units) + kWait;
            cost = total_cycles(device, cost, conv_blocks(s, plan, batch), plan.shared,
                                threads);
            if (least < 0.0 || cost < least) {
              least = cost;
              best = plan;
            }
          }
        }
      }
    }
  }
  if (least >= 0.0) return best;
  ConvPlan plan;
  plan.tile_height = at_most(s.out_height, 4);
  plan.tile_width = at_most(s.out_width, 32);
  plan.tap_rows = s.kernel;
  plan.depth = at_most(s.depth, 16);
  plan.units = at_most(s.units, 16);
  plan.wide = plan.units < 4 ? 1 : plan.units < 8 ? 4 : 8;
  plan.shrink(device.block_shared, [&] { plan.place(s); });
  return plan;
}

// Tiles of a patch are summed in turn by one block, and a large patch by several.
inline ConvPlan plan_weights(const ConvSizes& s, const Device& device) {
  const int64_t every = 48 * 1024;  // all devices cut alike, and sum in the same order
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
  plan.wide = plan.groups > 1 || plan.units < 4 ? 1 : plan.units < 8 ? 4 : 8;
  plan.shrink(device.block_shared < every ? device.block_shared : every,
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

// (B, H, W, groups * depth) -> (B, H, W, groups * units) or, per patch, (N, out_height,
// out_width, groups * units), with float sums.
template <typename T, typename Out, bool kGradient>
struct TileConv {
  const T* x;
  const T* theta;
  Out* output;
  bool padded;  // the output is that of padded patches
  ConvSizes s;
  ConvPlan plan;

  struct Tile {
    int64_t patch, image;
    int patch_y, patch_x;           // in the map
    int row, column, height, width;  // in the patch's output
    int first_group, groups, first_unit, units;
  };

  DPW_DEVICE void operator()(const Context& context) const {
    const Tile tile = find_tile(context.block);
    float* memory = reinterpret_cast<float*>(context.shared);
    const int threads = context.threads;
    for (int i0 = 0; i0 < s.kernel; i0 += plan.tap_rows) {
      const int taps = smaller(plan.tap_rows, s.kernel - i0);
      context.each([&](int thread) {
        locate(thread, threads, tile, i0, taps, memory);
      });
      for (int c0 = 0; c0 < s.depth; c0 += plan.depth) {
        const int depth = smaller(plan.depth, s.depth - c0);
        context.each([&](int thread) {
          gather(thread, threads, tile, taps, c0, depth, memory);
          load(thread, threads, tile, i0, taps, c0, depth, memory);
        });
        const bool first = i0 == 0 && c0 == 0;
        context.each([&](int thread) {
          if (plan.wide == 8) {
            add<8>(thread, threads, tile, i0, taps, depth, first, memory);
          } else if (plan.wide == 4) {
            add<4>(thread, threads, tile, i0, taps, depth, first, memory);
          } else {
            add<1>(thread, threads, tile, i0, taps, depth, first, memory);
          }
        });
      }
    }
    context.each([&](int thread) { write(thread, threads, tile, memory); });
  }

  DPW_DEVICE Tile find_tile(int64_t block) const {
    const int across = (s.out_width + plan.tile_width - 1) / plan.tile_width;
    const int down = (s.out_height + plan.tile_height - 1) / plan.tile_height;
    const int unit_chunks = (s.units + plan.units - 1) / plan.units;
    const int group_chunks = (s.groups + plan.groups - 1) / plan.groups;
    Tile tile;
    tile.first_unit = static_cast<int>(block % unit_chunks) * plan.units;
    block /= unit_chunks;
    tile.first_group = static_cast<int>(block % group_chunks) * plan.groups;
    block /= group_chunks;
    tile.column = static_cast<int>(block % across) * plan.tile_width;
    block /= across;
    tile.row = static_cast<int>(block % down) * plan.tile_height;
    tile.patch = block / down;
    const int64_t patches = static_cast<int64_t>(s.rows) * s.columns;
    tile.image = tile.patch / patches;
    const int cell = static_cast<int>(tile.patch - tile.image * patches);
    tile.patch_y = cell / s.columns * s.patch_height;
    tile.patch_x = cell % s.columns * s.patch_width;
    tile.height = smaller(plan.tile_height, s.out_height - tile.row);
    tile.width = smaller(plan.tile_width, s.out_width - tile.column);
    tile.units = smaller(plan.units, s.units - tile.first_unit);
    tile.groups = smaller(plan.groups, s.groups - tile.first_group);
    return tile;
  }

  // For each pixel that the tile needs: that of the image, -1 for a zero.
  DPW_DEVICE void locate(int thread, int threads, const Tile& tile, int i0, int taps,
                         float* memory) const {
    int* sources = reinterpret_cast<int*>(memory + plan.sources);
    const int width = tile.width + s.kernel - 1, height = tile.height + taps - 1;
    for (int i = thread; i < height * width; i += threads) {
      const int row = i / width, column = i - row * width;
      int y, x;
      if (kGradient) {
        y = tile.row - (s.kernel - 1) + i0 + row;
        x = tile.column - (s.kernel - 1) + column;
        y = y < 0 || y >= s.patch_height ? -1 : tile.patch_y + y;
        x = x < 0 || x >= s.patch_width ? -1 : tile.patch_x + x;
      } else {
        y = inside(tile.patch_y + tile.row - s.halo + i0 + row, s.height, s.padding);
        x = inside(tile.patch_x + tile.column - s.halo + column, s.width, s.padding);
      }
      sources[i] = y < 0 || x < 0 ? -1 : y * s.width + x;
    }
  }

  DPW_DEVICE void gather(int thread, int threads, const Tile& tile, int taps, int c0,
                         int depth, float* memory) const {
    const int* sources = reinterpret_cast<const int*>(memory + plan.sources);
    const int pixels = (tile.height + taps - 1) * (tile.width + s.kernel - 1);
    const int inputs = tile.groups * depth, all = s.groups * s.depth;
    const T* from = x + tile.image * s.height * s.width * all +
                    static_cast<int64_t>(tile.first_group) * s.depth + c0;
    for (int i = thread; i < pixels * inputs; i += threads) {
      const int pixel = i / inputs, c = i - pixel * inputs;
      const int64_t source = sources[pixel];
      memory[c * plan.pixel_stride + pixel] =
          source < 0 ? 0.0f : read(from + source * all + c);
    }
  }

  // Weights in the order (c, tap, unit).
  DPW_DEVICE void load(int thread, int threads, const Tile& tile, int i0, int taps,
                       int c0, int depth, float* memory) const {
    const int every = s.kernel * s.kernel, count = taps * s.kernel;
    const int units = tile.groups * tile.units, line = depth * count;
    const T* from = theta + tile.patch * s.weights;
    for (int i = thread; i < units * line; i += threads) {
      const int unit = i / line, rest = i - unit * line;
      const int c = rest / count, tap = i0 * s.kernel + rest - c * count;
      const int64_t group = tile.first_group + unit / tile.units;
      const int64_t own = tile.first_unit + unit % tile.units, input = c0 + c;
      int64_t place;
      if (kGradient) {
        // Inputs are filters, units their channels, and the kernel is turned around.
        place = ((group * s.depth + input) * s.units + own) * every + every - 1 - tap;
      } else {
        place = ((group * s.units + own) * s.depth + input) * every + tap;
      }
      memory[plan.weights + rest * plan.unit_stride + unit] = read(from + place);
    }
  }

  // Whether a place of a padded patch receives from an output through a tap of the
  // turned kernel. A NaN among the weights must not reach those that do not.
  DPW_DEVICE bool touches(int place, int size) const {
    return !kGradient || (place >= s.kernel - 1 && place < s.kernel - 1 + size);
  }

  // A thread has four pixels of a column, and UNITS units.
  template <int UNITS>
  DPW_DEVICE void add(int thread, int threads, const Tile& tile, int first_tap,
                      int taps, int depth, bool first, float* memory) const {
    constexpr int kRows = 4;
    const int padded_width = tile.width + s.kernel - 1;
    const int groups = (tile.height + kRows - 1) / kRows;
    const int units = tile.groups * tile.units;
    const int lines = groups * ((units + UNITS - 1) / UNITS);
    for (int task = thread; task < lines * tile.width; task += threads) {
      const int line = task / tile.width, column = task - line * tile.width;
      const int unit = line / groups * UNITS, row = (line % groups) * kRows;
      const float* from = memory + column;
      // Only one unit at a time lets several groups stand side by side.
      if (UNITS == 1) from += unit / tile.units * depth * plan.pixel_stride;
      const float* w = memory + plan.weights + unit;
      int rows[kRows];
      float sums[UNITS][kRows];
      for (int r = 0; r < kRows; ++r) {
        // Rows that are not there are computed from the last one and not stored.
        rows[r] = smaller(row + r, tile.height - 1) * padded_width;
        for (int u = 0; u < UNITS; ++u) sums[u][r] = 0.0f;
      }
      for (int c = 0; c < depth; ++c, from += plan.pixel_stride) {
        for (int i = 0; i < taps; ++i) {
          bool reaches[kRows];
          for (int r = 0; r < kRows; ++r) {
            reaches[r] = touches(tile.row + row + r + first_tap + i, s.patch_height);
          }
          for (int j = 0; j < s.kernel; ++j, w += plan.unit_stride) {
            if (!touches(tile.column + column + j, s.patch_width)) continue;
            float values[kRows], factors[UNITS];
            for (int r = 0; r < kRows; ++r) {
              values[r] = from[rows[r] + i * padded_width + j];
            }
            if (UNITS == 1) {
              factors[0] = *w;
            } else {
              for (int u = 0; u + 4 <= UNITS; u += 4) {
                const Four four = load4(w + u);
                for (int v = 0; v < 4; ++v) factors[u + v] = four.at[v];
              }
            }
            for (int r = 0; r < kRows; ++r) {
              if (!reaches[r]) continue;
              for (int u = 0; u < UNITS; ++u) {
                sums[u][r] = multiply_add(values[r], factors[u], sums[u][r]);
              }
            }
          }
        }
      }
      for (int u = 0; u < UNITS; ++u) {
        if (unit + u >= units) break;
        float* to = memory + plan.sums + (unit + u) * plan.output_stride + column;
        for (int r = 0; r < kRows; ++r) {
          if (row + r >= tile.height) break;
          float* place = to + (row + r) * tile.width;
          *place = first ? sums[u][r] : *place + sums[u][r];
        }
      }
    }
  }

  DPW_DEVICE void write(int thread, int threads, const Tile& tile,
                        const float* memory) const {
    const int units = tile.groups * tile.units;
    const int64_t all = static_cast<int64_t>(s.groups) * s.units;
    const int64_t channel =
        static_cast<int64_t>(tile.first_group) * s.units + tile.first_unit;
    for (int i = thread; i < tile.height * tile.width * units; i += threads) {
      const int pixel = i / units, unit = i - pixel * units;
      const int row = pixel / tile.width, column = pixel - row * tile.width;
      int64_t place;
      if (padded) {
        place = (tile.patch * s.out_height + tile.row + row) * s.out_width +
                tile.column + column;
      } else {
        place = (tile.image * s.height + tile.patch_y + tile.row + row) * s.width +
                tile.patch_x + tile.column + column;
      }
      output[place * all + channel + unit] =
          stored<Out>(memory[plan.sums + unit * plan.output_stride + pixel]);
    }
  }
};

// The gradient of the map from those of the padded patches, one value per thread.
template <typename T>
struct Fold {
  const float* patches;  // (N, patch_height + 2 halo, patch_width + 2 halo, channels)
  T* output;             // (B, H, W, channels)
  int64_t count, channels;
  ConvSizes s;  // of the gradient

  static constexpr int kThreads = 256;
  int64_t blocks() const { return ceil_divide(count, kThreads); }

  // The next place, behind `place`, of a padded axis that shows pixel `at`; `end` if
  // there is none. The pixel itself is such a place.
  DPW_DEVICE int next(int place, int at, int size) const {
    const int end = size + s.halo;
    for (++place; place < end; ++place) {
      if (place >= 0 && place < size) {
        if (at > place) place = at;
        if (at == place) return place;
        place = size - 1;
      } else if (inside(place, size, s.padding) == at) {
        return place;
      }
    }
    return end;
  }

  // First and last patch of an axis whose padded patch has this place.
  DPW_DEVICE int first(int place, int size) const {
    const int from = place - s.halo - size + 1;
    return from <= 0 ? 0 : (from + size - 1) / size;
  }
  DPW_DEVICE int last(int place, int size, int count) const {
    return smaller((place + s.halo) / size, count - 1);
  }

  DPW_DEVICE void operator()(const Context& context) const {
    context.each([&](int thread) {
      const int64_t index = context.block * context.threads + thread;
      if (index >= count) return;
      const int64_t pixel = index / channels, channel = index - pixel * channels;
      const int64_t line = pixel / s.width, image = line / s.height;
      const int x = static_cast<int>(pixel - line * s.width);
      const int y = static_cast<int>(line - image * s.height);
      float sum = 0.0f;
      for (int py = next(-s.halo - 1, y, s.height); py < s.height + s.halo;
           py = next(py, y, s.height)) {
        for (int px = next(-s.halo - 1, x, s.width); px < s.width + s.halo;
             px = next(px, x, s.width)) {
          for (int i = first(py, s.patch_height);
               i <= last(py, s.patch_height, s.rows); ++i) {
            for (int j = first(px, s.patch_width);
                 j <= last(px, s.patch_width, s.columns); ++j) {
              const int64_t patch = (image * s.rows + i) * s.columns + j;
              const int64_t row = py - i * s.patch_height + s.halo;
              const int64_t column = px - j * s.patch_width + s.halo;
              sum += read(patches + ((patch * s.out_height + row) * s.out_width +
                                     column) * channels + channel);
            }
          }
        }
      }
      output[index] = stored<T>(sum);
    });
  }
};

// The gradient of the weights: block (split, patch, chunk) adds up its tiles of pixels.
template <typename T, typename Out>
struct WeightsGradient {
  const T* x;
  const T* upstream;
  Out* output;  // (splits, N, weights)
  int64_t patches;
  int splits;
  ConvSizes s;  // of the forward convolution
  ConvPlan plan;

  struct Work {
    int64_t patch, image;
    int split, patch_y, patch_x;
    int first_group, groups, first_unit, units, first_depth, depth, first_tap, taps;
  };

  struct Tile {
    int row, column, height, width;
  };

  DPW_DEVICE void operator()(const Context& context) const {
    const Work work = find_work(context.block);
    float* memory = reinterpret_cast<float*>(context.shared);
    const int threads = context.threads;
    const int across = (s.patch_width + plan.tile_width - 1) / plan.tile_width;
    const int down = (s.patch_height + plan.tile_height - 1) / plan.tile_height;
    const int64_t tiles = static_cast<int64_t>(across) * down;
    const int begin = static_cast<int>(tiles * work.split / splits);
    const int end = static_cast<int>(tiles * (work.split + 1) / splits);
    for (int index = begin; index < end; ++index) {
      Tile tile;
      tile.row = index / across * plan.tile_height;
      tile.column = index % across * plan.tile_width;
      tile.height = smaller(plan.tile_height, s.patch_height - tile.row);
      tile.width = smaller(plan.tile_width, s.patch_width - tile.column);
      context.each([&](int thread) { locate(thread, threads, work, tile, memory); });
      context.each([&](int thread) {
        gather(thread, threads, work, tile, memory);
        gather_upstream(thread, threads, work, tile, memory);
      });
      const bool first = index == begin;
      context.each([&](int thread) {
        if (plan.wide == 8) add<8>(thread, threads, work, tile, first, memory);
        else if (plan.wide == 4) add<4>(thread, threads, work, tile, first, memory);
        else add<1>(thread, threads, work, tile, first, memory);
      });
    }
    context.each([&](int thread) { write(thread, threads, work, memory); });
  }

  DPW_DEVICE Work find_work(int64_t block) const {
    const int unit_chunks = (s.units + plan.units - 1) / plan.units;
    const int group_chunks = (s.groups + plan.groups - 1) / plan.groups;
    const int depth_chunks = (s.depth + plan.depth - 1) / plan.depth;
    const int bands = (s.kernel + plan.tap_rows - 1) / plan.tap_rows;
    Work work;
    work.first_unit = static_cast<int>(block % unit_chunks) * plan.units;
    block /= unit_chunks;
    work.first_group = static_cast<int>(block % group_chunks) * plan.groups;
    block /= group_chunks;
    work.first_depth = static_cast<int>(block % depth_chunks) * plan.depth;
    block /= depth_chunks;
    work.first_tap = static_cast<int>(block % bands) * plan.tap_rows;
    block /= bands;
    work.split = static_cast<int>(block % splits);
    work.patch = block / splits;
    const int64_t each = static_cast<int64_t>(s.rows) * s.columns;
    work.image = work.patch / each;
    const int cell = static_cast<int>(work.patch - work.image * each);
    work.patch_y = cell / s.columns * s.patch_height;
    work.patch_x = cell % s.columns * s.patch_width;
    work.units = smaller(plan.units, s.units - work.first_unit);
    work.groups = smaller(plan.groups, s.groups - work.first_group);
    work.depth = smaller(plan.depth, s.depth - work.first_depth);
    work.taps = smaller(plan.tap_rows, s.kernel - work.first_tap);
    return work;
  }

  DPW_DEVICE void locate(int thread, int threads, const Work& work, const Tile& tile,
                         float* memory) const {
    int* sources = reinterpret_cast<int*>(memory + plan.sources);
    const int width = tile.width + s.kernel - 1, height = tile.height + work.taps - 1;
    for (int i = thread; i < height * width; i += threads) {
      const int row = i / width;
      const int y = inside(work.patch_y + tile.row - s.halo + work.first_tap + row,
                           s.height, s.padding);
      const int x = inside(work.patch_x + tile.column - s.halo + i - row * width,
                           s.width, s.padding);
      sources[i] = y < 0 || x < 0 ? -1 : y * s.width + x;
    }
  }

  DPW_DEVICE void gather(int thread, int threads, const Work& work, const Tile& tile,
                         float* memory) const {
    const int* sources = reinterpret_cast<const int*>(memory + plan.sources);
    const int pixels = (tile.height + work.taps - 1) * (tile.width + s.kernel - 1);
    const int inputs = work.groups * work.depth, all = s.groups * s.depth;
    const T* from = x + work.image * s.height * s.width * all +
                    static_cast<int64_t>(work.first_group) * s.depth + work.first_depth;
    for (int i = thread; i < pixels * inputs; i += threads) {
      const int pixel = i / inputs, c = i - pixel * inputs;
      const int64_t source = sources[pixel];
      memory[c * plan.pixel_stride + pixel] =
          source < 0 ? 0.0f : read(from + source * all + c);
    }
  }

  // (pixel, unit): a thread reads several units of a pixel.
  DPW_DEVICE void gather_upstream(int thread, int threads, const Work& work,
                                  const Tile& tile, float* memory) const {
    const int units = work.groups * work.units;
    const int64_t all = static_cast<int64_t>(s.groups) * s.units;
    const T* from = upstream + static_cast<int64_t>(work.first_group) * s.units +
                    work.first_unit;
    for (int i = thread; i < tile.height * tile.width * units; i += threads) {
      const int pixel = i / units, unit = i - pixel * units;
      const int row = pixel / tile.width;
      const int64_t y = work.patch_y + tile.row + row;
      const int64_t x = work.patch_x + tile.column + pixel - row * tile.width;
      memory[plan.weights + pixel * plan.unit_stride + unit] =
          read(from + ((work.image * s.height + y) * s.width + x) * all + unit);
    }
  }

  // A thread has one weight of UNITS units: sums over the pixels of the tile.
  template <int UNITS>
  DPW_DEVICE void add(int thread, int threads, const Work& work, const Tile& tile,
                      bool first, float* memory) const {
    const int padded_width = tile.width + s.kernel - 1, count = work.taps * s.kernel;
    const int units = work.groups * work.units, line = work.depth * count;
    const int tiles = (units + UNITS - 1) / UNITS;
    for (int task = thread; task < tiles * line; task += threads) {
      const int unit = task / line * UNITS, weight = task % line;
      const int c = weight / count, tap = weight - c * count;
      const int channel = UNITS == 1 ? unit / work.units * work.depth + c : c;
      const float* from = memory + channel * plan.pixel_stride +
                          tap / s.kernel * padded_width + tap % s.kernel;
      const float* up = memory + plan.weights + unit;
      float sums[UNITS];
      for (int u = 0; u < UNITS; ++u) sums[u] = 0.0f;
      for (int row = 0; row < tile.height; ++row, from += padded_width) {
        for (int column = 0; column < tile.width; ++column, up += plan.unit_stride) {
          const float value = from[column];
          if (UNITS == 1) {
            sums[0] = multiply_add(value, *up, sums[0]);
          } else {
            for (int u = 0; u + 4 <= UNITS; u += 4) {
              const Four four = load4(up + u);
              for (int v = 0; v < 4; ++v) {
                sums[u + v] = multiply_add(value, four.at[v], sums[u + v]);
              }
            }
          }
        }
      }
      for (int u = 0; u < UNITS; ++u) {
        if (unit + u >= units) break;
        float* place = memory + plan.sums + (unit + u) * line + weight;
        *place = first ? sums[u] : *place + sums[u];
      }
    }
  }

  DPW_DEVICE void write(int thread, int threads, const Work& work,
                        const float* memory) const {
    const int every = s.kernel * s.kernel, count = work.taps * s.kernel;
    const int units = work.groups * work.units, line = work.depth * count;
    Out* to = output + (work.split * patches + work.patch) * s.weights;
    for (int i = thread; i < units * line; i += threads) {
      const int unit = i / line, weight = i - unit * line;
      const int c = weight / count, tap = weight - c * count;
      const int64_t group = work.first_group + unit / work.units;
      const int64_t filter = group * s.units + work.first_unit + unit % work.units;
      to[(filter * s.depth + work.first_depth + c) * every +
         work.first_tap * s.kernel + tap] = stored<Out>(memory[plan.sums + i]);
    }
  }
};

// Adds up the splits, first to last.
template <typename T>
struct Reduce {
  const float* parts;  // (splits, count)
  T* output;
  int64_t count;
  int splits;

  static constexpr int kThreads = 256;
  int64_t blocks() const { return ceil_divide(count, kThreads); }

  DPW_DEVICE void operator()(const Context& context) const {
    context.each([&](int thread) {
      const int64_t index = context.block * context.threads + thread;
      if (index >= count) return;
      float sum = 0.0f;
      for (int i = 0; i < splits; ++i) sum += read(parts + i * count + index);
      output[index] = stored<T>(sum);
    });
  }
};

}  // namespace gpu
}  // namespace dpw

#endif  // HYPERSEG_TF_CUDA_CONV_H_
