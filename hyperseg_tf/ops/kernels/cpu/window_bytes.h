// Windows of resized pictures in 16-bit integers, for processors with AVX2: what
// `cpu/window.h` computes in floats, within 1/8 of a grey level of it.
//
// Weights have 14 bits behind the point and sum to exactly one, so an even surface keeps
// its colour. A row between the two passes has 6, which leaves room for what bicubic
// weights overshoot.
#ifndef HYPERSEG_TF_CPU_WINDOW_BYTES_H_
#define HYPERSEG_TF_CPU_WINDOW_BYTES_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "cpu/simd.h"
#include "cpu/taps.h"

namespace dpw {
namespace DPW_ISA {

// Of a row that vectors read and write beyond its end.
constexpr int64_t kSlack = 64;

// More taps than these are floats: their rounding would add up.
constexpr int64_t kMostIntegerTaps = 16;

#if defined(__AVX2__)

constexpr bool kHasIntegers = true;
constexpr int kWeightBits = 14, kRowBits = 6;

inline __m128i load128(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}

inline __m256i load256(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

inline __m256i two128(const void* low, const void* high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(load128(low)), load128(high), 1);
}

// The weights of one place as integers; (even, count rounded up) of them.
inline void round_weights(const float* weights, int64_t count, int16_t* to) {
  int32_t left = 1 << kWeightBits;
  int64_t largest = 0;
  for (int64_t k = 0; k < count; ++k) {
    to[k] = static_cast<int16_t>(std::lrint(weights[k] * (1 << kWeightBits)));
    left -= to[k];
    if (to[k] > to[largest]) largest = k;
  }
  to[largest] = static_cast<int16_t>(to[largest] + left);
}

// Weights of all places, (places, count).
inline std::vector<int16_t> row_weights(const Taps& taps) {
  std::vector<int16_t> found(taps.places() * taps.count);
  for (int64_t i = 0; i < taps.places(); ++i) {
    round_weights(taps.of(i), taps.count, &found[i * taps.count]);
  }
  return found;
}

// The columns of a window: four pixels of a row at a time, two taps at a time.
struct Columns {
  int64_t places, pairs;
  std::vector<int32_t> start;    // of a place, in values of the row
  std::vector<int32_t> weights;  // (places / 2, pairs, 2, 4): two of 16 bits each

  Columns(const Taps& taps, int64_t origin)
      : places(taps.places()), pairs((taps.count + 1) / 2) {
    // Four places are computed together.
    const int64_t wide = (places + 3) / 4 * 4;
    start.resize(wide);
    weights.resize(4 * pairs * wide);
    std::vector<int16_t> of(2 * pairs);
    for (int64_t i = 0; i < wide; ++i) {
      const int64_t place = std::min(i, places - 1);
      start[i] = static_cast<int32_t>(3 * (taps.start[place] - origin));
      round_weights(taps.of(place), taps.count, of.data());
      for (int64_t k = 0; k < pairs; ++k) {
        int32_t* to = &weights[4 * (i / 2 * 2 * pairs + 2 * k + i % 2)];
        for (int channel = 0; channel < 4; ++channel) {
          std::memcpy(to + channel, &of[2 * k], 4);
        }
      }
    }
  }
  int64_t wide() const { return static_cast<int64_t>(start.size()); }
};

// Two pixels of a row to (r r g g b b - -), where bytes become 16 bits.
template <typename T>
__m256i pair_order();
template <>
inline __m256i pair_order<int16_t>() {
  return _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, -1, -1, -1, -1));
}
template <>
inline __m256i pair_order<uint8_t>() {
  return _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
}

