// One row of a depthwise convolution of channels-last rows.
#ifndef HYPERSEG_TF_CPU_DEPTHWISE_H_
#define HYPERSEG_TF_CPU_DEPTHWISE_H_

#include "cpu/simd.h"

namespace dpw {
namespace DPW_ISA {

// out[x][c] = act(sum_ij rows[i][x * stride + j][c] * w[i * K + j][c] + shift[c])
// K is known to the compiler, so that all weights of a vector stay in registers.
// COUNT neighbours at once, from x on; at stride 1 they share what they read.
template <int K, int COUNT, bool DENSE, Activation A>
inline void depthwise_pixels(const float* const* rows, int64_t x, int64_t lanes,
                             int64_t lane, const Vector* factors, Vector first,
                             float* out, int64_t out_stride, int64_t stride) {
  Vector totals[COUNT];
  for (int n = 0; n < COUNT; ++n) totals[n] = first;
  for (int i = 0; i < K; ++i) {
    const float* from = rows[i] + x * stride * lanes + lane;
    if constexpr (DENSE) {
      for (int column = 0; column < COUNT + K - 1; ++column) {
        const Vector value = load(from + column * lanes);
        for (int n = 0; n < COUNT; ++n) {
          const int j = column - n;
          if (j >= 0 && j < K) totals[n] += value * factors[i * K + j];
        }
      }
    } else {
      for (int n = 0; n < COUNT; ++n) {
        for (int j = 0; j < K; ++j) {
          totals[n] += load(from + (n * stride + j) * lanes) * factors[i * K + j];
        }
      }
    }
  }
  for (int n = 0; n < COUNT; ++n) {
    store(out + (x + n) * out_stride + lane, activate<A>(totals[n]));
  }
}

template <int K, bool DENSE, Activation A>
void depthwise_fixed(const float* const* rows, int64_t width, int64_t lanes,
                     const float* w, const float* shift, float* out,
                     int64_t out_stride, int64_t stride) {
  constexpr int kCount = 4;
  for (int64_t lane = 0; lane < lanes; lane += kLanes) {
    Vector factors[K * K];
    for (int i = 0; i < K * K; ++i) factors[i] = load(w + i * lanes + lane);
    const Vector first = shift ? load(shift + lane) : Vector{};
    int64_t x = 0;
    for (; x + kCount <= width; x += kCount) {
      depthwise_pixels<K, kCount, DENSE, A>(rows, x, lanes, lane, factors, first, out,
                                            out_stride, stride);
    }
    for (; x < width; ++x) {
      depthwise_pixels<K, 1, DENSE, A>(rows, x, lanes, lane, factors, first, out,
                                       out_stride, stride);
    }
  }
}

template <Activation A>
void depthwise_any(const float* const* rows, int64_t width, int64_t lanes,
                   int64_t kernel, const float* w, const float* shift, float* out,
                   int64_t out_stride, int64_t stride) {
  for (int64_t lane = 0; lane < lanes; lane += kLanes) {
    const Vector first = shift ? load(shift + lane) : Vector{};
    for (int64_t x = 0; x < width; ++x) {
      Vector total = first;
      for (int64_t i = 0; i < kernel; ++i) {
        const float* from = rows[i] + x * stride * lanes + lane;
        const float* factors = w + i * kernel * lanes + lane;
        for (int64_t j = 0; j < kernel; ++j) {
          total += load(from + j * lanes) * load(factors + j * lanes);
        }
      }
      store(out + x * out_stride + lane, activate<A>(total));
    }
  }
}

// One row of `width` outputs of `lanes` channels, `out_stride` apart (0: `lanes`).
template <Activation A>
void depthwise_row(const float* const* rows, int64_t width, int64_t lanes,
                   int64_t kernel, const float* w, const float* shift, float* out,
                   int64_t stride = 1, int64_t out_stride = 0) {
  if (!out_stride) out_stride = lanes;
#define DPW_FIXED(K, DENSE)                                                           \
  return depthwise_fixed<K, DENSE, A>(rows, width, lanes, w, shift, out, out_stride,  \
                                      stride)
  if (kernel == 3 && stride == 1) DPW_FIXED(3, true);
  if (kernel == 5 && stride == 1) DPW_FIXED(5, true);
  if (kernel == 3) DPW_FIXED(3, false);
  if (kernel == 5) DPW_FIXED(5, false);
#undef DPW_FIXED
  return depthwise_any<A>(rows, width, lanes, kernel, w, shift, out, out_stride,
                          stride);
}

}  // namespace DPW_ISA
}  // namespace dpw

#endif  // HYPERSEG_TF_CPU_DEPTHWISE_H_
