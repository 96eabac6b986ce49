// What the pixels of a resized picture take of the pixels that there are, on one axis.
#ifndef HYPERSEG_TF_CPU_TAPS_H_
#define HYPERSEG_TF_CPU_TAPS_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace dpw {
namespace DPW_ISA {

// What each place of the window, along one axis, takes of the picture: `count` pixels
// from `start` on, and the one under its centre, `nearest`.
struct Taps {
  std::vector<int32_t> start, nearest;
  std::vector<float> weights;  // (places, count)
  int64_t count = 1;
  // Every place takes one pixel as it is.
  bool copies = false;

  int64_t places() const { return static_cast<int64_t>(start.size()); }
  int64_t end(int64_t i) const { return start[i] + count; }
  const float* of(int64_t i) const { return weights.data() + i * count; }
};

inline double resample_weight(bool cubic, double x) {
  x = std::abs(x);
  if (!cubic) return x < 1 ? 1 - x : 0;
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

// Places first .. first + places - 1 of an axis of `old` pixels resized to `scaled`.
inline Taps make_taps(int64_t old, int64_t scaled, int64_t first, int64_t places,
                      bool cubic, bool antialias) {
  Taps taps;
  const double step = static_cast<double>(old) / scaled;
  const double widen = antialias && step > 1 ? step : 1;
  const double reach = (cubic ? 2 : 1) * widen;
  taps.copies = old == scaled;
  taps.start.resize(places);
  taps.nearest.resize(places);
  for (int64_t i = 0; i < places; ++i) {
    const int64_t place = first + i;
    taps.nearest[i] = static_cast<int32_t>((2 * place + 1) * old / (2 * scaled));
    taps.start[i] = static_cast<int32_t>(place);
    if (taps.copies) continue;
    // Pixels at less than `reach`; those at exactly that have no weight.
    const double centre = (place + 0.5) * step - 0.5;
    const int64_t low = static_cast<int64_t>(std::floor(centre - reach)) + 1;
    const int64_t high = static_cast<int64_t>(std::ceil(centre + reach));
    const int64_t start = std::max<int64_t>(0, low);
    taps.start[i] = static_cast<int32_t>(start);
    taps.count = std::max(taps.count, std::min(high, old) - start);
  }
  taps.weights.assign(places * taps.count, 1.0f);
  if (taps.copies) return taps;
  std::vector<double> exact(taps.count);
  for (int64_t i = 0; i < places; ++i) {
    const double centre = (first + i + 0.5) * step - 0.5;
    // All read `count` pixels: the last places begin earlier.
    taps.start[i] =
        static_cast<int32_t>(std::min<int64_t>(taps.start[i], old - taps.count));
    double sum = 0;
    for (int64_t k = 0; k < taps.count; ++k) {
      exact[k] = resample_weight(cubic, (taps.start[i] + k - centre) / widen);
      sum += exact[k];
    }
    for (int64_t k = 0; k < taps.count; ++k) {
      taps.weights[i * taps.count + k] = static_cast<float>(exact[k] / sum);
    }
  }
  return taps;
}

inline void reverse(Taps* taps) {
  const int64_t places = taps->places();
  for (int64_t i = 0, j = places - 1; i < j; ++i, --j) {
    std::swap(taps->start[i], taps->start[j]);
    std::swap(taps->nearest[i], taps->nearest[j]);
    for (int64_t k = 0; k < taps->count; ++k) {
      std::swap(taps->weights[i * taps->count + k], taps->weights[j * taps->count + k]);
    }
  }
}

}  // namespace DPW_ISA
}  // namespace dpw

#endif  // HYPERSEG_TF_CPU_TAPS_H_
