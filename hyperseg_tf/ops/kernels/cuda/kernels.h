// The CUDA kernels behind plain launch functions: pointers, sizes, a stream.
//
// No function here synchronises or allocates: what a kernel needs beside its inputs and
// outputs comes as `workspace`, device memory of as many bytes as the function for it
// says, 256-byte aligned; `stream` is a cudaStream_t. All pointers are device memory.
// Sizes must have passed `check` of shapes.h. Returned is nullptr, or why the launch
// failed; a kernel that fails later is reported by CUDA itself, at the next call.
//
// Sums run in a fixed order, so equal inputs give equal bits.
#ifndef HYPERSEG_TF_CUDA_KERNELS_H_
#define HYPERSEG_TF_CUDA_KERNELS_H_

#include <cstdint>

#include "pointers.h"
#include "shapes.h"
#include "storage.h"

namespace dpw {
namespace gpu {

// T is float, Bfloat16 or Half; sums are float.
template <typename T>
const char* block_forward(const BlockShape& shape, const BlockPointers<T>& pointers,
                          void* workspace, int64_t workspace_bytes, void* stream);

int64_t block_workspace_bytes(const BlockShape& shape);

template <typename T>
const char* conv_forward(const ConvShape& shape, const ConvPointers<T>& pointers,
                         void* stream);

// Either gradient may be null: it is not computed.
template <typename T>
const char* conv_gradient(const ConvShape& shape, const ConvPointers<T>& pointers,
                          void* workspace, int64_t workspace_bytes, void* stream);

int64_t conv_gradient_workspace_bytes(const ConvShape& shape);

}  // namespace gpu
}  // namespace dpw

#endif  // HYPERSEG_TF_CUDA_KERNELS_H_
