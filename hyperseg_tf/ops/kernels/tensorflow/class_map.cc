// The TensorFlow op that takes the class of every pixel, without full-size logits; CPU.
#include <atomic>

#include <tensorflow/core/framework/op.h>
#include <tensorflow/core/framework/op_kernel.h>
#include <tensorflow/core/framework/shape_inference.h>

#include "cpu/kernels.h"
#include "tensorflow/base.h"
#include "tensorflow/share.h"

namespace hyperseg {
namespace {

class ClassMap : public OpKernel {
 public:
  explicit ClassMap(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("factor", &factor_));
    OP_REQUIRES_OK(context, context->GetAttr("confidence", &confidence_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &logits = context->input(0), &size = context->input(1);
    OP_REQUIRES(context, logits.dims() == 4 && size.shape() == TensorShape({2}),
                InvalidArgument("logits and size must be (B, h, w, C) and (2): got "
                                "shapes ",
                                logits.shape().DebugString(), " and ",
                                size.shape().DebugString(), "."));
    dpw::ClassMapShape s;
    s.batch = logits.dim_size(0);
    s.rows = logits.dim_size(1);
    s.columns = logits.dim_size(2);
    s.classes = logits.dim_size(3);
    s.factor = factor_;
    s.height = size.vec<int32_t>()(0);
    s.width = size.vec<int32_t>()(1);
    const std::string wrong = dpw::check(s);
    OP_REQUIRES(context, wrong.empty(), InvalidArgument(wrong));
    const TensorShape shape({s.batch, s.height, s.width});
    Tensor *classes = nullptr, *confidence = nullptr, *finite = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &classes));
    OP_REQUIRES_OK(context, context->allocate_output(
                                1, confidence_ ? shape : TensorShape({0, 0, 0}),
                                &confidence));
    OP_REQUIRES_OK(context, context->allocate_output(2, {}, &finite));
    const dpw::ClassMapPointers pointers{
        logits.flat<float>().data(), classes->flat<uint8_t>().data(),
        confidence_ ? confidence->flat<float>().data() : nullptr};
    std::atomic<bool> all{true};
    const int64_t cost = s.factor * s.factor * s.columns * s.classes;
    share(context, s.batch * s.rows, confidence_ ? 8 * cost : cost,
          [&](int64_t begin, int64_t end) {
            if (!dpw::kernels().class_map.run(s, pointers, begin, end)) all = false;
          });
    finite->scalar<bool>()() = all;
  }

 private:
  int factor_;
  bool confidence_;
};

}  // namespace

REGISTER_OP("ClassMap")
    .Input("logits: float")
    .Input("size: int32")
    .Output("classes: uint8")
    .Output("probability: float")
    .Output("finite: bool")
    .Attr("factor: int")
    .Attr("confidence: bool")
    .SetShapeFn([](tensorflow::shape_inference::InferenceContext* c) {
      tensorflow::shape_inference::ShapeHandle logits, size, shape;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 4, &logits));
      TF_RETURN_IF_ERROR(c->MakeShapeFromShapeTensor(1, &size));
      TF_RETURN_IF_ERROR(c->WithRank(size, 2, &size));
      TF_RETURN_IF_ERROR(c->Concatenate(c->Vector(c->Dim(logits, 0)), size, &shape));
      bool confidence;
      TF_RETURN_IF_ERROR(c->GetAttr("confidence", &confidence));
      c->set_output(0, shape);
      c->set_output(1, confidence ? shape : c->MakeShape({0, 0, 0}));
      c->set_output(2, c->Scalar());
      return absl::OkStatus();
    });

REGISTER_KERNEL_BUILDER(Name("ClassMap").Device(tensorflow::DEVICE_CPU), ClassMap);

}  // namespace hyperseg
