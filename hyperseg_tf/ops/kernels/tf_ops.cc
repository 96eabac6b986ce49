// The TensorFlow ops: they check every size, cut the work, and call the kernels.
#include <memory>
#include <string>

#include "kernels.h"
#include "shapes.h"
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/util/work_sharder.h"

namespace hyperseg {
namespace {

using tensorflow::DT_BFLOAT16;
using tensorflow::DT_FLOAT;
using tensorflow::DT_HALF;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::errors::InvalidArgument;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

// TensorFlow's type of a map -> the kernels'.
template <typename T>
struct Stored;
template <>
struct Stored<float> {
  using Type = float;
};
template <>
struct Stored<Eigen::bfloat16> {
  using Type = dpw::Bfloat16;
};
template <>
struct Stored<Eigen::half> {
  using Type = dpw::Half;
};

template <typename T>
const typename Stored<T>::Type* data(const Tensor& tensor) {
  if (!tensor.NumElements()) return nullptr;
  return reinterpret_cast<const typename Stored<T>::Type*>(tensor.flat<T>().data());
}

template <typename T>
typename Stored<T>::Type* data(Tensor* tensor) {
  if (!tensor || !tensor->NumElements()) return nullptr;
  return reinterpret_cast<typename Stored<T>::Type*>(tensor->flat<T>().data());
}

// Runs `work(begin, end)` on all threads of the device.
template <typename Work>
void share(OpKernelContext* context, int64_t pieces, int64_t cost, Work work) {
  if (pieces < 1) return;
  const auto& workers = *context->device()->tensorflow_cpu_worker_threads();
  tensorflow::Shard(workers.num_threads, workers.workers, pieces, cost, work);
}

bool is_map(OpKernelContext* context, const Tensor& tensor, const char* name) {
  if (tensor.dims() == 4) return true;
  context->CtxFailure(InvalidArgument(name, " must have 4 dimensions: got shape ",
                                      tensor.shape().DebugString(), "."));
  return false;
}

template <typename T>
class DpwConvBase : public OpKernel {
 public:
  explicit DpwConvBase(OpKernelConstruction* context) : OpKernel(context) {
    int filters, kernel, groups;
    std::string padding;
    OP_REQUIRES_OK(context, context->GetAttr("filters", &filters));
    OP_REQUIRES_OK(context, context->GetAttr("kernel_size", &kernel));
    OP_REQUIRES_OK(context, context->GetAttr("groups", &groups));
    OP_REQUIRES_OK(context, context->GetAttr("padding", &padding));
    OP_REQUIRES(context, dpw::parse_padding(padding, &options_.padding),
                InvalidArgument("padding is unknown: got ", padding, "."));
    options_.filters = filters;
    options_.kernel = kernel;
    options_.groups = groups;
  }

 protected:
  // False after an error was reported.
  bool shape(OpKernelContext* context, dpw::ConvShape* shape) const {
    const Tensor &x = context->input(0), &weights = context->input(1);
    if (!is_map(context, x, "x") || !is_map(context, weights, "weights")) return false;
    *shape = options_;
    shape->batch = x.dim_size(0);
    shape->height = x.dim_size(1);
    shape->width = x.dim_size(2);
    shape->channels = x.dim_size(3);
    shape->rows = weights.dim_size(1);
    shape->columns = weights.dim_size(2);
    shape->weights = weights.dim_size(3);
    std::string wrong = dpw::check(*shape);
    if (wrong.empty() && weights.dim_size(0) != shape->batch) {
      wrong = "x and weights must have the same batch: got " +
              std::to_string(shape->batch) + " and " +
              std::to_string(weights.dim_size(0)) + ".";
    }
    if (wrong.empty()) return true;
    context->CtxFailure(InvalidArgument(wrong));
    return false;
  }

  static int64_t patches(const dpw::ConvShape& s) {
    return s.batch * s.rows * s.columns;
  }

  // Multiply-adds of a patch, at about four a cycle.
  static int64_t cost(const dpw::ConvShape& s) {
    return 1 + s.patch_height() * s.patch_width() * s.weights / 4;
  }

  dpw::ConvShape options_;
};

template <typename T>
class DpwConv : public DpwConvBase<T> {
 public:
  using DpwConvBase<T>::DpwConvBase;

