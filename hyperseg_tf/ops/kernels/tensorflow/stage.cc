// The TensorFlow ops of a stage in training, float32 on the CPU. See cpu/stage.h.
#include <algorithm>
#include <cmath>
#include <vector>

#include <tensorflow/core/framework/op.h>
#include <tensorflow/core/framework/op_kernel.h>
#include <tensorflow/core/framework/shape_inference.h>

#include "cpu/kernels.h"
#include "tensorflow/base.h"
#include "tensorflow/share.h"

namespace hyperseg {
namespace {

using tensorflow::DT_FLOAT;
using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

// Multiply-adds of a patch, at about four a cycle, and the way to memory.
int64_t cost(const dpw::StageShape& s) {
  return 1 + s.height * s.width * (s.weights() + 8 * s.channels) / 4;
}

class StageBase : public OpKernel {
 public:
  explicit StageBase(OpKernelConstruction* context) : OpKernel(context) {
    int filters, kernel;
    OP_REQUIRES_OK(context, context->GetAttr("filters", &filters));
    OP_REQUIRES_OK(context, context->GetAttr("kernel_size", &kernel));
    OP_REQUIRES_OK(context, context->GetAttr("epsilon", &epsilon_));
    options_.filters = filters;
    options_.kernel = kernel;
  }

 protected:
  // Inputs 0 to 3 are x, gamma, beta and kernels. False after an error was reported.
  bool shape(OpKernelContext* context, dpw::StageShape* shape) const {
    const Tensor &x = context->input(0), &kernels = context->input(3);
    if (!is_map(context, x, "x")) return false;
    *shape = options_;
    shape->patches = x.dim_size(0);
    shape->height = x.dim_size(1);
    shape->width = x.dim_size(2);
    shape->channels = x.dim_size(3);
    const std::string wrong = dpw::check(*shape);
    if (!wrong.empty()) {
      context->CtxFailure(InvalidArgument(wrong));
      return false;
    }
    const TensorShape channels({shape->channels});
    return has_shape(context, 1, "gamma", channels) &&
           has_shape(context, 2, "beta", channels) &&
           has_shape(context, 3, "kernels",
                     TensorShape({shape->patches, shape->weights()}));
  }

  static bool has_shape(OpKernelContext* context, int input, const char* name,
                        const TensorShape& expected) {
    const TensorShape& shape = context->input(input).shape();
    if (shape == expected) return true;
    context->CtxFailure(InvalidArgument(name, " must have the shape ",
                                        expected.DebugString(), ": got ",
                                        shape.DebugString(), "."));
    return false;
  }

  static bool allocate(OpKernelContext* context, int index, const TensorShape& shape,
                       float** to) {
    Tensor* output = nullptr;
    const auto status = context->allocate_output(index, shape, &output);
    if (!status.ok()) context->CtxFailure(status);
    else *to = output->flat<float>().data();
    return status.ok();
  }

  // Rows of C numbers; `rows` of them from one allocation.
  static bool temporary(OpKernelContext* context, int64_t rows, int64_t channels,
                        Tensor* tensor, float** to) {
    const auto status =
        context->allocate_temp(DT_FLOAT, TensorShape({rows, channels}), tensor);
    if (!status.ok()) context->CtxFailure(status);
    else *to = tensor->flat<float>().data();
    return status.ok();
  }

  // Pixels that the statistics are over.
  static double pixels(const dpw::StageShape& s) {
    return static_cast<double>(s.patches) * s.height * s.width;
  }

  static const float* input(OpKernelContext* context, int index) {
    return context->input(index).flat<float>().data();
  }

  float epsilon_ = 0;

 private:
  dpw::StageShape options_;
};

class DpwStage : public StageBase {
 public:
  using StageBase::StageBase;

  void Compute(OpKernelContext* context) override {
    dpw::StageShape s;
    if (!shape(context, &s)) return;
    const int64_t channels = s.channels;
    dpw::StagePointers p{};
    float *mean, *variance, *rows;
    Tensor partial, coefficients;
    const TensorShape output({s.patches, s.out_height(), s.out_width(), s.filters});
    if (!allocate(context, 0, output, &p.y) ||
        !allocate(context, 1, TensorShape({channels}), &mean) ||
        !allocate(context, 2, TensorShape({channels}), &variance) ||
        !temporary(context, 2 * s.patches, channels, &partial, &p.partial) ||
        !temporary(context, 2, channels, &coefficients, &rows)) {
      return;
    }
    p.x = input(context, 0);
    p.kernels = input(context, 3);
    const auto& kernels = dpw::kernels().stage;
    if (!share(context, s.patches, 1 + s.height * s.width * channels / 2,
               [&](int64_t begin, int64_t end) { kernels.moments(s, p, begin, end); })) {
      return;
    }
    const double count = pixels(s), of_patch = static_cast<double>(s.height * s.width);
    std::vector<double> sums(channels), squares(channels);
    for (int64_t n = 0; n < s.patches; ++n) {
      const float* row = p.partial + 2 * n * channels;
      for (int64_t c = 0; c < channels; ++c) sums[c] += row[c];
    }
    for (double& sum : sums) sum /= std::max<int64_t>(s.patches, 1);
    for (int64_t n = 0; n < s.patches; ++n) {
      const float* row = p.partial + 2 * n * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const double away = row[c] - sums[c];
        squares[c] += row[channels + c] + of_patch * away * away;
      }
    }
    const float* gamma = input(context, 1);
    for (int64_t c = 0; c < channels; ++c) {
      mean[c] = static_cast<float>(sums[c]);
      variance[c] = static_cast<float>(squares[c] / std::max(count - 1, 1.0));
      const double biased = squares[c] / std::max(count, 1.0);
      rows[c] = static_cast<float>(gamma[c] / std::sqrt(biased + epsilon_));
    }
    p.mean = mean;
    p.scale = rows;
    p.shift = input(context, 2);
    share(context, s.patches, cost(s),
          [&](int64_t begin, int64_t end) { kernels.run(s, p, begin, end); });
  }
};

class DpwStageGrad : public StageBase {
 public:
  using StageBase::StageBase;

