// The two gradients of a dynamic convolution on a GPU.
//
// The gradient of the map is made in two steps, so that no two threads add to the same
// place: `TileConv` makes the gradient of each padded patch into the workspace (the
// same convolution with mirrored weights, zeros around the patch), `Fold` adds up, for
// each pixel, all the places that showed it, in a fixed order. The gradient of the
// weights is a sum over the pixels of a patch; where patches are few, parts of it go
// through the workspace and `Reduce` adds them, in a fixed order again.
#ifndef HYPERSEG_TF_CUDA_CONV_GRADIENT_H_
#define HYPERSEG_TF_CUDA_CONV_GRADIENT_H_

#include "cuda/context.h"
#include "cuda/conv_plan.h"

namespace dpw {
namespace gpu {

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

#endif  // HYPERSEG_TF_CUDA_CONV_GRADIENT_H_
