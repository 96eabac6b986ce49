// What the threads of a block compute together, from shared memory.
//
// Pixels are the fastest axis of maps, channels of weights: the threads of a warp read
// neighbouring pixels, without conflicts, and the same weights, a broadcast.
#ifndef HYPERSEG_TF_CUDA_TILE_H_
#define HYPERSEG_TF_CUDA_TILE_H_

#include "cuda/context.h"

namespace dpw {
namespace gpu {

// put(unit, pixel, sums): sums[i] = sum_k x[k][pixel + i] * w[k][unit], four pixels and
// UNITS units per thread. Rows of x are readable to whole Fours, rows of w to whole
// UNITS; what is too much is computed and, for units, not put.
template <int UNITS, typename Put>
DPW_DEVICE void multiply_tile(int thread, int threads, int pixels, int units, int depth,
                              const float* x, int x_stride, const float* w,
                              int w_stride, const Put& put) {
  const int groups = (pixels + 3) / 4, tasks = groups * ((units + UNITS - 1) / UNITS);
  for (int task = thread; task < tasks; task += threads) {
    const int tile = task / groups, first = tile * UNITS;
    const int pixel = (task - tile * groups) * 4;
    float sums[UNITS][4];
    for (int u = 0; u < UNITS; ++u) {
      for (int i = 0; i < 4; ++i) sums[u][i] = 0.0f;
    }
    const float *values = x + pixel, *factors = w + first;
#ifndef DPW_HOST_BUILD
#pragma unroll 2
#endif
    for (int k = 0; k < depth; ++k, values += x_stride, factors += w_stride) {
      const Four value = load4(values);
      for (int u = 0; u < UNITS; u += 4) {
        const Four factor = load4(factors + u);
        for (int v = 0; v < 4; ++v) {
          for (int i = 0; i < 4; ++i) {
            sums[u + v][i] = multiply_add(value.at[i], factor.at[v], sums[u + v][i]);
          }
        }
      }
    }
    for (int u = 0; u < UNITS; ++u) {
      if (first + u < units) put(first + u, pixel, sums[u]);
    }
  }
}

template <typename Put>
DPW_DEVICE void multiply(bool wide, int thread, int threads, int pixels, int units,
                         int depth, const float* x, int x_stride, const float* w,
                         int w_stride, const Put& put) {
  if (wide) {
    multiply_tile<8>(thread, threads, pixels, units, depth, x, x_stride, w, w_stride,
                     put);
  } else {
    multiply_tile<4>(thread, threads, pixels, units, depth, x, x_stride, w, w_stride,
                     put);
  }
}

// put(channel, row, column, sum) of a depthwise 3x3 convolution; a thread goes down a
// column of ROWS outputs, so that each row is read once. x is (channels, height + 2,
// width + 2), w (channels, 9).
template <int ROWS, typename Put>
DPW_DEVICE void depthwise3(int thread, int threads, int height, int width, int channels,
                           const float* x, int x_stride, const float* w,
                           const Put& put) {
  const int groups = (height + ROWS - 1) / ROWS, padded = width + 2;
  for (int task = thread; task < channels * groups * width; task += threads) {
    const int line = task / width, column = task - line * width;
    const int channel = line / groups, first = (line - channel * groups) * ROWS;
    const float* from = x + channel * x_stride + column;
    float factors[9], sums[ROWS];
    for (int t = 0; t < 9; ++t) factors[t] = w[channel * 9 + t];
    for (int r = 0; r < ROWS; ++r) sums[r] = 0.0f;
#ifndef DPW_HOST_BUILD
#pragma unroll
#endif
    for (int r = 0; r < ROWS + 2; ++r) {
      // Rows that are not there are computed from the last one and not put.
      const float* row = from + smaller(first + r, height + 1) * padded;
      const float values[3] = {row[0], row[1], row[2]};
#ifndef DPW_HOST_BUILD
#pragma unroll
#endif
      for (int i = 0; i < 3; ++i) {
        const int to = r - i;
        if (to < 0 || to >= ROWS) continue;
        for (int j = 0; j < 3; ++j) {
          sums[to] = multiply_add(values[j], factors[i * 3 + j], sums[to]);
        }
      }
    }
    for (int r = 0; r < ROWS; ++r) {
      if (first + r < height) put(channel, first + r, column, sums[r]);
    }
  }
}

// The same for `taps` rows of a kernel of any size. x is (channels, height + taps - 1,
// width + kernel - 1), w (channels, taps, kernel).
template <typename Put>
DPW_DEVICE void depthwise_any(int thread, int threads, int height, int width,
                              int channels, int kernel, int taps, const float* x,
                              int x_stride, const float* w, const Put& put) {
  constexpr int kRows = 4;
  const int groups = (height + kRows - 1) / kRows, padded = width + kernel - 1;
  for (int task = thread; task < channels * groups * width; task += threads) {
    const int line = task / width, column = task - line * width;
    const int channel = line / groups, first = (line - channel * groups) * kRows;
    const float* factors = w + channel * taps * kernel;
    const float* rows[kRows];
    float sums[kRows];
    for (int r = 0; r < kRows; ++r) {
      const int row = smaller(first + r, height - 1);
      rows[r] = x + channel * x_stride + row * padded + column;
      sums[r] = 0.0f;
    }
    for (int i = 0; i < taps; ++i) {
      for (int j = 0; j < kernel; ++j) {
        const float factor = factors[i * kernel + j];
        for (int r = 0; r < kRows; ++r) {
          sums[r] = multiply_add(rows[r][i * padded + j], factor, sums[r]);
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      if (first + r < height) put(channel, first + r, column, sums[r]);
    }
  }
}

}  // namespace gpu
}  // namespace dpw

#endif  // HYPERSEG_TF_CUDA_TILE_H_
