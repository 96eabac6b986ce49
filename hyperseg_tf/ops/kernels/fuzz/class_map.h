// Class maps in the fuzzer: shapes, and the best class of logits that are interpolated
// in double precision.
#ifndef HYPERSEG_TF_FUZZ_CLASS_MAP_H_
#define HYPERSEG_TF_FUZZ_CLASS_MAP_H_

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "cpu/kernels.h"
#include "fuzz/buffers.h"
#include "fuzz/random_shapes.h"

namespace fuzz {

using dpw::ClassMapShape;

inline std::string describe(const ClassMapShape& s) {
  std::string text = "class map";
  const int64_t values[] = {s.batch, s.rows, s.columns, s.classes, s.factor, s.height,
                            s.width};
  const char* names[] = {"batch", "rows", "columns", "classes", "factor", "height",
                         "width"};
  for (int i = 0; i < 7; ++i) {
    text += std::string(" ") + names[i] + "=" + std::to_string(values[i]);
  }
  return text;
}

inline ClassMapShape draw_class_map(Random& random) {
  ClassMapShape s;
  s.batch = random.chance(5) ? 0 : random.from(1, 2);
  s.rows = random.size(20);
  s.columns = random.size(70);
  s.classes = random.chance(5) ? 256 : random.size(24);
  s.factor = random.from(1, 2);
  s.height = std::max<int64_t>(1, s.factor * s.rows - random.from(0, s.rows - 1));
  s.width = std::max<int64_t>(1, s.factor * s.columns - random.from(0, s.columns - 1));
  return s;
}

// Returns whether it ran.
inline bool try_class_map(Random& random) {
  ClassMapShape s = draw_class_map(random);
  if (random.chance(33)) {
    int64_t* sizes[] = {&s.batch,  &s.rows,   &s.columns, &s.classes,
                        &s.factor, &s.height, &s.width};
    *sizes[random.from(0, 6)] =
        random.pick({-1, 0, 3, 257, int64_t{1} << 24, (int64_t{1} << 24) + 1, INT64_MAX,
                     INT64_MIN});
  }
  current.what = describe(s);
  constexpr int64_t kSide = int64_t{1} << 24;
  const bool allowed =
      s.batch >= 0 && s.batch <= kSide && s.rows >= 1 && s.rows <= kSide &&
      s.columns >= 1 && s.columns <= kSide && s.classes >= 1 && s.classes <= 256 &&
      (s.factor == 1 || s.factor == 2) && s.height >= 1 && s.width >= 1 &&
      s.height <= s.factor * s.rows && s.width <= s.factor * s.columns;
  const std::string wrong = dpw::check(s);
  if (wrong.empty() != allowed) fail("The rules say otherwise: " + wrong);
  if (!allowed) {
    if (wrong.find(": got ") == std::string::npos) fail("Nothing says what came.");
    ++counts.refused;
    return false;
  }
  ++counts.valid;
  if (s.batch * s.rows * s.columns * s.classes > 400'000) {
    ++counts.large;
    return false;
  }
  const int64_t pixels = s.batch * s.height * s.width;
  const bool sure = random.chance(50), poisoned = random.chance(10);
  Buffer<float> logits(random, s.batch * s.rows * s.columns * s.classes);
  Buffer<uint8_t> classes(random, pixels);
  Buffer<float> confidence(random, sure ? pixels : 0);
  // Few different values at times, so that many classes are equally good.
  const bool coarse = random.chance(30);
  for (int64_t i = 0; i < logits.count(); ++i) {
    const double value = static_cast<double>(random.from(-1000, 1000)) / 100;
    logits.data()[i] = static_cast<float>(coarse ? std::round(value / 8) : value);
  }
  const bool broken = poisoned && s.batch && s.height == s.factor * s.rows;
  if (broken) {
    logits.data()[random.from(0, logits.count() - 1)] =
        random.chance(50) ? NAN : random.chance(50) ? INFINITY : -INFINITY;
  }
  bool finite = true;
  const int64_t pieces = s.batch * s.rows;
  for (int64_t begin = 0; begin < pieces;) {
    const int64_t end = begin + random.from(1, pieces - begin);
    finite &= dpw::kernels().class_map.run(
        s, {logits.data(), classes.data(), sure ? confidence.data() : nullptr}, begin,
        end);
    begin = end;
  }
  ++counts.comparisons;
  if (finite == broken) fail("What is not finite is not told, or the other way round.");
  if (broken) return true;
  const auto source = [&](int64_t place, int64_t count, int64_t* near, int64_t* other) {
    *near = place / s.factor;
    *other = place % 2 ? std::min(*near + 1, count - 1) : std::max<int64_t>(*near - 1, 0);
    return s.factor == 2 ? 0.75 : 1.0;
  };
  for (int64_t at = 0; at < pixels; ++at) {
    const int64_t x = at % s.width, y = at / s.width % s.height;
    const float* image =
        logits.data() + at / s.width / s.height * s.rows * s.columns * s.classes;
    int64_t row, below, column, beside;
    const double down = source(y, s.rows, &row, &below);
    const double across = source(x, s.columns, &column, &beside);
    std::vector<double> values(s.classes);
    for (int64_t c = 0; c < s.classes; ++c) {
      const auto value = [&](int64_t r, int64_t k) {
        return static_cast<double>(image[(r * s.columns + k) * s.classes + c]);
      };
      values[c] = down * (across * value(row, column) + (1 - across) * value(row, beside)) +
                  (1 - down) *
                      (across * value(below, column) + (1 - across) * value(below, beside));
    }
    const double most = *std::max_element(values.begin(), values.end());
    const int64_t got = classes.data()[at];
    counts.comparisons += 1 + sure;
    if (got >= s.classes) fail("There is no class " + std::to_string(got) + ".");
    if (values[got] < most - 1e-4) fail("Another class is better.");
    // Numbers with few bits are exact, and the first of equals is taken.
    if (coarse && got != std::max_element(values.begin(), values.end()) - values.begin()) {
      fail("It is not the first of equals.");
    }
    if (!sure) continue;
    double total = 0;
    for (double value : values) total += std::exp(value - most);
    const double want = 1 / total, have = confidence.data()[at];
    if (!(std::fabs(have - want) <= 2e-4 * want)) {
      fail("The probability is " + std::to_string(have) + " and not " +
           std::to_string(want) + ".");
    }
  }
  return true;
}

}  // namespace fuzz

#endif  // HYPERSEG_TF_FUZZ_CLASS_MAP_H_
