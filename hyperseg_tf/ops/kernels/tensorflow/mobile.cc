// The TensorFlow ops of the backbone's mobile bottlenecks; CPU and float32 alone.
#include <string>

#include <tensorflow/core/framework/common_shape_fns.h>
#include <tensorflow/core/framework/op.h>
#include <tensorflow/core/framework/op_kernel.h>
#include <tensorflow/core/framework/shape_inference.h>
#include <tensorflow/core/util/overflow.h>

#include "cpu/kernels.h"
#include "tensorflow/base.h"
#include "tensorflow/share.h"

namespace hyperseg {
namespace {

using tensorflow::DT_FLOAT;
using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

// Multiply-adds per cycle, about: what a piece of work costs is counted in cycles.
constexpr int64_t kRate = 16;

// Empty if the tensor has this shape.
std::string expect(const char* name, const Tensor& tensor, const TensorShape& shape) {
  if (tensor.shape() == shape) return "";
  return std::string(name) + " must have shape " + shape.DebugString() + ": got " +
         tensor.shape().DebugString() + ".";
}

class ExpandDepthwise : public OpKernel {
 public:
  explicit ExpandDepthwise(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("stride", &stride_));
    OP_REQUIRES_OK(context, context->GetAttr("borders", &borders_));
    std::string activation;
    OP_REQUIRES_OK(context, context->GetAttr("activation", &activation));
    relu6_ = activation == "relu6";
    OP_REQUIRES(context, borders_.empty() || borders_.size() == 2,
                InvalidArgument("borders must be empty (SAME) or two numbers: got ",
                                borders_.size(), "."));
    for (int border : borders_) {
      OP_REQUIRES(context, border >= 0 && border <= 255,
                  InvalidArgument("borders must be 0 to 255: got ", border, "."));
    }
  }

  void Compute(OpKernelContext* context) override {
    dpw::ExpandShape s;
    const std::string wrong = shape(context, &s);
    OP_REQUIRES(context, wrong.empty(), InvalidArgument(wrong));
    Tensor *output = nullptr, *mean = nullptr, sums;
    OP_REQUIRES_OK(context,
                   context->allocate_output(
                       0, TensorShape({s.batch, s.out_height, s.out_width, s.hidden}),
                       &output));
    OP_REQUIRES_OK(context, context->allocate_output(
                                1, TensorShape({s.batch, s.hidden}), &mean));
    if (!s.batch) return;
    const dpw::MobileKernels& kernels = dpw::kernels().mobile;
    OP_REQUIRES_OK(context, context->allocate_temp(
                                DT_FLOAT, TensorShape({kernels.sums(s)}), &sums));
    const dpw::ExpandPointers pointers{
        data<float>(context->input(0)), data<float>(context->input(1)),
        data<float>(context->input(2)), data<float>(context->input(3)),
        data<float>(context->input(4)), data<float>(output),
        data<float>(mean)};
    float* partial = sums.flat<float>().data();
    const int64_t pieces = kernels.expand_pieces(s);
    const int64_t work = s.batch * s.height * s.width * s.hidden *
                         ((s.expanded ? s.channels : 0) + s.kernel * s.kernel);
    if (share(context, pieces, work / pieces / kRate,
              [&](int64_t begin, int64_t end) {
                kernels.expand(s, pointers, partial, begin, end);
              })) {
      kernels.average(s, pointers, partial);
    }
  }

 private:
  std::string shape(OpKernelContext* context, dpw::ExpandShape* s) const {
    const Tensor &x = context->input(0), &expand = context->input(1);
    const Tensor& depthwise = context->input(3);
    if (x.dims() != 4 || expand.dims() != 2 || depthwise.dims() != 3) {
      return "x, expand and depthwise must have 4, 2 and 3 dimensions: got shapes " +
             x.shape().DebugString() + ", " + expand.shape().DebugString() + ", " +
             depthwise.shape().DebugString() + ".";
    }
    s->batch = x.dim_size(0);
    s->height = x.dim_size(1);
    s->width = x.dim_size(2);
    s->channels = x.dim_size(3);
    s->expanded = expand.dim_size(0) > 0;
    s->kernel = depthwise.dim_size(0);
    s->hidden = depthwise.dim_size(2);
    s->stride = stride_;
    s->relu6 = relu6_;
    if (borders_.empty()) dpw::pad_same(s);
    else dpw::pad_explicit(s, borders_[0], borders_[1]);
    std::string wrong = dpw::check(*s);
    const int64_t hidden = s->expanded ? s->hidden : 0;
    if (wrong.empty()) {
      wrong = expect("expand", expand,
                     TensorShape({s->expanded ? s->channels : 0, hidden}));
    }
    if (wrong.empty()) wrong = expect("shift1", context->input(2), TensorShape({hidden}));
    if (wrong.empty()) {
      wrong = expect("depthwise", depthwise,
                     TensorShape({s->kernel, s->kernel, s->hidden}));
    }
    if (wrong.empty()) {
      wrong = expect("shift2", context->input(4), TensorShape({s->hidden}));
    }
    return wrong;
  }

