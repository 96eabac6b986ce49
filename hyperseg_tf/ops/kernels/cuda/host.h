// The machine of a host build: runs kernels as ordinary C++, and keeps the rules of
// CUDA's runtime that a launch must respect. The same functions as runtime.h.
#ifndef HYPERSEG_TF_CUDA_HOST_H_
#define HYPERSEG_TF_CUDA_HOST_H_

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "cuda/context.h"
#include "cuda/plan.h"

namespace dpw {
namespace gpu {

// A test sets the first ones: a small device shows the fallbacks of a tiling.
struct Host {
  Device device;
  bool reverse = false;  // see Context
  int64_t launches = 0, blocks = 0, shared = 0;  // since the test looked; largest

  // Of a kernel on a device: what `allow_shared` said last, and how often.
  struct Allowed {
    int64_t bytes = 0, calls = 0;
  };
  std::map<std::pair<const void*, int>, Allowed> allowed;
  int64_t refusals = 0;  // of the next calls of `allow_shared`, so many fail
  std::mutex mutex;      // of what a launch changes
};

inline Host& host() {
  static Host state;
  return state;
}

// As in CUDA, every thread has its own.
inline int& device_of_thread() {
  static thread_local int index = 0;
  return index;
}

inline const char* current_device(int* index) {
  *index = device_of_thread();
  return nullptr;
}

inline const char* find_device(Device* device) {
  *device = host().device;
  return nullptr;
}

template <typename Kernel>
const void* function_of() {
  static const char function = 0;
  return &function;
}

inline const char* allow_shared(const void* function, int64_t bytes) {
  const std::lock_guard<std::mutex> lock(host().mutex);
  Host::Allowed& allowed = host().allowed[{function, device_of_thread()}];
  ++allowed.calls;
  if (host().refusals > 0) {
    --host().refusals;
    return "unknown error";
  }
  if (bytes > host().device.block_shared) return "invalid argument";
  allowed.bytes = bytes;
  return nullptr;
}

template <typename Kernel>
const char* start(const Kernel& kernel, int64_t blocks, int threads, int64_t shared,
                  void*) {
  // Exactly as large as asked for, so that an index too far is found; all bits set is
  // a NaN, so that what nobody wrote is found, too.
  std::unique_ptr<Four[]> memory(new Four[shared / 16]);
  char* bytes = reinterpret_cast<char*>(memory.get());
  {
    const std::lock_guard<std::mutex> lock(host().mutex);
    const auto key = std::make_pair(function_of<Kernel>(), device_of_thread());
    if (shared > kFreeShared && shared > host().allowed[key].bytes) {
      return "invalid argument";
    }
    ++host().launches;
    host().blocks += blocks;
    host().shared = shared > host().shared ? shared : host().shared;
  }
  for (int64_t block = 0; block < blocks; ++block) {
    std::memset(static_cast<void*>(memory.get()), 255, shared);
    kernel(Context(block, threads, bytes, host().reverse));
  }
  return nullptr;
}

}  // namespace gpu
}  // namespace dpw

#endif  // HYPERSEG_TF_CUDA_HOST_H_
