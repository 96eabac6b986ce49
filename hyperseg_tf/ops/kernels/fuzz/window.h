// A window of a resized picture in the fuzzer: shapes, the rules by themselves, and what
// every byte of the window must be, written from the definition.
#ifndef HYPERSEG_TF_FUZZ_WINDOW_H_
#define HYPERSEG_TF_FUZZ_WINDOW_H_

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "cpu/kernels.h"
#include "fuzz/buffers.h"
#include "fuzz/random_shapes.h"

namespace fuzz {

using dpw::WindowPointers;
using dpw::WindowShape;

inline std::string describe(const WindowShape& s) {
  std::string text = std::string("window") + (s.cubic ? " cubic" : " linear") +
                     (s.antialias ? " antialias" : "") + (s.flip ? " flip" : "");
  const int64_t values[] = {s.height,       s.width,      s.scaled_height,
                            s.scaled_width, s.first_row,  s.first_column,
                            s.out_height,   s.out_width};
  const char* names[] = {"height",    "width",        "scaled_height", "scaled_width",
                         "first_row", "first_column", "out_height",    "out_width"};
  for (int i = 0; i < 8; ++i) {
    text += std::string(" ") + names[i] + "=" + std::to_string(values[i]);
  }
  return text;
}

inline WindowShape draw_window(Random& random) {
  WindowShape s;
  s.height = random.size(40);
  s.width = random.size(90);
  const bool same = random.chance(20);
  s.scaled_height = same ? s.height : random.size(80);
  s.scaled_width = same ? s.width : random.size(150);
  s.out_height = random.chance(5) ? 0 : random.size(40);
  s.out_width = random.chance(5) ? 0 : random.size(70);
  s.first_row = random.from(-s.out_height - 2, s.scaled_height + 2);
  s.first_column = random.from(-s.out_width - 2, s.scaled_width + 2);
  s.cubic = random.chance(50);
  s.antialias = random.chance(50);
  s.flip = random.chance(50);
  return s;
}

inline void try_spoiled_window(WindowShape s, Random& random) {
  int64_t* sizes[] = {&s.height,       &s.width,     &s.scaled_height,
                      &s.scaled_width, &s.first_row, &s.first_column,
                      &s.out_height,   &s.out_width};
  constexpr int64_t kSide = int64_t{1} << 24;
  const int64_t which = random.from(0, 7);
  *sizes[which] = random.pick({-1, 0, kSide, kSide + 1, -kSide, -kSide - 1, INT64_MAX,
                               INT64_MIN});
  const int64_t least = which < 4 ? 1 : which < 6 ? -kSide : 0;
  const bool allowed = *sizes[which] >= least && *sizes[which] <= kSide;
  current.what = describe(s);
  const std::string wrong = dpw::check(s);
  if (wrong.empty() != allowed) fail("The rules say otherwise: " + wrong);
  if (wrong.empty()) {
    ++counts.valid;
    return;
  }
  if (wrong.find(": got ") == std::string::npos) fail("Nothing says what came.");
  ++counts.refused;
}

// The weights of all `old` pixels of an axis in pixel `place` of `scaled`.
inline std::vector<double> window_weights(int64_t old, int64_t scaled, int64_t place,
                                          bool cubic, bool antialias) {
  std::vector<double> weights(old);
  const double step = static_cast<double>(old) / static_cast<double>(scaled);
  const double widen = antialias ? std::max(step, 1.0) : 1.0;
  double sum = 0;
  for (int64_t i = 0; i < old; ++i) {
    const double centre = (static_cast<double>(place) + 0.5) * step;
    const double x = std::fabs(static_cast<double>(i) + 0.5 - centre) / widen;
    double& weight = weights[i];
    // Keys' kernel with a = -1/2, or a triangle.
    if (!cubic) weight = std::max(0.0, 1 - x);
    else if (x < 1) weight = 1.5 * x * x * x - 2.5 * x * x + 1;
    else if (x < 2) weight = -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2;
    if (old == scaled) weight = i == place;
    sum += weight;
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

// Returns whether it ran.
inline bool try_window(Random& random) {
  const WindowShape s = draw_window(random);
  if (random.chance(33)) {
    try_spoiled_window(s, random);
    return false;
  }
  current.what = describe(s);
  const std::string wrong = dpw::check(s);
  if (!wrong.empty()) fail("It obeys the rules: " + wrong);
  ++counts.valid;
  const int64_t outputs = s.out_height * s.out_width;
  Buffer<uint8_t> image(random, 3 * s.height * s.width), label(random, s.height * s.width),
      fill(random, 3), out_image(random, 3 * outputs), out_label(random, outputs);
  const bool extreme = random.chance(30);
  for (Buffer<uint8_t>* buffer : {&image, &label, &fill}) {
    for (int64_t i = 0; i < buffer->count(); ++i) {
      const int64_t value = extreme ? 255 * random.from(0, 1) : random.from(0, 255);
      buffer->data()[i] = static_cast<uint8_t>(value);
    }
  }
  const uint8_t empty = static_cast<uint8_t>(random.from(0, 255));
  dpw::kernels().window.run(s, {image.data(), label.data(), fill.data(), empty,
                                out_image.data(), out_label.data()});
  for (int64_t y = 0; y < s.out_height; ++y) {
    for (int64_t x = 0; x < s.out_width; ++x) {
      const int64_t row = s.first_row + y;
      const int64_t column = s.first_column + (s.flip ? s.out_width - 1 - x : x);
      const bool inside = row >= 0 && row < s.scaled_height && column >= 0 &&
                          column < s.scaled_width;
      double wanted[3] = {};
      int64_t wanted_label = empty;
      if (inside) {
        const auto rows =
            window_weights(s.height, s.scaled_height, row, s.cubic, s.antialias);
        const auto columns =
            window_weights(s.width, s.scaled_width, column, s.cubic, s.antialias);
        for (int64_t i = 0; i < s.height; ++i) {
          for (int64_t k = 0; rows[i] != 0 && k < s.width; ++k) {
            for (int c = 0; c < 3; ++c) {
              wanted[c] += rows[i] * columns[k] * image.data()[3 * (i * s.width + k) + c];
            }
          }
        }
        wanted_label = label.data()[(2 * row + 1) * s.height / (2 * s.scaled_height) *
                                        s.width +
                                    (2 * column + 1) * s.width / (2 * s.scaled_width)];
      }
      const int64_t at = y * s.out_width + x;
      counts.comparisons += 4;
      if (out_label.data()[at] != wanted_label) fail("A label is another one.");
      for (int c = 0; c < 3; ++c) {
        const double exact =
            inside ? std::min(255.0, std::max(0.0, wanted[c])) : fill.data()[c];
        const double got = out_image.data()[3 * at + c];
        if (!(std::fabs(got - exact) <= (inside ? 0.5 + 0.25 : 0.0))) {
          fail("A value is " + std::to_string(got) + " and not " +
               std::to_string(exact) + ".");
        }
      }
    }
  }
  return true;
}

}  // namespace fuzz

#endif  // HYPERSEG_TF_FUZZ_WINDOW_H_
