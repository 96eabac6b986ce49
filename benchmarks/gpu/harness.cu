// The CUDA kernels as a shared library for kernels.py: copies arrays to the device and
// back, and times with CUDA events. With DPW_HOST_BUILD it is ordinary C++ whose
// "device" is the host, so that the program runs its checks without a GPU.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "cuda/kernels.cu.cc"
#include "shapes.cc"

namespace {

using dpw::BlockPointers;
using dpw::BlockShape;
using dpw::ConvPointers;
using dpw::ConvShape;

std::string message;

const char* say(const std::string& text) {
  message = text;
  return message.c_str();
}

#ifdef DPW_HOST_BUILD

const char* allocate(void** memory, int64_t bytes) {
  *memory = new char[bytes];
  return nullptr;
}
void release(void* memory) { delete[] static_cast<char*>(memory); }
const char* copy_in(void* to, const void* from, int64_t bytes) {
  std::memcpy(to, from, bytes);
  return nullptr;
}
const char* copy_out(void* to, const void* from, int64_t bytes) {
  return copy_in(to, from, bytes);
}
const char* fill(void* to, int64_t bytes) {
  std::memset(to, 255, bytes);
  return nullptr;
}

#else

const char* checked(cudaError_t error) { return dpw::gpu::text(error); }
const char* allocate(void** memory, int64_t bytes) {
  return checked(cudaMalloc(memory, bytes));
}
void release(void* memory) { cudaFree(memory); }
const char* copy_in(void* to, const void* from, int64_t bytes) {
  return checked(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice));
}
// Waits for the kernels before it, and tells their errors.
const char* copy_out(void* to, const void* from, int64_t bytes) {
  return checked(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost));
}
const char* fill(void* to, int64_t bytes) {
  return checked(cudaMemset(to, 255, bytes));
}

#endif

// Device memory until the end of a call; all bits set is a NaN in every type.
class Memory {
 public:
  ~Memory() {
    for (void* part : parts_) release(part);
  }
  template <typename T>
  T* take(int64_t count) {
    void* part = nullptr;
    if (count < 1 || wrong) return nullptr;
    wrong = allocate(&part, count * sizeof(T));
    if (wrong) return nullptr;
    parts_.push_back(part);
    wrong = fill(part, count * sizeof(T));
    return static_cast<T*>(part);
  }
  template <typename T>
  const T* copy(const void* from, int64_t count) {
    T* to = take<T>(count);
    if (to && !wrong) wrong = copy_in(to, from, count * sizeof(T));
    return to;
  }
  template <typename T>
  void give(void* to, const T* from, int64_t count) {
    if (!wrong && count > 0) wrong = copy_out(to, from, count * sizeof(T));
  }

  const char* wrong = nullptr;

 private:
  std::vector<void*> parts_;
};

// In the order of kernels.py.
BlockShape block_shape(const int64_t* n) {
  BlockShape s;
  s.batch = n[0];
  s.height = n[1];
  s.width = n[2];
  s.feature_channels = n[3];
  s.previous_channels = n[4];
  s.rows = n[5];
  s.columns = n[6];
  s.signal_channels = n[7];
  s.offset = n[8];
  s.groups = n[9];
  s.depth = n[10];
  s.units = n[11];
  s.start = n[12];
  s.hidden = n[13];
  s.filters = n[14];
  s.kernel = n[15];
  s.positions = n[16] != 0;
  s.neighbour = n[17] != 0;
  s.padding = static_cast<dpw::Padding>(n[18]);
  return s;
}

ConvShape conv_shape(const int64_t* n) {
  ConvShape s;
  s.batch = n[0];
  s.height = n[1];
  s.width = n[2];
  s.channels = n[3];
  s.rows = n[4];
  s.columns = n[5];
  s.filters = n[6];
  s.kernel = n[7];
  s.groups = n[8];
  s.padding = static_cast<dpw::Padding>(n[9]);
  s.weights = s.filters * s.depth() * s.kernel * s.kernel;
  return s;
}

struct BlockCounts {
  int64_t feature, previous, signal, head, hidden, filters, output;

  explicit BlockCounts(const BlockShape& s)
      : feature(s.batch * s.height * s.width * s.feature_channels),
        previous(s.batch * (s.height / 2) * (s.width / 2) * s.previous_channels),
        signal(s.batch * s.rows * s.columns * s.signal_channels),
        head(s.groups ? s.depth * s.units : 0),
        hidden(s.hidden),
        filters(s.filters),
        output(s.batch * s.height * s.width * s.filters) {}
};

// `inputs` are feature, previous, signal, head, shift1, shift2, shift3.
template <typename T>
BlockPointers<T> block_pointers(const BlockShape& s, const void* const* inputs,
                                Memory* memory) {
  const BlockCounts n(s);
  BlockPointers<T> p;
  p.feature = memory->copy<T>(inputs[0], n.feature);
  p.previous = memory->copy<T>(inputs[1], n.previous);
  p.signal = memory->copy<T>(inputs[2], n.signal);
  p.head = memory->copy<T>(inputs[3], n.head);
  p.shift1 = memory->copy<T>(inputs[4], n.hidden);
  p.shift2 = memory->copy<T>(inputs[5], n.hidden);
  p.shift3 = memory->copy<T>(inputs[6], n.filters);
  p.output = memory->take<T>(n.output);
  return p;
}

