// Shapes to try: random ones that obey the rules, hostile ones, and a judge that knows
// the rules by itself.
#ifndef HYPERSEG_TF_FUZZ_RANDOM_SHAPES_H_
#define HYPERSEG_TF_FUZZ_RANDOM_SHAPES_H_

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include "shapes.h"

namespace fuzz {

using dpw::BlockShape;
using dpw::ConvShape;
using dpw::Padding;

// SplitMix64. The distributions of the standard library differ between its makers; a
// seed must mean the same case everywhere.
class Random {
 public:
  Random(uint64_t seed, uint64_t stream) : state_(seed) {
    state_ = bits() ^ stream;
    state_ = bits();
  }

  uint64_t bits() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  int64_t from(int64_t least, int64_t most) {
    const uint64_t count = static_cast<uint64_t>(most - least) + 1;
    return least + static_cast<int64_t>(bits() % count);
  }

  bool chance(int percent) { return from(0, 99) < percent; }

  int64_t pick(std::initializer_list<int64_t> values) {
    return values.begin()[from(0, static_cast<int64_t>(values.size()) - 1)];
  }

  // Mostly small, at times up to `most`.
  int64_t size(int64_t most) {
    return from(1, chance(70) ? std::min<int64_t>(most, 6) : most);
  }

  // In [-1, 1).
  double unit() { return static_cast<double>(bits() >> 11) / 4503599627370496.0 - 1.0; }

