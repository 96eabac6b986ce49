// What an op is on every device: it reads its options, checks all sizes, allocates its
// outputs, and leaves `run` to the device.
#ifndef HYPERSEG_TF_TENSORFLOW_BASE_H_
#define HYPERSEG_TF_TENSORFLOW_BASE_H_

#include <string>

#include <tensorflow/core/framework/op_kernel.h>

#include "pointers.h"
#include "shapes.h"
#include "storage.h"

namespace hyperseg {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::errors::InvalidArgument;

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

inline bool is_map(OpKernelContext* context, const Tensor& tensor, const char* name) {
  if (tensor.dims() == 4) return true;
  context->CtxFailure(InvalidArgument(name, " must have 4 dimensions: got shape ",
                                      tensor.shape().DebugString(), "."));
  return false;
}

// The output (B, H, W, filters); null if it is empty, or after an error was reported.
template <typename Shape>
Tensor* allocate_map(OpKernelContext* context, const Shape& s) {
  Tensor* output = nullptr;
  const auto status = context->allocate_output(
      0, TensorShape({s.batch, s.height, s.width, s.filters}), &output);
  if (!status.ok()) {
    context->CtxFailure(status);
    return nullptr;
  }
  return output->NumElements() ? output : nullptr;
}

class ConvOptions : public OpKernel {
 public:
  explicit ConvOptions(OpKernelConstruction* context) : OpKernel(context) {
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

  // The same for the gradient of the output.
  static bool shape_of_gradient(OpKernelContext* context, const dpw::ConvShape& s) {
    const Tensor& gradient = context->input(2);
    const TensorShape expected({s.batch, s.height, s.width, s.filters});
    if (gradient.shape() == expected) return true;
    context->CtxFailure(InvalidArgument("the gradient must have the output's shape ",
                                        expected.DebugString(), ": got ",
                                        gradient.shape().DebugString(), "."));
    return false;
  }

 private:
  dpw::ConvShape options_;
};

template <typename T>
class ConvOp : public ConvOptions {
 public:
  using ConvOptions::ConvOptions;
  using Pointers = dpw::ConvPointers<typename Stored<T>::Type>;

  void Compute(OpKernelContext* context) final {
    dpw::ConvShape s;
    if (!shape(context, &s)) return;
    Tensor* output = allocate_map(context, s);
    if (!output) return;
    Pointers pointers{};
    pointers.x = data<T>(context->input(0));
    pointers.weights = data<T>(context->input(1));
    pointers.output = data<T>(output);
    run(context, s, pointers);
  }

 protected:
  virtual void run(OpKernelContext* context, const dpw::ConvShape& s,
                   const Pointers& pointers) const = 0;
};

template <typename T>
class ConvGradOp : public ConvOptions {
 public:
  using ConvOptions::ConvOptions;
  using Pointers = dpw::ConvPointers<typename Stored<T>::Type>;

  void Compute(OpKernelContext* context) final {
    dpw::ConvShape s;
    Tensor *x_gradient = nullptr, *weights_gradient = nullptr;
    if (!shape(context, &s) || !shape_of_gradient(context, s)) return;
    OP_REQUIRES_OK(context, context->allocate_output(0, context->input(0).shape(),
                                                     &x_gradient));
    OP_REQUIRES_OK(context, context->allocate_output(1, context->input(1).shape(),
                                                     &weights_gradient));
    if (!x_gradient->NumElements()) return;
    Pointers pointers{};
    pointers.x = data<T>(context->input(0));
    pointers.weights = data<T>(context->input(1));
    pointers.upstream = data<T>(context->input(2));
    pointers.x_gradient = data<T>(x_gradient);
    pointers.weights_gradient = data<T>(weights_gradient);
    run(context, s, pointers);
  }

 protected:
  virtual void run(OpKernelContext* context, const dpw::ConvShape& s,
                   const Pointers& pointers) const = 0;
};

class BlockOptions : public OpKernel {
 public:
  explicit BlockOptions(OpKernelConstruction* context) : OpKernel(context) {
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

 protected:
  // False after an error was reported.
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

 private:
  dpw::BlockShape options_;
};

template <typename T>
class BlockOp : public BlockOptions {
 public:
  using BlockOptions::BlockOptions;
  using Pointers = dpw::BlockPointers<typename Stored<T>::Type>;

  void Compute(OpKernelContext* context) final {
    dpw::BlockShape s;
    if (!shape(context, &s)) return;
    Tensor* output = allocate_map(context, s);
    if (!output) return;
    const Pointers pointers{data<T>(context->input(0)), data<T>(context->input(1)),
                            data<T>(context->input(2)), data<T>(context->input(3)),
                            data<T>(context->input(4)), data<T>(context->input(5)),
                            data<T>(context->input(6)), data<T>(output)};
    run(context, s, pointers);
  }

 protected:
  virtual void run(OpKernelContext* context, const dpw::BlockShape& s,
                   const Pointers& pointers) const = 0;
};

// The three ops for one device and all types; CONV, CONV_GRAD and BLOCK are class
// templates over the type.
#define HYPERSEG_REGISTER(DEVICE, CONV, CONV_GRAD, BLOCK)                   \
  HYPERSEG_REGISTER_TYPE(DEVICE, CONV, CONV_GRAD, BLOCK, float)             \
  HYPERSEG_REGISTER_TYPE(DEVICE, CONV, CONV_GRAD, BLOCK, Eigen::bfloat16)   \
  HYPERSEG_REGISTER_TYPE(DEVICE, CONV, CONV_GRAD, BLOCK, Eigen::half)

#define HYPERSEG_REGISTER_TYPE(DEVICE, CONV, CONV_GRAD, BLOCK, T)                   \
  REGISTER_KERNEL_BUILDER(Name("DpwConv").Device(DEVICE).TypeConstraint<T>("T"),    \
                          CONV<T>);                                                 \
  REGISTER_KERNEL_BUILDER(                                                          \
      Name("DpwConvGrad").Device(DEVICE).TypeConstraint<T>("T"), CONV_GRAD<T>);     \
  REGISTER_KERNEL_BUILDER(Name("DpwBlock").Device(DEVICE).TypeConstraint<T>("T"),   \
                          BLOCK<T>);

}  // namespace hyperseg

#endif  // HYPERSEG_TF_TENSORFLOW_BASE_H_
