// What the kernels must compute, written from the definition: plain loops in double,
// nothing shared with the kernels but the shapes.
#ifndef HYPERSEG_TF_FUZZ_REFERENCE_H_
#define HYPERSEG_TF_FUZZ_REFERENCE_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "shapes.h"

namespace fuzz {

// A sum may be wrong by this share of the sizes of its terms.
constexpr double kSumError = 2e-5;

// A value, and the sum of the sizes of the terms that it was made of: rounding in float
// is proportional to that. `unknown` if rounding decides what an infinity becomes.
struct Real {
  double value = 0, scale = 0;
  bool unknown = false;

  Real() = default;
  Real(double v) : value(v), scale(std::fabs(v)) {}  // NOLINT: as a number is used
  Real(double v, double s, bool u) : value(v), scale(s), unknown(u) {}

  // Rounding may have put it on the other side of `place`. What came in is exact.
  bool near(double place) const {
    return std::isfinite(value) && std::fabs(value) < scale * (1 - 1e-12) &&
           std::fabs(value - place) <= kSumError * scale;
  }
};

inline Real operator*(const Real& a, const Real& b) {
  const bool lost = (!std::isfinite(a.value) && b.near(0)) ||
                    (!std::isfinite(b.value) && a.near(0));
  return {a.value * b.value, a.scale * b.scale, a.unknown || b.unknown || lost};
}

inline Real operator+(const Real& a, const Real& b) {
  return {a.value + b.value, a.scale + b.scale, a.unknown || b.unknown};
}

inline void operator+=(Real& a, const Real& b) { a = a + b; }

inline Real relu(const Real& x) {
  if (x.unknown || std::isnan(x.value)) return x;
  if (x.near(0)) return {std::max(x.value, 0.0), x.scale, false};
  return x.value < 0 ? Real(0) : x;
}

inline Real relu6(const Real& x) {
  const Real y = relu(x);
  if (y.unknown || std::isnan(y.value)) return y;
  if (y.near(6)) return {std::min(y.value, 6.0), y.scale, false};
  return y.value > 6 ? Real(6) : y;
}

// Pixel shown at `place` of an endless padded line of `size` pixels, -1 for a zero.
inline int64_t shown(int64_t place, int64_t size, dpw::Padding padding) {
  if (place >= 0 && place < size) return place;
  if (padding == dpw::Padding::kZeros) return -1;
  if (padding == dpw::Padding::kReplicate) return place < 0 ? 0 : size - 1;
  if (padding == dpw::Padding::kCircular) return ((place % size) + size) % size;
  while (place < 0 || place >= size) {
    place = place < 0 ? -place : 2 * (size - 1) - place;
  }
  return place;
}

struct ConvResult {
  std::vector<Real> output, x_gradient, weights_gradient;
};

inline ConvResult convolve(const dpw::ConvShape& s, const std::vector<double>& x,
                           const std::vector<double>& weights,
                           const std::vector<double>& upstream) {
  ConvResult result;
  result.output.resize(upstream.size());
  result.x_gradient.resize(x.size());
  result.weights_gradient.resize(weights.size());
  const int64_t ph = s.height / s.rows, pw = s.width / s.columns;
  const int64_t depth = s.channels / s.groups, halo = s.kernel / 2;
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t y = 0; y < s.height; ++y) {
      for (int64_t x0 = 0; x0 < s.width; ++x0) {
        const int64_t patch = (b * s.rows + y / ph) * s.columns + x0 / pw;
        for (int64_t o = 0; o < s.filters; ++o) {
          const int64_t g = o / (s.filters / s.groups);
          const int64_t out = ((b * s.height + y) * s.width + x0) * s.filters + o;
          for (int64_t c = 0; c < depth; ++c) {
            for (int64_t i = 0; i < s.kernel; ++i) {
              for (int64_t j = 0; j < s.kernel; ++j) {
                const int64_t row = shown(y + i - halo, s.height, s.padding);
                const int64_t column = shown(x0 + j - halo, s.width, s.padding);
                const bool outside = row < 0 || column < 0;
                const int64_t from =
                    ((b * s.height + row) * s.width + column) * s.channels +
                    g * depth + c;
                const int64_t weight =
                    patch * s.weights + ((o * depth + c) * s.kernel + i) * s.kernel + j;
                const double input = outside ? 0 : x[from];
                result.output[out] += Real(input) * Real(weights[weight]);
                result.weights_gradient[weight] += Real(input) * Real(upstream[out]);
                if (outside) continue;
                result.x_gradient[from] += Real(weights[weight]) * Real(upstream[out]);
              }
            }
          }
        }
      }
    }
  }
  return result;
}

