// A stage of training in the fuzzer: shapes, the rules by themselves, and what each of
// its four kernels must compute, written from the definition.
//
// Nothing here is infinite or NaN: the
// statistics carry it to every pixel of a channel, so there is nothing to tell apart.
#ifndef HYPERSEG_TF_FUZZ_STAGE_H_
#define HYPERSEG_TF_FUZZ_STAGE_H_

#include <cmath>
#include <string>
#include <vector>

#include "cpu/kernels.h"
#include "fuzz/buffers.h"
#include "fuzz/random_shapes.h"
#include "fuzz/reference.h"

namespace fuzz {

using dpw::StagePointers;
using dpw::StageShape;

inline std::string describe(const StageShape& s) {
  std::string text = "stage";
  const int64_t values[] = {s.patches, s.height, s.width, s.channels, s.filters,
                            s.kernel};
  const char* names[] = {"patches", "height", "width", "channels", "filters", "kernel"};
  for (int i = 0; i < 6; ++i) {
    text += std::string(" ") + names[i] + "=" + std::to_string(values[i]);
  }
  return text;
}

inline StageShape draw_stage(Random& random) {
  StageShape s;
  s.kernel = random.pick({1, 1, 3, 3, 3, 5, 7});
  s.patches = random.chance(5) ? 0 : random.size(5);
  s.height = s.kernel - 1 + random.size(10);
  s.width = s.kernel - 1 + random.size(20);
  s.channels = random.size(45);
  s.filters = s.kernel > 1 ? s.channels : random.size(30);
  return s;
}

// Whether the rules allow it; only for shapes of which one size was spoiled.
inline bool allowed(const StageShape& s) {
  for (int64_t size : {s.patches, s.height, s.width, s.channels, s.filters}) {
    if (size > int64_t{1} << 46) return false;
  }
  return s.patches >= 0 && s.channels >= 1 && s.filters >= 1 && s.kernel >= 1 &&
         s.kernel <= 255 && s.kernel % 2 == 1 && s.height >= s.kernel &&
         s.width >= s.kernel && (s.kernel == 1 || s.filters == s.channels);
}

inline void try_spoiled_stage(StageShape s, Random& random) {
  int64_t* sizes[] = {&s.patches, &s.height, &s.width, &s.channels, &s.filters,
                      &s.kernel};
  *sizes[random.from(0, 5)] =
      random.pick({-1, 0, 2, 256, 257, int64_t{1} << 47, INT64_MAX, INT64_MIN});
  current.what = describe(s);
  const std::string wrong = dpw::check(s);
  if (wrong.empty() != allowed(s)) fail("The rules say otherwise: " + wrong);
  if (wrong.empty()) {
    ++counts.valid;
    return;
  }
  if (wrong.find(": got ") == std::string::npos) fail("Nothing says what came.");
  ++counts.refused;
}

struct StageValues {
  std::vector<double> x, kernels, upstream, mean, inverse, scale, shift, offset, slope;
};

// Per kernel, in the order in which they run.
struct StageResult {
  std::vector<Real> moments, y, sums, kernels_gradient, spread, x_gradient;
};

inline Real difference(double a, double b) {
  return {a - b, std::fabs(a) + std::fabs(b), false};
}

inline StageResult stage(const StageShape& s, const StageValues& in) {
  StageResult out;
  const int64_t pixels = s.height * s.width, channels = s.channels;
  out.moments.resize(2 * s.patches * channels);
  out.sums.resize(2 * s.patches * channels);
  out.kernels_gradient.resize(in.kernels.size());
  out.y.resize(in.upstream.size());
  out.spread.resize(in.x.size());
  std::vector<Real> active(in.x.size());
  for (int64_t n = 0; n < s.patches * pixels; ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      const Real centred = difference(in.x[n * channels + c], in.mean[c]);
      active[n * channels + c] = relu6(centred * in.scale[c] + in.shift[c]);
      out.moments[n / pixels * 2 * channels + c] +=
          Real(in.x[n * channels + c]) * Real(1.0 / static_cast<double>(pixels));
    }
  }
  for (int64_t n = 0; n < s.patches * pixels; ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      const Real mean = out.moments[n / pixels * 2 * channels + c];
      const Real away = difference(in.x[n * channels + c], mean.value);
      out.moments[(n / pixels * 2 + 1) * channels + c] += away * away;
    }
  }
  const int64_t taps = s.kernel * s.kernel, rows = s.height - s.kernel + 1,
                columns = s.width - s.kernel + 1;
  for (int64_t n = 0; n < static_cast<int64_t>(in.upstream.size()); ++n) {
    const int64_t o = n % s.filters, x = n / s.filters % columns,
                  y = n / s.filters / columns % rows,
                  patch = n / s.filters / columns / rows;
    for (int64_t c = s.kernel > 1 ? o : 0; c < (s.kernel > 1 ? o + 1 : channels); ++c) {
      for (int64_t t = 0; t < taps; ++t) {
        const int64_t from =
            ((patch * s.height + y + t / s.kernel) * s.width + x + t % s.kernel) *
                channels + c;
        const int64_t weight = s.kernel > 1
                                   ? (patch * channels + c) * taps + t
                                   : (patch * s.filters + o) * channels + c;
        out.y[n] += active[from] * Real(in.kernels[weight]);
        out.kernels_gradient[weight] += active[from] * Real(in.upstream[n]);
        out.spread[from] += Real(in.kernels[weight]) * Real(in.upstream[n]);
      }
    }
  }
  for (int64_t n = 0; n < static_cast<int64_t>(in.x.size()); ++n) {
    const int64_t c = n % channels, patch = n / channels / pixels;
    const Real centred = difference(in.x[n], in.mean[c]);
    const Real before = centred * in.scale[c] + in.shift[c];
    Real& gradient = out.spread[n];
    if (before.near(0) || before.near(6)) gradient.unknown = true;
    else if (before.value <= 0 || before.value >= 6) gradient = Real(0);
    Real* sums = &out.sums[2 * patch * channels];
    sums[c] += gradient;
    sums[channels + c] += gradient * centred * Real(in.inverse[c]);
    out.x_gradient.push_back(gradient * Real(in.scale[c]) + Real(in.offset[c]) +
                             centred * Real(in.slope[c]));
  }
  return out;
}