 private:
  uint64_t state_;
};

struct Field {
  const char* name;
  int64_t* value;
};

inline std::vector<Field> fields(ConvShape& s) {
  return {{"batch", &s.batch},       {"height", &s.height},   {"width", &s.width},
          {"channels", &s.channels}, {"rows", &s.rows},       {"columns", &s.columns},
          {"weights", &s.weights},   {"filters", &s.filters}, {"kernel", &s.kernel},
          {"groups", &s.groups}};
}

inline std::vector<Field> fields(BlockShape& s) {
  return {{"batch", &s.batch},
          {"height", &s.height},
          {"width", &s.width},
          {"feature_channels", &s.feature_channels},
          {"previous_channels", &s.previous_channels},
          {"rows", &s.rows},
          {"columns", &s.columns},
          {"signal_channels", &s.signal_channels},
          {"offset", &s.offset},
          {"groups", &s.groups},
          {"depth", &s.depth},
          {"units", &s.units},
          {"start", &s.start},
          {"hidden", &s.hidden},
          {"filters", &s.filters},
          {"kernel", &s.kernel}};
}

inline std::string name(Padding padding) {
  static const char* kNames[] = {"reflect", "replicate", "circular", "zeros"};
  return kNames[static_cast<int>(padding)];
}

inline std::string flags(const ConvShape& s) { return "conv " + name(s.padding); }

inline std::string flags(const BlockShape& s) {
  return std::string("block") + (s.positions ? " positions" : "") +
         (s.neighbour ? " neighbour " : " ") + name(s.padding);
}

inline std::string describe(std::string text, const std::vector<Field>& fields) {
  for (const Field& field : fields) {
    text += std::string(" ") + field.name + "=" + std::to_string(*field.value);
  }
  return text;
}

// Sizes as doubles: exact where it matters, and they do not overflow.
inline double sizes(std::initializer_list<int64_t> values) {
  double product = 1;
  for (int64_t value : values) product *= static_cast<double>(value);
  return product;
}

// Multiply-adds of the reference; what is above kWork is checked but not computed.
constexpr double kWork = 70000;  // a kernel of 255x255 once

inline double work(const ConvShape& s) {
  return sizes({std::max<int64_t>(s.batch, 1), s.height, s.width, s.filters}) *
         sizes({s.channels / s.groups, s.kernel, s.kernel});
}

inline double work(const BlockShape& s) {
  const double channels = 2.0 + static_cast<double>(s.feature_channels) +
                          static_cast<double>(s.previous_channels);
  const double patches = sizes({std::max<int64_t>(s.batch, 1), s.rows, s.columns});
  const double weights =
      s.hidden ? s.hidden * (channels + sizes({s.kernel, s.kernel}) + s.filters)
               : s.filters * channels;
  const double padded = (static_cast<double>(s.height / s.rows) + s.kernel - 1) *
                        (static_cast<double>(s.width / s.columns) + s.kernel - 1);
  return patches * (padded + static_cast<double>(s.depth)) * weights +
         patches * static_cast<double>(s.signal_channels) +
         static_cast<double>(s.depth) * static_cast<double>(s.units);
}

template <typename Shape>
void draw_map(Random& random, Shape& s) {
  s.padding = static_cast<Padding>(random.from(0, 3));
  s.kernel = random.chance(3) ? random.pick({9, 13, 31, 255})
                              : random.pick({1, 1, 3, 3, 3, 3, 5, 7});
  s.batch = random.chance(2) ? 0 : random.pick({1, 1, 1, 2, 3});
  s.rows = random.size(9);
  s.columns = random.size(9);
  s.height = s.rows * random.size(11);
  s.width = s.columns * random.size(31);
}

// The largest kernel up to this one that the padding allows. At times a halo about as
// wide as the map, with weights to fit, so that no other rule is broken.
template <typename Shape>
void fit_kernel(Random& random, Shape& s) {
  const int64_t least = std::min(s.height, s.width);
  if (random.chance(3)) {
    s.kernel = 2 * least + random.pick({-1, 1, 3});
    return;
  }
  const int64_t most = s.padding == Padding::kReflect    ? least - 1
                       : s.padding == Padding::kCircular ? least
                                                         : s.kernel;
  if (s.kernel / 2 > most) s.kernel = 2 * most + 1;
}

// A convolution that obeys the other rules and is small enough to run.
inline ConvShape draw_conv(Random& random) {
  for (;;) {
    ConvShape s;
    draw_map(random, s);
    fit_kernel(random, s);
    s.groups = random.chance(60) ? 1 : random.size(9);
    int64_t depth = random.size(70), filters = random.size(70);
    if (random.chance(25)) depth = filters = 1, s.groups = random.size(70);
    s.channels = s.groups * depth;
    s.filters = s.groups * filters;
    s.weights = s.filters * depth * s.kernel * s.kernel;
    if (work(s) <= kWork) return s;
  }
}

inline BlockShape draw_block(Random& random) {
  for (;;) {
    BlockShape s;
    draw_map(random, s);
    s.positions = random.chance(70);
    s.feature_channels = random.size(40);
    if (random.chance(60)) {
      s.previous_channels = random.size(20);
      s.height += s.height % 2 * s.rows;
      s.width += s.width % 2 * s.columns;
      if (s.height % 2 || s.width % 2) continue;
    }
    s.hidden = random.chance(35) ? 0 : random.size(40);
    fit_kernel(random, s);
    if (!s.hidden) s.kernel = 1;
    s.neighbour = s.hidden && random.chance(50);
    s.filters = random.chance(40) ? s.channels() : random.size(40);
    s.start = random.chance(50) ? 0 : random.size(40);
    s.units = s.start + s.weights() + (random.chance(50) ? 0 : random.size(20));
    if (random.chance(25)) {
      s.signal_channels = s.units;
    } else {
      s.groups = random.size(12);
      s.units += (s.groups - s.units % s.groups) % s.groups;
      s.depth = random.size(20);
      s.offset = random.chance(50) ? 0 : random.size(10);
      s.signal_channels =
          s.offset + s.groups * s.depth + (random.chance(50) ? 0 : random.size(10));
    }
    if (work(s) <= kWork) return s;
  }
}

// Puts hostile numbers into one to three fields.
inline void spoil(Random& random, const std::vector<Field>& all) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  for (int64_t n = random.pick({1, 1, 1, 2, 3}); n > 0; --n) {
    int64_t& value = *all[random.from(0, static_cast<int64_t>(all.size()) - 1)].value;
    const int64_t one = int64_t{1} << random.from(15, 62);
    switch (random.from(0, 7)) {
      case 0:
        value = random.pick({0, 0, -1, -2, -kMost, -kMost - 1});
        break;
      case 1:
        value = random.pick({kMost, kMost - 1, kMost / 2, kMost / 2 + 1});
        break;
      case 2:
        value = one + random.from(-1, 1);
        break;
      case 3:
        value = random.chance(50) ? -one : int64_t{3037000500};  // the root of 2**63
        break;
      case 4:
        value = random.from(1, 300);
        break;
      case 5:
        value = random.from(0, 8);
        break;
      default:  // near what fits
        if (value < kMost && value > -kMost) value += random.chance(50) ? 1 : -1;
    }
  }
}

enum class Verdict { kRuns, kRefused, kAny };