  void Compute(OpKernelContext* context) override {
    dpw::ConvShape s;
    if (!this->shape(context, &s)) return;
    Tensor* output = nullptr;
    OP_REQUIRES_OK(context,
                   context->allocate_output(
                       0, TensorShape({s.batch, s.height, s.width, s.filters}),
                       &output));
    dpw::ConvPointers<typename Stored<T>::Type> pointers{};
    pointers.x = data<T>(context->input(0));
    pointers.weights = data<T>(context->input(1));
    pointers.output = data<T>(output);
    const auto& kernels = dpw::kernels().conv(typename Stored<T>::Type{});
    share(context, this->patches(s), this->cost(s),
          [&](int64_t begin, int64_t end) { kernels.run(s, pointers, begin, end); });
  }
};

template <typename T>
class DpwConvGrad : public DpwConvBase<T> {
 public:
  using DpwConvBase<T>::DpwConvBase;

  void Compute(OpKernelContext* context) override {
    dpw::ConvShape s;
    if (!this->shape(context, &s)) return;
    const Tensor& upstream = context->input(2);
    const TensorShape expected({s.batch, s.height, s.width, s.filters});
    OP_REQUIRES(context, upstream.shape() == expected,
                InvalidArgument("the gradient must have the output's shape ",
                                expected.DebugString(), ": got ",
                                upstream.shape().DebugString(), "."));
    Tensor *x_gradient = nullptr, *weights_gradient = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, context->input(0).shape(),
                                                     &x_gradient));
    OP_REQUIRES_OK(context, context->allocate_output(1, context->input(1).shape(),
                                                     &weights_gradient));
    dpw::ConvPointers<typename Stored<T>::Type> pointers{};
    pointers.x = data<T>(context->input(0));
    pointers.weights = data<T>(context->input(1));
    pointers.upstream = data<T>(upstream);
    pointers.x_gradient = data<T>(x_gradient);
    pointers.weights_gradient = data<T>(weights_gradient);
    const auto& kernels = dpw::kernels().conv(typename Stored<T>::Type{});
    share(context, s.batch * s.rows, this->cost(s) * s.columns,
          [&](int64_t begin, int64_t end) {
            kernels.x_gradient(s, pointers, begin, end);
          });
    share(context, this->patches(s), this->cost(s), [&](int64_t begin, int64_t end) {
      kernels.weights_gradient(s, pointers, begin, end);
    });
  }
};

template <typename T>
class DpwBlock : public OpKernel {
 public:
  explicit DpwBlock(OpKernelConstruction* context) : OpKernel(context) {
    int filters, hidden, kernel, groups, offset, start;
    std::string padding, halo;
    OP_REQUIRES_OK(context, context->GetAttr("filters", &filters));
    OP_REQUIRES_OK(context, context->GetAttr("hidden", &hidden));
    OP_REQUIRES_OK(context, context->GetAttr("kernel_size", &kernel));
    OP_REQUIRES_OK(context, context->GetAttr("groups", &groups));
    OP_REQUIRES_OK(context, context->GetAttr("offset", &offset));
    OP_REQUIRES_OK(context, context->GetAttr("start", &start));
    OP_REQUIRES_OK(context, context->GetAttr("positions", &options_.positions));
    OP_REQUIRES_OK(context, context->GetAttr("padding", &padding));
    OP_REQUIRES_OK(context, context->GetAttr("halo", &halo));
    OP_REQUIRES(context, dpw::parse_padding(padding, &options_.padding),
                InvalidArgument("padding is unknown: got ", padding, "."));
    options_.neighbour = hidden && halo == "neighbour";
    options_.filters = filters;
    options_.hidden = hidden;
    options_.kernel = kernel;
    options_.groups = groups;
    options_.offset = offset;
    options_.start = start;
  }