  int stride_;
  bool relu6_;
  std::vector<int> borders_;
};

class SqueezeExcite : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    dpw::ExciteShape s;
    const std::string wrong = shape(context, &s);
    OP_REQUIRES(context, wrong.empty(), InvalidArgument(wrong));
    Tensor* gate = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(
                                0, TensorShape({s.batch, s.hidden}), &gate));
    if (!s.batch) return;
    const dpw::ExcitePointers pointers{
        data<float>(context->input(0)), data<float>(context->input(1)),
        data<float>(context->input(2)), data<float>(context->input(3)),
        data<float>(context->input(4)), data<float>(gate)};
    const dpw::MobileKernels& kernels = dpw::kernels().mobile;
    share(context, s.batch, 2 * s.hidden * s.squeezed / kRate,
          [&](int64_t begin, int64_t end) { kernels.excite(s, pointers, begin, end); });
  }

 private:
  std::string shape(OpKernelContext* context, dpw::ExciteShape* s) const {
    const Tensor &mean = context->input(0), &reduce = context->input(1);
    if (mean.dims() != 2 || reduce.dims() != 2) {
      return "mean and reduce must have 2 dimensions: got shapes " +
             mean.shape().DebugString() + ", " + reduce.shape().DebugString() + ".";
    }
    s->batch = mean.dim_size(0);
    s->hidden = mean.dim_size(1);
    s->squeezed = reduce.dim_size(1);
    std::string wrong = dpw::check(*s);
    if (wrong.empty()) {
      wrong = expect("reduce", reduce, TensorShape({s->hidden, s->squeezed}));
    }
    if (wrong.empty()) {
      wrong = expect("shift1", context->input(2), TensorShape({s->squeezed}));
    }
    if (wrong.empty()) {
      wrong = expect("expand", context->input(3), TensorShape({s->squeezed, s->hidden}));
    }
    if (wrong.empty()) {
      wrong = expect("shift2", context->input(4), TensorShape({s->hidden}));
    }
    return wrong;
  }
};

class GatedProject : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    dpw::ProjectShape s;
    const std::string wrong = shape(context, &s);
    OP_REQUIRES(context, wrong.empty(), InvalidArgument(wrong));
    const Tensor& x = context->input(0);
    Tensor* output = nullptr;
    OP_REQUIRES_OK(context,
                   context->allocate_output(0,
                                            TensorShape({s.batch, x.dim_size(1),
                                                         x.dim_size(2), s.filters}),
                                            &output));
    if (!output->NumElements()) return;
    const dpw::MobileKernels& kernels = dpw::kernels().mobile;
    const dpw::ProjectPointers pointers{
        data<float>(x),
        data<float>(context->input(1)),
        data<float>(context->input(2)),
        data<float>(context->input(3)),
        data<float>(context->input(4)),
        data<float>(output)};
    const int64_t pieces = kernels.project_pieces(s);
    const int64_t work = s.batch * s.pixels * s.hidden * s.filters;
    share(context, pieces, work / pieces / kRate, [&](int64_t begin, int64_t end) {
      kernels.project(s, pointers, begin, end);
    });
  }

 private:
  std::string shape(OpKernelContext* context, dpw::ProjectShape* s) const {
    const Tensor &x = context->input(0), &project = context->input(2);
    const Tensor& residual = context->input(4);
    if (x.dims() != 4 || project.dims() != 2 || residual.dims() != 4) {
      return "x, project and residual must have 4, 2 and 4 dimensions: got shapes " +
             x.shape().DebugString() + ", " + project.shape().DebugString() + ", " +
             residual.shape().DebugString() + ".";
    }
    s->batch = x.dim_size(0);
    // -1 where it overflows, which the rules refuse.
    s->pixels = tensorflow::MultiplyWithoutOverflow(x.dim_size(1), x.dim_size(2));
    s->hidden = x.dim_size(3);
    s->filters = project.dim_size(1);
    // None is (0, 0); an empty batch of a real one has channels.
    s->gated = context->input(1).dims() != 2 || context->input(1).dim_size(1) > 0;
    // None is (0, 0, 0, 0); an empty batch of a real one has channels.
    s->residual = residual.dim_size(3) > 0;
    std::string wrong = dpw::check(*s);
    if (wrong.empty()) {
      const Tensor& gate = context->input(1);
      wrong = expect("gate", gate,
                     s->gated ? TensorShape({s->batch, s->hidden}) : TensorShape({0, 0}));
    }
    if (wrong.empty()) {
      wrong = expect("project", project, TensorShape({s->hidden, s->filters}));
    }
    if (wrong.empty()) {
      wrong = expect("shift", context->input(3), TensorShape({s->filters}));
    }
    if (wrong.empty() && s->residual) {
      wrong = expect(
          "residual", residual,
          TensorShape({s->batch, x.dim_size(1), x.dim_size(2), s->filters}));
    }
    return wrong;
  }
};

}  // namespace

