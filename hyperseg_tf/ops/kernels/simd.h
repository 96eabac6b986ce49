// A vector of kLanes floats, and the one matrix product that everything is made of.
//
// Included once per instruction set, with DPW_ISA its namespace and DPW_LANES its width;
// only the flags of the compiler differ.
#ifndef HYPERSEG_TF_SIMD_H_
#define HYPERSEG_TF_SIMD_H_

#include <cstdint>

namespace dpw {
namespace DPW_ISA {

constexpr int64_t kLanes = DPW_LANES;

typedef float Vector __attribute__((vector_size(DPW_LANES * 4)));
typedef float Unaligned
    __attribute__((vector_size(DPW_LANES * 4), aligned(4), may_alias));

inline Vector load(const float* from) {
  return *reinterpret_cast<const Unaligned*>(from);
}

inline void store(float* to, Vector value) {
  *reinterpret_cast<Unaligned*>(to) = value;
}

inline Vector splat(float value) { return value - Vector{}; }

// A NaN fails both comparisons and stays.
inline Vector relu(Vector x) { return x < 0.0f ? Vector{} : x; }

inline Vector relu6(Vector x) {
  x = relu(x);
  return x > 6.0f ? splat(6.0f) : x;
}

inline float sum(Vector x) {
  float lanes[kLanes], total = 0.0f;
  store(lanes, x);
  for (int64_t i = 0; i < kLanes; ++i) total += lanes[i];
  return total;
}

inline int64_t padded_lanes(int64_t count) {
  return (count + kLanes - 1) / kLanes * kLanes;
}

enum class Activation { kNone, kRelu, kRelu6 };

template <Activation A>
inline Vector activate(Vector x) {
  if constexpr (A == Activation::kRelu) return relu(x);
  if constexpr (A == Activation::kRelu6) return relu6(x);
  return x;
}

// Accumulators of a tile: rows x vectors fill the registers.
constexpr int kTileRows = DPW_TILE_ROWS;
constexpr int kTileVectors = DPW_TILE_VECTORS;

// out[row][lane] = act(sum_k x[row][k] * w[k][lane] + shift[lane])
template <int ROWS, int VECTORS, Activation A>
void tile(const float* x, int64_t x_stride, int64_t depth, const float* w,
          int64_t w_stride, const float* shift, float* out, int64_t out_stride) {
  Vector sums[ROWS][VECTORS];
  for (int v = 0; v < VECTORS; ++v) {
    const Vector first = shift ? load(shift + v * kLanes) : Vector{};
    for (int r = 0; r < ROWS; ++r) sums[r][v] = first;
  }
  for (int64_t k = 0; k < depth; ++k) {
    Vector factors[VECTORS];
    for (int v = 0; v < VECTORS; ++v) factors[v] = load(w + k * w_stride + v * kLanes);
    for (int r = 0; r < ROWS; ++r) {
      const Vector value = splat(x[r * x_stride + k]);
      for (int v = 0; v < VECTORS; ++v) sums[r][v] += value * factors[v];
    }
  }
  for (int r = 0; r < ROWS; ++r) {
    for (int v = 0; v < VECTORS; ++v) {
      store(out + r * out_stride + v * kLanes, activate<A>(sums[r][v]));
    }
  }
}

template <int ROWS, Activation A>
void tile_row(int vectors, const float* x, int64_t x_stride, int64_t depth,
              const float* w, int64_t w_stride, const float* shift, float* out,
              int64_t out_stride) {
  switch (vectors) {
    case 1:
      return tile<ROWS, 1, A>(x, x_stride, depth, w, w_stride, shift, out, out_stride);
    case 2:
      return tile<ROWS, 2, A>(x, x_stride, depth, w, w_stride, shift, out, out_stride);
    default:
      return tile<ROWS, 3, A>(x, x_stride, depth, w, w_stride, shift, out, out_stride);
  }
}

// The product of (rows, depth) and (depth, lanes), with a shift and an activation.
// `lanes` is a multiple of kLanes; w, shift and out are readable and writable that far.
template <Activation A>
void product(const float* x, int64_t x_stride, int64_t rows, int64_t depth,
             const float* w, int64_t w_stride, int64_t lanes, const float* shift,
             float* out, int64_t out_stride) {
  static_assert(kTileVectors == 3, "tile_row has three cases");
  const int64_t pieces = (rows + kTileRows - 1) / kTileRows;
  for (int64_t lane = 0; lane < lanes;) {
    const int64_t left = (lanes - lane) / kLanes;
    // Four vectors are two and two, not three and one.
    const int vectors = left == 4 ? 2 : left < kTileVectors ? left : kTileVectors;
    for (int64_t piece = 0, row = 0; piece < pieces; ++piece) {
      const int64_t count = (rows - row) / (pieces - piece);
      const float* from = x + row * x_stride;
      float* to = out + row * out_stride + lane;
      const float* factors = w + lane;
      const float* first = shift ? shift + lane : nullptr;
#define DPW_CASE(N)                                                               \
  case N:                                                                         \
    tile_row<N, A>(vectors, from, x_stride, depth, factors, w_stride, first, to,  \
                   out_stride);                                                   \
    break;
      switch (count) {
        DPW_CASE(1)
        DPW_CASE(2)
        DPW_CASE(3)
        DPW_CASE(4)
#if DPW_TILE_ROWS > 4
        DPW_CASE(5)
        DPW_CASE(6)
        DPW_CASE(7)
        DPW_CASE(8)
#endif
        default:
          break;
      }
#undef DPW_CASE
      row += count;
    }
    lane += vectors * kLanes;
  }
}

}  // namespace DPW_ISA
}  // namespace dpw

#endif  // HYPERSEG_TF_SIMD_H_
