// What every case needs: memory of exactly the size the kernels may touch, numbers of
// three formats, work cut at random, and the comparison of two results.
#ifndef HYPERSEG_TF_FUZZ_BUFFERS_H_
#define HYPERSEG_TF_FUZZ_BUFFERS_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cpu/kernels.h"
#include "fuzz/random_shapes.h"
#include "fuzz/reference.h"

namespace fuzz {

using dpw::Bfloat16;
using dpw::Half;

struct Counts {
  int64_t valid = 0, refused = 0, large = 0, comparisons = 0, unknown = 0;
  int64_t ran[8] = {};  // cases of each kind
};

// What is running, for the report of a failure.
struct Current {
  uint64_t seed = 0;
  int64_t number = 0;
  std::string what;
};

inline Counts counts;
inline Current current;

inline void print_current() {
  std::fprintf(stderr, "FAILED seed=%llu case=%lld isa=%s\n  %s\n",
               static_cast<unsigned long long>(current.seed),
               static_cast<long long>(current.number), dpw::kernels().name,
               current.what.c_str());
}

[[noreturn]] inline void fail(const std::string& why) {
  print_current();
  std::fprintf(stderr, "  %s\n", why.c_str());
  std::_Exit(1);
}

// The formats of numbers, decoded by their definition.
inline double plain(float value) { return value; }

inline double plain(uint16_t bits, int mantissa_bits, int bias) {
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const int exponents = (1 << (15 - mantissa_bits)) - 1;
  const int exponent = (bits & 0x7fff) >> mantissa_bits;
  double size = std::ldexp(mantissa, 1 - bias - mantissa_bits);
  if (exponent == exponents) {
    size = mantissa ? std::numeric_limits<double>::quiet_NaN()
                    : std::numeric_limits<double>::infinity();
  } else if (exponent) {
    size = std::ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
  }
  return bits & 0x8000 ? -size : size;
}

inline double plain(Bfloat16 value) { return plain(value.bits, 7, 127); }
inline double plain(Half value) { return plain(value.bits, 10, 15); }

// One unit in the last place of a stored number, as a share of it.
constexpr double unit(float) { return 0.0; }  // its rounding is in kRelative
constexpr double unit(Bfloat16) { return 1.0 / 128; }
constexpr double unit(Half) { return 1.0 / 1024; }
constexpr double largest(float) { return 3.4e38; }
constexpr double largest(Bfloat16) { return 3.38e38; }
constexpr double largest(Half) { return 65500.0; }
constexpr double smallest(float) { return 1e-37; }
constexpr double smallest(Bfloat16) { return 1e-37; }
constexpr double smallest(Half) { return 6e-8; }  // what lies between is lost
constexpr const char* name(float) { return "float"; }
constexpr const char* name(Bfloat16) { return "bfloat16"; }
constexpr const char* name(Half) { return "half"; }

constexpr double kRelative = 1e-4;

template <typename T>
bool close(T got, const Real& want) {
  const double value = plain(got);
  if (std::isnan(want.value)) return std::isnan(value);
  if (std::isinf(want.value)) return value == want.value;
  if (std::fabs(want.value) > largest(T{})) return std::fabs(value) > largest(T{});
  const double bound = (kRelative + unit(T{})) * std::fabs(want.value) +
                       kSumError * want.scale + smallest(T{});
  return std::fabs(value - want.value) <= bound;  // false for a NaN
}

// Memory of exactly `count` values. At times it starts at an odd address.
template <typename T>
class Buffer {
 public:
  Buffer(Random& random, int64_t count)
      : front_(random.chance(50) ? random.from(0, 3) : 0),
        count_(count),
        memory_(new T[front_ + count]) {}

  T* data() { return memory_.get() + front_; }
  int64_t count() const { return count_; }
  size_t bytes() const { return static_cast<size_t>(count_) * sizeof(T); }

 private:
  int64_t front_, count_;
  std::unique_ptr<T[]> memory_;
};

template <typename T>
Buffer<T> draw(Random& random, int64_t count, double low, double high) {
  Buffer<T> buffer(random, count);
  for (int64_t i = 0; i < count; ++i) {
    const double value = low + (high - low) * (random.unit() + 1) / 2;
    // Zeros meet infinities.
    buffer.data()[i] =
        dpw::from_float<T>(random.chance(3) ? 0.0f : static_cast<float>(value));
  }
  return buffer;
}

// A NaN or an infinity at one place of one of the buffers.
template <typename T>
void poison(Random& random, std::initializer_list<Buffer<T>*> buffers) {
  Buffer<T>& buffer =
      *buffers.begin()[random.from(0, static_cast<int64_t>(buffers.size()) - 1)];
  if (!buffer.count()) return;
  const float infinity = std::numeric_limits<float>::infinity();
  const float value = random.chance(50)
                          ? std::numeric_limits<float>::quiet_NaN()
                          : random.chance(50) ? infinity : -infinity;
  buffer.data()[random.from(0, buffer.count() - 1)] = dpw::from_float<T>(value);
}

template <typename T>
std::vector<double> numbers(Buffer<T>& buffer) {
  std::vector<double> values;
  for (int64_t i = 0; i < buffer.count(); ++i) {
    values.push_back(plain(buffer.data()[i]));
  }
  return values;
}

// Calls `work` once over all pieces, or over parts of them in any order.
template <typename Work>
void share(Random& random, bool cut, int64_t pieces, Work work) {
  if (!cut) return work(int64_t{0}, pieces);
  std::vector<int64_t> places = {0, pieces};
  for (int64_t n = random.from(0, 5); n > 0; --n) {
    places.push_back(random.from(0, pieces));
  }
  std::sort(places.begin(), places.end());
  std::vector<std::pair<int64_t, int64_t>> parts;
  for (size_t i = 1; i < places.size(); ++i) {
    parts.push_back({places[i - 1], places[i]});
  }
  for (size_t i = parts.size(); i > 1; --i) {
    std::swap(parts[i - 1], parts[random.from(0, static_cast<int64_t>(i) - 1)]);
  }
  for (const auto& part : parts) work(part.first, part.second);
}

// What two ways to cut the work have written, from different rubbish: all of it, and
// the same bits.
template <typename T>
void expect_same(Buffer<T>& whole, Buffer<T>& parts, const char* what) {
  if (std::memcmp(whole.data(), parts.data(), whole.bytes()) == 0) return;
  for (int64_t i = 0; i < whole.count(); ++i) {
    if (std::memcmp(whole.data() + i, parts.data() + i, sizeof(T)) == 0) continue;
    fail(std::string(what) + " of " + name(T{}) + ": value " + std::to_string(i) +
         " of " + std::to_string(whole.count()) +
         " depends on the cut of the work, or is not written: " +
         std::to_string(plain(whole.data()[i])) + " and " +
         std::to_string(plain(parts.data()[i])) + ".");
  }
}

template <typename T>
void expect_close(Buffer<T>& got, const std::vector<Real>& want, const char* what) {
  for (int64_t i = 0; i < got.count(); ++i) {
    if (want[i].unknown) {
      ++counts.unknown;
      continue;
    }
    ++counts.comparisons;
    if (close(got.data()[i], want[i])) continue;
    char text[200];
    std::snprintf(text, sizeof text,
                  "%s of %s: value %lld of %lld is %.9g instead of %.9g (scale %.3g).",
                  what, name(T{}), static_cast<long long>(i),
                  static_cast<long long>(got.count()), plain(got.data()[i]),
                  want[i].value, want[i].scale);
    fail(text);
  }
}

}  // namespace fuzz

#endif  // HYPERSEG_TF_FUZZ_BUFFERS_H_
