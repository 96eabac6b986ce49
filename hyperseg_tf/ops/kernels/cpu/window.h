// A window of a picture that was resized, without the rest of it: image and label.
//
// Rows are resized by whole vectors; columns by four lanes, of which a pixel's three
// channels are the first, or in integers (`cpu/window_bytes.h`). Which of the two comes first depends on where the picture has
// fewer rows.
#ifndef HYPERSEG_TF_CPU_WINDOW_H_
#define HYPERSEG_TF_CPU_WINDOW_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "cpu/simd.h"
#include "cpu/taps.h"
#include "cpu/window_bytes.h"
#include "pointers.h"
#include "shapes.h"

namespace dpw {
namespace DPW_ISA {

typedef float Pixel __attribute__((vector_size(16)));
typedef float UnalignedPixel __attribute__((vector_size(16), aligned(4), may_alias));

// to[i] (+)= sum of weights[k] * rows[k][i].
template <int kCount, typename T>
void add_rows(const T* const* rows, const float* weights, int64_t n, bool fresh,
              float* __restrict to) {
  if (fresh) {
    for (int64_t i = 0; i < n; ++i) {
      float sum = 0;
      for (int k = 0; k < kCount; ++k) sum += weights[k] * rows[k][i];
      to[i] = sum;
    }
  } else {
    for (int64_t i = 0; i < n; ++i) {
      float sum = to[i];
      for (int k = 0; k < kCount; ++k) sum += weights[k] * rows[k][i];
      to[i] = sum;
    }
  }
}

template <typename T>
void weigh_rows(const T* const* rows, const float* weights, int64_t count, int64_t n,
                float* to) {
  int64_t k = 0;
  for (; k + 4 <= count; k += 4) add_rows<4>(rows + k, weights + k, n, !k, to);
  if (count - k >= 2) add_rows<2>(rows + k, weights + k, n, !k, to), k += 2;
  if (count - k) add_rows<1>(rows + k, weights + k, n, !k, to);
}

// Rounded and clipped.
inline void to_bytes(const float* __restrict from, int64_t n, uint8_t* __restrict to) {
  int64_t i = 0;
#if defined(__AVX2__)
  // Packing saturates, and works on halves: the last step puts the parts in order.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  for (; i + 32 <= n; i += 32) {
    __m256i parts[4];
    for (int k = 0; k < 4; ++k) {
      const Vector value = load(from + i + 8 * k) + splat(0.5f);
      parts[k] = _mm256_cvttps_epi32(at_most(256.0f, relu(value)));
    }
    const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(parts[0], parts[1]),
                                              _mm256_packs_epi32(parts[2], parts[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i),
                        _mm256_permutevar8x32_epi32(bytes, order));
  }
#endif
  for (; i < n; ++i) {
    const float value = std::min(255.0f, std::max(0.0f, from[i]));
    to[i] = static_cast<uint8_t>(static_cast<int32_t>(value + 0.5f));
  }
}

inline void to_floats(const uint8_t* __restrict from, int64_t n, float* __restrict to) {
  for (int64_t i = 0; i < n; ++i) to[i] = from[i];
}

// One row of pixels (4 floats may be read from the last) to the window's columns.
template <int kCount>
void row_of_floats(const float* from, const Taps& taps, int64_t origin, float* to) {
  const int64_t count = kCount ? kCount : taps.count, places = taps.places();
  const int32_t* starts = taps.start.data();
  const float* all = taps.weights.data();
  for (int64_t i = 0; i < places; ++i) {
    const float* at = from + 3 * (starts[i] - origin);
    const float* weights = all + i * count;
    Pixel sum{};
    for (int64_t k = 0; k < count; ++k) {
      sum += weights[k] * *reinterpret_cast<const UnalignedPixel*>(at + 3 * k);
    }
    *reinterpret_cast<UnalignedPixel*>(to + 3 * i) = sum;
  }
}

inline void columns(const float* from, const Taps& taps, int64_t origin, float* to) {
  switch (taps.count) {
    case 1: return row_of_floats<1>(from, taps, origin, to);
    case 2: return row_of_floats<2>(from, taps, origin, to);
    case 4: return row_of_floats<4>(from, taps, origin, to);
    default: return row_of_floats<0>(from, taps, origin, to);
  }
}

class Window {
 public:
  Window(const WindowShape& shape, const WindowPointers& pointers)
      : s_(shape), p_(pointers) {}

  void run() {
    fill();
    const int64_t top = std::max<int64_t>(0, -s_.first_row);
    const int64_t bottom = std::min(s_.out_height, s_.scaled_height - s_.first_row);
    const int64_t left = std::max<int64_t>(0, -s_.first_column);
    const int64_t right = std::min(s_.out_width, s_.scaled_width - s_.first_column);
    if (top >= bottom || left >= right) return;
    rows_ = make_taps(s_.height, s_.scaled_height, s_.first_row + top, bottom - top,
                      s_.cubic, s_.antialias);
    columns_ = make_taps(s_.width, s_.scaled_width, s_.first_column + left,
                         right - left, s_.cubic, s_.antialias);
    // Of the picture's columns, those that are needed.
    origin_ = columns_.start.front();
    wide_ = columns_.end(columns_.places() - 1) - origin_;
    top_ = top;
    left_ = s_.flip ? s_.out_width - right : left;
    if (s_.flip) reverse(&columns_);
    label();
    if (rows_.copies && columns_.copies) copy();
    else if (kHasIntegers && std::max(rows_.count, columns_.count) <= kMostIntegerTaps)
      integers();
    else if (s_.scaled_height > s_.height) columns_first();
    else rows_first();
  }

