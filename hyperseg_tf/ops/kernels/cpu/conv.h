// One dynamic patch-wise convolution, and its two gradients.
//
// A row of a patch is copied into columns (im2col) and multiplied by the weights in the
// order in which vectors read them; depthwise convolutions skip the copy.
#ifndef HYPERSEG_TF_CPU_CONV_H_
#define HYPERSEG_TF_CPU_CONV_H_

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/depthwise.h"
#include "cpu/kernels.h"
#include "cpu/scratch.h"
#include "cpu/simd.h"

// The fuzzer makes it small, to have the parts of a row without a wide row.
#ifndef DPW_COLUMN_FLOATS
#define DPW_COLUMN_FLOATS (64 * 1024)
#endif

namespace dpw {
namespace DPW_ISA {

template <typename T>
class Conv {
 public:
  Conv(const ConvShape& shape, const ConvPointers<T>& pointers)
      : s_(shape),
        p_(pointers),
        depth_(shape.depth()),
        group_filters_(shape.filters / shape.groups),
        taps_(shape.kernel * shape.kernel),
        patch_height_(shape.patch_height()),
        patch_width_(shape.patch_width()),
        padded_height_(shape.patch_height() + 2 * shape.halo()),
        padded_width_(shape.patch_width() + 2 * shape.halo()),
        depthwise_(depth_ == 1 && group_filters_ == 1) {}

  void run(int64_t begin, int64_t end) const {
    if (depthwise_) return run_depthwise(begin, end);
    const int64_t lanes = padded_lanes(group_filters_), inner = taps_ * depth_;
    const int64_t most = at_once(patch_width_, inner);
    Scratch scratch(Scratch::round(padded_height_ * padded_width_ * s_.channels) +
                    Scratch::round(s_.groups * inner * lanes) +
                    Scratch::round(most * inner) + Scratch::round(most * lanes));
    float* input = scratch.take(padded_height_ * padded_width_ * s_.channels);
    float* weights = scratch.take(s_.groups * inner * lanes);
    float* columns = scratch.take(most * inner);
    float* outputs = scratch.take(most * lanes);
    for (int64_t patch = begin; patch < end; ++patch) {
      const Place at = place(patch);
      gather_input(at, input, s_.channels);
      const T* from = p_.weights + patch * s_.weights;
      for (int64_t o = 0; o < s_.filters; ++o) {
        float* to = weights + o / group_filters_ * inner * lanes + o % group_filters_;
        for (int64_t c = 0; c < depth_; ++c) {
          for (int64_t t = 0; t < taps_; ++t) {
            to[(t * depth_ + c) * lanes] = to_float(*from++);
          }
        }
      }
      clear_lanes(weights, s_.groups * inner, group_filters_, lanes);
      for (int64_t y = 0; y < patch_height_; ++y) {
        for (int64_t first = 0; first < patch_width_; first += most) {
          const int64_t count = std::min(most, patch_width_ - first);
          T* to = p_.output + pixel(at.b, at.y + y, at.x + first) * s_.filters;
          for (int64_t g = 0; g < s_.groups; ++g) {
            im2col(input, y, first, count, g, columns, inner);
            product<Activation::kNone>(columns, inner, count, inner,
                                       weights + g * inner * lanes, lanes, lanes,
                                       nullptr, outputs, lanes);
            for (int64_t x = 0; x < count; ++x) {
              for (int64_t o = 0; o < group_filters_; ++o) {
                to[x * s_.filters + g * group_filters_ + o] =
                    from_float<T>(outputs[x * lanes + o]);
              }
            }
          }
        }
      }
    }
  }