  void Compute(OpKernelContext* context) override {
    dpw::BlockShape s;
    if (!shape(context, &s)) return;
    Tensor* output = nullptr;
    OP_REQUIRES_OK(context,
                   context->allocate_output(
                       0, TensorShape({s.batch, s.height, s.width, s.filters}),
                       &output));
    if (!output->NumElements()) return;
    using Type = typename Stored<T>::Type;
    const dpw::BlockPointers<Type> pointers{
        data<T>(context->input(0)), data<T>(context->input(1)),
        data<T>(context->input(2)), data<T>(context->input(3)),
        data<T>(context->input(4)), data<T>(context->input(5)),
        data<T>(context->input(6)), data<T>(output)};
    const auto& kernels = dpw::kernels().block(Type{});
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
    share(context, s.groups ? s.depth : 0, s.weights(),
          [&](int64_t begin, int64_t end) {
            kernels.pack(s, pointers, head, begin, end);
          });
    const int64_t strips = dpw::block_strips(s), strip = dpw::block_strip(s);
    const int64_t generation = strip * s.weights() * (1 + s.depth) / 8;
    if (s.neighbour) {
      share(context, strips, 1 + generation, [&](int64_t begin, int64_t end) {
        kernels.prepare(s, pointers, head, all, begin, end);
      });
    }
    const int64_t pixels = s.patch_height() * s.patch_width();
    share(context, strips, 1 + generation + strip * pixels * s.weights() / 8,
          [&](int64_t begin, int64_t end) {
            kernels.run(s, pointers, head, all, begin, end);
          });
  }

 private:
  bool shape(OpKernelContext* context, dpw::BlockShape* shape) const {
    static const char* kNames[] = {"feature", "previous", "signal"};
    for (int i = 0; i < 3; ++i) {
      if (!is_map(context, context->input(i), kNames[i])) return false;
    }
    const Tensor &feature = context->input(0), &previous = context->input(1);
    const Tensor &signal = context->input(2), &head = context->input(3);
    *shape = options_;
    shape->batch = feature.dim_size(0);
    shape->height = feature.dim_size(1);
    shape->width = feature.dim_size(2);
    shape->feature_channels = feature.dim_size(3);
    shape->previous_channels = previous.dim_size(3);
    shape->rows = signal.dim_size(1);
    shape->columns = signal.dim_size(2);
    shape->signal_channels = signal.dim_size(3);
    std::string wrong;
    if (head.dims() != 2) {
      wrong = "head must have 2 dimensions: got shape " + head.shape().DebugString();
    } else if (options_.groups == 0) {
      shape->units = shape->signal_channels;
    } else {
      shape->depth = head.dim_size(0);
      shape->units = head.dim_size(1);
    }
    if (wrong.empty()) wrong = dpw::check(*shape);
    if (wrong.empty() && signal.dim_size(0) != shape->batch) {
      wrong = "feature and signal must have the same batch: got " +
              std::to_string(shape->batch) + " and " +
              std::to_string(signal.dim_size(0)) + ".";
    }
    if (wrong.empty() && shape->previous_channels &&
        previous.shape() != TensorShape({shape->batch, shape->height / 2,
                                         shape->width / 2, shape->previous_channels})) {
      wrong = "previous must have half the size of the feature: got " +
              previous.shape().DebugString() + " for " + feature.shape().DebugString();
    }
    const int64_t lengths[] = {shape->hidden, shape->hidden, shape->filters};
    for (int i = 0; wrong.empty() && i < 3; ++i) {
      const Tensor& shift = context->input(4 + i);
      if (shift.dims() != 1 || shift.dim_size(0) != lengths[i]) {
        wrong = "shift" + std::to_string(i + 1) + " must have " +
                std::to_string(lengths[i]) + " values: got shape " +
                shift.shape().DebugString();
      }
    }
    if (wrong.empty()) return true;
    context->CtxFailure(InvalidArgument(wrong));
    return false;
  }

  dpw::BlockShape options_;
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

#define REGISTER(T)                                                             \
  REGISTER_KERNEL_BUILDER(                                                      \
      Name("DpwConv").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"),    \
      DpwConv<T>);                                                              \
  REGISTER_KERNEL_BUILDER(                                                      \
      Name("DpwConvGrad").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"), \
      DpwConvGrad<T>);                                                          \
  REGISTER_KERNEL_BUILDER(                                                      \
      Name("DpwBlock").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"),   \
      DpwBlock<T>);
REGISTER(float)
REGISTER(Eigen::bfloat16)
REGISTER(Eigen::half)
#undef REGISTER

}  // namespace hyperseg
