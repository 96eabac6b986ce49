// The first kernel of a level: signal -> weights of all patches.
#ifndef HYPERSEG_TF_CUDA_GENERATE_H_
#define HYPERSEG_TF_CUDA_GENERATE_H_

#include "cuda/context.h"
#include "pointers.h"
#include "shapes.h"

namespace dpw {
namespace gpu {

// The weights that a level reads of each patch: (patches, weights), natural order.
template <typename T>
struct Generate {
  static constexpr int kPatches = 16, kUnits = 128;

  const T* signal;  // (patches, signal_channels)
  const T* head;    // (depth, units)
  float* theta;     // (patches, weights)
  int64_t patches, signal_channels, offset, units, start, weights;
  int depth, width;      // of one group
  int span, depth_step;  // groups that a block may touch; rows of them at a time

  Generate(const BlockShape& s, const BlockPointers<T>& p, float* theta)
      : signal(p.signal),
        head(p.head),
        theta(theta),
        patches(s.batch * s.rows * s.columns),
        signal_channels(s.signal_channels),
        offset(s.offset),
        units(s.units),
        start(s.start),
        weights(s.weights()),
        depth(static_cast<int>(s.depth)),
        width(static_cast<int>(s.units / s.groups)) {
    const int64_t most = (kUnits - 2) / width + 2;
    span = static_cast<int>(most < s.groups ? most : s.groups);
    const int step = 24 * 1024 / 4 / kPatches / span;
    depth_step = step < 1 ? 1 : step < depth ? step : depth;
  }

  int64_t blocks() const {
    return ceil_divide(weights, kUnits) * ceil_divide(patches, kPatches);
  }
  int64_t shared() const { return int64_t{span} * depth_step * kPatches * 4; }

  struct Sums {
    float at[kPatches];
  };

  DPW_DEVICE void operator()(const Context& context) const {
    const int64_t tiles = (weights + kUnits - 1) / kUnits;
    const int64_t first_patch = context.block / tiles * kPatches;
    const int64_t first_unit = context.block % tiles * kUnits + start;
    const int64_t left = start + weights - first_unit;
    const int count = left < kUnits ? static_cast<int>(left) : kUnits;
    const int64_t first_group = first_unit / width;
    const int groups =
        static_cast<int>((first_unit + count - 1) / width - first_group) + 1;
    float* slices = reinterpret_cast<float*>(context.shared);
    PerThread<Sums> sums;
    for (int d0 = 0; d0 < depth; d0 += depth_step) {
      const int step = smaller(depth_step, depth - d0);
      context.each([&](int thread) {
        // (patch, group, row) -> rows of patches; a patch that is not there is 0.
        const int size = groups * step;
        for (int i = thread; i < size * kPatches; i += context.threads) {
          const int n = i / size, row = i - n * size;
          const int64_t channel = (first_group + row / step) * depth + d0 + row % step;
          const int64_t patch = first_patch + n;
          const T* from = signal + patch * signal_channels + offset + channel;
          slices[row * kPatches + n] = patch < patches ? read(from) : 0.0f;
        }
        if (d0 == 0) {
          for (int n = 0; n < kPatches; ++n) sums.of(thread).at[n] = 0.0f;
        }
      });
      context.each([&](int thread) {
        if (thread >= count) return;
        const int64_t unit = first_unit + thread;
        const float* slice = slices + (unit / width - first_group) * step * kPatches;
        const T* column = head + d0 * units + unit;
        Sums& own = sums.of(thread);
        for (int d = 0; d < step; ++d, column += units, slice += kPatches) {
          const float factor = read(column);
          for (int n = 0; n < kPatches; n += 4) {
            const Four four = load4(slice + n);
            for (int i = 0; i < 4; ++i) {
              own.at[n + i] = multiply_add(four.at[i], factor, own.at[n + i]);
            }
          }
        }
      });
    }
    context.each([&](int thread) {
      if (thread >= count) return;
      for (int n = 0; n < kPatches; ++n) {
        if (first_patch + n >= patches) break;
        theta[(first_patch + n) * weights + first_unit - start + thread] =
            sums.of(thread).at[n];
      }
    });
  }
};

}  // namespace gpu
}  // namespace dpw

#endif  // HYPERSEG_TF_CUDA_GENERATE_H_
