// One row of a depthwise convolution of channels-last rows.
#ifndef HYPERSEG_TF_DEPTHWISE_H_
#define HYPERSEG_TF_DEPTHWISE_H_

#include "simd.h"

namespace dpw {
namespace DPW_ISA {

// out[x][c] = act(sum_ij rows[i][x * stride + j][c] * w[i * K + j][c] + shift[c])
// K is known to the compiler, so that all weights of a vector stay in registers.
template <int K, Activation A>
void depthwise_fixed(const float* const* rows, int64_t width, int64_t lanes,
                     const float* w, const float* shift, float* out,
                     int64_t out_stride, int64_t stride) {
  for (int64_t lane = 0; lane < lanes; lane += kLanes) {
    Vector factors[K * K];
    for (int i = 0; i < K * K; ++i) factors[i] = load(w + i * lanes + lane);
    const Vector first = shift ? load(shift + lane) : Vector{};
    for (int64_t x = 0; x < width; ++x) {
      Vector total = first;
      for (int i = 0; i < K; ++i) {
        const float* from = rows[i] + x * stride * lanes + lane;
        for (int j = 0; j < K; ++j) total += load(from + j * lanes) * factors[i * K + j];
      }
      store(out + x * out_stride + lane, activate<A>(total));
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
  switch (kernel) {
    case 3:
      return depthwise_fixed<3, A>(rows, width, lanes, w, shift, out, out_stride,
                                   stride);
    case 5:
      return depthwise_fixed<5, A>(rows, width, lanes, w, shift, out, out_stride,
                                   stride);
    default:
      return depthwise_any<A>(rows, width, lanes, kernel, w, shift, out, out_stride,
                              stride);
  }
}

}  // namespace DPW_ISA
}  // namespace dpw

#endif  // HYPERSEG_TF_DEPTHWISE_H_