// Inputs of a block, as numbers.
struct BlockValues {
  std::vector<double> feature, previous, signal, head, shift1, shift2, shift3;
};

// One level of the decoder; `stored` rounds a coordinate to the type of the maps.
template <typename Stored>
class Level {
 public:
  Level(const dpw::BlockShape& shape, const BlockValues& values, Stored stored)
      : s_(shape),
        v_(values),
        stored_(stored),
        channels_((shape.positions ? 2 : 0) + shape.feature_channels +
                  shape.previous_channels),
        halo_(shape.kernel / 2),
        ph_(shape.height / shape.rows),
        pw_(shape.width / shape.columns) {}

  std::vector<Real> run() {
    fuse();
    generate();
    output_.resize(s_.batch * s_.height * s_.width * s_.filters);
    if (s_.hidden && s_.neighbour) expand_map();
    for (int64_t b = 0; b < s_.batch; ++b) {
      for (int64_t i = 0; i < s_.rows; ++i) {
        for (int64_t j = 0; j < s_.columns; ++j) {
          if (s_.hidden) residual(b, i, j);
          else pointwise(b, i, j);
        }
      }
    }
    return output_;
  }

 private:
  int64_t pixel(int64_t b, int64_t y, int64_t x) const {
    return (b * s_.height + y) * s_.width + x;
  }

  const Real* theta(int64_t b, int64_t i, int64_t j) const {
    return &theta_[((b * s_.rows + i) * s_.columns + j) * weights()];
  }

  int64_t weights() const {
    if (!s_.hidden) return s_.filters * channels_;
    return s_.hidden * (channels_ + s_.kernel * s_.kernel + s_.filters);
  }

  double coordinate(int64_t place, int64_t size) const {
    const float last = static_cast<float>(size) - 1.0f;
    return stored_((2.0f * static_cast<float>(place) - last) /
                   (last > 1.0f ? last : 1.0f));
  }

  // Bilinear, the centres of pixels at their halves, the edge repeated.
  Real upsampled(int64_t b, int64_t y, int64_t x, int64_t c) const {
    const int64_t height = s_.height / 2, width = s_.width / 2;
    const double down = (y + 0.5) / 2 - 0.5, right = (x + 0.5) / 2 - 0.5;
    Real total;
    for (int64_t i = 0; i < 2; ++i) {
      for (int64_t j = 0; j < 2; ++j) {
        const double row = std::floor(down) + i, column = std::floor(right) + j;
        const double share =
            (1 - std::fabs(down - row)) * (1 - std::fabs(right - column));
        const int64_t near_row =
            std::clamp<int64_t>(static_cast<int64_t>(row), 0, height - 1);
        const int64_t near_column =
            std::clamp<int64_t>(static_cast<int64_t>(column), 0, width - 1);
        const int64_t from = (b * height + near_row) * width + near_column;
        total += Real(share) * Real(v_.previous[from * s_.previous_channels + c]);
      }
    }
    return total;
  }

  void fuse() {
    for (int64_t b = 0; b < s_.batch; ++b) {
      for (int64_t y = 0; y < s_.height; ++y) {
        for (int64_t x = 0; x < s_.width; ++x) {
          if (s_.positions) {
            fused_.push_back(coordinate(x, s_.width));
            fused_.push_back(coordinate(y, s_.height));
          }
          for (int64_t c = 0; c < s_.feature_channels; ++c) {
            fused_.push_back(v_.feature[pixel(b, y, x) * s_.feature_channels + c]);
          }
          for (int64_t c = 0; c < s_.previous_channels; ++c) {
            fused_.push_back(upsampled(b, y, x, c));
          }
        }
      }
    }
  }

  void generate() {
    const int64_t patches = s_.batch * s_.rows * s_.columns;
    for (int64_t patch = 0; patch < patches; ++patch) {
      const double* signal = v_.signal.data() + patch * s_.signal_channels;
      for (int64_t n = 0; n < weights(); ++n) {
        const int64_t unit = s_.start + n;
        if (!s_.groups) {
          theta_.push_back(signal[unit]);
          continue;
        }
        const int64_t group = unit / (s_.units / s_.groups);
        Real total;
        for (int64_t d = 0; d < s_.depth; ++d) {
          total += Real(signal[s_.offset + group * s_.depth + d]) *
                   Real(v_.head[d * s_.units + unit]);
        }
        theta_.push_back(total);
      }
    }
  }

