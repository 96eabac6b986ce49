// Memory of one piece of work, in floats; aligned to cache lines.
#ifndef HYPERSEG_TF_CPU_SCRATCH_H_
#define HYPERSEG_TF_CPU_SCRATCH_H_

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(start, size)
#define ASAN_UNPOISON_MEMORY_REGION(start, size)
#endif

namespace dpw {

class Scratch {
 public:
  explicit Scratch(int64_t floats)
      : size_(round(floats)),
        memory_(static_cast<float*>(std::aligned_alloc(64, size_ * 4))) {
    if (!memory_) throw std::bad_alloc();
    // The sanitizer must see a step from one part into the next.
    ASAN_POISON_MEMORY_REGION(memory_, size_ * 4);
  }
  ~Scratch() {
    ASAN_UNPOISON_MEMORY_REGION(memory_, size_ * 4);
    std::free(memory_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // The next part of this many floats.
  float* take(int64_t floats) {
    float* part = memory_ + used_;
    used_ += round(floats);
    ASAN_UNPOISON_MEMORY_REGION(part, floats * 4);
    return part;
  }

  static int64_t round(int64_t floats) { return (floats + 15) / 16 * 16 + 16; }

 private:
  const int64_t size_;
  float* const memory_;
  int64_t used_ = 0;
};

}  // namespace dpw

#endif  // HYPERSEG_TF_CPU_SCRATCH_H_
