// The launch functions of kernels.h. Compiled by nvcc for a GPU, and for tests, with
// DPW_HOST_BUILD, as ordinary C++.
#include "cuda/kernels.h"

#include <mutex>
#include <string>
#include <vector>

#include "cuda/block.h"
#include "cuda/block_plan.h"
#include "cuda/context.h"
#include "cuda/conv.h"
#include "cuda/conv_gradient.h"
#include "cuda/conv_plan.h"
#include "cuda/generate.h"
#include "cuda/launch.h"
#include "cuda/plan.h"

namespace dpw {
namespace gpu {
namespace {

constexpr int64_t kMostPixels = kMostInt;

// Choosing a tiling takes longer than launching it: the latest ones are kept.
template <typename Plan>
class Plans {
 public:
  template <typename Choose>
  Plan get(const std::vector<int64_t>& key, const Choose& choose) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const Entry& entry : entries_) {
      if (entry.key == key) return entry.plan;
    }
    const Plan plan = choose();
    if (entries_.size() < kEntries) entries_.push_back({key, plan});
    else entries_[next_++ % kEntries] = {key, plan};
    return plan;
  }

 private:
  static constexpr size_t kEntries = 64;
  struct Entry {
    std::vector<int64_t> key;
    Plan plan;
  };
  std::mutex mutex_;
  std::vector<Entry> entries_;
  size_t next_ = 0;
};

BlockPlan find_plan(const BlockShape& s, const Device& device) {
  static Plans<BlockPlan> plans;
  const std::vector<int64_t> key = {
      s.batch,   s.rows,    s.columns, s.patch_height(),    s.patch_width(),
      s.channels(), s.hidden, s.filters, s.kernel,          s.neighbour,
      device.block_shared, device.shared, device.processors};
  return plans.get(key, [&] { return BlockPlanner(s, device).choose(); });
}

ConvPlan find_plan(const ConvSizes& s, int64_t batch, const Device& device) {
  static Plans<ConvPlan> plans;
  const std::vector<int64_t> key = {
      batch,     s.rows,  s.columns, s.out_height, s.out_width,
      s.groups,  s.depth, s.units,   s.kernel,     device.block_shared,
      device.shared, device.processors};
  return plans.get(key, [&] { return plan_conv(s, batch, device); });
}

const char* too_large(int64_t height, int64_t width, int64_t channels, int64_t filters,
                      int64_t weights) {
  if (height > kLargestSide || width > kLargestSide || height * width > kMostPixels) {
    return "the GPU kernels count the pixels of an image with 31 bits: it has more; "
           "use a smaller image or the CPU.";
  }
  if (channels > kLargestSide || filters > kLargestSide || weights > kMostInt) {
    return "the GPU kernels count channels and the weights of a patch with 31 bits: "
           "there are more; use fewer or the CPU.";
  }
  return nullptr;
}

constexpr char kSmallWorkspace[] =
    "the workspace is smaller than the function for its size says.";
constexpr char kSmallDevice[] =
    "the device has too little shared memory for a single pixel of this kernel; use a "
    "smaller kernel or the CPU.";

template <typename T, typename W>
const char* run_block(const BlockShape& s, const BlockPointers<T>& p, const W* theta,
                      int64_t theta_stride, const Device& device, void* stream) {
  const BlockPlan plan = find_plan(s, device);
  if (plan.shared > device.block_shared) return kSmallDevice;
  const BlockForward<T, W> kernel{p, theta, theta_stride, BlockSizes(s), plan};
  return launch(kernel, BlockPlanner(s, device).blocks(plan), plan.threads, plan.shared,
                stream);
}

int64_t patches(const ConvShape& s) { return s.batch * s.rows * s.columns; }

template <typename T, typename Out, bool kGradient>
const char* run_conv(const ConvShape& shape, const T* x, const T* weights, Out* output,
                     bool padded, void* stream) {
  Device device;
  if (const char* wrong = find_device(&device)) return wrong;
  const ConvSizes s(shape, kGradient);
  const ConvPlan plan = find_plan(s, shape.batch, device);
  if (plan.shared > device.block_shared) return kSmallDevice;
  const TileConv<T, Out, kGradient> kernel{x, weights, output, padded, s, plan};
  return launch(kernel, conv_blocks(s, plan, shape.batch), plan.threads, plan.shared,
                stream);
}

// Floats of the padded patches' gradients, and of the parts of the weights' gradient.
int64_t fold_floats(const ConvShape& s) {
  if (s.kernel == 1) return 0;
  return patches(s) * (s.patch_height() + 2 * s.halo()) *
         (s.patch_width() + 2 * s.halo()) * s.channels;
}

int64_t split_floats(const ConvShape& shape, const Device& device) {
  const ConvSizes s(shape, false);
  const ConvPlan plan = plan_weights(s, device);
  const int64_t splits = weights_splits(s, plan, shape.batch);
  return splits > 1 ? splits * patches(shape) * shape.weights : 0;
}

template <typename T>
const char* map_gradient(const ConvShape& s, const ConvPointers<T>& p, float* workspace,
                         void* stream) {
  if (s.kernel == 1) {
    return run_conv<T, T, true>(s, p.upstream, p.weights, p.x_gradient, false, stream);
  }
  const char* wrong =
      run_conv<T, float, true>(s, p.upstream, p.weights, workspace, true, stream);
  if (wrong) return wrong;
  const Fold<T> fold{workspace, p.x_gradient, s.batch * s.height * s.width * s.channels,
                     s.channels, ConvSizes(s, true)};
  return launch(fold, fold.blocks(), Fold<T>::kThreads, 0, stream);
}

template <typename T>
const char* weights_gradient(const ConvShape& shape, const ConvPointers<T>& p,
                             float* workspace, const Device& device, void* stream) {
  const ConvSizes s(shape, false);
  const ConvPlan plan = plan_weights(s, device);
  if (plan.shared > device.block_shared) return kSmallDevice;
  const int64_t splits = weights_splits(s, plan, shape.batch);
  const int64_t blocks = weights_pieces(s, plan, shape.batch) * splits;
  if (splits == 1) {
    const WeightsGradient<T, T> kernel{
        p.x, p.upstream, p.weights_gradient, patches(shape), 1, s, plan};
    return launch(kernel, blocks, plan.threads, plan.shared, stream);
  }
  const WeightsGradient<T, float> kernel{
      p.x,  p.upstream, workspace, patches(shape), static_cast<int>(splits),
      s, plan};
  if (const char* wrong = launch(kernel, blocks, plan.threads, plan.shared, stream)) {
    return wrong;
  }
  const Reduce<T> reduce{workspace, p.weights_gradient, patches(shape) * shape.weights,
                         static_cast<int>(splits)};
  return launch(reduce, reduce.blocks(), Reduce<T>::kThreads, 0, stream);
}

}  // namespace

