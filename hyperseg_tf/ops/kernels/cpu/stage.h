// One stage of a decoder level in training: batch normalization with the statistics of
// the batch, ReLU6, and a dynamic convolution of every patch, with all gradients.
//
// The normalised map is never stored: a patch of it is made in the cache when it is
// needed, going forward and again going back. All pieces are patches, and what is summed
// over the batch goes through one row per patch of `partial`, so results do not depend on
// the number of threads.
#ifndef HYPERSEG_TF_CPU_STAGE_H_
#define HYPERSEG_TF_CPU_STAGE_H_

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/depthwise.h"
#include "cpu/kernels.h"
#include "cpu/scratch.h"
#include "cpu/simd.h"

namespace dpw {
namespace DPW_ISA {

// A vector of channels, or a single one where there are fewer than a vector has.
inline void get(const float* from, Vector* value) { *value = load(from); }
inline void get(const float* from, float* value) { *value = *from; }
inline void put(float* to, Vector value) { store(to, value); }
inline void put(float* to, float value) { *to = value; }

template <typename V>
inline V relu6_of(V x) {
  x = x < 0.0f ? V{} : x;
  return x > 6.0f ? V{} + 6.0f : x;
}

// Calls work(first channel, a zero) so that every channel is seen. The last vector
// overlaps the one before it, so the work must not change what it reads.
template <typename Work>
inline void over_channels(int64_t channels, Work work) {
  if (channels < kLanes) {
    for (int64_t c = 0; c < channels; ++c) work(c, 0.0f);
    return;
  }
  for (int64_t c = 0; c + kLanes <= channels; c += kLanes) work(c, Vector{});
  if (channels % kLanes) work(channels - kLanes, Vector{});
}

class Stage {
 public:
  Stage(const StageShape& shape, const StagePointers& pointers)
      : s_(shape),
        p_(pointers),
        pixels_(shape.height * shape.width),
        out_width_(shape.out_width()),
        out_pixels_(shape.out_height() * shape.out_width()),
        taps_(shape.kernel * shape.kernel),
        lanes_(padded_lanes(shape.channels)) {}

  // Mean and sum of squared differences from it, of every channel of a patch.
  void moments(int64_t begin, int64_t end) const {
    for (int64_t patch = begin; patch < end; ++patch) {
      const float* x = p_.x + patch * pixels_ * s_.channels;
      float* to = p_.partial + patch * 2 * s_.channels;
      const float share = 1.0f / static_cast<float>(pixels_);
      over_channels(s_.channels, [&](int64_t c, auto zero) {
        using V = decltype(zero);
        const V mean = share * total(pixels_, zero, [&](int64_t n) {
                         V value;
                         get(x + n * s_.channels + c, &value);
                         return value;
                       });
        const V squares = total(pixels_, zero, [&](int64_t n) {
          V value;
          get(x + n * s_.channels + c, &value);
          value -= mean;
          return value * value;
        });
        put(to + c, mean);
        put(to + s_.channels + c, squares);
      });
    }
  }

  void run(int64_t begin, int64_t end) const {
    const int64_t filters = s_.filters, out_lanes = padded_lanes(filters);
    const int64_t taken = s_.depthwise() ? taps_ * lanes_ : s_.channels * out_lanes;
    Scratch scratch(Scratch::round(pixels_ * lanes_) + Scratch::round(taken) +
                    Scratch::round(out_width_ * out_lanes));
    float* active = scratch.take(pixels_ * lanes_);
    float* kernels = scratch.take(taken);
    float* row = scratch.take(out_width_ * out_lanes);
    std::fill_n(active, pixels_ * lanes_, 0.0f);
    std::fill_n(kernels, taken, 0.0f);
    std::vector<const float*> rows(s_.kernel);
    for (int64_t patch = begin; patch < end; ++patch) {
      activate(patch, active);
      const float* from = p_.kernels + patch * s_.weights();
      if (s_.depthwise()) {
        for (int64_t c = 0; c < s_.channels; ++c) {
          for (int64_t t = 0; t < taps_; ++t) kernels[t * lanes_ + c] = *from++;
        }
      } else {
        for (int64_t o = 0; o < filters; ++o) {
          for (int64_t c = 0; c < s_.channels; ++c) kernels[c * out_lanes + o] = *from++;
        }
      }
      float* to = p_.y + patch * out_pixels_ * filters;
      for (int64_t y = 0; y < s_.out_height(); ++y) {
        if (s_.depthwise()) {
          for (int64_t i = 0; i < s_.kernel; ++i) {
            rows[i] = active + (y + i) * s_.width * lanes_;
          }
          depthwise_row<Activation::kNone>(rows.data(), out_width_, lanes_, s_.kernel,
                                           kernels, nullptr, row);
        } else {
          product<Activation::kNone>(active + y * s_.width * lanes_, lanes_, out_width_,
                                     s_.channels, kernels, out_lanes, out_lanes,
                                     nullptr, row, out_lanes);
        }
        for (int64_t x = 0; x < out_width_; ++x, to += filters) {
          std::memcpy(to, row + x * out_lanes, filters * sizeof(float));
        }
      }
    }
  }

