// A vector of kLanes floats, and the one matrix product that everything is made of.
//
// Included once per instruction set, with DPW_ISA its namespace and DPW_LANES its width;
// only the flags of the compiler differ.
#ifndef HYPERSEG_TF_CPU_SIMD_H_
#define HYPERSEG_TF_CPU_SIMD_H_

#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace dpw {
namespace DPW_ISA {

constexpr int64_t kLanes = DPW_LANES;

typedef float Vector __attribute__((vector_size(DPW_LANES * 4)));
typedef float Unaligned
    __attribute__((vector_size(DPW_LANES * 4), aligned(4), may_alias));

typedef int32_t Integers __attribute__((vector_size(DPW_LANES * 4)));

inline Vector load(const float* from) {
  return *reinterpret_cast<const Unaligned*>(from);
}

inline void store(float* to, Vector value) {
  *reinterpret_cast<Unaligned*>(to) = value;
}

inline Vector splat(float value) { return value - Vector{}; }

// The bound where x lies beyond it; a NaN stays one.
inline Vector at_least(float bound, Vector x) {
#if defined(__AVX2__)
  return _mm256_max_ps(splat(bound), x);  // the second operand, if one is a NaN
#else
  return x < bound ? splat(bound) : x;
#endif
}

inline Vector at_most(float bound, Vector x) {
#if defined(__AVX2__)
  return _mm256_min_ps(splat(bound), x);
#else
  return x > bound ? splat(bound) : x;
#endif
}

inline Vector relu(Vector x) { return at_least(0.0f, x); }

inline Vector relu6(Vector x) { return at_most(6.0f, relu(x)); }

inline float sum(Vector x) {
  float lanes[kLanes], total = 0.0f;
  store(lanes, x);
  for (int64_t i = 0; i < kLanes; ++i) total += lanes[i];
  return total;
}

#if DPW_LANES == 8
#define DPW_LOW {0, 8, 1, 9, 2, 10, 3, 11}
#define DPW_HIGH {4, 12, 5, 13, 6, 14, 7, 15}
#else
#define DPW_LOW {0, 4, 1, 5}
#define DPW_HIGH {2, 6, 3, 7}
#endif

// kLanes rows of kLanes columns into columns: interleaving the two halves of the rows
// once per bit of a lane's number reverses the roles of both numbers.
inline void transpose(Vector* rows) {
  constexpr Integers kLow = DPW_LOW, kHigh = DPW_HIGH;
  for (int step = 1; step < kLanes; step *= 2) {
    Vector mixed[kLanes];
    for (int i = 0; i < kLanes / 2; ++i) {
      mixed[2 * i] = __builtin_shuffle(rows[i], rows[i + kLanes / 2], kLow);
      mixed[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + kLanes / 2], kHigh);
    }
    for (int i = 0; i < kLanes; ++i) rows[i] = mixed[i];
  }
}

// (rows, columns) -> (columns, lanes), the lanes behind `rows` zero. Reads up to
// kLanes - 1 values behind the last row.
inline void transpose(const float* from, int64_t rows, int64_t columns, float* to,
                      int64_t lanes) {
  for (int64_t r = 0; r < lanes; r += kLanes) {
    const int64_t filled = rows - r < kLanes ? rows - r : kLanes;
    for (int64_t c = 0; c < columns; c += kLanes) {
      Vector square[kLanes];
      const float* corner = from + r * columns + c;
      for (int64_t i = 0; i < kLanes; ++i) {
        square[i] = i < filled ? load(corner + i * columns) : Vector{};
      }
      transpose(square);
      const int64_t count = columns - c < kLanes ? columns - c : kLanes;
      for (int64_t i = 0; i < count; ++i) store(to + (c + i) * lanes + r, square[i]);
    }
  }
}

// In whole vectors: reads and writes up to kLanes - 1 values too many.
inline void copy_over(const float* from, int64_t count, float* to) {
  for (int64_t i = 0; i < count; i += kLanes) store(to + i, load(from + i));
}

inline int64_t padded_lanes(int64_t count) {
  return (count + kLanes - 1) / kLanes * kLanes;
}

