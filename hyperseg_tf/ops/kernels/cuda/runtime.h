// What the launch of a kernel asks CUDA's runtime for; a host build has host.h instead.
//
// Returned is nullptr, or what CUDA says is wrong.
#ifndef HYPERSEG_TF_CUDA_RUNTIME_H_
#define HYPERSEG_TF_CUDA_RUNTIME_H_

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/context.h"
#include "cuda/plan.h"

namespace dpw {
namespace gpu {

inline const char* text(cudaError_t error) {
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

// Of the calling thread.
inline const char* current_device(int* index) { return text(cudaGetDevice(index)); }

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

// What CUDA knows a kernel by.
template <typename Kernel>
const void* function_of() {
  return reinterpret_cast<const void*>(&run_blocks<Kernel>);
}

// Lets the launches of a kernel on the current device have so many bytes of shared
// memory; the last call counts.
inline const char* allow_shared(const void* function, int64_t bytes) {
  const cudaError_t error = cudaFuncSetAttribute(
      function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
  if (error != cudaSuccess) cudaGetLastError();  // or the next launch would be blamed
  return text(error);
}

template <typename Kernel>
const char* start(const Kernel& kernel, int64_t blocks, int threads, int64_t shared,
                  void* stream) {
  const int64_t most = 0x7fffffff;
  run_blocks<Kernel><<<static_cast<unsigned int>(blocks < most ? blocks : most),
                       static_cast<unsigned int>(threads), static_cast<size_t>(shared),
                       static_cast<cudaStream_t>(stream)>>>(kernel, blocks);
  return text(cudaGetLastError());
}

}  // namespace gpu
}  // namespace dpw

#endif  // HYPERSEG_TF_CUDA_RUNTIME_H_
