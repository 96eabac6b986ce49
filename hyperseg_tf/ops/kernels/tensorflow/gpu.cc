// The TensorFlow ops of ops.cc on a GPU: they check the sizes alike and launch on
// TensorFlow's own stream, without waiting for it.
//
// All it needs of the GPU is the raw stream, which TensorFlow's Stream tells: no header
// of CUDA, neither GOOGLE_CUDA nor EIGEN_USE_GPU. So the headers of TensorFlow's CPU
// wheel suffice; with both defined, and the CUDA toolkit's headers, it compiles, too.
#include "cuda/kernels.h"

#include <tensorflow/core/framework/op.h>
#include <tensorflow/core/framework/op_kernel.h>
#include <tensorflow/core/platform/stream_executor.h>

#include "tensorflow/base.h"

namespace hyperseg {
namespace {

// The stream as a cudaStream_t. False after an error was reported.
bool find_stream(OpKernelContext* context, void** stream) {
  tensorflow::DeviceContext* device = context->op_device_context();
  if (device && device->stream()) {
    *stream = device->stream()->platform_specific_handle().stream;
    if (*stream) return true;
  }
  context->CtxFailure(tensorflow::errors::Internal(
      "the GPU device of TensorFlow gave no CUDA stream."));
  return false;
}

// Calls `start(workspace, stream)`, and reports what is wrong with it. The workspace is
// memory that TensorFlow gives back to its allocator behind the kernels of the stream.
template <typename Start>
void launch(OpKernelContext* context, const char* op, int64_t workspace_bytes,
            const Start& start) {
  void* stream = nullptr;
  if (!find_stream(context, &stream)) return;
  Tensor memory;
  void* workspace = nullptr;
  if (workspace_bytes) {
    OP_REQUIRES_OK(context, context->allocate_temp(tensorflow::DT_UINT8,
                                                   TensorShape({workspace_bytes}),
                                                   &memory));
    workspace = memory.flat<uint8_t>().data();
  }
  const char* wrong = start(workspace, stream);
  OP_REQUIRES(context, !wrong, tensorflow::errors::Internal(op, ": ", wrong));
}

template <typename T>
class DpwConvGpu : public ConvOp<T> {
 public:
  using ConvOp<T>::ConvOp;

 protected:
  void run(OpKernelContext* context, const dpw::ConvShape& s,
           const typename ConvOp<T>::Pointers& pointers) const override {
    launch(context, "DpwConv", 0, [&](void*, void* stream) {
      return dpw::gpu::conv_forward(s, pointers, stream);
    });
  }
};

template <typename T>
class DpwConvGradGpu : public ConvGradOp<T> {
 public:
  using ConvGradOp<T>::ConvGradOp;

 protected:
  void run(OpKernelContext* context, const dpw::ConvShape& s,
           const typename ConvGradOp<T>::Pointers& pointers) const override {
    const int64_t bytes = dpw::gpu::conv_gradient_workspace_bytes(s);
    launch(context, "DpwConvGrad", bytes, [&](void* workspace, void* stream) {
      return dpw::gpu::conv_gradient(s, pointers, workspace, bytes, stream);
    });
  }
};

template <typename T>
class DpwBlockGpu : public BlockOp<T> {
 public:
  using BlockOp<T>::BlockOp;

 protected:
  void run(OpKernelContext* context, const dpw::BlockShape& s,
           const typename BlockOp<T>::Pointers& pointers) const override {
    const int64_t bytes = dpw::gpu::block_workspace_bytes(s);
    launch(context, "DpwBlock", bytes, [&](void* workspace, void* stream) {
      return dpw::gpu::block_forward(s, pointers, workspace, bytes, stream);
    });
  }
};

HYPERSEG_REGISTER(tensorflow::DEVICE_GPU, DpwConvGpu, DpwConvGradGpu, DpwBlockGpu)

}  // namespace
}  // namespace hyperseg