REGISTER_OP("ExpandDepthwise")
    .Input("x: float")
    .Input("expand: float")
    .Input("shift1: float")
    .Input("depthwise: float")
    .Input("shift2: float")
    .Output("y: float")
    .Output("mean: float")
    .Attr("stride: int >= 1 = 1")
    .Attr("borders: list(int) = []")
    .Attr("activation: {'swish', 'relu6'} = 'swish'")
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle x, depthwise;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 4, &x));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(3), 3, &depthwise));
      const DimensionHandle hidden = c->Dim(depthwise, 2);
      ShapeHandle map;
      TF_RETURN_IF_ERROR(c->ReplaceDim(x, 3, hidden, &map));
      int stride;
      std::vector<int> borders;
      TF_RETURN_IF_ERROR(c->GetAttr("stride", &stride));
      TF_RETURN_IF_ERROR(c->GetAttr("borders", &borders));
      for (int axis : {1, 2}) {
        DimensionHandle size = c->UnknownDim();
        if (c->ValueKnown(c->Dim(x, axis)) && c->ValueKnown(c->Dim(depthwise, 0))) {
          dpw::ExpandShape s;
          s.height = s.width = c->Value(c->Dim(x, axis));
          s.kernel = c->Value(c->Dim(depthwise, 0));
          s.stride = stride;
          if (borders.size() == 2) dpw::pad_explicit(&s, borders[0], borders[1]);
          else dpw::pad_same(&s);
          size = c->MakeDim(s.out_height);
        }
        TF_RETURN_IF_ERROR(c->ReplaceDim(map, axis, size, &map));
      }
      c->set_output(0, map);
      c->set_output(1, c->Matrix(c->Dim(x, 0), hidden));
      return absl::OkStatus();
    });

REGISTER_OP("SqueezeExcite")
    .Input("mean: float")
    .Input("reduce: float")
    .Input("shift1: float")
    .Input("expand: float")
    .Input("shift2: float")
    .Output("gate: float")
    .SetShapeFn(tensorflow::shape_inference::UnchangedShape);

REGISTER_OP("GatedProject")
    .Input("x: float")
    .Input("gate: float")
    .Input("project: float")
    .Input("shift: float")
    .Input("residual: float")
    .Output("y: float")
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle x, project, map;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 4, &x));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(2), 2, &project));
      TF_RETURN_IF_ERROR(c->ReplaceDim(x, 3, c->Dim(project, 1), &map));
      c->set_output(0, map);
      return absl::OkStatus();
    });

REGISTER_KERNEL_BUILDER(Name("ExpandDepthwise").Device(tensorflow::DEVICE_CPU),
                        ExpandDepthwise);
REGISTER_KERNEL_BUILDER(Name("SqueezeExcite").Device(tensorflow::DEVICE_CPU),
                        SqueezeExcite);
REGISTER_KERNEL_BUILDER(Name("GatedProject").Device(tensorflow::DEVICE_CPU),
                        GatedProject);

}  // namespace hyperseg
