// The fused inference block on a GPU: signal -> weights -> pw1, dw, pw2 of one level.
//
// Two kernels. `Generate` (generate.h) makes the weights of all patches, a matrix
// product, into the workspace: every weight is then read by all tiles of its patch from
// the L2 cache. `BlockForward` computes one tile of one patch per block, some hidden
// channels at a time: the depthwise convolution works on each channel alone, so hidden
// values exist only in shared memory, a few channels of them. Pixels are the fastest axis
// there.
#ifndef HYPERSEG_TF_CUDA_BLOCK_H_
#define HYPERSEG_TF_CUDA_BLOCK_H_

#include "cuda/block_plan.h"
#include "cuda/context.h"
#include "cuda/tile.h"
#include "pointers.h"

namespace dpw {
namespace gpu {

// W is float for generated weights, T where the signal is the weights.
template <typename T, typename W>
struct BlockForward {
  BlockPointers<T> p;
  const W* theta;  // of patch 0
  int64_t theta_stride;
  BlockSizes s;
  BlockPlan plan;

  // One tile: output pixels [y, y + height) x [x, x + width) of the map.
  struct Tile {
    int64_t image;
    int y, x, height, width;
    int first_filter, filters;
    const W* theta;
    int64_t first_theta;  // patch 0 of this image
    int patch_y, patch_x;
  };

  // The pixels that some rows of the depthwise kernel need of a tile: from (y, x) of
  // the map on, which may lie outside; `own` of them, a rectangle, in the own patch.
  struct Region {
    int y, x, height, width, pixels;
    int top, bottom, left, right;

    DPW_DEVICE bool owns(int row, int column) const {
      return row >= top && row < bottom && column >= left && column < right;
    }
  };

  DPW_DEVICE void operator()(const Context& context) const {
    const Tile tile = find_tile(context.block);
    float* memory = reinterpret_cast<float*>(context.shared);
    if (s.hidden) residual_tile(context, tile, memory);
    else pointwise_tile(context, tile, memory);
    context.each([&](int thread) { write(thread, context.threads, tile, memory); });
  }

  DPW_DEVICE Tile find_tile(int64_t block) const {
    const int across = (s.patch_width + plan.tile_width - 1) / plan.tile_width;
    const int down = (s.patch_height + plan.tile_height - 1) / plan.tile_height;
    const int chunks = (s.filters + plan.filters - 1) / plan.filters;
    Tile tile;
    tile.first_filter = static_cast<int>(block % chunks) * plan.filters;
    block /= chunks;
    const int column = static_cast<int>(block % across) * plan.tile_width;
    block /= across;
    const int row = static_cast<int>(block % down) * plan.tile_height;
    const int64_t patch = block / down;
    const int64_t patches = static_cast<int64_t>(s.rows) * s.columns;
    tile.image = patch / patches;
    const int cell = static_cast<int>(patch - tile.image * patches);
    tile.patch_y = cell / s.columns * s.patch_height;
    tile.patch_x = cell % s.columns * s.patch_width;
    tile.y = tile.patch_y + row;
    tile.x = tile.patch_x + column;
    tile.height = smaller(plan.tile_height, s.patch_height - row);
    tile.width = smaller(plan.tile_width, s.patch_width - column);
    tile.filters = smaller(plan.filters, s.filters - tile.first_filter);
    tile.theta = theta + patch * theta_stride;
    tile.first_theta = tile.image * patches;
    return tile;
  }

  DPW_DEVICE Region find_region(const Tile& tile, int first_tap, int taps) const {
    Region region;
    region.y = tile.y - s.halo + first_tap;
    region.x = tile.x - s.halo;
    region.height = tile.height + taps - 1;
    region.width = tile.width + s.kernel - 1;
    region.pixels = region.height * region.width;
    region.top = smaller(larger(tile.patch_y - region.y, 0), region.height);
    region.bottom =
        larger(smaller(tile.patch_y + s.patch_height - region.y, region.height),
               region.top);
    region.left = smaller(larger(tile.patch_x - region.x, 0), region.width);
    region.right = larger(
        smaller(tile.patch_x + s.patch_width - region.x, region.width), region.left);
    return region;
  }

