// One dynamic patch-wise convolution on a GPU; with `kGradient`, turned around, that of
// the gradient of the map, see conv_gradient.h.
#ifndef HYPERSEG_TF_CUDA_CONV_H_
#define HYPERSEG_TF_CUDA_CONV_H_

#include "cuda/context.h"
#include "cuda/conv_plan.h"

namespace dpw {
namespace gpu {

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

}  // namespace gpu
}  // namespace dpw

#endif  // HYPERSEG_TF_CUDA_CONV_H_