// Two places: 32 bits each of red, green, blue and nothing.
template <int kPairs, typename T>
__m256i two_places(const T* from, const Columns& c, int64_t i) {
  const int64_t pairs = kPairs ? kPairs : c.pairs;
  const int32_t* weights = c.weights.data() + 4 * pairs * i;
  const T *a = from + c.start[i], *b = from + c.start[i + 1];
  const __m256i order = pair_order<T>();
  __m256i sum = _mm256_setzero_si256();
  for (int64_t k = 0; k < pairs; ++k) {
    const __m256i pixels = _mm256_shuffle_epi8(two128(a + 6 * k, b + 6 * k), order);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pixels, load256(weights + 8 * k)));
  }
  return sum;
}

// 32 bits with kBits behind the point to whole ones.
template <int kBits>
__m256i rounded(__m256i sum) {
  return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(1 << (kBits - 1))),
                           kBits);
}

// A row with kRowBits to bytes of the window; 16 of `to` beyond the end are written.
template <int kPairs>
void columns_to_bytes(const int16_t* from, const Columns& c, uint8_t* to) {
  constexpr int kBits = kRowBits + kWeightBits;
  const __m128i order =
      _mm_setr_epi8(0, 1, 2, 8, 9, 10, 4, 5, 6, 12, 13, 14, -1, -1, -1, -1);
  for (int64_t i = 0; i < c.places; i += 4) {
    // In halves: places 0 and 2, then 1 and 3.
    const __m256i words =
        _mm256_packs_epi32(rounded<kBits>(two_places<kPairs>(from, c, i)),
                           rounded<kBits>(two_places<kPairs>(from, c, i + 2)));
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words),
                                           _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 3 * i),
                     _mm_shuffle_epi8(bytes, order));
  }
}

// A row of bytes to one with kRowBits; 16 bytes of `to` beyond the end are written.
template <int kPairs>
void columns_to_row(const uint8_t* from, const Columns& c, int16_t* to) {
  constexpr int kBits = kWeightBits - kRowBits;
  const __m256i order = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, -1, -1, -1, -1));
  for (int64_t i = 0; i < c.places; i += 4) {
    __m256i words = _mm256_packs_epi32(rounded<kBits>(two_places<kPairs>(from, c, i)),
                                       rounded<kBits>(two_places<kPairs>(from, c, i + 2)));
    words = _mm256_permute4x64_epi64(words, _MM_SHUFFLE(3, 1, 2, 0));
    words = _mm256_shuffle_epi8(words, order);
    int16_t* at = to + 3 * i;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at), _mm256_castsi256_si128(words));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at + 6),
                     _mm256_extracti128_si256(words, 1));
  }
}

// 16 values of a row, as `weighed` takes them.
inline __m256i values(const uint8_t* from) {
  return _mm256_slli_epi16(_mm256_cvtepu8_epi16(load128(from)), kRowBits + 1);
}

inline __m256i values(const int16_t* from) { return load256(from); }

// Calls put(i, sum) for 16 values from i on, of all n, rounded up to whole vectors: the
// weighed sum of `count` rows, with one bit behind the point less than `values` has.
template <int kCount, typename T, typename Put>
void weigh(const T* const* rows, const int16_t* weights, int64_t count, int64_t n,
           const Put& put) {
  if constexpr (kCount > 0) {
    // Copies that no store can change.
    const T* from[kCount];
    __m256i weight[kCount];
    for (int k = 0; k < kCount; ++k) {
      from[k] = rows[k];
      weight[k] = _mm256_set1_epi16(weights[k]);
    }
    for (int64_t i = 0; i < n; i += 16) {
      __m256i sum = _mm256_mulhrs_epi16(values(from[0] + i), weight[0]);
      for (int k = 1; k < kCount; ++k) {
        sum = _mm256_add_epi16(sum,
                               _mm256_mulhrs_epi16(values(from[k] + i), weight[k]));
      }
      put(i, sum);
    }
  } else {
    for (int64_t i = 0; i < n; i += 16) {
      __m256i sum = _mm256_setzero_si256();
      for (int64_t k = 0; k < count; ++k) {
        const __m256i weight = _mm256_set1_epi16(weights[k]);
        sum = _mm256_add_epi16(sum, _mm256_mulhrs_epi16(values(rows[k] + i), weight));
      }
      put(i, sum);
    }
  }
}

