// The TensorFlow op that cuts a window out of a picture that is resized; CPU, bytes.
#include <new>
#include <string>

#include <tensorflow/core/framework/op.h>
#include <tensorflow/core/framework/op_kernel.h>
#include <tensorflow/core/framework/shape_inference.h>

#include "cpu/kernels.h"
#include "tensorflow/base.h"

namespace hyperseg {
namespace {

using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

class SampleWindow : public OpKernel {
 public:
  explicit SampleWindow(OpKernelConstruction* context) : OpKernel(context) {
    std::string method;
    OP_REQUIRES_OK(context, context->GetAttr("method", &method));
    cubic_ = method == "bicubic";
    OP_REQUIRES_OK(context, context->GetAttr("antialias", &antialias_));
    OP_REQUIRES_OK(context, context->GetAttr("empty_label", &empty_label_));
    OP_REQUIRES(context, empty_label_ >= 0 && empty_label_ <= 255,
                InvalidArgument("empty_label must be 0 to 255: got ", empty_label_, "."));
  }

  void Compute(OpKernelContext* context) override {
    dpw::WindowShape s;
    const std::string wrong = shape(context, &s);
    OP_REQUIRES(context, wrong.empty(), InvalidArgument(wrong));
    Tensor *image = nullptr, *label = nullptr;
    OP_REQUIRES_OK(context,
                   context->allocate_output(
                       0, TensorShape({s.out_height, s.out_width, 3}), &image));
    OP_REQUIRES_OK(context, context->allocate_output(
                                1, TensorShape({s.out_height, s.out_width}), &label));
    if (!label->NumElements()) return;
    const dpw::WindowPointers pointers{
        context->input(0).flat<uint8_t>().data(),
        context->input(1).flat<uint8_t>().data(),
        context->input(6).flat<uint8_t>().data(),
        static_cast<uint8_t>(empty_label_),
        image->flat<uint8_t>().data(),
        label->flat<uint8_t>().data()};
    try {
      dpw::kernels().window.run(s, pointers);
    } catch (const std::bad_alloc&) {
      context->CtxFailure(tensorflow::errors::ResourceExhausted(
          "there is not enough memory for the scratch space of a window."));
    }
  }

 private:
  std::string shape(OpKernelContext* context, dpw::WindowShape* s) const {
    const Tensor &image = context->input(0), &label = context->input(1);
    if (image.dims() != 3 || image.dim_size(2) != 3 ||
        label.shape() != TensorShape({image.dim_size(0), image.dim_size(1)})) {
      return "image and label must be (H, W, 3) and (H, W): got shapes " +
             image.shape().DebugString() + " and " + label.shape().DebugString() + ".";
    }
    for (int i : {2, 3, 4}) {
      if (context->input(i).shape() != TensorShape({2})) {
        return "scaled, first and size must be two numbers each: got shape " +
               context->input(i).shape().DebugString() + ".";
      }
    }
    if (context->input(5).dims() != 0 || context->input(6).shape() != TensorShape({3})) {
      return "flip and fill must have shapes () and (3): got " +
             context->input(5).shape().DebugString() + " and " +
             context->input(6).shape().DebugString() + ".";
    }
    const auto scaled = context->input(2).vec<int32_t>();
    const auto first = context->input(3).vec<int32_t>();
    const auto size = context->input(4).vec<int32_t>();
    s->height = image.dim_size(0);
    s->width = image.dim_size(1);
    s->scaled_height = scaled(0);
    s->scaled_width = scaled(1);
    s->first_row = first(0);
    s->first_column = first(1);
    s->out_height = size(0);
    s->out_width = size(1);
    s->flip = context->input(5).scalar<bool>()();
    s->cubic = cubic_;
    s->antialias = antialias_;
    return dpw::check(*s);
  }

  bool cubic_, antialias_;
  int empty_label_;
};

}  // namespace

REGISTER_OP("SampleWindow")
    .Input("image: uint8")
    .Input("label: uint8")
    .Input("scaled: int32")
    .Input("first: int32")
    .Input("size: int32")
    .Input("flip: bool")
    .Input("fill: uint8")
    .Output("out_image: uint8")
    .Output("out_label: uint8")
    .Attr("method: {'bilinear', 'bicubic'}")
    .Attr("antialias: bool = true")
    .Attr("empty_label: int = 255")
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle unused, window, image;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 3, &unused));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 2, &unused));
      TF_RETURN_IF_ERROR(c->MakeShapeFromShapeTensor(4, &window));
      TF_RETURN_IF_ERROR(c->WithRank(window, 2, &window));
      TF_RETURN_IF_ERROR(c->Concatenate(window, c->Vector(3), &image));
      c->set_output(0, image);
      c->set_output(1, window);
      return absl::OkStatus();
    });

REGISTER_KERNEL_BUILDER(Name("SampleWindow").Device(tensorflow::DEVICE_CPU),
                        SampleWindow);

}  // namespace hyperseg