  DPW_DEVICE void residual_tile(const Context& context, const Tile& tile,
                                float* memory) const {
    const int threads = context.threads;
    // The input stays for all hidden channels where it fits as a whole.
    const bool stays = plan.inputs >= s.channels && plan.tap_rows >= s.kernel;
    for (int h0 = 0; h0 < s.hidden; h0 += plan.hidden) {
      const int hidden = smaller(plan.hidden, s.hidden - h0);
      for (int i0 = 0; i0 < s.kernel; i0 += plan.tap_rows) {
        const int taps = smaller(plan.tap_rows, s.kernel - i0);
        const Region region = find_region(tile, i0, taps);
        const bool gathers = !stays || h0 == 0;
        if (gathers) {
          context.each([&](int thread) { locate(thread, threads, region, memory); });
        }
        for (int c0 = 0; c0 < s.channels; c0 += plan.inputs) {
          const int inputs = smaller(plan.inputs, s.channels - c0);
          const bool first = c0 == 0, last = c0 + inputs == s.channels;
          context.each([&](int thread) {
            if (gathers) gather(thread, threads, tile, region, c0, inputs, memory);
            load_expand(thread, threads, tile, h0, hidden, c0, inputs, memory);
            if (first) {
              load_depthwise(thread, threads, tile, h0, hidden, i0, taps, memory);
            }
            if (first && i0 == 0) {
              load_project(thread, threads, tile,
                           static_cast<int64_t>(s.hidden) *
                               (s.channels + s.kernel * s.kernel),
                           s.hidden, h0, hidden, memory);
            }
          });
          context.each([&](int thread) {
            expand(thread, threads, region, h0, hidden, inputs, first, last, memory);
            if (s.neighbour) {
              expand_halo(thread, threads, tile, region, h0, hidden, c0, inputs, first,
                          last, memory);
            }
          });
        }
        context.each([&](int thread) {
          depthwise(thread, threads, tile, h0, hidden, taps, i0 == 0,
                    i0 + taps == s.kernel, memory);
        });
      }
      context.each([&](int thread) {
        project(thread, threads, tile, memory + plan.filtered, plan.output_stride,
                hidden, h0 == 0, memory);
      });
    }
  }

  DPW_DEVICE void pointwise_tile(const Context& context, const Tile& tile,
                                 float* memory) const {
    const int threads = context.threads;
    const Region region = find_region(tile, 0, 1);
    context.each([&](int thread) { locate(thread, threads, region, memory); });
    for (int c0 = 0; c0 < s.channels; c0 += plan.inputs) {
      const int inputs = smaller(plan.inputs, s.channels - c0);
      context.each([&](int thread) {
        gather(thread, threads, tile, region, c0, inputs, memory);
        load_project(thread, threads, tile, 0, s.channels, c0, inputs, memory);
      });
      context.each([&](int thread) {
        project(thread, threads, tile, memory, plan.pixel_stride, inputs, c0 == 0,
                memory);
      });
    }
  }

  // For each pixel of a region: the pixel of the image that it shows, -1 for a zero,
  // and the patch that this one belongs to.
  DPW_DEVICE void locate(int thread, int threads, const Region& region,
                         float* memory) const {
    int* sources = reinterpret_cast<int*>(memory + plan.sources);
    int* owners = reinterpret_cast<int*>(memory + plan.owners);
    for (int i = thread; i < region.pixels; i += threads) {
      const int row = i / region.width;
      const int y = inside(region.y + row, s.height, s.padding);
      const int x = inside(region.x + i - row * region.width, s.width, s.padding);
      const bool zero = y < 0 || x < 0;
      sources[i] = zero ? -1 : y * s.width + x;
      if (s.neighbour) {
        owners[i] = zero ? 0 : y / s.patch_height * s.columns + x / s.patch_width;
      }
    }
  }

  DPW_DEVICE float coordinate(int place, int size) const {
    const float last = static_cast<float>(size) - 1.0f;
    const float value =
        (2.0f * static_cast<float>(place) - last) / (last > 1.0f ? last : 1.0f);
    const T rounded = stored<T>(value);
    return value_of(rounded);
  }

  // Channel c of the previous output, upsampled to pixel (y, x).
  DPW_DEVICE float upsampled(int64_t image, int y, int x, int c) const {
    const int height = s.height / 2, width = s.width / 2;
    const int64_t near_y = y / 2, near_x = x / 2;
    const int64_t far_y = y % 2 ? smaller(y / 2 + 1, height - 1) : larger(y / 2 - 1, 0);
    const int64_t far_x = x % 2 ? smaller(x / 2 + 1, width - 1) : larger(x / 2 - 1, 0);
    const T* map = p.previous + image * height * width * s.previous + c;
    const auto at = [&](int64_t row, int64_t column) {
      return read(map + (row * width + column) * s.previous);
    };
    const float first = 0.75f * at(near_y, near_x) + 0.25f * at(far_y, near_x);
    const float second = 0.75f * at(near_y, far_x) + 0.25f * at(far_y, far_x);
    return 0.75f * first + 0.25f * second;
  }

  // Channel c of the fused input at a pixel of the image.
  DPW_DEVICE float fused(int64_t image, int y, int x, int c) const {
    if (c < s.coordinates) return c ? coordinate(y, s.height) : coordinate(x, s.width);
    c -= s.coordinates;
    if (c < s.feature) {
      return read(p.feature + ((image * s.height + y) * s.width + x) * s.feature + c);
    }
    return upsampled(image, y, x, c - s.feature);
  }