 private:
  const uint8_t* row(int64_t i) const {
    return p_.image + 3 * (i * s_.width + origin_);
  }
  uint8_t* out(int64_t i) const {
    return p_.out_image + 3 * ((top_ + i) * s_.out_width + left_);
  }

  // Around the picture.
  void fill() const {
    const bool whole = s_.first_row >= 0 && s_.first_column >= 0 &&
                       s_.first_row + s_.out_height <= s_.scaled_height &&
                       s_.first_column + s_.out_width <= s_.scaled_width;
    if (whole) return;
    const int64_t pixels = s_.out_height * s_.out_width;
    std::memset(p_.out_label, p_.empty_label, pixels);
    if (!pixels) return;
    for (int64_t i = 0; i < s_.out_width; ++i) {
      std::memcpy(p_.out_image + 3 * i, p_.fill, 3);
    }
    for (int64_t i = 1; i < s_.out_height; ++i) {
      std::memcpy(p_.out_image + 3 * i * s_.out_width, p_.out_image,
                  3 * s_.out_width);
    }
  }

  void label() const {
    const int64_t n = columns_.places();
    const Picks pick(columns_.nearest, s_.width);
    for (int64_t i = 0; i < rows_.places(); ++i) {
      uint8_t* to = p_.out_label + (top_ + i) * s_.out_width + left_;
      if (i && rows_.nearest[i] == rows_.nearest[i - 1]) {
        std::memcpy(to, to - s_.out_width, n);
        continue;
      }
      const uint8_t* from = p_.label + rows_.nearest[i] * s_.width;
      if (columns_.copies && !s_.flip) {
        std::memcpy(to, from + columns_.nearest[0], n);
      } else {
        pick(from, to);
      }
    }
  }

  void copy() const {
    const int64_t n = columns_.places();
    for (int64_t i = 0; i < rows_.places(); ++i) {
      const uint8_t* from = row(rows_.start[i]);
      uint8_t* to = out(i);
      if (!s_.flip) {
        std::memcpy(to, from, 3 * n);
        continue;
      }
      mirror(from, n, to);
    }
  }

  void integers() const {
    const uint8_t* end = p_.image + 3 * s_.height * s_.width;
    const int64_t bytes = 3 * wide_;
    const auto from = [=](int64_t i, int64_t k, std::vector<uint8_t>* spare) {
      const uint8_t* found = row(i);
      if (end - found >= bytes + kSlack) return found;
      uint8_t* copy = spare->data() + k * (bytes + kSlack);
      std::memcpy(copy, found, bytes);
      return static_cast<const uint8_t*>(copy);
    };
    const auto put = [=](int64_t i, const uint8_t* row) {
      std::memcpy(out(i), row, 3 * columns_.places());
    };
    if (s_.scaled_height > s_.height) {
      integer_columns_first(rows_, columns_, origin_, wide_, from, put);
    } else {
      integer_rows_first(rows_, columns_, origin_, wide_, from, put);
    }
  }

  void rows_first() const {
    std::vector<float> wide(3 * wide_ + 1), narrow(3 * columns_.places() + 1);
    std::vector<const uint8_t*> rows(rows_.count);
    for (int64_t i = 0; i < rows_.places(); ++i) {
      for (int64_t k = 0; k < rows_.count; ++k) rows[k] = row(rows_.start[i] + k);
      weigh_rows(rows.data(), rows_.of(i), rows_.count, 3 * wide_, wide.data());
      columns(wide.data(), columns_, origin_, narrow.data());
      to_bytes(narrow.data(), 3 * columns_.places(), out(i));
    }
  }

  // Rows that several places share are resized along themselves once.
  void columns_first() const {
    const int64_t n = 3 * columns_.places();
    const int64_t stride = n + 1;
    std::vector<float> wide(3 * wide_ + 1), sum(n), ring(rows_.count * stride);
    std::vector<const float*> rows(rows_.count);
    int64_t done = rows_.start[0];
    for (int64_t i = 0; i < rows_.places(); ++i) {
      for (; done < rows_.end(i); ++done) {
        const uint8_t* from = row(done);
        to_floats(from, 3 * wide_, wide.data());
        columns(wide.data(), columns_, origin_,
                ring.data() + done % rows_.count * stride);
      }
      for (int64_t k = 0; k < rows_.count; ++k) {
        rows[k] = ring.data() + (rows_.start[i] + k) % rows_.count * stride;
      }
      weigh_rows(rows.data(), rows_.of(i), rows_.count, n, sum.data());
      to_bytes(sum.data(), n, out(i));
    }
  }

  const WindowShape& s_;
  const WindowPointers& p_;
  Taps rows_, columns_;
  int64_t origin_ = 0, wide_ = 0, top_ = 0, left_ = 0;
};

}  // namespace DPW_ISA
}  // namespace dpw

#endif  // HYPERSEG_TF_CPU_WINDOW_H_