  // The gradient of the map, band by band: rows [i * ph, (i + 1) * ph) of an image
  // collect what every place of the padded map that shows one of them receives.
  void x_gradient(int64_t begin, int64_t end) const {
    const int64_t lanes =
        depthwise_ ? padded_lanes(s_.channels) : padded_lanes(depth_);
    const int64_t inner = depthwise_ ? taps_ : taps_ * group_filters_;
    const int64_t groups = depthwise_ ? 1 : s_.groups;
    const int64_t wide = padded_width_ + 2 * s_.halo();
    const int64_t stride = depthwise_ ? lanes : s_.filters;
    Scratch scratch(Scratch::round(patch_height_ * s_.width * s_.channels) +
                    Scratch::round(s_.kernel * wide * stride) +
                    Scratch::round(groups * inner * lanes) +
                    Scratch::round(at_once(padded_width_, inner) * inner) +
                    Scratch::round(padded_width_ * lanes));
    float* band = scratch.take(patch_height_ * s_.width * s_.channels);
    float* upstream = scratch.take(s_.kernel * wide * stride);
    float* weights = scratch.take(groups * inner * lanes);
    float* columns = scratch.take(at_once(padded_width_, inner) * inner);
    float* outputs = scratch.take(padded_width_ * lanes);
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t b = piece / s_.rows, own = piece % s_.rows;
      std::fill_n(band, patch_height_ * s_.width * s_.channels, 0.0f);
      for (int64_t i = 0; i < s_.rows; ++i) {
        std::vector<int64_t> places;
        for (int64_t t = 0; t < padded_height_; ++t) {
          const int64_t y =
              padded(i * patch_height_ - s_.halo() + t, s_.height, s_.padding);
          if (y >= 0 && y / patch_height_ == own) places.push_back(t);
        }
        if (places.empty()) continue;
        for (int64_t j = 0; j < s_.columns; ++j) {
          const int64_t patch = (b * s_.rows + i) * s_.columns + j;
          const Place at = place(patch);
          mirror_weights(patch, lanes, weights);
          const bool finite = all_finite(weights, groups * inner * lanes);
          for (int64_t t : places) {
            gather_upstream(at, t, stride, upstream);
            const int64_t y = padded(at.y - s_.halo() + t, s_.height, s_.padding);
            float* line = band + (y - own * patch_height_) * s_.width * s_.channels;
            for (int64_t g = 0; g < groups; ++g) {
              const float* factors = weights + g * inner * lanes;
              if (finite) {
                spread(upstream, g, wide, stride, factors, lanes, columns, outputs);
              } else {
                spread_inside(upstream, t, g, stride, factors, lanes, outputs);
              }
              const int64_t count = depthwise_ ? s_.channels : depth_;
              for (int64_t x = 0; x < padded_width_; ++x) {
                const int64_t column =
                    padded(at.x - s_.halo() + x, s_.width, s_.padding);
                if (column < 0) continue;
                float* to = line + column * s_.channels + g * depth_;
                for (int64_t c = 0; c < count; ++c) to[c] += outputs[x * lanes + c];
              }
            }
          }
        }
      }
      T* to = p_.x_gradient + pixel(b, own * patch_height_, 0) * s_.channels;
      for (int64_t n = 0; n < patch_height_ * s_.width * s_.channels; ++n) {
        to[n] = from_float<T>(band[n]);
      }
    }
  }

  void weights_gradient(int64_t begin, int64_t end) const {
    if (depthwise_) return weights_gradient_depthwise(begin, end);
    const int64_t inner = taps_ * depth_, lanes = padded_lanes(inner);
    const int64_t most = at_once(patch_width_, lanes);
    Scratch scratch(Scratch::round(padded_height_ * padded_width_ * s_.channels) +
                    Scratch::round(most * lanes) +
                    Scratch::round(group_filters_ * most) +
                    Scratch::round(group_filters_ * lanes) +
                    Scratch::round(s_.filters * lanes));
    float* input = scratch.take(padded_height_ * padded_width_ * s_.channels);
    float* columns = scratch.take(most * lanes);
    float* upstream = scratch.take(group_filters_ * most);
    float* row = scratch.take(group_filters_ * lanes);
    float* total = scratch.take(s_.filters * lanes);
    std::fill_n(columns, most * lanes, 0.0f);
    for (int64_t patch = begin; patch < end; ++patch) {
      const Place at = place(patch);
      gather_input(at, input, s_.channels);
      std::fill_n(total, s_.filters * lanes, 0.0f);
      for (int64_t y = 0; y < patch_height_; ++y) {
        for (int64_t first = 0; first < patch_width_; first += most) {
          const int64_t count = std::min(most, patch_width_ - first);
          const T* from =
              p_.upstream + pixel(at.b, at.y + y, at.x + first) * s_.filters;
          for (int64_t g = 0; g < s_.groups; ++g) {
            im2col(input, y, first, count, g, columns, lanes);
            for (int64_t x = 0; x < count; ++x) {
              for (int64_t o = 0; o < group_filters_; ++o) {
                upstream[o * count + x] =
                    to_float(from[x * s_.filters + g * group_filters_ + o]);
              }
            }
            product<Activation::kNone>(upstream, count, group_filters_, count, columns,
                                       lanes, lanes, nullptr, row, lanes);
            float* sums = total + g * group_filters_ * lanes;
            for (int64_t n = 0; n < group_filters_ * lanes; ++n) sums[n] += row[n];
          }
        }
      }
      T* to = p_.weights_gradient + patch * s_.weights;
      for (int64_t o = 0; o < s_.filters; ++o) {
        for (int64_t c = 0; c < depth_; ++c) {
          for (int64_t t = 0; t < taps_; ++t) {
            *to++ = from_float<T>(total[o * lanes + t * depth_ + c]);
          }
        }
      }
    }
  }

