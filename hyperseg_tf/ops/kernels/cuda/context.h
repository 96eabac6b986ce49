// What a kernel sees of the machine.
//
// A kernel is a struct with its arguments and `operator()(context)`: the program of one
// block, a sequence of phases. `context.each(phase)` runs the phase once per thread and
// waits for all of them; whatever stands outside of a phase is the same in all threads.
// The same source thus compiles for a GPU and, with DPW_HOST_BUILD, as ordinary C++,
// where `each` is a loop over the threads: indices and geometry are tested without a
// GPU, under the sanitizers of the host compiler (see host.h).
#ifndef HYPERSEG_TF_CUDA_CONTEXT_H_
#define HYPERSEG_TF_CUDA_CONTEXT_H_

#include <cstdint>

#include "shapes.h"
#include "storage.h"

#ifdef DPW_HOST_BUILD
#include <cmath>
#define DPW_DEVICE inline
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#define DPW_DEVICE __device__ __forceinline__
#endif

namespace dpw {
namespace gpu {

constexpr int kMaxThreads = 256;

// Four neighbours in shared memory, moved by one instruction.
struct alignas(16) Four {
  float at[4];
};

#ifdef DPW_HOST_BUILD

class Context {
 public:
  // With the threads in falling order, a phase shows in which one thread reads what
  // another one writes.
  Context(int64_t block, int threads, char* shared, bool falling)
      : block(block), threads(threads), shared(shared), falling_(falling) {}

  template <typename Phase>
  void each(Phase phase) const {
    for (int i = 0; i < threads; ++i) phase(falling_ ? threads - 1 - i : i);
  }

  const int64_t block;
  const int threads;
  char* const shared;

 private:
  const bool falling_;
};

template <typename T>
inline float value_of(T stored) {
  return to_float(stored);
}
template <typename T>
inline float read(const T* from) {
  return to_float(*from);
}
template <typename T>
inline T stored(float value) {
  return from_float<T>(value);
}
inline float multiply_add(float a, float b, float c) { return std::fmaf(a, b, c); }

#else  // a GPU

class Context {
 public:
  __device__ Context(int64_t block, char* shared)
      : block(block), threads(static_cast<int>(blockDim.x)), shared(shared) {}

  template <typename Phase>
  __device__ __forceinline__ void each(Phase phase) const {
    phase(static_cast<int>(threadIdx.x));
    __syncthreads();
  }

  const int64_t block;
  const int threads;
  char* const shared;
};

__device__ __forceinline__ float value_of(float stored) { return stored; }
__device__ __forceinline__ float value_of(Bfloat16 stored) {
  return __uint_as_float(static_cast<unsigned int>(stored.bits) << 16);
}
__device__ __forceinline__ float value_of(Half stored) {
  return __half2float(__ushort_as_half(stored.bits));
}

// Values that no kernel in flight writes, through the read-only cache.
__device__ __forceinline__ float read(const float* from) { return __ldg(from); }
template <typename T>
__device__ __forceinline__ float read(const T* from) {
  return value_of(T{__ldg(reinterpret_cast<const unsigned short*>(from))});
}

template <typename T>
__device__ __forceinline__ T stored(float value);
template <>
__device__ __forceinline__ float stored<float>(float value) {
  return value;
}
template <>
__device__ __forceinline__ Bfloat16 stored<Bfloat16>(float value) {
  return {__bfloat16_as_ushort(__float2bfloat16_rn(value))};
}
template <>
__device__ __forceinline__ Half stored<Half>(float value) {
  return {__half_as_ushort(__float2half_rn(value))};
}

__device__ __forceinline__ float multiply_add(float a, float b, float c) {
  return __fmaf_rn(a, b, c);
}

template <typename Kernel>
__global__ void __launch_bounds__(kMaxThreads)
    run_blocks(const Kernel kernel, const int64_t blocks) {
  extern __shared__ Four memory[];
  for (int64_t block = blockIdx.x; block < blocks; block += gridDim.x) {
    kernel(Context(block, reinterpret_cast<char*>(memory)));
  }
}

#endif  // DPW_HOST_BUILD

// A value of each thread that outlives a phase: registers on a GPU.
template <typename Value>
class PerThread {
 public:
#ifdef DPW_HOST_BUILD
  Value& of(int thread) { return values_[thread]; }

 private:
  Value values_[kMaxThreads];
#else
  __device__ __forceinline__ Value& of(int) { return value_; }

 private:
  Value value_;
#endif
};

DPW_DEVICE Four load4(const float* from) {
#ifdef DPW_HOST_BUILD
  return *reinterpret_cast<const Four*>(from);
#else
  const float4 values = *reinterpret_cast<const float4*>(from);
  return {{values.x, values.y, values.z, values.w}};
#endif
}

DPW_DEVICE void store4(float* to, const float* from) {
#ifdef DPW_HOST_BUILD
  *reinterpret_cast<Four*>(to) = Four{{from[0], from[1], from[2], from[3]}};
#else
  *reinterpret_cast<float4*>(to) = make_float4(from[0], from[1], from[2], from[3]);
#endif
}

// A NaN fails both comparisons and stays.
DPW_DEVICE float relu(float x) { return x < 0.0f ? 0.0f : x; }
DPW_DEVICE float relu6(float x) { return x > 6.0f ? 6.0f : relu(x); }

DPW_DEVICE int smaller(int a, int b) { return a < b ? a : b; }
DPW_DEVICE int larger(int a, int b) { return a > b ? a : b; }

// `padded` of shapes.h, for a device.
DPW_DEVICE int inside(int place, int size, Padding padding) {
  if (place >= 0 && place < size) return place;
  if (padding == Padding::kReflect) return place < 0 ? -place : 2 * (size - 1) - place;
  if (padding == Padding::kReplicate) return place < 0 ? 0 : size - 1;
  if (padding == Padding::kCircular) return place < 0 ? place + size : place - size;
  return -1;
}

constexpr int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_divide(a, b) * b; }

// Floats from one row of shared memory to the next: whole Fours, and an odd number of
// them, so that a column of a transposed row spreads over eight banks instead of one.
constexpr int64_t row_stride(int64_t count) {
  return (ceil_divide(count, 4) | 1) * 4;
}

constexpr int64_t kMostInt = 0x7fffffff;
// A side of a map or of a matrix; sums and differences of two then fit an int.
constexpr int64_t kLargestSide = int64_t{1} << 29;

}  // namespace gpu
}  // namespace dpw

#endif  // HYPERSEG_TF_CUDA_CONTEXT_H_