  // Input channels [c0, c0 + inputs) of a region. One loop per part of the fused input:
  // the threads of a warp then do the same, and read neighbouring channels.
  DPW_DEVICE void gather(int thread, int threads, const Tile& tile,
                         const Region& region, int c0, int inputs,
                         float* memory) const {
    const int* sources = reinterpret_cast<const int*>(memory + plan.sources);
    const int end = c0 + inputs;
    if (c0 < s.coordinates) {
      const int last = smaller(end, s.coordinates);
      for (int i = thread; i < region.pixels; i += threads) {
        const int source = sources[i], y = source / s.width;
        for (int c = c0; c < last; ++c) {
          memory[(c - c0) * plan.pixel_stride + i] =
              source < 0 ? 0.0f : fused(tile.image, y, source - y * s.width, c);
        }
      }
    }
    const int64_t first = tile.image * s.height * s.width;
    const int feature0 = larger(c0, s.coordinates);
    const int feature1 = smaller(end, s.coordinates + s.feature);
    const int features = feature1 - feature0;
    if (features > 0) {
      for (int i = thread; i < region.pixels * features; i += threads) {
        const int pixel = i / features, c = feature0 + i - pixel * features;
        const int source = sources[pixel];
        memory[(c - c0) * plan.pixel_stride + pixel] =
            source < 0
                ? 0.0f
                : read(p.feature + (first + source) * s.feature + c - s.coordinates);
      }
    }
    const int previous0 = larger(c0, s.coordinates + s.feature);
    const int previous = end - previous0;
    if (previous > 0) {
      for (int i = thread; i < region.pixels * previous; i += threads) {
        const int pixel = i / previous, c = previous0 + i - pixel * previous;
        const int source = sources[pixel], y = source / s.width;
        memory[(c - c0) * plan.pixel_stride + pixel] =
            source < 0 ? 0.0f
                       : upsampled(tile.image, y, source - y * s.width,
                                   c - s.coordinates - s.feature);
      }
    }
  }

  DPW_DEVICE void load_expand(int thread, int threads, const Tile& tile, int h0,
                              int hidden, int c0, int inputs, float* memory) const {
    const W* from = tile.theta + static_cast<int64_t>(h0) * s.channels + c0;
    float* to = memory + plan.expand_weights;
    for (int i = thread; i < hidden * inputs; i += threads) {
      const int h = i / inputs, c = i - h * inputs;
      to[c * plan.expand_stride + h] =
          read(from + static_cast<int64_t>(h) * s.channels + c);
    }
  }

  DPW_DEVICE void load_depthwise(int thread, int threads, const Tile& tile, int h0,
                                 int hidden, int i0, int taps, float* memory) const {
    const int count = taps * s.kernel, all = s.kernel * s.kernel;
    const W* from = tile.theta + static_cast<int64_t>(s.hidden) * s.channels +
                    static_cast<int64_t>(h0) * all + i0 * s.kernel;
    float* to = memory + plan.depthwise_weights;
    for (int i = thread; i < hidden * count; i += threads) {
      const int h = i / count;
      to[i] = read(from + static_cast<int64_t>(h) * all + i - h * count);
    }
  }

  // Columns [k0, k0 + depth) of the matrix (filters, columns) that starts at `place` of
  // the weights.
  DPW_DEVICE void load_project(int thread, int threads, const Tile& tile, int64_t place,
                               int columns, int k0, int depth, float* memory) const {
    const W* from =
        tile.theta + place + static_cast<int64_t>(tile.first_filter) * columns + k0;
    float* to = memory + plan.project_weights;
    for (int i = thread; i < tile.filters * depth; i += threads) {
      const int f = i / depth, k = i - f * depth;
      to[k * plan.project_stride + f] =
          read(from + static_cast<int64_t>(f) * columns + k);
    }
  }

  DPW_DEVICE float shift(const T* from, int i) const {
    return from ? read(from + i) : 0.0f;
  }

  DPW_DEVICE void expand(int thread, int threads, const Region& region, int h0,
                         int hidden, int inputs, bool first, bool last,
                         float* memory) const {
    float* values = memory + plan.hidden_values;
    const auto put = [&](int h, int pixel, const float* sums) {
      float* to = values + h * plan.pixel_stride + pixel;
      const float start = first ? shift(p.shift1, h0 + h) : 0.0f;
      float result[4];
      for (int i = 0; i < 4; ++i) {
        if (s.neighbour) {
          const int row = (pixel + i) / region.width;
          const int column = pixel + i - row * region.width;
          // The halo is expand_halo's.
          if (!region.owns(row, column)) continue;
        }
        const float value = sums[i] + (first ? start : to[i]);
        result[i] = last ? relu6(value) : value;
        if (s.neighbour) to[i] = result[i];
      }
      if (!s.neighbour) store4(to, result);
    };
    multiply(plan.wide_expand, thread, threads, region.pixels, hidden, inputs, memory,
             plan.pixel_stride, memory + plan.expand_weights, plan.expand_stride, put);
  }