  Real dot(const Real* weights, const Real* values, int64_t count, double shift) {
    Real total = shift;
    for (int64_t n = 0; n < count; ++n) total += weights[n] * values[n];
    return total;
  }

  void pointwise(int64_t b, int64_t i, int64_t j) {
    const Real* weights = theta(b, i, j);
    for (int64_t y = i * ph_; y < (i + 1) * ph_; ++y) {
      for (int64_t x = j * pw_; x < (j + 1) * pw_; ++x) {
        for (int64_t o = 0; o < s_.filters; ++o) {
          output_[pixel(b, y, x) * s_.filters + o] =
              relu(dot(weights + o * channels_, &fused_[pixel(b, y, x) * channels_],
                       channels_, v_.shift3[o]));
        }
      }
    }
  }

  void expand(const Real* weights, const Real* input, std::vector<Real>* to) {
    for (int64_t n = 0; n < s_.hidden; ++n) {
      to->push_back(
          relu6(dot(weights + n * channels_, input, channels_, v_.shift1[n])));
    }
  }

  // The hidden map when every pixel goes through the weights of its own patch.
  void expand_map() {
    for (int64_t b = 0; b < s_.batch; ++b) {
      for (int64_t y = 0; y < s_.height; ++y) {
        for (int64_t x = 0; x < s_.width; ++x) {
          expand(theta(b, y / ph_, x / pw_), &fused_[pixel(b, y, x) * channels_],
                 &hidden_map_);
        }
      }
    }
  }

  // Hidden values of a patch and its halo.
  std::vector<Real> hidden_patch(int64_t b, int64_t i, int64_t j) {
    std::vector<Real> hidden;
    const std::vector<Real> zeros(std::max(channels_, s_.hidden));
    for (int64_t y = i * ph_ - halo_; y < (i + 1) * ph_ + halo_; ++y) {
      for (int64_t x = j * pw_ - halo_; x < (j + 1) * pw_ + halo_; ++x) {
        const int64_t row = shown(y, s_.height, s_.padding);
        const int64_t column = shown(x, s_.width, s_.padding);
        const bool outside = row < 0 || column < 0;
        if (s_.neighbour) {
          const Real* from = outside
                                 ? zeros.data()
                                 : &hidden_map_[pixel(b, row, column) * s_.hidden];
          hidden.insert(hidden.end(), from, from + s_.hidden);
        } else {
          expand(theta(b, i, j),
                 outside ? zeros.data() : &fused_[pixel(b, row, column) * channels_],
                 &hidden);
        }
      }
    }
    return hidden;
  }

  void residual(int64_t b, int64_t i, int64_t j) {
    const std::vector<Real> hidden = hidden_patch(b, i, j);
    const Real* depthwise = theta(b, i, j) + s_.hidden * channels_;
    const Real* project = depthwise + s_.hidden * s_.kernel * s_.kernel;
    std::vector<Real> filtered(s_.hidden);
    for (int64_t y = 0; y < ph_; ++y) {
      for (int64_t x = 0; x < pw_; ++x) {
        for (int64_t n = 0; n < s_.hidden; ++n) {
          Real total = v_.shift2[n];
          for (int64_t k = 0; k < s_.kernel; ++k) {
            for (int64_t l = 0; l < s_.kernel; ++l) {
              total += depthwise[(n * s_.kernel + k) * s_.kernel + l] *
                       hidden[((y + k) * (pw_ + 2 * halo_) + x + l) * s_.hidden + n];
            }
          }
          filtered[n] = relu6(total);
        }
        const int64_t at = pixel(b, i * ph_ + y, j * pw_ + x);
        for (int64_t o = 0; o < s_.filters; ++o) {
          Real total = dot(project + o * s_.hidden, filtered.data(), s_.hidden,
                           v_.shift3[o]);
          if (channels_ == s_.filters) total += fused_[at * channels_ + o];
          output_[at * s_.filters + o] = total;
        }
      }
    }
  }

  const dpw::BlockShape s_;
  const BlockValues& v_;
  const Stored stored_;
  const int64_t channels_, halo_, ph_, pw_;
  std::vector<Real> fused_, theta_, hidden_map_, output_;
};

}  // namespace fuzz

#endif  // HYPERSEG_TF_FUZZ_REFERENCE_H_
