// The class of every pixel, and how probable it is, from logits at full or half the size
// of the picture: full-size logits are never written.
//
// A row is put together from the two above and below it, turned into a plane for each
// class, and then whole vectors of pixels are compared class by class.
#ifndef HYPERSEG_TF_CPU_CLASS_MAP_H_
#define HYPERSEG_TF_CPU_CLASS_MAP_H_

#include <algorithm>
#include <cstdint>

#include "cpu/scratch.h"
#include "cpu/simd.h"
#include "pointers.h"
#include "shapes.h"

namespace dpw {
namespace DPW_ISA {

// exp(x) of x <= 0.
inline Vector exponential(Vector x) {
  const Vector s = sigmoid(x);
  return s / (1.0f - s);
}

class ClassMap {
 public:
  ClassMap(const ClassMapShape& shape, const ClassMapPointers& pointers)
      : s_(shape), p_(pointers), lanes_(padded_lanes(s_.columns + 2)) {}

  // Pieces are rows of the logits that are given; false where one is not finite.
  bool run(int64_t begin, int64_t end) const {
    const int64_t row = s_.columns * s_.classes, planes = s_.classes * lanes_;
    Scratch scratch(Scratch::round(row + kLanes) + Scratch::round(planes + 2 * kLanes));
    float* mixed = scratch.take(row + kLanes);
    float* plane = scratch.take(planes + 2 * kLanes) + kLanes;
    std::fill(mixed + row, mixed + row + kLanes, 0.0f);
    bool finite = true;
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t image = piece / s_.rows, i = piece % s_.rows;
      const float* from = p_.logits + image * s_.rows * row;
      for (int64_t k = 0; k < s_.factor; ++k) {
        const int64_t y = s_.factor * i + k;
        if (y >= s_.height) continue;
        const int64_t other = k ? std::min(i + 1, s_.rows - 1) : std::max<int64_t>(i - 1, 0);
        finite &= mix(from + i * row, from + other * row, row, mixed);
        transpose(mixed, s_.columns, s_.classes, plane, lanes_);
        const int64_t to = (image * s_.height + y) * s_.width;
        if (s_.factor == 2) doubled(plane, to);
        else same(plane, to);
      }
    }
    return finite;
  }

 private:
  struct Best {
    Vector value;
    Integers index{};

    explicit Best(Vector first) : value(first) {}

    // The first of equals stays.
    void take(Vector other, int32_t number) {
      const Integers larger = other > value;
      value = larger ? other : value;
      index = larger ? Integers{} + number : index;
    }
  };

  // Three quarters of the near row and one of the other; whether all is finite.
  bool mix(const float* near, const float* other, int64_t n, float* to) const {
    const float share = s_.factor == 2 ? 0.75f : 1.0f;
    Vector zero{};
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      const Vector value = load(near + i) * share + load(other + i) * (1.0f - share);
      zero += value - value;
      store(to + i, value);
    }
    float rest = 0.0f;
    for (; i < n; ++i) {
      to[i] = near[i] * share + other[i] * (1.0f - share);
      rest += to[i] - to[i];
    }
    return sum(zero) + rest == 0.0f;
  }

  void same(const float* plane, int64_t to) const {
    for (int64_t x = 0; x < s_.width; x += kLanes) {
      const auto value = [&](int64_t c) { return load(plane + c * lanes_ + x); };
      const Best best = compare(value);
      write(best, sure(best, value), to + x, std::min(kLanes, s_.width - x), 1);
    }
  }

  void doubled(float* plane, int64_t to) const {
    for (int64_t c = 0; c < s_.classes; ++c) {
      float* row = plane + c * lanes_;
      row[-1] = row[0];  // free: the last of the plane before
      row[s_.columns] = row[s_.columns - 1];
    }
    for (int64_t x = 0; 2 * x < s_.width; x += kLanes) {
      for (int64_t side = 0; side < 2; ++side) {
        const int64_t beside = side ? 1 : -1;
        const auto value = [&](int64_t c) {
          const float* at = plane + c * lanes_ + x;
          return load(at) * 0.75f + load(at + beside) * 0.25f;
        };
        const Best best = compare(value);
        const int64_t left = s_.width - 2 * x - side;
        write(best, sure(best, value), to + 2 * x + side,
              std::min(kLanes, (left + 1) / 2), 2);
      }
    }
  }

  template <typename Value>
  Best compare(Value value) const {
    Best best(value(0));
    for (int64_t c = 1; c < s_.classes; ++c) {
      best.take(value(c), static_cast<int32_t>(c));
    }
    return best;
  }

  template <typename Value>
  Vector sure(const Best& best, Value value) const {
    if (!p_.confidence) return Vector{};
    Vector total{};
    for (int64_t c = 0; c < s_.classes; ++c) {
      total += exponential(value(c) - best.value);
    }
    return 1.0f / total;
  }

  void write(const Best& best, Vector confidence, int64_t at, int64_t count,
             int64_t stride) const {
    for (int64_t i = 0; i < count; ++i) {
      p_.classes[at + i * stride] = static_cast<uint8_t>(best.index[i]);
      if (p_.confidence) p_.confidence[at + i * stride] = confidence[i];
    }
  }

  const ClassMapShape s_;
  const ClassMapPointers p_;
  const int64_t lanes_;
};

}  // namespace DPW_ISA
}  // namespace dpw

#endif  // HYPERSEG_TF_CPU_CLASS_MAP_H_