  // Gradients of the kernels, and of the normalised map: the latter in x_gradient until
  // `finish`, its sums (alone, and with the normalised value) in `partial`.
  void gradient(int64_t begin, int64_t end) const {
    const int64_t border = s_.kernel - 1, wide = out_width_ + 2 * border;
    const int64_t upstream_floats = s_.depthwise()
                                        ? (s_.out_height() + 2 * border) * wide * lanes_
                                        : s_.filters * pixels_;
    const int64_t rows = s_.depthwise() ? taps_ : s_.filters;
    Scratch scratch(2 * Scratch::round(pixels_ * lanes_) +
                    Scratch::round(upstream_floats) +
                    2 * Scratch::round(rows * lanes_));
    float* active = scratch.take(pixels_ * lanes_);
    float* spread = scratch.take(pixels_ * lanes_);
    float* upstream = scratch.take(upstream_floats);
    float* kernels = scratch.take(rows * lanes_);
    float* sums = scratch.take(rows * lanes_);
    std::fill_n(active, pixels_ * lanes_, 0.0f);
    std::fill_n(upstream, upstream_floats, 0.0f);
    std::fill_n(kernels, rows * lanes_, 0.0f);
    for (int64_t patch = begin; patch < end; ++patch) {
      activate(patch, active);
      const float* from = p_.upstream + patch * out_pixels_ * s_.filters;
      const float* weights = p_.kernels + patch * s_.weights();
      float* to = p_.kernels_gradient + patch * s_.weights();
      if (s_.depthwise()) {
        for (int64_t n = 0; n < out_pixels_; ++n) {
          const int64_t y = n / out_width_ + border, x = n % out_width_ + border;
          std::memcpy(upstream + (y * wide + x) * lanes_, from + n * s_.channels,
                      s_.channels * sizeof(float));
        }
        spread_depthwise(weights, upstream, wide, kernels, spread);
        sum_depthwise(active, upstream + (border * wide + border) * lanes_, wide, sums);
        for (int64_t c = 0; c < s_.channels; ++c) {
          for (int64_t t = 0; t < taps_; ++t) *to++ = sums[t * lanes_ + c];
        }
      } else {
        for (int64_t o = 0; o < s_.filters; ++o) {
          std::memcpy(kernels + o * lanes_, weights + o * s_.channels,
                      s_.channels * sizeof(float));
          for (int64_t n = 0; n < pixels_; ++n) {
            upstream[o * pixels_ + n] = from[n * s_.filters + o];
          }
        }
        product<Activation::kNone>(from, s_.filters, pixels_, s_.filters, kernels,
                                   lanes_, lanes_, nullptr, spread, lanes_);
        product<Activation::kNone>(upstream, pixels_, s_.filters, pixels_, active,
                                   lanes_, lanes_, nullptr, sums, lanes_);
        for (int64_t o = 0; o < s_.filters; ++o, to += s_.channels) {
          std::memcpy(to, sums + o * lanes_, s_.channels * sizeof(float));
        }
      }
      pass(patch, active, spread);
    }
  }

  // What the statistics pass on: x_gradient = scale * x_gradient + offset
  // + slope * (x - mean), where offset and slope come from the sums.
  void finish(int64_t begin, int64_t end) const {
    const int64_t rest = s_.channels >= kLanes ? s_.channels % kLanes : s_.channels;
    const int64_t whole = s_.channels - rest;
    for (int64_t n = begin * pixels_; n < end * pixels_; ++n) {
      const float* x = p_.x + n * s_.channels;
      float* to = p_.x_gradient + n * s_.channels;
      for (int64_t c = 0; c < whole; c += kLanes) {
        store(to + c, load(to + c) * load(p_.scale + c) + load(p_.offset + c) +
                          (load(x + c) - load(p_.mean + c)) * load(p_.slope + c));
      }
      for (int64_t c = whole; c < s_.channels; ++c) {
        to[c] = to[c] * p_.scale[c] + p_.offset[c] + (x[c] - p_.mean[c]) * p_.slope[c];
      }
    }
  }

 private:
  // Four sums at a time: one alone would wait for itself.
  template <typename V, typename Value>
  static V total(int64_t count, V zero, Value value) {
    V sums[4] = {zero, zero, zero, zero};
    int64_t n = 0;
    for (; n + 4 <= count; n += 4) {
      for (int64_t i = 0; i < 4; ++i) sums[i] += value(n + i);
    }
    for (; n < count; ++n) sums[0] += value(n);
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }

