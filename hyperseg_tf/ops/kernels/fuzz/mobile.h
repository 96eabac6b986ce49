// The parts of a mobile bottleneck for the fuzzer: shapes to try, a judge that
// knows their rules by itself, and what the kernels must compute, in double.
#ifndef HYPERSEG_TF_FUZZ_MOBILE_H_
#define HYPERSEG_TF_FUZZ_MOBILE_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "fuzz/random_shapes.h"
#include "fuzz/reference.h"
#include "shapes.h"

namespace fuzz {

using dpw::ExciteShape;
using dpw::ExpandShape;
using dpw::ProjectShape;

// How an ExpandShape gets its border.
struct Borders {
  bool same = true;
  int64_t before = 0, after = 0;  // unless it is SAME
};

// What is known before a shape is padded, and what the padding adds.
inline std::vector<Field> unpadded_fields(ExpandShape& s, Borders& borders) {
  return {{"batch", &s.batch},           {"height", &s.height},
          {"width", &s.width},           {"channels", &s.channels},
          {"hidden", &s.hidden},         {"kernel", &s.kernel},
          {"stride", &s.stride},         {"before", &borders.before},
          {"after", &borders.after}};
}

inline std::vector<Field> padding_fields(ExpandShape& s) {
  return {{"above", &s.before[0]},
          {"left", &s.before[1]},
          {"out_height", &s.out_height},
          {"out_width", &s.out_width}};
}

inline std::vector<Field> fields(ExpandShape& s) {
  std::vector<Field> all = {{"batch", &s.batch},       {"height", &s.height},
                            {"width", &s.width},       {"channels", &s.channels},
                            {"hidden", &s.hidden},     {"kernel", &s.kernel},
                            {"stride", &s.stride}};
  for (const Field& field : padding_fields(s)) all.push_back(field);
  return all;
}

inline std::vector<Field> fields(ExciteShape& s) {
  return {{"batch", &s.batch}, {"hidden", &s.hidden}, {"squeezed", &s.squeezed}};
}

inline std::vector<Field> fields(ProjectShape& s) {
  return {{"batch", &s.batch},
          {"pixels", &s.pixels},
          {"hidden", &s.hidden},
          {"filters", &s.filters}};
}

inline std::string flags(const ExpandShape& s) {
  return std::string(s.expanded ? "expand" : "expand nothing") +
         (s.relu6 ? " relu6" : " swish");
}

inline std::string flags(const ExciteShape&) { return "excite"; }

inline std::string flags(const ProjectShape& s) {
  return std::string(s.gated ? "gated " : "") + "project" +
         (s.residual ? " residual" : "");
}

inline double work(const ExpandShape& s) {
  const double images = static_cast<double>(std::max<int64_t>(s.batch, 1));
  const double taps = sizes({s.kernel, s.kernel, s.hidden});
  const double matrix = s.expanded ? sizes({s.channels, s.hidden}) : 0.0;
  return images * sizes({s.height, s.width}) * (matrix + s.channels) +
         images * sizes({s.out_height, s.out_width}) * taps + taps + matrix;
}

inline double work(const ExciteShape& s) {
  return sizes({std::max<int64_t>(s.batch, 1), s.hidden, s.squeezed, 2});
}

inline double work(const ProjectShape& s) {
  return sizes({std::max<int64_t>(s.batch, 1), std::max<int64_t>(s.pixels, 1), s.hidden,
                s.filters});
}

// Few, any number, or whole vectors and blocks of every instruction set.
inline int64_t draw_channels(Random& random) {
  if (random.chance(20)) return random.pick({4, 8, 12, 24, 32, 48, 72, 96, 120, 144});
  return random.chance(40) ? random.from(1, 130) : random.size(130);
}

inline void pad(ExpandShape& s, const Borders& borders) {
  if (borders.same) dpw::pad_same(&s);
  else dpw::pad_explicit(&s, borders.before, borders.after);
}

// Obeys the rules once it is padded, and is small enough to run then. Maps are small,
// wide (several tiles) or high (several strips).
inline ExpandShape draw_expand(Random& random, Borders& borders) {
  for (;;) {
    ExpandShape s;
    s.batch = random.chance(2) ? 0 : random.pick({1, 1, 1, 2, 3});
    const int64_t form = random.from(0, 3);
    s.height = form == 1 ? random.from(1, 120) : random.size(12);
    s.width = form == 2 ? random.from(1, 700) : random.size(12);
    s.expanded = random.chance(70);
    s.relu6 = random.chance(30);
    s.channels = draw_channels(random);
    s.hidden = s.expanded ? draw_channels(random) : s.channels;
    s.kernel = random.chance(3) ? random.pick({15, 32, 64, 255})
                                : random.pick({1, 2, 3, 3, 3, 4, 5, 5, 6, 7, 8, 9});
    s.stride = random.chance(3) ? random.pick({7, 16, 255})
                                : random.pick({1, 1, 1, 2, 2, 2, 3, 4});
    borders.same = random.chance(50);
    borders.before = random.chance(5) ? random.from(0, 255) : random.from(0, s.kernel);
    borders.after = random.chance(5) ? random.from(0, 255) : random.from(0, s.kernel);
    if (borders.before > 255 || borders.after > 255) continue;
    ExpandShape padded = s;
    pad(padded, borders);
    if (padded.out_height < 1 || padded.out_width < 1) continue;
    if (work(padded) <= kWork) return s;
  }
}

inline ExciteShape draw_excite(Random& random) {
  for (;;) {
    ExciteShape s;
    s.batch = random.chance(2) ? 0 : random.pick({1, 1, 1, 2, 3, 7});
    s.hidden = random.chance(20) ? random.from(250, 800) : draw_channels(random);
    s.squeezed = draw_channels(random);
    if (work(s) <= kWork) return s;
  }
}

inline ProjectShape draw_project(Random& random) {
  for (;;) {
    ProjectShape s;
    s.batch = random.chance(2) ? 0 : random.pick({1, 1, 1, 2, 3});
    s.pixels = random.chance(2) ? 0 : random.size(random.chance(20) ? 1200 : 60);
    s.hidden = random.chance(20) ? random.from(250, 800) : draw_channels(random);
    s.filters = draw_channels(random);
    s.gated = random.chance(70);
    s.residual = random.chance(50);
    if (work(s) <= kWork) return s;
  }
}

constexpr double kMap = 70368744177664.0;  // 2**46: what a size may be

// Whether padding has to give the right numbers; check() must refuse the others.
inline bool paddable(const ExpandShape& s, const Borders& borders) {
  for (int64_t size : {s.height, s.width}) {
    if (size < 1 || static_cast<double>(size) > kMap) return false;
  }
  for (int64_t border : {borders.before, borders.after}) {
    if (!borders.same && (border < 0 || border > 255)) return false;
  }
  return s.kernel >= 1 && s.kernel <= 255 && s.stride >= 1 && s.stride <= 255;
}

// Whether this is the padding that was asked for: windows start `stride` apart, the
// first one at the border. SAME has one for every `stride` pixels that were begun, and
// the border that they need, its smaller half in front; otherwise as many as fit.
inline bool padded_well(const ExpandShape& s, const Borders& borders) {
  const int64_t map[] = {s.height, s.width}, out[] = {s.out_height, s.out_width};
  for (int i = 0; i < 2; ++i) {
    const int64_t last = (out[i] - 1) * s.stride;  // where the last window starts
    if (borders.same) {
      if (last >= map[i] || last + s.stride < map[i]) return false;
      const int64_t border = std::max<int64_t>(last + s.kernel - map[i], 0);
      const int64_t behind = border - s.before[i];
      if (behind != s.before[i] && behind != s.before[i] + 1) return false;
    } else {
      const int64_t all = borders.before + map[i] + borders.after;
      if (s.before[i] != borders.before || out[i] < 0) return false;
      if (out[i] && last + s.kernel > all) return false;
      if (last + s.stride + s.kernel <= all) return false;  // one more would fit
    }
  }
  return true;
}

inline Verdict judge(const ExpandShape& s) {
  if (s.batch < 0 || s.height < 1 || s.width < 1 || s.channels < 1 || s.hidden < 1) {
    return Verdict::kRefused;
  }
  if (!s.expanded && s.hidden != s.channels) return Verdict::kRefused;
  if (s.kernel < 1 || s.kernel > 255 || s.stride < 1 || s.stride > 255) {
    return Verdict::kRefused;
  }
  for (int64_t border : s.before) {
    if (border < 0 || border > 255) return Verdict::kRefused;
  }
  if (s.out_height < 1 || s.out_width < 1) return Verdict::kRefused;
  const int64_t images = std::max<int64_t>(s.batch, 1);
  const int64_t wide = std::max(s.channels, s.hidden);
  return judge_sizes({sizes({images, s.height, s.width, s.channels}),
                      sizes({images, s.out_height, s.out_width, s.hidden}),
                      s.expanded ? sizes({s.channels, s.hidden}) : 0.0,
                      sizes({s.kernel, s.kernel, s.hidden})},
                     {sizes({images, wide}) * (static_cast<double>(s.height) + 512) *
                          (static_cast<double>(s.width) + 512),
                      sizes({images, s.out_height, s.out_width, wide}),
                      sizes({s.channels, s.hidden})});
}

inline Verdict judge(const ExciteShape& s) {
  if (s.batch < 0 || s.hidden < 1 || s.squeezed < 1) return Verdict::kRefused;
  const int64_t images = std::max<int64_t>(s.batch, 1);
  return judge_sizes({sizes({images, s.hidden}), sizes({s.hidden, s.squeezed})}, {0.0});
}

inline Verdict judge(const ProjectShape& s) {
  if (s.batch < 0 || s.pixels < 0 || s.hidden < 1 || s.filters < 1) {
    return Verdict::kRefused;
  }
  const int64_t images = std::max<int64_t>(s.batch, 1);
  return judge_sizes({sizes({images, s.pixels, s.hidden}),
                      sizes({images, s.pixels, s.filters}), sizes({images, s.hidden}),
                      sizes({s.hidden, s.filters})},
                     {sizes({images, s.filters})});
}

// x / (1 + e**-x), and how far rounding may have moved it: by as much as it changes
// where x may be. The kernels compute values below -86 as if they were -86.
inline Real swish(const Real& x) {
  constexpr double kTail = 1e-35, kLeast = -1.2784645427610738;  // where it is least
  if (x.unknown || std::isnan(x.value)) return x;
  const auto exact = [](double v) { return v < -700 ? 0.0 : v / (1 + std::exp(-v)); };
  const double value = exact(x.value);
  if (std::isinf(value)) return value;
  if (std::isinf(x.value)) return {0, kTail / kSumError, false};
  const double low = x.value - kSumError * x.scale;
  const double high = x.value + kSumError * x.scale;
  double moved = low < -80 ? kTail : 0;
  for (double place : {low, high, std::clamp(kLeast, low, high)}) {
    moved = std::max(moved, std::fabs(exact(place) - value));
  }
  return {value, std::fabs(value) + moved / kSumError, false};
}

// 1 / (1 + e**-x), nowhere steeper than a quarter.
inline Real sigmoid(const Real& x) {
  constexpr double kTail = 1e-35;
  if (x.unknown || std::isnan(x.value)) return x;
  const double value = x.value < -700 ? 0.0 : 1 / (1 + std::exp(-x.value));
  const double scale = std::isfinite(x.scale) ? x.scale / 4 : 0.0;
  return {value, value + scale + kTail / kSumError, false};
}

// Inputs of the parts, as numbers.
struct ExpandValues {
  std::vector<double> x, expand, shift1, depthwise, shift2;
};

struct ExciteValues {
  std::vector<double> mean, reduce, shift1, expand, shift2;
};

struct ProjectValues {
  std::vector<double> x, gate, project, shift, residual;
};

struct ExpandResult {
  std::vector<Real> output, mean;
};

inline ExpandResult expand(const ExpandShape& s, const ExpandValues& v) {
  const auto activated = [&](const Real& x) { return s.relu6 ? relu6(x) : swish(x); };
  std::vector<Real> hidden;
  for (int64_t pixel = 0; pixel < s.batch * s.height * s.width; ++pixel) {
    const double* x = &v.x[pixel * s.channels];
    for (int64_t m = 0; m < s.hidden; ++m) {
      if (!s.expanded) {
        hidden.push_back(x[m]);
        continue;
      }
      Real total = v.shift1[m];
      for (int64_t c = 0; c < s.channels; ++c) {
        total += Real(x[c]) * Real(v.expand[c * s.hidden + m]);
      }
      hidden.push_back(activated(total));
    }
  }
  ExpandResult result;
  result.mean.resize(s.batch * s.hidden);
  const double share = 1.0 / static_cast<double>(s.out_height * s.out_width);
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t y = 0; y < s.out_height; ++y) {
      for (int64_t x = 0; x < s.out_width; ++x) {
        for (int64_t m = 0; m < s.hidden; ++m) {
          Real total = v.shift2[m];
          for (int64_t i = 0; i < s.kernel; ++i) {
            for (int64_t j = 0; j < s.kernel; ++j) {
              const int64_t row = y * s.stride + i - s.before[0];
              const int64_t column = x * s.stride + j - s.before[1];
              const bool outside =
                  row < 0 || row >= s.height || column < 0 || column >= s.width;
              const int64_t from = (b * s.height + row) * s.width + column;
              // A zero of the border is multiplied like a pixel.
              total += (outside ? Real(0) : hidden[from * s.hidden + m]) *
                       Real(v.depthwise[(i * s.kernel + j) * s.hidden + m]);
            }
          }
          result.output.push_back(activated(total));
          result.mean[b * s.hidden + m] += result.output.back() * Real(share);
        }
      }
    }
  }
  return result;
}

