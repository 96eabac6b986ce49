// A fuzzer of the CPU kernels, without TensorFlow: random and hostile shapes against
// the rules, random numbers against the reference, every buffer exactly as large as the
// kernels may touch. Meant for the sanitizers; run it with `make fuzz`.
//
//   fuzz --cases N --seed S [--first I] [--verbose]
//
// A case is a function of its seed and its number alone. HYPERSEG_TF_ISA chooses the
// instruction set; the exit status is 77 if this processor does not have it.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "cpu/kernels.h"
#include "fuzz/buffers.h"
#include "fuzz/class_map.h"
#include "fuzz/mobile.h"
#include "fuzz/random_shapes.h"
#include "fuzz/reference.h"
#include "fuzz/stage.h"
#include "fuzz/window.h"

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

using dpw::BlockPointers;
using dpw::BlockShape;
using dpw::ConvPointers;
using dpw::ConvShape;
using dpw::ExcitePointers;
using dpw::ExciteShape;
using dpw::ExpandPointers;
using dpw::ExpandShape;
using dpw::ProjectPointers;
using dpw::ProjectShape;

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
    share(random, cut, dpw::block_pieces(s), [&](int64_t begin, int64_t end) {
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

void run(const ExpandShape& s, Random& random) {
  // The activations are bent about 0 and flat below; what is large comes through, is
  // lost or is cut.
  const double size = static_cast<double>(random.pick({1, 1, 1, 4, 20, 300}));
  const int64_t taps = s.kernel * s.kernel * s.hidden;
  const int64_t pixels = s.batch * s.height * s.width;
  const int64_t hidden = s.expanded ? s.hidden : 0;
  Buffer<float> x = draw<float>(random, pixels * s.channels, -size, size);
  Buffer<float> expansion = draw<float>(random, s.channels * hidden, -1, 1);
  Buffer<float> shift1 = draw<float>(random, hidden, -2, 2);
  Buffer<float> depthwise = draw<float>(random, taps, -1, 1);
  Buffer<float> shift2 = draw<float>(random, s.hidden, -2, 2);
  if (random.chance(40)) {
    for (int64_t n = random.pick({1, 1, 1, 2, 3}); n > 0; --n) {
      poison<float>(random, {&x, &x, &x, &expansion, &shift1, &depthwise, &shift2});
    }
  }
  const dpw::MobileKernels& kernels = dpw::kernels().mobile;
  auto compute = [&](bool cut) {
    const int64_t outputs = s.batch * s.out_height * s.out_width * s.hidden;
    // The sums last: those of channels that a block does not have are anything.
    std::vector<Buffer<float>> results;
    for (int64_t count : {outputs, s.batch * s.hidden, kernels.sums(s)}) {
      results.emplace_back(random, count);
      std::memset(results.back().data(), cut ? 0x5a : 0xa5, results.back().bytes());
    }
    ExpandPointers p{};
    p.x = x.data();
    p.expand = s.expanded ? expansion.data() : nullptr;
    p.shift1 = s.expanded ? shift1.data() : nullptr;
    p.depthwise = depthwise.data();
    p.shift2 = shift2.data();
    p.output = results[0].data();
    share(random, cut, kernels.expand_pieces(s), [&](int64_t begin, int64_t end) {
      kernels.expand(s, p, results[2].data(), begin, end);
    });
    p = {};
    p.mean = results[1].data();
    kernels.average(s, p, results[2].data());
    return results;
  };
  std::vector<Buffer<float>> whole = compute(false), parts = compute(true);
  const ExpandResult want =
      expand(s, {numbers(x), numbers(expansion), numbers(shift1), numbers(depthwise),
                 numbers(shift2)});
  expect_same(whole[0], parts[0], "output");
  expect_close(whole[0], want.output, "output");
  expect_same(whole[1], parts[1], "mean");
  expect_close(whole[1], want.mean, "mean");
}

void run(const ExciteShape& s, Random& random) {
  Buffer<float> mean = draw<float>(random, s.batch * s.hidden, -1, 1);
  Buffer<float> reduction = draw<float>(random, s.hidden * s.squeezed, -1, 1);
  Buffer<float> shift1 = draw<float>(random, s.squeezed, -2, 2);
  Buffer<float> expansion = draw<float>(random, s.squeezed * s.hidden, -1, 1);
  Buffer<float> shift2 = draw<float>(random, s.hidden, -2, 2);
  if (random.chance(40)) {
    for (int64_t n = random.pick({1, 1, 1, 2, 3}); n > 0; --n) {
      poison<float>(random, {&mean, &reduction, &shift1, &expansion, &shift2});
    }
  }
  auto compute = [&](bool cut) {
    Buffer<float> gate(random, s.batch * s.hidden);
    std::memset(gate.data(), cut ? 0x5a : 0xa5, gate.bytes());
    const ExcitePointers p{mean.data(),      reduction.data(), shift1.data(),
                           expansion.data(), shift2.data(),    gate.data()};
    share(random, cut, s.batch, [&](int64_t begin, int64_t end) {
      dpw::kernels().mobile.excite(s, p, begin, end);
    });
    return gate;
  };
  Buffer<float> whole = compute(false), parts = compute(true);
  expect_same(whole, parts, "gate");
  expect_close(whole,
               excite(s, {numbers(mean), numbers(reduction), numbers(shift1),
                          numbers(expansion), numbers(shift2)}),
               "gate");
}

void run(const ProjectShape& s, Random& random) {
  const int64_t outputs = s.batch * s.pixels * s.filters;
  Buffer<float> x = draw<float>(random, s.batch * s.pixels * s.hidden, -1, 1);
  Buffer<float> gate = draw<float>(random, s.gated ? s.batch * s.hidden : 0, 0, 1);
  Buffer<float> projection = draw<float>(random, s.hidden * s.filters, -1, 1);
  Buffer<float> shift = draw<float>(random, s.filters, -2, 2);
  Buffer<float> residual = draw<float>(random, s.residual ? outputs : 0, -2, 2);
  if (random.chance(40)) {
    for (int64_t n = random.pick({1, 1, 1, 2, 3}); n > 0; --n) {
      poison<float>(random, {&x, &x, &gate, &projection, &shift, &residual});
    }
  }
  const dpw::MobileKernels& kernels = dpw::kernels().mobile;
  auto compute = [&](bool cut) {
    Buffer<float> output(random, outputs);
    std::memset(output.data(), cut ? 0x5a : 0xa5, output.bytes());
    const ProjectPointers p{x.data(),
                            s.gated ? gate.data() : nullptr,
                            projection.data(),
                            shift.data(),
                            s.residual ? residual.data() : nullptr,
                            output.data()};
    share(random, cut, kernels.project_pieces(s), [&](int64_t begin, int64_t end) {
      kernels.project(s, p, begin, end);
    });
    return output;
  };
  Buffer<float> whole = compute(false), parts = compute(true);
  expect_same(whole, parts, "output");
  expect_close(whole,
               project(s, {numbers(x), numbers(gate), numbers(projection),
                           numbers(shift), numbers(residual)}),
               "output");
}

// In every type that the kernels of the shape have.
template <typename Shape>
void run_types(const Shape& s, Random& random) {
  if constexpr (std::is_same_v<Shape, ExpandShape> ||
                std::is_same_v<Shape, ExciteShape> ||
                std::is_same_v<Shape, ProjectShape>) {
    run(s, random);
  } else {
    const std::string what = current.what;
    current.what = what + " float";
    run<float>(s, random);
    current.what = what + " bfloat16";
    run<Bfloat16>(s, random);
    current.what = what + " half";
    run<Half>(s, random);
  }
}

// A shape is refused exactly where a rule is broken, with the rule and what came.
// Returns whether it ran.
template <typename Shape>
bool try_shape(Shape s, Random& random) {
  current.what = describe(flags(s), fields(s));
  const std::string wrong = dpw::check(s);
  const Verdict verdict = judge(s);
  if (!wrong.empty()) {
    current.what += "\n  refused: " + wrong;
    if (verdict == Verdict::kRuns) fail("It obeys the rules.");
    if (wrong.find(": got ") == std::string::npos) fail("Nothing says what came.");
    ++counts.refused;
    return false;
  }
  if (verdict == Verdict::kRefused) fail("It breaks a rule and was not refused.");
  ++counts.valid;
  if (work(s) > kWork) {
    ++counts.large;
    return false;
  }
  run_types(s, random);
  return true;
}

template <typename Shape>
bool try_drawn(Shape s, Random& random) {
  if (random.chance(33)) spoil(random, fields(s));
  return try_shape(s, random);
}

// Hostile numbers come before the padding, which must bear them, and at times after it.
bool try_expand(Random& random) {
  Borders borders;
  ExpandShape s = draw_expand(random, borders);
  if (random.chance(33)) spoil(random, unpadded_fields(s, borders));
  current.what = describe(borders.same ? "SAME" : "padded", unpadded_fields(s, borders));
  pad(s, borders);
  if (paddable(s, borders) && !padded_well(s, borders)) {
    fail("The padding is wrong: " + describe(flags(s), fields(s)));
  }
  if (random.chance(10)) spoil(random, padding_fields(s));
  return try_shape(s, random);
}

// The numbers take turns, so that every kind has its share.
constexpr int kKinds = 8;
const char* const kKindNames[kKinds] = {"DpwConv", "DpwBlock", "expand", "project",
                                        "stage",   "window",   "class map",
                                        "excite"};

void run_case(int64_t number) {
  current.number = number;
  Random random(current.seed, static_cast<uint64_t>(number));
  const int kind = static_cast<int>(number % kKinds);
  bool ran = false;
  switch (kind) {
    case 0:
      ran = try_drawn(draw_conv(random), random);
      break;
    case 1:
      ran = try_drawn(draw_block(random), random);
      break;
    case 2:
      ran = try_expand(random);
      break;
    case 3:
      ran = try_drawn(draw_project(random), random);
      break;
    case 4:
      ran = try_stage(random);
      break;
    case 5:
      ran = try_window(random);
      break;
    case 6:
      ran = try_class_map(random);
      break;
    default:
      ran = try_drawn(draw_excite(random), random);
  }
  counts.ran[kind] += ran;
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
              "refused, %lld comparisons, %lld undecided; ran",
              dpw::kernels().name, count(cases), count(counts.valid),
              count(counts.large), count(counts.refused), count(counts.comparisons),
              count(counts.unknown));
  for (int kind = 0; kind < kKinds; ++kind) {
    std::printf("%s %s %lld", kind ? "," : "", kKindNames[kind],
                count(counts.ran[kind]));
  }
  std::printf("\n");
  return 0;
}

}  // namespace
}  // namespace fuzz

int main(int argc, char** argv) { return fuzz::fuzz_all(argc, argv); }
