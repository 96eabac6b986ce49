// What a kernel sees of the machine, and how it is launched.
//
// A kernel is a struct with its arguments and `operator()(context)`: the program of one
// block, a sequence of phases. `context.each(phase)` runs the phase once per thread and
// waits for all of them; whatever stands outside of a phase is the same in all threads.
// The same source thus compiles for a GPU and, with DPW_HOST_BUILD, as ordinary C++,
// where `each` is a loop over the threads: indices and geometry are tested without a
// GPU, under the sanitizers of the host compiler.
#ifndef HYPERSEG_TF_CUDA_CONTEXT_H_
#define HYPERSEG_TF_CUDA_CONTEXT_H_

#include <cstdint>

#include "shapes.h"
#include "storage.h"

#ifdef DPW_HOST_BUILD
#include <cmath>
#include <cstring>
#include <memory>
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

// What the choice of a tiling depends on.
struct Device {
  int64_t block_shared = 48 * 1024;  // bytes that a block may ask for
  int64_t shared = 64 * 1024;        // bytes of a multiprocessor
  int64_t processors = 80;
};

#ifdef DPW_HOST_BUILD

// A test sets these: threads in falling order show a phase in which one thread reads
// what another one writes, and a small device the fallbacks of a tiling.
struct Host {
  Device device;
  bool reverse = false;
  int64_t launches = 0, blocks = 0, shared = 0;  // since the test looked; largest
};

inline Host& host() {
  static Host state;
  return state;
}

class Context {
 public:
  Context(int64_t block, int threads, char* shared)
      : block(block), threads(threads), shared(shared) {}

  template <typename Phase>
  void each(Phase phase) const {
    const bool reverse = host().reverse;
    for (int i = 0; i < threads; ++i) phase(reverse ? threads - 1 - i : i);
  }

  const int64_t block;
  const int threads;
  char* const shared;
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

inline const char* find_device(Device* device) {
  *device = host().device;
  return nullptr;
}

template <typename Kernel>
const char* launch(const Kernel& kernel, int64_t blocks, int threads, int64_t shared,
                   void*) {
  // Exactly as large as asked for, so that an index too far is found; all bits set is
  // a NaN, so that what nobody wrote is found, too.
  std::unique_ptr<Four[]> memory(new Four[shared / 16]);
  for (int64_t block = 0; block < blocks; ++block) {
    std::memset(static_cast<void*>(memory.get()), 255, shared);
    kernel(Context(block, threads, reinterpret_cast<char*>(memory.get())));
  }
  ++host().launches;
  host().blocks += blocks;
  host().shared = shared > host().shared ? shared : host().shared;
  return nullptr;
}

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

inline const char* text(cudaError_t error) {
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

inline const char* find_device(Device* device) {
  int index = 0, block_shared = 0, shared = 0, processors = 0;
  cudaError_t error = cudaGetDevice(&index);
  if (error == cudaSuccess) {
    error = cudaDeviceGetAttribute(&block_shared,
                                   cudaDevAttrMaxSharedMemoryPerBlockOptin, index);
  }
  if (error == cudaSuccess) {
    error = cudaDeviceGetAttribute(
        &shared, cudaDevAttrMaxSharedMemoryPerMultiprocessor, index);
  }
  if (error == cudaSuccess) {
    error = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, index);
  }
  if (block_shared > 0) device->block_shared = block_shared;
  if (shared > 0) device->shared = shared;
  if (processors > 0) device->processors = processors;
  return text(error);
}

template <typename Kernel>
__global__ void __launch_bounds__(kMaxThreads)
    run_blocks(const Kernel kernel, const int64_t blocks) {
  extern __shared__ Four memory[];
  for (int64_t block = blockIdx.x; block < blocks; block += gridDim.x) {
    kernel(Context(block, reinterpret_cast<char*>(memory)));
  }
}

template <typename Kernel>
const char* launch(const Kernel& kernel, int64_t blocks, int threads, int64_t shared,
                   void* stream) {
  if (shared > 48 * 1024) {
    const cudaError_t error = cudaFuncSetAttribute(
        reinterpret_cast<const void*>(&run_blocks<Kernel>),
        cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
    if (error != cudaSuccess) {
      cudaGetLastError();  // or the next launch would be blamed
      return text(error);
    }
  }
  const int64_t most = 0x7fffffff;
  run_blocks<Kernel><<<static_cast<unsigned int>(blocks < most ? blocks : most),
                       static_cast<unsigned int>(threads), static_cast<size_t>(shared),
                       static_cast<cudaStream_t>(stream)>>>(kernel, blocks);
  return text(cudaGetLastError());
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

inline int at_most(int value, int limit) { return value < limit ? value : limit; }
inline int at_least(int value, int limit) { return value > limit ? value : limit; }

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

// Shared memory that a block may have for three of them to hide each other's waits; the
// 48 kB that fit every device may be exceeded only where there is plenty.
inline int64_t comfortable_shared(const Device& device) {
  const int64_t third = device.shared / 3 - 1024;
  const int64_t wanted = third > 48 * 1024 ? third : 48 * 1024;
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

#endif  // HYPERSEG_TF_CUDA_CONTEXT_H_