// Rows of bytes to one with kRowBits, whole vectors of it.
template <int kCount>
void rows_to_row(const uint8_t* const* rows, const int16_t* weights, int64_t count,
                 int64_t n, int16_t* to) {
  weigh<kCount>(rows, weights, count, n, [to](int64_t i, __m256i sum) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), sum);
  });
}

// Rows with kRowBits to bytes, whole vectors of them.
template <int kCount>
void rows_to_bytes(const int16_t* const* rows, const int16_t* weights, int64_t count,
                   int64_t n, uint8_t* to) {
  constexpr int kBits = kRowBits - 1;
  const __m256i half = _mm256_set1_epi16(1 << (kBits - 1));
  weigh<kCount>(rows, weights, count, n, [to, half](int64_t i, __m256i sum) {
    const __m256i words = _mm256_srai_epi16(_mm256_add_epi16(sum, half), kBits);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i),
                     _mm_packus_epi16(_mm256_castsi256_si128(words),
                                      _mm256_extracti128_si256(words, 1)));
  });
}

#define DPW_BY_COUNT(COUNT, NAME, ...)           \
  switch (COUNT) {                               \
    case 1: NAME<1>(__VA_ARGS__); break;         \
    case 2: NAME<2>(__VA_ARGS__); break;         \
    case 4: NAME<4>(__VA_ARGS__); break;         \
    default: NAME<0>(__VA_ARGS__);               \
  }

// Calls row(i, k, spare) for the bytes of the picture's row i, from the window's first
// column on, with kSlack more behind them: in part k of `spare`, where the picture ends.
// Calls put(i, bytes) for each row of the window.
template <typename Row, typename Put>
void integer_rows_first(const Taps& row_taps, const Taps& column_taps, int64_t origin,
                        int64_t wide, const Row& row, const Put& put) {
  const Columns columns(column_taps, origin);
  const std::vector<int16_t> weights = row_weights(row_taps);
  const int64_t count = row_taps.count;
  // A pair of taps, the second of weight 0, may begin at the last pixel.
  std::vector<int16_t> sum(3 * wide + kSlack);
  std::vector<uint8_t> out(3 * columns.wide() + kSlack);
  std::vector<uint8_t> spare(count * (3 * wide + kSlack));
  std::vector<const uint8_t*> rows(count);
  for (int64_t i = 0; i < row_taps.places(); ++i) {
    for (int64_t k = 0; k < count; ++k) rows[k] = row(row_taps.start[i] + k, k, &spare);
    DPW_BY_COUNT(count, rows_to_row, rows.data(), &weights[i * count], count, 3 * wide,
                 sum.data())
    DPW_BY_COUNT(columns.pairs, columns_to_bytes, sum.data(), columns, out.data())
    put(i, out.data());
  }
}

// As above, with each row of the picture resized along itself once.
template <typename Row, typename Put>
void integer_columns_first(const Taps& row_taps, const Taps& column_taps, int64_t origin,
                           int64_t wide, const Row& row, const Put& put) {
  const Columns columns(column_taps, origin);
  const std::vector<int16_t> weights = row_weights(row_taps);
  const int64_t count = row_taps.count, stride = 3 * columns.wide() + kSlack;
  std::vector<int16_t> ring(count * stride);
  std::vector<uint8_t> out(stride), spare(3 * wide + kSlack);
  std::vector<const int16_t*> rows(count);
  int64_t done = row_taps.start[0];
  for (int64_t i = 0; i < row_taps.places(); ++i) {
    for (; done < row_taps.end(i); ++done) {
      DPW_BY_COUNT(columns.pairs, columns_to_row, row(done, 0, &spare), columns,
                   ring.data() + done % count * stride)
    }
    for (int64_t k = 0; k < count; ++k) {
      rows[k] = ring.data() + (row_taps.start[i] + k) % count * stride;
    }
    DPW_BY_COUNT(count, rows_to_bytes, rows.data(), &weights[i * count], count,
                 3 * columns.places, out.data())
    put(i, out.data());
  }
}