template <typename T>
const char* run_block(const BlockShape& s, const void* const* inputs, void* output) {
  Memory memory;
  const BlockPointers<T> p = block_pointers<T>(s, inputs, &memory);
  const int64_t bytes = dpw::gpu::block_workspace_bytes(s);
  void* workspace = memory.take<char>(bytes);
  if (memory.wrong) return memory.wrong;
  const char* wrong = dpw::gpu::block_forward(s, p, workspace, bytes, nullptr);
  if (wrong) return wrong;
  memory.give(output, p.output, BlockCounts(s).output);
  return memory.wrong;
}

template <typename T>
const char* run_conv(const ConvShape& s, const void* const* inputs,
                     void* const* outputs) {
  const int64_t pixels = s.batch * s.height * s.width;
  const int64_t weights = s.batch * s.rows * s.columns * s.weights;
  Memory memory;
  ConvPointers<T> p;
  p.x = memory.copy<T>(inputs[0], pixels * s.channels);
  p.weights = memory.copy<T>(inputs[1], weights);
  p.upstream = memory.copy<T>(inputs[2], pixels * s.filters);
  p.output = memory.take<T>(pixels * s.filters);
  p.x_gradient = memory.take<T>(pixels * s.channels);
  p.weights_gradient = memory.take<T>(weights);
  const int64_t bytes = dpw::gpu::conv_gradient_workspace_bytes(s);
  void* workspace = memory.take<char>(bytes);
  if (memory.wrong) return memory.wrong;
  if (const char* wrong = dpw::gpu::conv_forward(s, p, nullptr)) return wrong;
  const char* wrong = dpw::gpu::conv_gradient(s, p, workspace, bytes, nullptr);
  if (wrong) return wrong;
  memory.give(outputs[0], p.output, pixels * s.filters);
  memory.give(outputs[1], p.x_gradient, pixels * s.channels);
  memory.give(outputs[2], p.weights_gradient, weights);
  return memory.wrong;
}

dpw::gpu::BlockPlan find_plan(const BlockShape& s) {
  dpw::gpu::Device device;
  dpw::gpu::find_device(&device);
  return dpw::gpu::BlockPlanner(s, device).choose();
}

#ifndef DPW_HOST_BUILD

// Microseconds of one `launch`, the median of `rounds` of `calls` calls back to back.
template <typename Launch>
const char* time_calls(int rounds, int calls, double* microseconds,
                       const Launch& launch) {
  cudaEvent_t begin, end;
  if (const char* wrong = checked(cudaEventCreate(&begin))) return wrong;
  if (const char* wrong = checked(cudaEventCreate(&end))) return wrong;
  std::vector<double> times;
  const char* wrong = nullptr;
  for (int round = -2; round < rounds && !wrong; ++round) {  // two to warm up
    cudaEventRecord(begin);
    for (int i = 0; i < calls && !wrong; ++i) wrong = launch();
    cudaEventRecord(end);
    if (!wrong) wrong = checked(cudaEventSynchronize(end));
    float milliseconds = 0.0f;
    if (!wrong) wrong = checked(cudaEventElapsedTime(&milliseconds, begin, end));
    if (round >= 0) times.push_back(milliseconds * 1000.0 / calls);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  if (wrong) return wrong;
  std::sort(times.begin(), times.end());
  *microseconds = times[times.size() / 2];
  return nullptr;
}

template <typename T>
const char* time_block(const BlockShape& s, const void* const* inputs, int rounds,
                       int calls, double* microseconds) {
  Memory memory;
  const BlockPointers<T> p = block_pointers<T>(s, inputs, &memory);
  const int64_t bytes = dpw::gpu::block_workspace_bytes(s);
  void* workspace = memory.take<char>(bytes);
  if (memory.wrong) return memory.wrong;
  return time_calls(rounds, calls, microseconds, [&] {
    return dpw::gpu::block_forward(s, p, workspace, bytes, nullptr);
  });
}

// The second kernel alone, with another tiling: {tile_height, tile_width, hidden,
// threads, wide_expand, wide_project}.
template <typename T>
const char* time_plan(const BlockShape& s, const void* const* inputs, const int* tiling,
                      int rounds, int calls, double* microseconds) {
  Memory memory;
  const BlockPointers<T> p = block_pointers<T>(s, inputs, &memory);
  const int64_t bytes = dpw::gpu::block_workspace_bytes(s);
  void* workspace = memory.take<char>(bytes);
  if (memory.wrong) return memory.wrong;
  if (!s.groups || !s.hidden) return "only of a level with hidden channels";
  const char* wrong = dpw::gpu::block_forward(s, p, workspace, bytes, nullptr);
  if (wrong) return wrong;
  dpw::gpu::Device device;
  if ((wrong = dpw::gpu::find_device(&device))) return wrong;
  const dpw::gpu::BlockSizes sizes(s);
  dpw::gpu::BlockPlan plan;
  plan.tile_height = tiling[0];
  plan.tile_width = tiling[1];
  plan.tap_rows = sizes.kernel;
  plan.inputs = sizes.channels;
  plan.hidden = tiling[2];
  plan.filters = sizes.filters;
  plan.threads = tiling[3];
  plan.wide_expand = tiling[4] != 0;
  plan.wide_project = tiling[5] != 0;
  plan.place(sizes);
  if (plan.shared > device.block_shared) return "too much shared memory";
  const dpw::gpu::BlockForward<T, float> kernel{
      p, static_cast<const float*>(workspace), s.weights(), sizes, plan};
  const int64_t blocks = dpw::gpu::BlockPlanner(s, device).blocks(plan);
  return time_calls(rounds, calls, microseconds, [&] {
    return dpw::gpu::launch(kernel, blocks, plan.threads, plan.shared, nullptr);
  });
}

#endif  // DPW_HOST_BUILD

}  // namespace

