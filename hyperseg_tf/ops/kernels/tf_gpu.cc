// The TensorFlow ops of tf_ops.cc on a GPU: they check the sizes alike and launch on
// TensorFlow's own stream, without waiting for it.
//
// All it needs of the GPU is the raw stream, which TensorFlow's Stream tells: no header
// of CUDA, neither GOOGLE_CUDA nor EIGEN_USE_GPU. So the headers of TensorFlow's CPU
// wheel suffice; with both defined, and the CUDA toolkit's headers, it compiles, too.
#include "cuda.h"

#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/platform/stream_executor.h"
#include "tf_shapes.h"

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

// Memory that TensorFlow gives back to its allocator behind the kernels of the stream.
bool find_workspace(OpKernelContext* context, int64_t bytes, Tensor* memory,
                    void** workspace) {
  *workspace = nullptr;
  if (!bytes) return true;
  const absl::Status status =
      context->allocate_temp(tensorflow::DT_UINT8, TensorShape({bytes}), memory);
  if (!status.ok()) {
    context->CtxFailure(status);
    return false;
  }
  *workspace = memory->flat<uint8_t>().data();
  return true;
}

void report(OpKernelContext* context, const char* op, const char* wrong) {
  if (wrong) context->CtxFailure(tensorflow::errors::Internal(op, ": ", wrong));
}

template <typename T>
class DpwConvGpu : public DpwConvBase {
 public:
  using DpwConvBase::DpwConvBase;

  void Compute(OpKernelContext* context) override {
    dpw::ConvShape s;
    if (!shape(context, &s)) return;
    Tensor* output = nullptr;
    OP_REQUIRES_OK(context,
                   context->allocate_output(
                       0, TensorShape({s.batch, s.height, s.width, s.filters}),
                       &output));
    if (!output->NumElements()) return;
    dpw::ConvPointers<typename Stored<T>::Type> pointers{};
    pointers.x = data<T>(context->input(0));
    pointers.weights = data<T>(context->input(1));
    pointers.output = data<T>(output);
    void* stream = nullptr;
    if (!find_stream(context, &stream)) return;
    report(context, "DpwConv", dpw::gpu::conv_forward(s, pointers, stream));
  }
};

template <typename T>
class DpwConvGradGpu : public DpwConvBase {
 public:
  using DpwConvBase::DpwConvBase;

  void Compute(OpKernelContext* context) override {
    dpw::ConvShape s;
    if (!shape(context, &s) || !shape_of_gradient(context, s)) return;
    Tensor *x_gradient = nullptr, *weights_gradient = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, context->input(0).shape(),
                                                     &x_gradient));
    OP_REQUIRES_OK(context, context->allocate_output(1, context->input(1).shape(),
                                                     &weights_gradient));
    if (!x_gradient->NumElements()) return;
    dpw::ConvPointers<typename Stored<T>::Type> pointers{};
    pointers.x = data<T>(context->input(0));
    pointers.weights = data<T>(context->input(1));
    pointers.upstream = data<T>(context->input(2));
    pointers.x_gradient = data<T>(x_gradient);
    pointers.weights_gradient = data<T>(weights_gradient);
    const int64_t bytes = dpw::gpu::conv_gradient_workspace_bytes(s);
    void *stream = nullptr, *workspace = nullptr;
    Tensor memory;
    if (!find_stream(context, &stream) ||
        !find_workspace(context, bytes, &memory, &workspace)) {
      return;
    }
    report(context, "DpwConvGrad",
           dpw::gpu::conv_gradient(s, pointers, workspace, bytes, stream));
  }
};

template <typename T>
class DpwBlockGpu : public DpwBlockBase {
 public:
  using DpwBlockBase::DpwBlockBase;

  void Compute(OpKernelContext* context) override {
    dpw::BlockShape s;
    if (!shape(context, &s)) return;
    Tensor* output = nullptr;
    OP_REQUIRES_OK(context,
                   context->allocate_output(
                       0, TensorShape({s.batch, s.height, s.width, s.filters}),
                       &output));
    if (!output->NumElements()) return;
    const dpw::BlockPointers<typename Stored<T>::Type> pointers{
        data<T>(context->input(0)), data<T>(context->input(1)),
        data<T>(context->input(2)), data<T>(context->input(3)),
        data<T>(context->input(4)), data<T>(context->input(5)),
        data<T>(context->input(6)), data<T>(output)};
    const int64_t bytes = dpw::gpu::block_workspace_bytes(s);
    void *stream = nullptr, *workspace = nullptr;
    Tensor memory;
    if (!find_stream(context, &stream) ||
        !find_workspace(context, bytes, &memory, &workspace)) {
      return;
    }
    report(context, "DpwBlock",
           dpw::gpu::block_forward(s, pointers, workspace, bytes, stream));
  }
};

#define REGISTER(T)                                                                \
  REGISTER_KERNEL_BUILDER(                                                         \
      Name("DpwConv").Device(tensorflow::DEVICE_GPU).TypeConstraint<T>("T"),       \
      DpwConvGpu<T>);                                                              \
  REGISTER_KERNEL_BUILDER(                                                         \
      Name("DpwConvGrad").Device(tensorflow::DEVICE_GPU).TypeConstraint<T>("T"),   \
      DpwConvGradGpu<T>);                                                          \
  REGISTER_KERNEL_BUILDER(                                                         \
      Name("DpwBlock").Device(tensorflow::DEVICE_GPU).TypeConstraint<T>("T"),      \
      DpwBlockGpu<T>);
REGISTER(float)
REGISTER(Eigen::bfloat16)
REGISTER(Eigen::half)
#undef REGISTER

}  // namespace
}  // namespace hyperseg