  void Compute(OpKernelContext* context) override {
    dpw::StageShape s;
    const int64_t channels = context->input(1).NumElements();
    const TensorShape row({channels});
    if (!shape(context, &s) || !has_shape(context, 4, "mean", row) ||
        !has_shape(context, 5, "variance", row) ||
        !has_shape(context, 6, "gradient",
                   TensorShape({s.patches, s.out_height(), s.out_width(), s.filters}))) {
      return;
    }
    dpw::StagePointers p{};
    float *gamma_gradient, *beta_gradient, *rows;
    Tensor partial, coefficients;
    if (!allocate(context, 0, context->input(0).shape(), &p.x_gradient) ||
        !allocate(context, 1, row, &gamma_gradient) ||
        !allocate(context, 2, row, &beta_gradient) ||
        !allocate(context, 3, context->input(3).shape(), &p.kernels_gradient) ||
        !temporary(context, 2 * s.patches, channels, &partial, &p.partial) ||
        !temporary(context, 4, channels, &coefficients, &rows)) {
      return;
    }
    p.x = input(context, 0);
    p.kernels = input(context, 3);
    p.mean = input(context, 4);
    p.upstream = input(context, 6);
    p.shift = input(context, 2);
    float *inverse = rows, *scale = rows + channels, *offset = rows + 2 * channels,
          *slope = rows + 3 * channels;
    const float *gamma = input(context, 1), *variance = input(context, 5);
    const double count = pixels(s);
    for (int64_t c = 0; c < channels; ++c) {
      const double biased = variance[c] * std::max(count - 1, 0.0) / std::max(count, 1.0);
      inverse[c] = static_cast<float>(1 / std::sqrt(biased + epsilon_));
      scale[c] = gamma[c] * inverse[c];
    }
    p.inverse = inverse;
    p.scale = scale;
    const auto& kernels = dpw::kernels().stage;
    if (!share(context, s.patches, 2 * cost(s), [&](int64_t begin, int64_t end) {
          kernels.gradient(s, p, begin, end);
        })) {
      return;
    }
    std::vector<double> sums(2 * channels);
    for (int64_t n = 0; n < s.patches; ++n) {
      const float* from = p.partial + 2 * n * channels;
      for (int64_t c = 0; c < 2 * channels; ++c) sums[c] += from[c];
    }
    const double share_of_one = 1 / std::max(count, 1.0);
    for (int64_t c = 0; c < channels; ++c) {
      beta_gradient[c] = static_cast<float>(sums[c]);
      gamma_gradient[c] = static_cast<float>(sums[channels + c]);
      offset[c] = static_cast<float>(-scale[c] * sums[c] * share_of_one);
      slope[c] = static_cast<float>(-scale[c] * inverse[c] * sums[channels + c] *
                                    share_of_one);
    }
    p.offset = offset;
    p.slope = slope;
    share(context, s.patches, 1 + s.height * s.width * channels / 2,
          [&](int64_t begin, int64_t end) { kernels.finish(s, p, begin, end); });
  }
};

}  // namespace

REGISTER_OP("DpwStage")
    .Input("x: float")
    .Input("gamma: float")
    .Input("beta: float")
    .Input("kernels: float")
    .Output("y: float")
    .Output("mean: float")
    .Output("variance: float")
    .Attr("filters: int >= 1")
    .Attr("kernel_size: int >= 1")
    .Attr("epsilon: float")
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle x;
      int filters, kernel;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 4, &x));
      TF_RETURN_IF_ERROR(c->GetAttr("filters", &filters));
      TF_RETURN_IF_ERROR(c->GetAttr("kernel_size", &kernel));
      DimensionHandle height, width;
      TF_RETURN_IF_ERROR(c->Subtract(c->Dim(x, 1), kernel - 1, &height));
      TF_RETURN_IF_ERROR(c->Subtract(c->Dim(x, 2), kernel - 1, &width));
      c->set_output(0, c->MakeShape({c->Dim(x, 0), height, width, c->MakeDim(filters)}));
      c->set_output(1, c->input(1));
      c->set_output(2, c->input(1));
      return absl::OkStatus();
    });

REGISTER_OP("DpwStageGrad")
    .Input("x: float")
    .Input("gamma: float")
    .Input("beta: float")
    .Input("kernels: float")
    .Input("mean: float")
    .Input("variance: float")
    .Input("gradient: float")
    .Output("x_gradient: float")
    .Output("gamma_gradient: float")
    .Output("beta_gradient: float")
    .Output("kernels_gradient: float")
    .Attr("filters: int >= 1")
    .Attr("kernel_size: int >= 1")
    .Attr("epsilon: float")
    .SetShapeFn([](InferenceContext* c) {
      for (int i = 0; i < 4; ++i) c->set_output(i, c->input(i));
      return absl::OkStatus();
    });

REGISTER_KERNEL_BUILDER(Name("DpwStage").Device(tensorflow::DEVICE_CPU), DpwStage);
REGISTER_KERNEL_BUILDER(Name("DpwStageGrad").Device(tensorflow::DEVICE_CPU),
                        DpwStageGrad);

}  // namespace hyperseg