// All return null, or what went wrong. `type`: 0 float, 1 bfloat16, 2 float16.
extern "C" {

const char* harness_device(char* name, int size) {
#ifdef DPW_HOST_BUILD
  std::snprintf(name, size, "none (host build)");
  return nullptr;
#else
  int index = 0;
  if (const char* wrong = checked(cudaGetDevice(&index))) return wrong;
  cudaDeviceProp properties;
  const char* wrong = checked(cudaGetDeviceProperties(&properties, index));
  if (wrong) return wrong;
  std::snprintf(name, size, "%s, sm_%d%d, %d multiprocessors, %.0f kB shared memory",
                properties.name, properties.major, properties.minor,
                properties.multiProcessorCount,
                properties.sharedMemPerBlockOptin / 1024.0);
  return nullptr;
#endif
}

const char* harness_block(int type, const int64_t* sizes, const void* const* inputs,
                          void* output) {
  const BlockShape s = block_shape(sizes);
  const std::string wrong = dpw::check(s);
  if (!wrong.empty()) return say(wrong);
  if (type == 1) return run_block<dpw::Bfloat16>(s, inputs, output);
  if (type == 2) return run_block<dpw::Half>(s, inputs, output);
  return run_block<float>(s, inputs, output);
}

const char* harness_conv(int type, const int64_t* sizes, const void* const* inputs,
                         void* const* outputs) {
  const ConvShape s = conv_shape(sizes);
  const std::string wrong = dpw::check(s);
  if (!wrong.empty()) return say(wrong);
  if (type == 1) return run_conv<dpw::Bfloat16>(s, inputs, outputs);
  if (type == 2) return run_conv<dpw::Half>(s, inputs, outputs);
  return run_conv<float>(s, inputs, outputs);
}

// {tile_height, tile_width, hidden, threads, wide_expand, wide_project, inputs,
// filters, bytes of shared memory}
const char* harness_plan(const int64_t* sizes, int* tiling) {
  const dpw::gpu::BlockPlan plan = find_plan(block_shape(sizes));
  const int values[] = {plan.tile_height,  plan.tile_width, plan.hidden,
                        plan.threads,      plan.wide_expand, plan.wide_project,
                        plan.inputs,       plan.filters,
                        static_cast<int>(plan.shared)};
  std::copy(std::begin(values), std::end(values), tiling);
  return nullptr;
}

#ifndef DPW_HOST_BUILD

const char* harness_time_block(int type, const int64_t* sizes,
                               const void* const* inputs, int rounds, int calls,
                               double* microseconds) {
  const BlockShape s = block_shape(sizes);
  if (type == 1) {
    return time_block<dpw::Bfloat16>(s, inputs, rounds, calls, microseconds);
  }
  if (type == 2) return time_block<dpw::Half>(s, inputs, rounds, calls, microseconds);
  return time_block<float>(s, inputs, rounds, calls, microseconds);
}

const char* harness_time_plan(int type, const int64_t* sizes, const void* const* inputs,
                              const int* tiling, int rounds, int calls,
                              double* microseconds) {
  const BlockShape s = block_shape(sizes);
  if (type == 1) {
    return time_plan<dpw::Bfloat16>(s, inputs, tiling, rounds, calls, microseconds);
  }
  if (type == 2) {
    return time_plan<dpw::Half>(s, inputs, tiling, rounds, calls, microseconds);
  }
  return time_plan<float>(s, inputs, tiling, rounds, calls, microseconds);
}

// Time of a copy on the device; it reads and writes `bytes`.
const char* harness_time_copy(int64_t bytes, int rounds, int calls,
                              double* microseconds) {
  Memory memory;
  char *from = memory.take<char>(bytes), *to = memory.take<char>(bytes);
  if (memory.wrong) return memory.wrong;
  return time_calls(rounds, calls, microseconds, [&] {
    return checked(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice));
  });
}

#endif  // DPW_HOST_BUILD

}  // extern "C"
