// The TensorFlow ops: they check every size, cut the work, and call the kernels.
#include <tensorflow/core/framework/common_shape_fns.h>
#include <tensorflow/core/framework/op.h>
#include <tensorflow/core/framework/op_kernel.h>
#include <tensorflow/core/framework/shape_inference.h>

#include "cpu/kernels.h"
#include "tensorflow/base.h"
#include "tensorflow/share.h"

namespace hyperseg {
namespace {

using tensorflow::DT_FLOAT;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

int64_t patches(const dpw::ConvShape& s) { return s.batch * s.rows * s.columns; }

// Multiply-adds of a patch, at about four a cycle.
int64_t cost(const dpw::ConvShape& s) {
  return 1 + s.patch_height() * s.patch_width() * s.weights / 4;
}

template <typename T>
class DpwConv : public ConvOp<T> {
 public:
  using ConvOp<T>::ConvOp;

 protected:
  void run(OpKernelContext* context, const dpw::ConvShape& s,
           const typename ConvOp<T>::Pointers& pointers) const override {
    const auto& kernels = dpw::kernels().conv(typename Stored<T>::Type{});
    share(context, patches(s), cost(s),
          [&](int64_t begin, int64_t end) { kernels.run(s, pointers, begin, end); });
  }
};

template <typename T>
class DpwConvGrad : public ConvGradOp<T> {
 public:
  using ConvGradOp<T>::ConvGradOp;

 protected:
  void run(OpKernelContext* context, const dpw::ConvShape& s,
           const typename ConvGradOp<T>::Pointers& pointers) const override {
    const auto& kernels = dpw::kernels().conv(typename Stored<T>::Type{});
    const bool done = share(context, s.batch * s.rows, cost(s) * s.columns,
                            [&](int64_t begin, int64_t end) {
                              kernels.x_gradient(s, pointers, begin, end);
                            });
    if (!done) return;
    share(context, patches(s), cost(s), [&](int64_t begin, int64_t end) {
      kernels.weights_gradient(s, pointers, begin, end);
    });
  }
};

template <typename T>
class DpwBlock : public BlockOp<T> {
 public:
  using BlockOp<T>::BlockOp;

 protected:
  void run(OpKernelContext* context, const dpw::BlockShape& s,
           const typename BlockOp<T>::Pointers& pointers) const override {
    const auto& kernels = dpw::kernels().block(typename Stored<T>::Type{});
    Tensor packed, prepared;
    OP_REQUIRES_OK(context, context->allocate_temp(
                                DT_FLOAT, TensorShape({kernels.packed_floats(s) + 16}),
                                &packed));
    OP_REQUIRES_OK(context,
                   context->allocate_temp(
                       DT_FLOAT, TensorShape({kernels.prepared_floats(s) + 16}),
                       &prepared));
    float* head = packed.flat<float>().data();
    float* all = prepared.flat<float>().data();
    if (!share(context, s.groups ? s.depth : 0, s.weights(),
               [&](int64_t begin, int64_t end) {
                 kernels.pack(s, pointers, head, begin, end);
               })) {
      return;
    }
    const int64_t strips = dpw::block_strips(s), strip = dpw::block_strip(s);
    const int64_t generation = strip * s.weights() * (1 + s.depth) / 8;
    if (s.neighbour && !share(context, strips, 1 + generation,
                              [&](int64_t begin, int64_t end) {
                                kernels.prepare(s, pointers, head, all, begin, end);
                              })) {
      return;
    }
    const int64_t pieces = dpw::block_pieces(s);
    const int64_t work = s.batch * s.height * s.width * s.weights() / 8;
    share(context, pieces, 1 + generation + work / pieces,
          [&](int64_t begin, int64_t end) {
            kernels.run(s, pointers, head, all, begin, end);
          });
  }
};

// (B, H, W, *) of an input with another number of channels; what is unknown stays so.
absl::Status map_shape(InferenceContext* context, const char* filters_attr) {
  ShapeHandle x;
  int filters;
  TF_RETURN_IF_ERROR(context->WithRank(context->input(0), 4, &x));
  TF_RETURN_IF_ERROR(context->GetAttr(filters_attr, &filters));
  ShapeHandle output;
  TF_RETURN_IF_ERROR(
      context->ReplaceDim(x, 3, context->MakeDim(filters), &output));
  context->set_output(0, output);
  return absl::OkStatus();
}

}  // namespace

REGISTER_OP("DpwConv")
    .Input("x: T")
    .Input("weights: T")
    .Output("y: T")
    .Attr("T: {float, bfloat16, half}")
    .Attr("filters: int >= 1")
    .Attr("kernel_size: int >= 1")
    .Attr("groups: int >= 1 = 1")
    .Attr("padding: {'reflect', 'replicate', 'circular', 'zeros'} = 'reflect'")
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle weights;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 4, &weights));
      return map_shape(c, "filters");
    });

REGISTER_OP("DpwConvGrad")
    .Input("x: T")
    .Input("weights: T")
    .Input("gradient: T")
    .Output("x_gradient: T")
    .Output("weights_gradient: T")
    .Attr("T: {float, bfloat16, half}")
    .Attr("filters: int >= 1")
    .Attr("kernel_size: int >= 1")
    .Attr("groups: int >= 1 = 1")
    .Attr("padding: {'reflect', 'replicate', 'circular', 'zeros'} = 'reflect'")
    .SetShapeFn([](InferenceContext* c) {
      c->set_output(0, c->input(0));
      c->set_output(1, c->input(1));
      return absl::OkStatus();
    });

REGISTER_OP("DpwBlock")
    .Input("feature: T")
    .Input("previous: T")
    .Input("signal: T")
    .Input("head: T")
    .Input("shift1: T")
    .Input("shift2: T")
    .Input("shift3: T")
    .Output("y: T")
    .Attr("T: {float, bfloat16, half}")
    .Attr("filters: int >= 1")
    .Attr("hidden: int >= 0")
    .Attr("kernel_size: int >= 1")
    .Attr("groups: int >= 0")
    .Attr("offset: int >= 0 = 0")
    .Attr("start: int >= 0 = 0")
    .Attr("positions: bool = true")
    .Attr("halo: {'patch', 'neighbour'} = 'patch'")
    .Attr("padding: {'reflect', 'replicate', 'circular', 'zeros'} = 'reflect'")
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle ignored;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(2), 4, &ignored));
      return map_shape(c, "filters");
    });

HYPERSEG_REGISTER(tensorflow::DEVICE_CPU, DpwConv, DpwConvGrad, DpwBlock)

}  // namespace hyperseg