 private:
  struct Place {
    int64_t b, y, x;
  };

  Place place(int64_t patch) const {
    const int64_t j = patch % s_.columns, i = patch / s_.columns % s_.rows;
    return {patch / s_.columns / s_.rows, i * patch_height_, j * patch_width_};
  }

  int64_t pixel(int64_t b, int64_t y, int64_t x) const {
    return (b * s_.height + y) * s_.width + x;
  }

  static void clear_lanes(float* rows, int64_t count, int64_t used, int64_t lanes) {
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t lane = used; lane < lanes; ++lane) rows[i * lanes + lane] = 0.0f;
    }
  }

  // The patch with its halo, a pixel every `stride` floats.
  void gather_input(const Place& at, float* to, int64_t stride) const {
    for (int64_t t = 0; t < padded_height_; ++t) {
      const int64_t y = padded(at.y - s_.halo() + t, s_.height, s_.padding);
      for (int64_t u = 0; u < padded_width_; ++u, to += stride) {
        const int64_t x = padded(at.x - s_.halo() + u, s_.width, s_.padding);
        if (y < 0 || x < 0) {
          std::fill_n(to, stride, 0.0f);
          continue;
        }
        const T* from = p_.x + pixel(at.b, y, x) * s_.channels;
        for (int64_t c = 0; c < s_.channels; ++c) to[c] = to_float(from[c]);
        for (int64_t c = s_.channels; c < stride; ++c) to[c] = 0.0f;
      }
    }
  }

  // Pixels of a row that are copied into columns together: what is copied would be a
  // whole kernel per pixel, terabytes for a large one over a wide map.
  static int64_t at_once(int64_t width, int64_t inner) {
    return std::min(width, std::max<int64_t>(DPW_COLUMN_FLOATS / inner, 16));
  }

  // Pixels [first, first + count) of row y, group g: (count, taps * depth), taps first.
  void im2col(const float* input, int64_t y, int64_t first, int64_t count, int64_t g,
              float* to, int64_t stride) const {
    for (int64_t x = first; x < first + count; ++x) {
      float* column = to + (x - first) * stride;
      for (int64_t i = 0; i < s_.kernel; ++i) {
        for (int64_t j = 0; j < s_.kernel; ++j, column += depth_) {
          const float* from =
              input + ((y + i) * padded_width_ + x + j) * s_.channels + g * depth_;
          std::memcpy(column, from, depth_ * sizeof(float));
        }
      }
    }
  }

  // Weights of the transposed convolution, the kernel turned by half a turn.
  void mirror_weights(int64_t patch, int64_t lanes, float* to) const {
    const T* from = p_.weights + patch * s_.weights;
    if (depthwise_) {
      for (int64_t c = 0; c < s_.channels; ++c) {
        for (int64_t t = 0; t < taps_; ++t) {
          to[(taps_ - 1 - t) * lanes + c] = to_float(*from++);
        }
      }
      return clear_lanes(to, taps_, s_.channels, lanes);
    }
    const int64_t inner = taps_ * group_filters_;
    for (int64_t o = 0; o < s_.filters; ++o) {
      const int64_t g = o / group_filters_, row = o % group_filters_;
      for (int64_t c = 0; c < depth_; ++c) {
        for (int64_t t = 0; t < taps_; ++t) {
          const int64_t tap = taps_ - 1 - t;
          to[(g * inner + tap * group_filters_ + row) * lanes + c] = to_float(*from++);
        }
      }
    }
    clear_lanes(to, s_.groups * inner, depth_, lanes);
  }

  // `kernel` rows of the patch's output gradient around place t of its padded input,
  // 0 outside the patch; a pixel every `stride` floats.
  void gather_upstream(const Place& at, int64_t t, int64_t stride, float* to) const {
    const int64_t border = s_.kernel - 1, wide = padded_width_ + border;
    for (int64_t i = 0; i < s_.kernel; ++i) {
      const int64_t y = t - border + i;
      for (int64_t u = 0; u < wide; ++u, to += stride) {
        const int64_t x = u - border;
        std::fill_n(to, stride, 0.0f);
        if (y < 0 || y >= patch_height_ || x < 0 || x >= patch_width_) continue;
        const T* from = p_.upstream + pixel(at.b, at.y + y, at.x + x) * s_.filters;
        for (int64_t o = 0; o < s_.filters; ++o) to[o] = to_float(from[o]);
      }
    }
  }

  // One row of the padded input's gradient.
  void spread(const float* upstream, int64_t g, int64_t wide, int64_t stride,
              const float* weights, int64_t lanes, float* columns,
              float* outputs) const {
    if (depthwise_) {
      std::vector<const float*> rows(s_.kernel);
      for (int64_t i = 0; i < s_.kernel; ++i) rows[i] = upstream + i * wide * stride;
      return depthwise_row<Activation::kNone>(rows.data(), padded_width_, lanes,
                                              s_.kernel, weights, nullptr, outputs);
    }
    const int64_t inner = taps_ * group_filters_;
    const int64_t most = at_once(padded_width_, inner);
    for (int64_t first = 0; first < padded_width_; first += most) {
      const int64_t count = std::min(most, padded_width_ - first);
      for (int64_t x = 0; x < count; ++x) {
        float* column = columns + x * inner;
        for (int64_t i = 0; i < s_.kernel; ++i) {
          for (int64_t j = 0; j < s_.kernel; ++j, column += group_filters_) {
            const float* from =
                upstream + (i * wide + first + x + j) * stride + g * group_filters_;
            std::memcpy(column, from, group_filters_ * sizeof(float));
          }
        }
      }
      product<Activation::kNone>(columns, inner, count, inner, weights, lanes, lanes,
                                 nullptr, outputs + first * lanes, lanes);
    }
  }

  static bool all_finite(const float* values, int64_t count) {
    bool finite = true;
    for (int64_t n = 0; n < count; ++n) {
      finite &= (as_bits(values[n]) & 0x7f800000) != 0x7f800000;
    }
    return finite;
  }

  // What `spread` does, without the zeros outside the patch: a NaN or an infinity among
  // the weights would spoil pixels that it does not touch.
  void spread_inside(const float* upstream, int64_t t, int64_t g, int64_t stride,
                     const float* weights, int64_t lanes, float* outputs) const {
    const int64_t border = s_.kernel - 1, wide = padded_width_ + border;
    const int64_t rows = depthwise_ ? 1 : group_filters_;
    std::fill_n(outputs, padded_width_ * lanes, 0.0f);
    for (int64_t x = 0; x < padded_width_; ++x, outputs += lanes) {
      for (int64_t tap = 0; tap < taps_; ++tap) {
        const int64_t i = tap / s_.kernel, j = tap % s_.kernel;
        const int64_t row = t - border + i, column = x - border + j;
        if (row < 0 || row >= patch_height_) continue;
        if (column < 0 || column >= patch_width_) continue;
        const float* from = upstream + (i * wide + x + j) * stride + g * group_filters_;
        for (int64_t o = 0; o < rows; ++o) {
          const float* factors = weights + (tap * rows + o) * lanes;
          for (int64_t lane = 0; lane < lanes; ++lane) {
            outputs[lane] += from[depthwise_ ? lane : o] * factors[lane];
          }
        }
      }
    }
  }

  void run_depthwise(int64_t begin, int64_t end) const {
    const int64_t lanes = padded_lanes(s_.channels);
    Scratch scratch(Scratch::round(padded_height_ * padded_width_ * lanes) +
                    Scratch::round(taps_ * lanes) +
                    Scratch::round(patch_width_ * lanes));
    float* input = scratch.take(padded_height_ * padded_width_ * lanes);
    float* weights = scratch.take(taps_ * lanes);
    float* outputs = scratch.take(patch_width_ * lanes);
    std::vector<const float*> rows(s_.kernel);
    for (int64_t patch = begin; patch < end; ++patch) {
      const Place at = place(patch);
      gather_input(at, input, lanes);
      const T* from = p_.weights + patch * s_.weights;
      for (int64_t c = 0; c < s_.channels; ++c) {
        for (int64_t t = 0; t < taps_; ++t) weights[t * lanes + c] = to_float(*from++);
      }
      clear_lanes(weights, taps_, s_.channels, lanes);
      for (int64_t y = 0; y < patch_height_; ++y) {
        for (int64_t i = 0; i < s_.kernel; ++i) {
          rows[i] = input + (y + i) * padded_width_ * lanes;
        }
        depthwise_row<Activation::kNone>(rows.data(), patch_width_, lanes, s_.kernel,
                                         weights, nullptr, outputs);
        T* to = p_.output + pixel(at.b, at.y + y, at.x) * s_.filters;
        for (int64_t x = 0; x < patch_width_; ++x) {
          for (int64_t c = 0; c < s_.filters; ++c) {
            to[x * s_.filters + c] = from_float<T>(outputs[x * lanes + c]);
          }
        }
      }
    }
  }

  void weights_gradient_depthwise(int64_t begin, int64_t end) const {
    const int64_t lanes = padded_lanes(s_.channels);
    Scratch scratch(Scratch::round(padded_height_ * padded_width_ * lanes) +
                    Scratch::round(patch_width_ * lanes) +
                    Scratch::round(taps_ * lanes));
    float* input = scratch.take(padded_height_ * padded_width_ * lanes);
    float* upstream = scratch.take(patch_width_ * lanes);
    float* total = scratch.take(taps_ * lanes);
    for (int64_t patch = begin; patch < end; ++patch) {
      const Place at = place(patch);
      gather_input(at, input, lanes);
      std::fill_n(total, taps_ * lanes, 0.0f);
      for (int64_t y = 0; y < patch_height_; ++y) {
        const T* from = p_.upstream + pixel(at.b, at.y + y, at.x) * s_.filters;
        std::fill_n(upstream, patch_width_ * lanes, 0.0f);
        for (int64_t x = 0; x < patch_width_; ++x) {
          for (int64_t c = 0; c < s_.filters; ++c) {
            upstream[x * lanes + c] = to_float(from[x * s_.filters + c]);
          }
        }
        for (int64_t t = 0; t < taps_; ++t) {
          const float* shifted =
              input + ((y + t / s_.kernel) * padded_width_ + t % s_.kernel) * lanes;
          for (int64_t lane = 0; lane < lanes; lane += kLanes) {
            Vector sums = load(total + t * lanes + lane);
            for (int64_t x = 0; x < patch_width_; ++x) {
              const int64_t n = x * lanes + lane;
              sums += load(upstream + n) * load(shifted + n);
            }
            store(total + t * lanes + lane, sums);
          }
        }
      }
      T* to = p_.weights_gradient + patch * s_.weights;
      for (int64_t c = 0; c < s_.channels; ++c) {
        for (int64_t t = 0; t < taps_; ++t) {
          *to++ = from_float<T>(total[t * lanes + c]);
        }
      }
    }
  }

  const ConvShape s_;
  const ConvPointers<T> p_;
  const int64_t depth_, group_filters_, taps_, patch_height_, patch_width_;
  const int64_t padded_height_, padded_width_;
  const bool depthwise_;
};

}  // namespace DPW_ISA
}  // namespace dpw

#endif  // HYPERSEG_TF_CPU_CONV_H_
