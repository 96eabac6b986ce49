// What both choices of a tiling are made of: the device, the candidates, their cost.
#ifndef HYPERSEG_TF_CUDA_PLAN_H_
#define HYPERSEG_TF_CUDA_PLAN_H_

#include <cstdint>

#include "cuda/context.h"

namespace dpw {
namespace gpu {

// Bytes of shared memory that a block has on every device, without asking.
constexpr int64_t kFreeShared = 48 * 1024;

// What the choice of a tiling depends on.
struct Device {
  int64_t block_shared = kFreeShared;  // bytes that a block may ask for
  int64_t shared = 64 * 1024;          // bytes of a multiprocessor
  int64_t processors = 80;
};

inline int at_most(int value, int limit) { return value < limit ? value : limit; }
inline int at_least(int value, int limit) { return value > limit ? value : limit; }

// visit(height, width) of the tiles to try of a map of this size.
template <typename Visit>
void each_tile(int height, int width, const Visit& visit) {
  for (int tile_width : {width, 64, 32, 16}) {
    if (tile_width > width || tile_width > 64) continue;
    for (int tile_height : {height, 32, 16, 8, 4, 2, 1}) {
      if (tile_height > height || tile_height > 32) continue;
      visit(tile_height, tile_width);
    }
  }
}

// The first of those that cost least.
template <typename Plan>
class Cheapest {
 public:
  void offer(const Plan& plan, double cycles) {
    if (found_ && cycles >= cycles_) return;
    found_ = true;
    cycles_ = cycles;
    plan_ = plan;
  }
  bool found() const { return found_; }
  const Plan& plan() const { return plan_; }

 private:
  bool found_ = false;
  double cycles_ = 0.0;
  Plan plan_;
};

// The first of the largest: what to halve where nothing fits.
template <int COUNT>
int* largest(int* const (&parts)[COUNT]) {
  int* found = parts[0];
  for (int* part : parts) {
    if (*part > *found) found = part;
  }
  return found;
}

// Turns of all warps of a block that do so many tasks, one per thread at a time.
inline double rounds(int64_t tasks, int threads) {
  return static_cast<double>(ceil_divide(tasks, threads)) * (threads / 32.0);
}

// Shared memory that a block may have for three of them to hide each other's waits;
// what fits every device is exceeded only where there is plenty.
inline int64_t comfortable_shared(const Device& device) {
  const int64_t third = device.shared / 3 - 1024;
  const int64_t wanted = third > kFreeShared ? third : kFreeShared;
  return wanted < device.block_shared ? wanted : device.block_shared;
}

// Cycles until all blocks are done, from those that one of them keeps its
// multiprocessor busy.
inline double total_cycles(const Device& device, double cycles, int64_t blocks,
                           int64_t shared, int threads) {
  const double turns = static_cast<double>(ceil_divide(blocks, device.processors));
  double together = static_cast<double>(device.shared / (shared + 1024));
  together = together < 1.0 ? 1.0 : together > turns ? turns : together;
  // Fewer than a dozen warps cannot hide the waits for memory.
  const double busy = threads / 32.0 * together / 12.0;
  return turns * cycles / (busy < 1.0 ? busy : 1.0);
}

// Cycles of a barrier that nothing hides.
constexpr double kWait = 40.0;

}  // namespace gpu
}  // namespace dpw

#endif  // HYPERSEG_TF_CUDA_PLAN_H_