#undef DPW_BY_COUNT

// n pixels in the opposite order.
inline void mirror(const uint8_t* from, int64_t n, uint8_t* to) {
  const __m128i order =
      _mm_setr_epi8(12, 13, 14, 9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2, -1);
  int64_t x = 0;
  // Five are read with a byte of the sixth, and written over one.
  for (; x + 6 <= n; x += 5) {
    const __m128i five = load128(from + 3 * (n - 5 - x) - 1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 3 * x),
                     _mm_shuffle_epi8(_mm_srli_si128(five, 1), order));
  }
  for (; x < n; ++x) std::memcpy(to + 3 * x, from + 3 * (n - 1 - x), 3);
}

// Bytes of a row at rising or falling positions, 16 at a time out of 32 side by side.
class Picks {
 public:
  // `width`: of the rows, which are read to their end and no further.
  Picks(const std::vector<int32_t>& places, int64_t width) : places_(places) {
    const int64_t n = static_cast<int64_t>(places.size());
    for (int64_t i = 0; i + 16 <= n && width >= 32; i += 16) {
      const auto ends = std::minmax(places[i], places[i + 15]);
      if (ends.second - ends.first >= 32) break;
      const int32_t base = std::min(ends.first, static_cast<int32_t>(width - 32));
      bases_.push_back(base);
      for (int64_t k = 0; k < 16; ++k) {
        orders_.push_back(static_cast<uint8_t>(places[i + k] - base));
      }
    }
  }

  void operator()(const uint8_t* from, uint8_t* to) const {
    const __m128i sixteen = _mm_set1_epi8(16), none = _mm_set1_epi8(0x70);
    const int64_t blocks = static_cast<int64_t>(bases_.size());
    for (int64_t b = 0; b < blocks; ++b) {
      const __m128i order = load128(&orders_[16 * b]);
      // A position with the highest bit gives 0: 16 and more of the first half get it
      // by adding 0x70, less than 16 of the second by subtracting 16.
      const __m128i low = _mm_shuffle_epi8(load128(from + bases_[b]),
                                           _mm_add_epi8(order, none));
      const __m128i high = _mm_shuffle_epi8(load128(from + bases_[b] + 16),
                                            _mm_sub_epi8(order, sixteen));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 16 * b), _mm_or_si128(low, high));
    }
    const int64_t n = static_cast<int64_t>(places_.size());
    for (int64_t i = 16 * blocks; i < n; ++i) to[i] = from[places_[i]];
  }

 private:
  const std::vector<int32_t>& places_;
  std::vector<int32_t> bases_;
  std::vector<uint8_t> orders_;
};

#else

constexpr bool kHasIntegers = false;

template <typename Row, typename Put>
void integer_rows_first(const Taps&, const Taps&, int64_t, int64_t, const Row&,
                        const Put&) {}

template <typename Row, typename Put>
void integer_columns_first(const Taps&, const Taps&, int64_t, int64_t, const Row&,
                           const Put&) {}

inline void mirror(const uint8_t* from, int64_t n, uint8_t* to) {
  for (int64_t x = 0; x < n; ++x) std::memcpy(to + 3 * x, from + 3 * (n - 1 - x), 3);
}

class Picks {
 public:
  Picks(const std::vector<int32_t>& places, int64_t) : places_(places) {}

  void operator()(const uint8_t* __restrict from, uint8_t* __restrict to) const {
    const int64_t n = static_cast<int64_t>(places_.size());
    for (int64_t i = 0; i < n; ++i) to[i] = from[places_[i]];
  }

 private:
  const std::vector<int32_t>& places_;
};

#endif

}  // namespace DPW_ISA
}  // namespace dpw

#endif  // HYPERSEG_TF_CPU_WINDOW_BYTES_H_