int64_t block_workspace_bytes(const BlockShape& s) {
  return s.groups ? s.batch * s.rows * s.columns * s.weights() * 4 : 0;
}

template <typename T>
const char* block_forward(const BlockShape& s, const BlockPointers<T>& p,
                          void* workspace, int64_t workspace_bytes, void* stream) {
  if (s.batch == 0) return nullptr;
  if (const char* wrong = too_large(s.height, s.width, s.channels() + s.hidden,
                                    s.filters, s.depth + s.units)) {
    return wrong;
  }
  Device device;
  if (const char* wrong = find_device(&device)) return wrong;
  if (!s.groups) {
    return run_block(s, p, p.signal + s.start, s.signal_channels, device, stream);
  }
  if (workspace_bytes < block_workspace_bytes(s)) return kSmallWorkspace;
  float* theta = static_cast<float*>(workspace);
  const Generate<T> generate(s, p, theta);
  if (const char* wrong = launch(generate, generate.blocks(), Generate<T>::kUnits,
                                 generate.shared(), stream)) {
    return wrong;
  }
  return run_block(s, p, static_cast<const float*>(theta), s.weights(), device, stream);
}

template <typename T>
const char* conv_forward(const ConvShape& s, const ConvPointers<T>& p, void* stream) {
  if (s.batch == 0) return nullptr;
  if (const char* wrong =
          too_large(s.height, s.width, s.channels, s.filters, s.weights)) {
    return wrong;
  }
  return run_conv<T, T, false>(s, p.x, p.weights, p.output, false, stream);
}

int64_t conv_gradient_workspace_bytes(const ConvShape& s) {
  Device device;
  if (s.batch == 0 || find_device(&device)) return 0;
  // One after the other uses it.
  const int64_t fold = fold_floats(s), split = split_floats(s, device);
  return (fold > split ? fold : split) * 4;
}

template <typename T>
const char* conv_gradient(const ConvShape& s, const ConvPointers<T>& p, void* workspace,
                          int64_t workspace_bytes, void* stream) {
  if (s.batch == 0) return nullptr;
  if (const char* wrong =
          too_large(s.height, s.width, s.channels, s.filters, s.weights)) {
    return wrong;
  }
  Device device;
  if (const char* wrong = find_device(&device)) return wrong;
  if (workspace_bytes < conv_gradient_workspace_bytes(s)) return kSmallWorkspace;
  float* memory = static_cast<float*>(workspace);
  if (p.x_gradient) {
    if (const char* wrong = map_gradient(s, p, memory, stream)) return wrong;
  }
  if (!p.weights_gradient) return nullptr;
  return weights_gradient(s, p, memory, device, stream);
}

#define DPW_INSTANTIATE(T)                                                         \
  template const char* block_forward(const BlockShape&, const BlockPointers<T>&,   \
                                     void*, int64_t, void*);                       \
  template const char* conv_forward(const ConvShape&, const ConvPointers<T>&,      \
                                    void*);                                        \
  template const char* conv_gradient(const ConvShape&, const ConvPointers<T>&,     \
                                     void*, int64_t, void*);
DPW_INSTANTIATE(float)
DPW_INSTANTIATE(Bfloat16)
DPW_INSTANTIATE(Half)
#undef DPW_INSTANTIATE

}  // namespace gpu
}  // namespace dpw