inline std::vector<Real> excite(const ExciteShape& s, const ExciteValues& v) {
  std::vector<Real> gates;
  for (int64_t b = 0; b < s.batch; ++b) {
    std::vector<Real> squeezed;
    for (int64_t r = 0; r < s.squeezed; ++r) {
      Real total = v.shift1[r];
      for (int64_t m = 0; m < s.hidden; ++m) {
        total += Real(v.mean[b * s.hidden + m]) * Real(v.reduce[m * s.squeezed + r]);
      }
      squeezed.push_back(swish(total));
    }
    for (int64_t m = 0; m < s.hidden; ++m) {
      Real total = v.shift2[m];
      for (int64_t r = 0; r < s.squeezed; ++r) {
        total += squeezed[r] * Real(v.expand[r * s.hidden + m]);
      }
      gates.push_back(sigmoid(total));
    }
  }
  return gates;
}

inline std::vector<Real> project(const ProjectShape& s, const ProjectValues& v) {
  std::vector<Real> output;
  for (int64_t pixel = 0; pixel < s.batch * s.pixels; ++pixel) {
    const int64_t image = pixel / s.pixels;
    for (int64_t o = 0; o < s.filters; ++o) {
      Real total = v.shift[o];
      for (int64_t m = 0; m < s.hidden; ++m) {
        const Real gate = s.gated ? v.gate[image * s.hidden + m] : 1.0;
        total += Real(v.x[pixel * s.hidden + m]) * gate *
                 Real(v.project[m * s.filters + o]);
      }
      if (s.residual) total += v.residual[pixel * s.filters + o];
      output.push_back(total);
    }
  }
  return output;
}

}  // namespace fuzz

#endif  // HYPERSEG_TF_FUZZ_MOBILE_H_
