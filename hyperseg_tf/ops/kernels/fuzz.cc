// A fuzzer of the CPU kernels, without TensorFlow: random and hostile shapes against
// the rules, random numbers against the reference, every buffer exactly as large as the
// kernels may touch. Meant for the sanitizers; run it with `make fuzz`.
//
//   fuzz --cases N --seed S [--first I] [--verbose]
//
// A case is a function of its seed and its number alone. HYPERSEG_TF_ISA chooses the
// instruction set; the exit status is 77 if this processor does not have it.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fuzz_reference.h"
#include "fuzz_shapes.h"
#include "kernels.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>

extern "C" const char* __asan_default_options() {
  // Memory starts as NaN, so that what is read before it is written shows.
  return "max_malloc_fill_size=1073741824:malloc_fill_byte=255:handle_abort=1:"
         "detect_stack_use_after_return=1";
}

extern "C" const char* __ubsan_default_options() {
  return "print_stacktrace=1:abort_on_error=1";
}
#endif

namespace fuzz {
namespace {

using dpw::Bfloat16;
using dpw::BlockPointers;
using dpw::BlockShape;
using dpw::ConvPointers;
using dpw::ConvShape;
using dpw::Half;

struct Counts {
  int64_t valid = 0, refused = 0, large = 0, runs = 0, comparisons = 0, unknown = 0;
};

// What is running, for the report of a failure.
struct Current {
  uint64_t seed = 0;
  int64_t number = 0;
  std::string what;
};

Counts counts;
Current current;

void print_current() {
  std::fprintf(stderr, "FAILED seed=%llu case=%lld isa=%s\n  %s\n",
               static_cast<unsigned long long>(current.seed),
               static_cast<long long>(current.number), dpw::kernels().name,
               current.what.c_str());
}

[[noreturn]] void fail(const std::string& why) {
  print_current();
  std::fprintf(stderr, "  %s\n", why.c_str());
  std::_Exit(1);
}

// The formats of numbers, decoded by their definition.
double plain(float value) { return value; }

double plain(uint16_t bits, int mantissa_bits, int bias) {
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

double plain(Bfloat16 value) { return plain(value.bits, 7, 127); }
double plain(Half value) { return plain(value.bits, 10, 15); }

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

template <typename T>
void run(const ConvShape& s, Random& random) {
  const int64_t pixels = s.batch * s.height * s.width;
  const int64_t patches = s.batch * s.rows * s.columns;
  Buffer<T> x = draw<T>(random, pixels * s.channels, -1, 1);
  Buffer<T> weights = draw<T>(random, patches * s.weights, -1, 1);
  Buffer<T> upstream = draw<T>(random, pixels * s.filters, -1, 1);
  if (random.chance(40)) {
    for (int64_t n = random.pick({1, 1, 1, 2, 3}); n > 0; --n) {
      poison<T>(random, {&x, &weights, &upstream});
    }
  }
  const auto& kernels = dpw::kernels().conv(T{});
  auto compute = [&](bool cut) {
    std::vector<Buffer<T>> results;
    for (int64_t count : {pixels * s.filters, x.count(), weights.count()}) {
      results.emplace_back(random, count);
      std::memset(results.back().data(), cut ? 0x5a : 0xa5, results.back().bytes());
    }
    // Each kernel may rely on its own pointers only.
    ConvPointers<T> p{};
    p.x = x.data();
    p.weights = weights.data();
    p.output = results[0].data();
    share(random, cut, patches, [&](int64_t begin, int64_t end) {
      kernels.run(s, p, begin, end);
    });
    p = {};
    p.weights = weights.data();
    p.upstream = upstream.data();
    p.x_gradient = results[1].data();
    share(random, cut, s.batch * s.rows, [&](int64_t begin, int64_t end) {
      kernels.x_gradient(s, p, begin, end);
    });
    p = {};
    p.x = x.data();
    p.upstream = upstream.data();
    p.weights_gradient = results[2].data();
    share(random, cut, patches, [&](int64_t begin, int64_t end) {
      kernels.weights_gradient(s, p, begin, end);
    });
    return results;
  };
  std::vector<Buffer<T>> whole = compute(false), parts = compute(true);
  const ConvResult want =
      convolve(s, numbers(x), numbers(weights), numbers(upstream));
  const std::vector<Real>* wants[] = {&want.output, &want.x_gradient,
                                      &want.weights_gradient};
  static const char* kNames[] = {"output", "x_gradient", "weights_gradient"};
  for (int i = 0; i < 3; ++i) {
    expect_same(whole[i], parts[i], kNames[i]);
    expect_close(whole[i], *wants[i], kNames[i]);
  }
}

template <typename T>
void run(const BlockShape& s, Random& random) {
  const int64_t patches = s.batch * s.rows * s.columns;
  const int64_t quarter = s.batch * (s.height / 2) * (s.width / 2);
  const bool head = s.groups > 0;
  Buffer<T> feature =
      draw<T>(random, s.batch * s.height * s.width * s.feature_channels, -1, 1);
  Buffer<T> previous = draw<T>(random, quarter * s.previous_channels, -1, 1);
  Buffer<T> signal = draw<T>(random, patches * s.signal_channels, -1, 1);
  Buffer<T> factors = draw<T>(random, head ? s.depth * s.units : 0, -1, 1);
  // Hidden values on both sides of 0 and 6.
  Buffer<T> shift1 = draw<T>(random, s.hidden, -2, 7);
  Buffer<T> shift2 = draw<T>(random, s.hidden, -2, 7);
  Buffer<T> shift3 = draw<T>(random, s.filters, -2, 2);
  if (random.chance(40)) {
    for (int64_t n = random.pick({1, 1, 1, 2, 3}); n > 0; --n) {
      poison<T>(random, {&feature, &previous, &signal, &signal, &factors, &shift1,
                         &shift2, &shift3});
    }
  }
  const auto& kernels = dpw::kernels().block(T{});
  auto compute = [&](bool cut) {
    Buffer<T> output(random, s.batch * s.height * s.width * s.filters);
    std::memset(output.data(), cut ? 0x5a : 0xa5, output.bytes());
    const BlockPointers<T> p{feature.data(),
                             s.previous_channels ? previous.data() : nullptr,
                             signal.data(),
                             head ? factors.data() : nullptr,
                             s.hidden ? shift1.data() : nullptr,
                             s.hidden ? shift2.data() : nullptr,
                             shift3.data(),
                             output.data()};
    Buffer<float> packed(random, kernels.packed_floats(s));
    Buffer<float> prepared(random, kernels.prepared_floats(s));
    const int64_t strips = dpw::block_strips(s);
    if (head) {
      share(random, cut, s.depth, [&](int64_t begin, int64_t end) {
        kernels.pack(s, p, packed.data(), begin, end);
      });
    }
    if (prepared.count()) {
      share(random, cut, strips, [&](int64_t begin, int64_t end) {
        kernels.prepare(s, p, packed.data(), prepared.data(), begin, end);
      });
    }
    share(random, cut, strips, [&](int64_t begin, int64_t end) {
      kernels.run(s, p, packed.data(), prepared.data(), begin, end);
    });
    return output;
  };
  Buffer<T> whole = compute(false), parts = compute(true);
  expect_same(whole, parts, "output");
  const BlockValues values{numbers(feature), numbers(previous), numbers(signal),
                           numbers(factors), numbers(shift1),   numbers(shift2),
                           numbers(shift3)};
  auto stored = [](float value) { return plain(dpw::from_float<T>(value)); };
  expect_close(whole, Level<decltype(stored)>(s, values, stored).run(), "output");
}

// A shape is refused exactly where a rule is broken, with the rule and what came.
template <typename Shape>
void try_shape(const Shape& s, Random& random) {
  current.what = describe(s);
  const std::string wrong = dpw::check(s);
  const Verdict verdict = judge(s);
  if (!wrong.empty()) {
    current.what += "\n  refused: " + wrong;
    if (verdict == Verdict::kRuns) fail("It obeys the rules.");
    if (wrong.find(": got ") == std::string::npos) fail("Nothing says what came.");
    ++counts.refused;
    return;
  }
  if (verdict == Verdict::kRefused) fail("It breaks a rule and was not refused.");
  ++counts.valid;
  if (work(s) > kWork) {
    ++counts.large;
    return;
  }
  ++counts.runs;
  const std::string what = current.what;
  current.what = what + " float";
  run<float>(s, random);
  current.what = what + " bfloat16";
  run<Bfloat16>(s, random);
  current.what = what + " half";
  run<Half>(s, random);
}

template <typename Shape>
void try_drawn(Shape s, Random& random) {
  if (random.chance(33)) spoil(random, s);
  try_shape(s, random);
}

}  // namespace
}  // namespace fuzz

#include "fuzz_stage.h"  // of what stands above

namespace fuzz {
namespace {

void run_case(int64_t number) {
  current.number = number;
  Random random(current.seed, static_cast<uint64_t>(number));
  if (random.chance(20)) try_stage(random);
  else if (random.chance(50)) try_drawn(draw_conv(random), random);
  else try_drawn(draw_block(random), random);
}

// Every number of a 16-bit type, and the rounding of what lies between two of them.
template <typename T>
void check_storage() {
  current.what = std::string("the format ") + name(T{});
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const T value{static_cast<uint16_t>(bits)};
    const double exact = plain(value);
    const float got = dpw::to_float(value);
    counts.comparisons += 2;
    if (std::isnan(exact)) {
      if (!std::isnan(got) || !std::isnan(plain(dpw::from_float<T>(got)))) {
        fail("A NaN does not stay one: " + std::to_string(bits) + ".");
      }
      continue;
    }
    if (got != exact || dpw::from_float<T>(got).bits != bits) {
      fail("Not the same there and back: " + std::to_string(bits) + ".");
    }
    if (std::isinf(exact)) continue;
    const T next{static_cast<uint16_t>(bits + 1)};
    // Above the largest number lies what would come next, and it is infinity.
    const T before{static_cast<uint16_t>(bits - 1)};
    const double above =
        std::isinf(plain(next)) ? 2 * exact - plain(before) : plain(next);
    const float middle = static_cast<float>((exact + above) / 2);
    const uint16_t even = static_cast<uint16_t>(bits % 2 ? bits + 1 : bits);
    const float outward = middle < 0 ? -INFINITY : INFINITY;
    counts.comparisons += 3;
    if (dpw::from_float<T>(middle).bits != even ||
        dpw::from_float<T>(std::nextafter(middle, 0.0f)).bits != bits ||
        dpw::from_float<T>(std::nextafter(middle, outward)).bits != next.bits) {
      fail("Rounded wrongly beside " + std::to_string(bits) + ".");
    }
  }
}

int fuzz_all(int argc, char** argv) {
  int64_t cases = 1000, first = 0;
  bool verbose = false;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const auto number = [&] { return i + 1 < argc ? std::atoll(argv[++i]) : 0; };
    if (option == "--cases") cases = number();
    else if (option == "--seed") current.seed = static_cast<uint64_t>(number());
    else if (option == "--first") first = number();
    else if (option == "--verbose") verbose = true;
    else return std::fprintf(stderr, "unknown option %s\n", argv[i]), 2;
  }
  const char* asked = std::getenv("HYPERSEG_TF_ISA");
  if (asked && std::strcmp(asked, dpw::kernels().name) != 0) {
    std::printf("%s: not on this processor\n", asked);
    return 77;
  }
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_set_death_callback(print_current);
#endif
  check_storage<Bfloat16>();
  check_storage<Half>();
  for (int64_t number = first; number < first + cases; ++number) {
    run_case(number);
    if (verbose) std::printf("%lld %s\n", static_cast<long long>(number),
                             current.what.c_str());
  }
  const auto count = [](int64_t number) { return static_cast<long long>(number); };
  std::printf("%s: %lld cases, %lld valid (%lld of them too large to run), %lld "
              "refused, %lld comparisons, %lld undecided\n",
              dpw::kernels().name, count(cases), count(counts.valid),
              count(counts.large), count(counts.refused), count(counts.comparisons),
              count(counts.unknown));
  return 0;
}

}  // namespace
}  // namespace fuzz

int main(int argc, char** argv) { return fuzz::fuzz_all(argc, argv); }