  // Pixels of a region outside of the own patch go through their owner's weights,
  // straight from global memory: they are few, and their owners up to eight.
  DPW_DEVICE void expand_halo(int thread, int threads, const Tile& tile,
                              const Region& region, int h0, int hidden, int c0,
                              int inputs, bool first, bool last, float* memory) const {
    const int* sources = reinterpret_cast<const int*>(memory + plan.sources);
    const int* owners = reinterpret_cast<const int*>(memory + plan.owners);
    const int above = region.top * region.width;
    const int sides = region.width - (region.right - region.left);
    const int beside = (region.bottom - region.top) * sides;
    const int below = (region.height - region.bottom) * region.width;
    const int count = above + beside + below;
    if (!count) return;
    for (int i = thread; i < hidden * count; i += threads) {
      const int h = i / count, place = i - h * count;
      int pixel = place;
      if (place >= above + beside) {
        pixel = place - above - beside + region.bottom * region.width;
      } else if (place >= above) {
        const int row = (place - above) / sides;
        const int side = place - above - row * sides;
        pixel = (region.top + row) * region.width + side +
                (side < region.left ? 0 : region.right - region.left);
      }
      float* to = memory + plan.hidden_values + h * plan.pixel_stride + pixel;
      if (sources[pixel] < 0) {
        *to = 0.0f;  // outside of the map
        continue;
      }
      const W* weights = theta + (tile.first_theta + owners[pixel]) * theta_stride +
                         static_cast<int64_t>(h0 + h) * s.channels + c0;
      float sum = first ? shift(p.shift1, h0 + h) : *to;
      for (int c = 0; c < inputs; ++c) {
        const float value = memory[c * plan.pixel_stride + pixel];
        sum = multiply_add(value, read(weights + c), sum);
      }
      *to = last ? relu6(sum) : sum;
    }
  }

  DPW_DEVICE void depthwise(int thread, int threads, const Tile& tile, int h0,
                            int hidden, int taps, bool first, bool last,
                            float* memory) const {
    const auto put = [&](int h, int row, int column, float sum) {
      float* to = memory + plan.filtered + h * plan.output_stride + row * tile.width +
                  column;
      const float value = sum + (first ? shift(p.shift2, h0 + h) : *to);
      *to = last ? relu6(value) : value;
    };
    const float* values = memory + plan.hidden_values;
    const float* weights = memory + plan.depthwise_weights;
    if (s.kernel == 3 && taps == 3 && tile.height > 4) {
      depthwise3<8>(thread, threads, tile.height, tile.width, hidden, values,
                    plan.pixel_stride, weights, put);
    } else if (s.kernel == 3 && taps == 3) {
      depthwise3<4>(thread, threads, tile.height, tile.width, hidden, values,
                    plan.pixel_stride, weights, put);
    } else {
      depthwise_any(thread, threads, tile.height, tile.width, hidden, s.kernel, taps,
                    values, plan.pixel_stride, weights, put);
    }
  }

  // Adds x (depth, pixels) times the weights to the sums of the tile.
  DPW_DEVICE void project(int thread, int threads, const Tile& tile, const float* x,
                          int x_stride, int depth, bool first, float* memory) const {
    const auto put = [&](int f, int pixel, const float* sums) {
      float* to = memory + plan.sums + f * plan.output_stride + pixel;
      float result[4];
      for (int i = 0; i < 4; ++i) result[i] = first ? sums[i] : sums[i] + to[i];
      store4(to, result);
    };
    multiply(plan.wide_project, thread, threads, tile.height * tile.width, tile.filters,
             depth, x, x_stride, memory + plan.project_weights, plan.project_stride,
             put);
  }

  DPW_DEVICE void write(int thread, int threads, const Tile& tile,
                        const float* memory) const {
    for (int i = thread; i < tile.height * tile.width * tile.filters; i += threads) {
      const int pixel = i / tile.filters, own = i - pixel * tile.filters;
      const int row = pixel / tile.width, f = tile.first_filter + own;
      const int y = tile.y + row, x = tile.x + pixel - row * tile.width;
      float value =
          memory[plan.sums + own * plan.output_stride + pixel] + shift(p.shift3, f);
      if (!s.hidden) value = relu(value);
      if (s.residual) value += fused(tile.image, y, x, f);
      p.output[((tile.image * s.height + y) * s.width + x) * s.filters + f] =
          stored<T>(value);
    }
  }
};

}  // namespace gpu
}  // namespace dpw

#endif  // HYPERSEG_TF_CUDA_BLOCK_H_