// Returns whether it ran.
inline bool try_stage(Random& random) {
  const StageShape s = draw_stage(random);
  if (random.chance(33)) {
    try_spoiled_stage(s, random);
    return false;
  }
  current.what = describe(s);
  const std::string wrong = dpw::check(s);
  if (!wrong.empty()) fail("It obeys the rules: " + wrong);
  ++counts.valid;
  const int64_t pixels = s.patches * s.height * s.width, weights = s.weights(),
                outputs = s.patches * s.out_height() * s.out_width() * s.filters;
  const auto row = [&](double low, double high) {
    return draw<float>(random, s.channels, low, high);
  };
  Buffer<float> x = draw<float>(random, pixels * s.channels, -3, 3);
  Buffer<float> factors = draw<float>(random, s.patches * weights, -1, 1);
  Buffer<float> upstream = draw<float>(random, outputs, -1, 1);
  // Normalised values below 0, above 6, and between.
  Buffer<float> mean = row(-1, 1), inverse = row(0.1, 2), scale = row(-2, 2),
                shift = row(-2, 8), offset = row(-1, 1), slope = row(-1, 1);
  const auto& kernels = dpw::kernels().stage;
  const auto compute = [&](bool cut) {
    std::vector<Buffer<float>> results;
    for (int64_t count : {2 * s.patches * s.channels, outputs,
                          2 * s.patches * s.channels, factors.count(), x.count()}) {
      results.emplace_back(random, count);
      std::memset(results.back().data(), cut ? 0x5a : 0xa5, results.back().bytes());
    }
    const auto run = [&](dpw::StageKernels::Work work, const StagePointers& p) {
      share(random, cut, s.patches,
            [&](int64_t begin, int64_t end) { work(s, p, begin, end); });
    };
    StagePointers p{};
    p.x = x.data();
    p.partial = results[0].data();
    run(kernels.moments, p);
    p = {};
    p.x = x.data();
    p.kernels = factors.data();
    p.mean = mean.data();
    p.scale = scale.data();
    p.shift = shift.data();
    p.y = results[1].data();
    run(kernels.run, p);
    p.y = nullptr;
    p.upstream = upstream.data();
    p.inverse = inverse.data();
    p.partial = results[2].data();
    p.kernels_gradient = results[3].data();
    p.x_gradient = results[4].data();
    run(kernels.gradient, p);
    p = {};
    p.x = x.data();
    p.mean = mean.data();
    p.scale = scale.data();
    p.offset = offset.data();
    p.slope = slope.data();
    p.x_gradient = results[4].data();
    run(kernels.finish, p);
    return results;
  };
  std::vector<Buffer<float>> whole = compute(false), parts = compute(true);
  const StageResult want =
      stage(s, {numbers(x), numbers(factors), numbers(upstream), numbers(mean),
                numbers(inverse), numbers(scale), numbers(shift), numbers(offset),
                numbers(slope)});
  const std::vector<Real>* wants[] = {&want.moments, &want.y, &want.sums,
                                      &want.kernels_gradient, &want.x_gradient};
  static const char* kNames[] = {"moments", "y", "sums", "kernels_gradient",
                                 "x_gradient"};
  for (int i = 0; i < 5; ++i) {
    expect_same(whole[i], parts[i], kNames[i]);
    expect_close(whole[i], *wants[i], kNames[i]);
  }
  return true;
}

}  // namespace fuzz

#endif  // HYPERSEG_TF_FUZZ_STAGE_H_