// Nothing here may be larger than memory; in between, a refusal is as good.
inline Verdict judge_sizes(std::initializer_list<double> tensors,
                           std::initializer_list<double> buffers) {
  if (std::max(tensors) > 70368744177664.0) return Verdict::kRefused;  // 2**46
  return std::max(std::max(tensors), std::max(buffers)) < 4294967296.0 ? Verdict::kRuns
                                                                       : Verdict::kAny;
}

template <typename Shape>
bool fits_grid(const Shape& s) {
  if (s.batch < 0 || s.height < 1 || s.width < 1 || s.rows < 1 || s.columns < 1) {
    return false;
  }
  if (s.height % s.rows != 0 || s.width % s.columns != 0) return false;
  if (s.kernel < 1 || s.kernel > 255 || s.kernel % 2 == 0) return false;
  const int64_t least = std::min(s.height, s.width), halo = s.kernel / 2;
  if (s.padding == Padding::kReflect) return halo < least;
  return s.padding != Padding::kCircular || halo <= least;
}

// Pixels of all patches of an image with what surrounds them.
template <typename Shape>
double padded_image(const Shape& s) {
  return (static_cast<double>(s.height) + sizes({s.kernel, s.rows})) *
         (static_cast<double>(s.width) + sizes({s.kernel, s.columns}));
}

inline Verdict judge(const ConvShape& s) {
  if (!fits_grid(s) || s.filters < 1 || s.groups < 1 || s.channels < 1 ||
      s.filters % s.groups != 0 || s.channels % s.groups != 0) {
    return Verdict::kRefused;
  }
  const int64_t depth = s.channels / s.groups, wide = std::max(s.channels, s.filters);
  const double needed = sizes({s.filters, depth, s.kernel, s.kernel});
  if (needed != static_cast<double>(s.weights)) return Verdict::kRefused;
  const double image = padded_image(s);
  return judge_sizes({needed, sizes({s.height, s.width, wide}),
                      sizes({s.batch, s.height, s.width, wide}),
                      sizes({s.batch, s.rows, s.columns, s.weights})},
                     {std::max<int64_t>(s.batch, 1) * image * wide,
                      (static_cast<double>(s.width / s.columns) + s.kernel) *
                          sizes({s.kernel, s.kernel, wide})});
}

inline Verdict judge(const BlockShape& s) {
  if (!fits_grid(s) || s.filters < 1 || s.hidden < 0 || s.feature_channels < 1 ||
      s.previous_channels < 0 || s.signal_channels < 0 || s.groups < 0 ||
      s.depth < 0 || s.offset < 0 || s.start < 0) {
    return Verdict::kRefused;
  }
  if (!s.hidden && (s.kernel != 1 || s.neighbour)) return Verdict::kRefused;
  if (s.previous_channels && (s.height % 2 != 0 || s.width % 2 != 0)) {
    return Verdict::kRefused;
  }
  if (!s.groups && s.units != s.signal_channels) return Verdict::kRefused;
  if (s.groups && (s.depth < 1 || s.units < 1 || s.units % s.groups != 0 ||
                   static_cast<double>(s.offset) + sizes({s.groups, s.depth}) >
                       static_cast<double>(s.signal_channels))) {
    return Verdict::kRefused;
  }
  const double channels = (s.positions ? 2.0 : 0.0) +
                          static_cast<double>(s.feature_channels) +
                          static_cast<double>(s.previous_channels);
  const double hidden = static_cast<double>(s.hidden);
  const double filters = static_cast<double>(s.filters);
  const double weights =
      s.hidden ? hidden * (channels + sizes({s.kernel, s.kernel}) + filters)
               : filters * channels;
  if (static_cast<double>(s.start) + weights > static_cast<double>(s.units)) {
    return Verdict::kRefused;
  }
  const double image = padded_image(s);
  // Without a head these are not used.
  const double used = s.groups ? static_cast<double>(s.depth) : 0.0;
  const double unused = std::max(s.depth, s.offset);
  return judge_sizes(
      {weights, sizes({s.height, s.width}) * channels,
       sizes({s.batch, s.height, s.width}) * channels,
       sizes({s.batch, s.height, s.width}) * filters,
       sizes({s.batch, s.rows, s.columns, s.signal_channels}),
       used * static_cast<double>(s.units)},
      {std::max<int64_t>(s.batch, 1) * image * (channels + hidden + filters),
       std::max<int64_t>(s.batch, 1) * sizes({s.rows, s.columns}) *
           (static_cast<double>(s.units) + static_cast<double>(s.signal_channels)) *
           256,
       unused});
}

}  // namespace fuzz

#endif  // HYPERSEG_TF_FUZZ_RANDOM_SHAPES_H_
