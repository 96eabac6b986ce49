// The TensorFlow op that turns bytes into normalised floats, in one pass.
#include <tensorflow/core/framework/common_shape_fns.h>
#include <tensorflow/core/framework/op.h>
#include <tensorflow/core/framework/op_kernel.h>

#include "tensorflow/base.h"
#include "tensorflow/share.h"

namespace hyperseg {
namespace {

// Values of this many pixels are whole vectors, and of each channel the same number.
constexpr int64_t kPixels = 16, kValues = 3 * kPixels;

class NormaliseBytes : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor &x = context->input(0), &mean = context->input(1);
    const Tensor& scale = context->input(2);
    OP_REQUIRES(context, x.dims() && x.dim_size(x.dims() - 1) == 3,
                InvalidArgument("images must have 3 channels: got shape ",
                                x.shape().DebugString(), "."));
    for (const Tensor* numbers : {&mean, &scale}) {
      OP_REQUIRES(context, numbers->shape() == TensorShape({3}),
                  InvalidArgument("mean and scale must be three numbers: got shape ",
                                  numbers->shape().DebugString(), "."));
    }
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, x.shape(), &y));
    float means[kValues], scales[kValues];
    for (int64_t i = 0; i < kValues; ++i) {
      means[i] = mean.flat<float>()(i % 3);
      scales[i] = scale.flat<float>()(i % 3);
    }
    const uint8_t* from = x.flat<uint8_t>().data();
    float* to = y->flat<float>().data();
    const int64_t values = x.NumElements();
    const int64_t pieces = (values + kValues - 1) / kValues;
    share(context, pieces, kValues / 2, [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; ++piece) {
        const uint8_t* __restrict in = from + piece * kValues;
        float* __restrict out = to + piece * kValues;
        if (values - piece * kValues >= kValues) {
          for (int64_t i = 0; i < kValues; ++i) out[i] = (in[i] - means[i]) * scales[i];
        } else {
          for (int64_t i = 0; i < values - piece * kValues; ++i) {
            out[i] = (in[i] - means[i]) * scales[i];
          }
        }
      }
    });
  }
};

}  // namespace

REGISTER_OP("NormaliseBytes")
    .Input("x: uint8")
    .Input("mean: float")
    .Input("scale: float")
    .Output("y: float")
    .SetShapeFn(tensorflow::shape_inference::UnchangedShape);

REGISTER_KERNEL_BUILDER(Name("NormaliseBytes").Device(tensorflow::DEVICE_CPU),
                        NormaliseBytes);

}  // namespace hyperseg