// 1 / (1 + exp(-x)), to about two units in the last place while x is above -10 or so.
inline Vector sigmoid(Vector x) {
  // 1 / (1 + 2**y); y stays where 2**y and its inverse are normal numbers.
  x = at_least(-86.0f, at_most(86.0f, x));
  // The rest is taken from the product before it is rounded, where that can be fused.
  const Vector y = x * -1.442695041f;
#if defined(__AVX512VL__)
  // Adding 1.5 * 2**19 rounds to sixteenths, with their number in the low bits of the
  // sum: 2**y is a table of sixteen, a short polynomial, and a scaling.
  const Vector low = {1.0f,         1.044273782f, 1.090507733f, 1.138788635f,
                      1.189207115f, 1.241857812f, 1.296839555f, 1.354255547f};
  const Vector high = {1.414213562f, 1.476826146f, 1.542210825f, 1.610490332f,
                       1.681792831f, 1.756252160f, 1.834008086f, 1.915206561f};
  const Vector shifted = y + 786432.0f;
  const Vector whole = shifted - 786432.0f;
  const Vector rest = x * -1.442695041f - whole;
  const __m256i place = _mm256_castps_si256(shifted);
  const Vector factor = _mm256_permutex2var_ps(low, place, high);
  Vector power = rest * 5.550410866e-2f + 2.402265070e-1f;
  power = power * rest + 6.931471806e-1f;
  power = power * rest * factor + factor;
  const Vector sum = _mm256_scalef_ps(power, whole) + 1.0f;
  const Vector guess = _mm256_rcp14_ps(sum);
  return guess + guess * (1.0f - sum * guess);
#else
  // Adding 1.5 * 2**23 rounds to a whole number, in the low bits of the sum.
  const Vector shifted = y + 12582912.0f;
  const Vector rest = x * -1.442695041f - (shifted - 12582912.0f);
  // Minimax polynomial of 2**rest over -1/2 to 1/2.
  Vector power = splat(1.535336188e-4f);
  power = power * rest + 1.339887440e-3f;
  power = power * rest + 9.618437358e-3f;
  power = power * rest + 5.550332471e-2f;
  power = power * rest + 2.402264791e-1f;
  power = power * rest + 6.931472029e-1f;
  power = power * rest + 1.0f;
  const Integers exponent = reinterpret_cast<Integers>(shifted) << 23;
  power = reinterpret_cast<Vector>(reinterpret_cast<Integers>(power) + exponent);
  return 1.0f / (power + 1.0f);
#endif
}

// x * sigmoid(x); 0 and not NaN for minus infinity.
inline Vector swish(Vector x) { return at_least(-86.0f, x) * sigmoid(x); }

enum class Activation { kNone, kRelu, kRelu6, kSwish };

template <Activation A>
inline Vector activate(Vector x) {
  if constexpr (A == Activation::kRelu) return relu(x);
  if constexpr (A == Activation::kRelu6) return relu6(x);
  if constexpr (A == Activation::kSwish) return swish(x);
  return x;
}

// Accumulators of a tile: rows x vectors fill the registers.
constexpr int kTileRows = DPW_TILE_ROWS;
constexpr int kTileVectors = DPW_TILE_VECTORS;

// out[row][lane] = act(sum_k x[row][k] * w[k][lane] + shift[row][lane])
// A shift_stride of 0 gives all rows the same shift; with the output as the shift, the
// product is added to it.
template <int ROWS, int VECTORS, Activation A>
void tile(const float* x, int64_t x_stride, int64_t depth, const float* w,
          int64_t w_stride, const float* shift, int64_t shift_stride, float* out,
          int64_t out_stride) {
  Vector sums[ROWS][VECTORS];
  for (int r = 0; r < ROWS; ++r) {
    for (int v = 0; v < VECTORS; ++v) {
      sums[r][v] = shift ? load(shift + r * shift_stride + v * kLanes) : Vector{};
    }
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
              const float* w, int64_t w_stride, const float* shift,
              int64_t shift_stride, float* out, int64_t out_stride) {
  switch (vectors) {
    case 1:
      return tile<ROWS, 1, A>(x, x_stride, depth, w, w_stride, shift, shift_stride,
                              out, out_stride);
    case 2:
      return tile<ROWS, 2, A>(x, x_stride, depth, w, w_stride, shift, shift_stride,
                              out, out_stride);
    default:
      return tile<ROWS, 3, A>(x, x_stride, depth, w, w_stride, shift, shift_stride,
                              out, out_stride);
  }
}

// The product of (rows, depth) and (depth, lanes), with a shift and an activation.
// `lanes` is a multiple of kLanes; w, shift and out are readable and writable that far.
template <Activation A>
void product(const float* x, int64_t x_stride, int64_t rows, int64_t depth,
             const float* w, int64_t w_stride, int64_t lanes, const float* shift,
             float* out, int64_t out_stride, int64_t shift_stride = 0) {
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
      const float* first = shift ? shift + row * shift_stride + lane : nullptr;
#define DPW_CASE(N)                                                          \
  case N:                                                                    \
    tile_row<N, A>(vectors, from, x_stride, depth, factors, w_stride, first, \
                   shift_stride, to, out_stride);                            \
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

#endif  // HYPERSEG_TF_CPU_SIMD_H_
