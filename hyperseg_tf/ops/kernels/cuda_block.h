// The fused inference block on a GPU: signal -> weights -> pw1, dw, pw2 of one level.
//
// Two kernels. `Generate` makes the weights of all patches, a matrix product, into the
// workspace: every weight is then read by all tiles of its patch from the L2 cache.
// `BlockForward` computes one tile of one patch per block, some hidden channels at a
// time: the depthwise convolution works on each channel alone, so hidden values exist
// only in shared memory, a few channels of them. Pixels are the fastest axis there.
//
// A tiling that fits always exists: every axis can be cut, down to single channels,
// pixels and rows of the depthwise kernel.
#ifndef HYPERSEG_TF_CUDA_BLOCK_H_
#define HYPERSEG_TF_CUDA_BLOCK_H_

#include "cuda.h"
#include "cuda_context.h"
#include "cuda_tile.h"

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
    BlockPlan best;
    double least = -1.0;
    const int64_t limit = comfortable_shared(device_);
    for (int tile_width : {s_.patch_width, 64, 32, 16}) {
      if (tile_width > s_.patch_width || tile_width > 64) continue;
      for (int tile_height : {s_.patch_height, 32, 16, 8, 4, 2, 1}) {
        if (tile_height > s_.patch_height || tile_height > 32) continue;
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
              plan.hidden = s_.hidden ? channels < all ? channels : all : 0;
              plan.filters = s_.filters < 64 ? s_.filters : 64;
              if (!s_.hidden) plan.filters = channels < all ? channels : all;
              plan.threads = threads;
              plan.place(s_);
              if (plan.shared > limit) continue;
              const double cost = estimate(&plan);
              if (least < 0.0 || cost < least) {
                least = cost;
                best = plan;
              }
            }
          }
        }
      }
    }
    return least < 0.0 ? shrink() : best;
  }

 private:
  // Halves what takes most until it fits.
  BlockPlan shrink() const {
    BlockPlan plan;
    plan.tile_height = s_.patch_height < 4 ? s_.patch_height : 4;
    plan.tile_width = s_.patch_width < 32 ? s_.patch_width : 32;
    plan.tap_rows = s_.kernel;
    plan.inputs = s_.channels < 32 ? s_.channels : 32;
    plan.hidden = s_.hidden < 8 ? s_.hidden : 8;
    plan.filters = s_.filters < 32 ? s_.filters : 32;
    for (plan.place(s_); plan.shared > device_.block_shared; plan.place(s_)) {
      int* parts[] = {&plan.inputs,     &plan.filters,     &plan.tap_rows,
                      &plan.tile_width, &plan.tile_height, &plan.hidden};
      int* widest = parts[0];
      for (int* part : parts) {
        if (*part > *widest) widest = part;
      }
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
    const double warps = plan->threads / 32.0;
    const auto rounds = [&](int64_t tasks) {
      return static_cast<double>(ceil_divide(tasks, plan->threads)) * warps;
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

// The weights that a level reads of each patch: (patches, weights), natural order.
template <typename T>
struct Generate {
  static constexpr int kPatches = 16, kUnits = 128;

  const T* signal;  // (patches, signal_channels)
  const T* head;    // (depth, units)
  float* theta;     // (patches, weights)
  int64_t patches, signal_channels, offset, units, start, weights;
  int depth, width;      // of one group
  int span, depth_step;  // groups that a block may touch; rows of them at a time

  Generate(const BlockShape& s, const BlockPointers<T>& p, float* theta)
      : signal(p.signal),
        head(p.head),
        theta(theta),
        patches(s.batch * s.rows * s.columns),
        signal_channels(s.signal_channels),
        offset(s.offset),
        units(s.units),
        start(s.start),
        weights(s.weights()),
        depth(static_cast<int>(s.depth)),
        width(static_cast<int>(s.units / s.groups)) {
    const int64_t most = (kUnits - 2) / width + 2;
    span = static_cast<int>(most < s.groups ? most : s.groups);
    const int step = 24 * 1024 / 4 / kPatches / span;
    depth_step = step < 1 ? 1 : step < depth ? step : depth;
  }

  int64_t blocks() const {
    return ceil_divide(weights, kUnits) * ceil_divide(patches, kPatches);
  }
  int64_t shared() const { return int64_t{span} * depth_step * kPatches * 4; }

  struct Sums {
    float at[kPatches];
  };

  DPW_DEVICE void operator()(const Context& context) const {
    const int64_t tiles = (weights + kUnits - 1) / kUnits;
    const int64_t first_patch = context.block / tiles * kPatches;
    const int64_t first_unit = context.block % tiles * kUnits + start;
    const int64_t left = start + weights - first_unit;
    const int count = left < kUnits ? static_cast<int>(left) : kUnits;
    const int64_t first_group = first_unit / width;
    const int groups =
        static_cast<int>((first_unit + count - 1) / width - first_group) + 1;
    float* slices = reinterpret_cast<float*>(context.shared);
    PerThread<Sums> sums;
    for (int d0 = 0; d0 < depth; d0 += depth_step) {
      const int step = smaller(depth_step, depth - d0);
      context.each([&](int thread) {
        // (patch, group, row) -> rows of patches; a patch that is not there is 0.
        const int size = groups * step;
        for (int i = thread; i < size * kPatches; i += context.threads) {
          const int n = i / size, row = i - n * size;
          const int64_t channel = (first_group + row / step) * depth + d0 + row % step;
          const int64_t patch = first_patch + n;
          const T* from = signal + patch * signal_channels + offset + channel;
          slices[row * kPatches + n] = patch < patches ? read(from) : 0.0f;
        }
        if (d0 == 0) {
          for (int n = 0; n < kPatches; ++n) sums.of(thread).at[n] = 0.0f;
        }
      });
      context.each([&](int thread) {
        if (thread >= count) return;
        const int64_t unit = first_unit + thread;
        const float* slice = slices + (unit / width - first_group) * step * kPatches;
        const T* column = head + d0 * units + unit;
        Sums& own = sums.of(thread);
        for (int d = 0; d < step; ++d, column += units, slice += kPatches) {
          const float factor = read(column);
          for (int n = 0; n < kPatches; n += 4) {
            const Four four = load4(slice + n);
            for (int i = 0; i < 4; ++i) {
              own.at[n + i] = multiply_add(four.at[i], factor, own.at[n + i]);
            }
          }
        }
      });
    }
    context.each([&](int thread) {
      if (thread >= count) return;
      for (int n = 0; n < kPatches; ++n) {
        if (first_patch + n >= patches) break;
        theta[(first_patch + n) * weights + first_unit - start + thread] =
            sums.of(thread).at[n];
      }
    });
  }
};

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