  // The patch normalised and cut at 0 and 6; a pixel every `lanes_` floats.
  void activate(int64_t patch, float* to) const {
    const float* x = p_.x + patch * pixels_ * s_.channels;
    over_channels(s_.channels, [&](int64_t c, auto zero) {
      using V = decltype(zero);
      V mean, scale, shift, value;
      get(p_.mean + c, &mean);
      get(p_.scale + c, &scale);
      get(p_.shift + c, &shift);
      for (int64_t n = 0; n < pixels_; ++n) {
        get(x + n * s_.channels + c, &value);
        put(to + n * lanes_ + c, relu6_of((value - mean) * scale + shift));
      }
    });
  }

  // The gradient of the patch that was convolved: the mirrored kernels over the
  // upstream gradient with zeros around it.
  void spread_depthwise(const float* weights, const float* upstream, int64_t wide,
                        float* kernels, float* to) const {
    for (int64_t c = 0; c < s_.channels; ++c) {
      for (int64_t t = 0; t < taps_; ++t) {
        kernels[(taps_ - 1 - t) * lanes_ + c] = *weights++;
      }
    }
    std::vector<const float*> rows(s_.kernel);
    for (int64_t y = 0; y < s_.height; ++y) {
      for (int64_t i = 0; i < s_.kernel; ++i) {
        rows[i] = upstream + (y + i) * wide * lanes_;
      }
      depthwise_row<Activation::kNone>(rows.data(), s_.width, lanes_, s_.kernel,
                                       kernels, nullptr, to + y * s_.width * lanes_);
    }
  }

  void sum_depthwise(const float* active, const float* upstream, int64_t wide,
                     float* sums) const {
    if (s_.kernel == 3) return sum_fixed<3>(active, upstream, wide, sums);
    for (int64_t t = 0; t < taps_; ++t) {
      const float* shifted = active + (t / s_.kernel * s_.width + t % s_.kernel) * lanes_;
      for (int64_t lane = 0; lane < lanes_; lane += kLanes) {
        Vector all{};
        for (int64_t y = 0; y < s_.out_height(); ++y) {
          for (int64_t x = 0; x < out_width_; ++x) {
            all += load(upstream + (y * wide + x) * lanes_ + lane) *
                   load(shifted + (y * s_.width + x) * lanes_ + lane);
          }
        }
        store(sums + t * lanes_ + lane, all);
      }
    }
  }

  // All taps of a vector at once, so that a pixel of the gradient is read once.
  template <int K>
  void sum_fixed(const float* active, const float* upstream, int64_t wide,
                 float* sums) const {
    for (int64_t lane = 0; lane < lanes_; lane += kLanes) {
      Vector all[K * K] = {};
      for (int64_t y = 0; y < s_.out_height(); ++y) {
        for (int64_t x = 0; x < out_width_; ++x) {
          const Vector value = load(upstream + (y * wide + x) * lanes_ + lane);
          for (int i = 0; i < K; ++i) {
            const float* from = active + ((y + i) * s_.width + x) * lanes_ + lane;
            for (int j = 0; j < K; ++j) all[i * K + j] += value * load(from + j * lanes_);
          }
        }
      }
      for (int t = 0; t < K * K; ++t) store(sums + t * lanes_ + lane, all[t]);
    }
  }

  // Through ReLU6, which passes nothing at 0 and 6, and the sums of what is left.
  void pass(int64_t patch, const float* active, const float* spread) const {
    const float* x = p_.x + patch * pixels_ * s_.channels;
    float* to = p_.x_gradient + patch * pixels_ * s_.channels;
    float* sums = p_.partial + patch * 2 * s_.channels;
    over_channels(s_.channels, [&](int64_t c, auto zero) {
      using V = decltype(zero);
      V mean, inverse, alone = zero, weighted = zero;
      get(p_.mean + c, &mean);
      get(p_.inverse + c, &inverse);
      for (int64_t n = 0; n < pixels_; ++n) {
        V value, gradient, before;
        get(active + n * lanes_ + c, &value);
        get(spread + n * lanes_ + c, &gradient);
        get(x + n * s_.channels + c, &before);
        gradient = value > 0.0f ? gradient : zero;
        gradient = value < 6.0f ? gradient : zero;
        put(to + n * s_.channels + c, gradient);
        alone += gradient;
        weighted += gradient * (before - mean);
      }
      put(sums + c, alone);
      put(sums + s_.channels + c, weighted * inverse);
    });
  }

  const StageShape s_;
  const StagePointers p_;
  const int64_t pixels_, out_width_, out_pixels_, taps_, lanes_;
};

}  // namespace DPW_ISA
}  // namespace dpw

#endif  // HYPERSEG_TF_CPU_STAGE_H_
