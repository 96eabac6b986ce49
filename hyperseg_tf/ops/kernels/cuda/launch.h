// How a kernel is launched.
#ifndef HYPERSEG_TF_CUDA_LAUNCH_H_
#define HYPERSEG_TF_CUDA_LAUNCH_H_

#include <cstdint>
#include <map>
#include <mutex>

#include "cuda/plan.h"
#ifdef DPW_HOST_BUILD
#include "cuda/host.h"
#else
#include "cuda/runtime.h"
#endif

namespace dpw {
namespace gpu {

// The shared memory that one kernel may have: all that a device gives to a block,
// allowed once on each device. Were it what the launch at hand needs, a thread that
// computes a small level could take away what another thread, between its own call and
// its launch, has just been allowed for a large one.
class SharedLimit {
 public:
  // Bytes on the current device. What failed is tried again the next time.
  const char* find(const void* function, int64_t* bytes) {
    int index = 0;
    if (const char* wrong = current_device(&index)) return wrong;
    const std::lock_guard<std::mutex> lock(mutex_);
    int64_t& limit = limits_[index];
    if (!limit) {
      Device device;
      if (const char* wrong = find_device(&device)) return wrong;
      // All of it: no kernel has shared memory of a size that is compiled in.
      const char* wrong = allow_shared(function, device.block_shared);
      if (wrong) return wrong;
      limit = device.block_shared;
    }
    *bytes = limit;
    return nullptr;
  }

 private:
  std::mutex mutex_;
  std::map<int, int64_t> limits_;  // device -> bytes, 0 before they are allowed
};

// Of the program of `blocks` blocks, on a stream of the current device.
template <typename Kernel>
const char* launch(const Kernel& kernel, int64_t blocks, int threads, int64_t shared,
                   void* stream) {
  if (shared > kFreeShared) {
    static SharedLimit limit;
    int64_t most = 0;
    if (const char* wrong = limit.find(function_of<Kernel>(), &most)) return wrong;
    if (shared > most) {
      return "the launch needs more shared memory than the device gives to a block.";
    }
  }
  return start(kernel, blocks, threads, shared, stream);
}

}  // namespace gpu
}  // namespace dpw

#endif  // HYPERSEG_TF_CUDA_LAUNCH_H_
