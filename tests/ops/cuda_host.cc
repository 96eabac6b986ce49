// Runs the CUDA kernels as host C++ and compares them with the CPU kernels.
//
//   cuda_host block|conv COUNT SEED    random shapes
//   cuda_host plan < SHAPES            the tiling of each shape, see `plan`
//   cuda_host launch                   threads on two devices, see `launches`
//
// The last line says how many comparisons were made; a difference ends with status 1.
#define DPW_HOST_BUILD

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cuda/kernels.cu.cc"
#include "cpu/kernels.h"

namespace {

using dpw::Bfloat16;
using dpw::BlockPointers;
using dpw::BlockShape;
using dpw::ConvPointers;
using dpw::ConvShape;
using dpw::Half;
using dpw::Padding;

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  int64_t between(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine_);
  }
  bool chance(int percent) { return between(1, 100) <= percent; }
  template <typename T>
  std::vector<T> normal(int64_t count, float deviation) {
    std::normal_distribution<float> draw(0.0f, deviation);
    std::vector<T> values(count);
    for (T& value : values) value = dpw::from_float<T>(draw(engine_));
    return values;
  }
  Padding padding() { return static_cast<Padding>(between(0, 3)); }

 private:
  std::mt19937 engine_;
};

template <typename T>
std::vector<T> unwritten(int64_t count) {
  std::vector<T> values(count);
  if (count) std::memset(static_cast<void*>(values.data()), 255, count * sizeof(T));
  return values;
}

template <typename T>
const T* data(const std::vector<T>& values) {
  return values.empty() ? nullptr : values.data();
}

// The step from one storable number to the next, relative to it.
float step(float) { return 0.0f; }
float step(Bfloat16) { return 1.0f / 128; }
float step(Half) { return 1.0f / 1024; }

struct Totals {
  int64_t cases = 0, comparisons = 0, small = 0;
  double largest = 0.0;  // difference over scale, of float32
} totals;

std::string describe(const BlockShape& s) {
  char text[400];
  std::snprintf(text, sizeof text,
                "block batch %ld map %ldx%ld grid %ldx%ld feature %ld previous %ld "
                "hidden %ld filters %ld kernel %ld positions %d neighbour %d "
                "padding %d signal %ld groups %ld depth %ld units %ld start %ld",
                s.batch, s.height, s.width, s.rows, s.columns, s.feature_channels,
                s.previous_channels, s.hidden, s.filters, s.kernel, s.positions,
                s.neighbour, static_cast<int>(s.padding), s.signal_channels, s.groups,
                s.depth, s.units, s.start);
  return text;
}

std::string describe(const ConvShape& s) {
  char text[300];
  std::snprintf(text, sizeof text,
                "conv batch %ld map %ldx%ld grid %ldx%ld channels %ld filters %ld "
                "kernel %ld groups %ld padding %d",
                s.batch, s.height, s.width, s.rows, s.columns, s.channels, s.filters,
                s.kernel, s.groups, static_cast<int>(s.padding));
  return text;
}

[[noreturn]] void fail(const std::string& what) {
  std::printf("FAILED: %s\n", what.c_str());
  std::exit(1);
}

template <typename T>
void compare(const std::vector<T>& got, const std::vector<T>& expected,
             const std::string& what) {
  double scale = 1e-3;
  for (const T& value : expected) {
    const double size = std::abs(dpw::to_float(value));
    if (size > scale) scale = size;
  }
  for (size_t i = 0; i < got.size(); ++i) {
    const double a = dpw::to_float(got[i]), b = dpw::to_float(expected[i]);
    if (std::isnan(a) && std::isnan(b)) continue;
    const double difference = std::abs(a - b);
    const double allowed = 2e-5 * scale + 1.01 * step(T{}) * std::abs(b);
    if (!(difference <= allowed)) {
      fail(what + ": value " + std::to_string(i) + " is " + std::to_string(a) +
           ", the CPU's " + std::to_string(b));
    }
    if (step(T{}) == 0.0f) {
      totals.largest = std::max(totals.largest, difference / scale);
    }
  }
  ++totals.comparisons;
}

// Runs `launch` on several devices: as it is, with the threads in the other order, and
// with ever less shared memory, until not even one pixel fits.
template <typename Launch>
void on_devices(Random& random, const Launch& launch) {
  dpw::gpu::Host& host = dpw::gpu::host();
  host.device = dpw::gpu::Device{};
  host.device.processors = random.chance(50) ? 2 : 80;
  if (const char* wrong = launch("as it is")) fail(wrong);
  host.reverse = true;
  if (const char* wrong = launch("threads in falling order")) fail(wrong);
  host.reverse = random.chance(50);
  host.device.block_shared = host.device.shared = 227 * 1024;
  if (const char* wrong = launch("much shared memory")) fail(wrong);
  const int64_t small = random.between(4, 40) * 256;
  host.device.block_shared = host.device.shared = small;
  while (launch("little shared memory")) {
    host.device.block_shared += 4096;
    if (host.device.block_shared > 48 * 1024) fail("does not fit 48 kB");
  }
  if (host.device.block_shared == small) ++totals.small;
  host.device = dpw::gpu::Device{};
  host.reverse = false;
}

BlockShape block_shape(Random& random) {
  for (;;) {
    BlockShape s;
    s.batch = random.between(1, 2);
    s.rows = random.between(1, 3);
    s.columns = random.between(1, 3);
    s.height = s.rows * random.between(1, random.chance(10) ? 40 : 9);
    s.width = s.columns * random.between(1, random.chance(10) ? 70 : 9);
    s.feature_channels = random.between(1, 13);
    s.previous_channels = random.chance(60) ? random.between(1, 9) : 0;
    s.positions = random.chance(70);
    s.filters = random.chance(20) ? s.channels() : random.between(1, 25);
    if (random.chance(5)) s.filters = random.between(60, 140);
    if (random.chance(70)) {
      const int64_t kernels[] = {1, 3, 3, 3, 3, 5, 7, 11};
      s.kernel = kernels[random.between(0, 7)];
      s.hidden = random.between(1, random.chance(10) ? 90 : 30);
      s.neighbour = random.chance(40);
    }
    s.padding = random.padding();
    s.start = random.chance(30) ? random.between(1, 40) : 0;
    const int64_t needed = s.start + s.weights() + random.between(0, 9);
    if (random.chance(20)) {
      s.units = s.signal_channels = needed;
    } else {
      s.groups = random.chance(20) ? random.between(1, needed) : random.between(1, 9);
      s.depth = random.between(1, random.chance(10) ? 90 : 9);
      s.units = dpw::gpu::round_up(needed, s.groups);
      s.offset = random.between(0, 5);
      s.signal_channels = s.offset + s.groups * s.depth + random.between(0, 3);
    }
    if (s.groups * s.depth < 40000 && dpw::check(s).empty()) return s;
  }
}

template <typename T>
void block_case(Random& random, const BlockShape& s) {
  const int64_t patches = s.batch * s.rows * s.columns;
  const int64_t pixels = s.batch * s.height * s.width;
  const float fan = 1.0f / std::sqrt(static_cast<float>(s.groups ? s.depth : 1));
  const auto feature = random.normal<T>(pixels * s.feature_channels, 1.0f);
  const auto previous = random.normal<T>(pixels / 4 * s.previous_channels, 1.0f);
  const auto signal = random.normal<T>(patches * s.signal_channels, 0.5f);
  const auto head = random.normal<T>(s.groups ? s.depth * s.units : 0, fan);
  const auto shift1 = random.normal<T>(s.hidden, 1.0f);
  const auto shift2 = random.normal<T>(s.hidden, 1.0f);
  const auto shift3 = random.normal<T>(s.filters, 1.0f);
  auto expected = unwritten<T>(pixels * s.filters);
  BlockPointers<T> p{data(feature), data(previous), data(signal), data(head),
                     data(shift1),  data(shift2),   data(shift3), expected.data()};
  const auto& kernels = dpw::kernels().block(T{});
  std::vector<float> packed(kernels.packed_floats(s) + 16);
  std::vector<float> prepared(kernels.prepared_floats(s) + 16);
  if (s.groups) kernels.pack(s, p, packed.data(), 0, s.depth);
  if (s.neighbour) {
    kernels.prepare(s, p, packed.data(), prepared.data(), 0, dpw::block_strips(s));
  }
  kernels.run(s, p, packed.data(), prepared.data(), 0, dpw::block_pieces(s));

  std::vector<T> first;
  on_devices(random, [&](const char* name) -> const char* {
    auto got = unwritten<T>(expected.size());
    const int64_t bytes = dpw::gpu::block_workspace_bytes(s);
    auto workspace = unwritten<char>(bytes);
    p.output = got.data();
    const char* wrong = dpw::gpu::block_forward(s, p, workspace.data(), bytes, nullptr);
    if (wrong) return wrong;
    compare(got, expected, describe(s) + ", " + name);
    if (first.empty()) first = got;
    if (!std::strcmp(name, "threads in falling order") &&
        std::memcmp(first.data(), got.data(), got.size() * sizeof(T))) {
      fail(describe(s) + ": depends on the order of the threads");
    }
    return nullptr;
  });
  ++totals.cases;
}

ConvShape conv_shape(Random& random) {
  for (;;) {
    ConvShape s;
    s.batch = random.between(1, 2);
    s.rows = random.between(1, 3);
    s.columns = random.between(1, 3);
    s.height = s.rows * random.between(1, random.chance(10) ? 40 : 8);
    s.width = s.columns * random.between(1, random.chance(10) ? 70 : 8);
    const int64_t kernels[] = {1, 1, 3, 3, 3, 5, 7, 9};
    s.kernel = kernels[random.between(0, 7)];
    s.groups = random.chance(40) ? 1 : random.between(1, random.chance(20) ? 70 : 6);
    const int64_t most = s.groups > 9 ? 3 : random.chance(10) ? 60 : 12;
    const bool depthwise = random.chance(30);
    s.channels = s.groups * (depthwise ? 1 : random.between(1, most));
    s.filters = s.groups * (depthwise ? 1 : random.between(1, most));
    s.padding = random.padding();
    s.weights = s.filters * s.depth() * s.kernel * s.kernel;
    const int64_t work = s.height * s.width * s.weights;
    if (work < 20000000 && dpw::check(s).empty()) return s;
  }
}

template <typename T>
void conv_case(Random& random, const ConvShape& s) {
  const int64_t patches = s.batch * s.rows * s.columns;
  const int64_t pixels = s.batch * s.height * s.width;
  const auto x = random.normal<T>(pixels * s.channels, 1.0f);
  auto weights = random.normal<T>(patches * s.weights, 0.3f);
  if (random.chance(10)) {
    // Reaches what this weight touches and nothing else.
    weights[random.between(0, weights.size() - 1)] = dpw::from_float<T>(NAN);
  }
  const auto upstream = random.normal<T>(pixels * s.filters, 1.0f);
  auto output = unwritten<T>(pixels * s.filters);
  auto x_gradient = unwritten<T>(x.size());
  auto weights_gradient = unwritten<T>(weights.size());
  ConvPointers<T> p{x.data(),      weights.data(),    upstream.data(),
                    output.data(), x_gradient.data(), weights_gradient.data()};
  const auto& kernels = dpw::kernels().conv(T{});
  kernels.run(s, p, 0, patches);
  kernels.x_gradient(s, p, 0, s.batch * s.rows);
  kernels.weights_gradient(s, p, 0, patches);

  std::vector<T> first;
  on_devices(random, [&](const char* name) -> const char* {
    auto y = unwritten<T>(output.size()), dx = unwritten<T>(x.size());
    auto dw = unwritten<T>(weights.size());
    p.output = y.data();
    p.x_gradient = dx.data();
    p.weights_gradient = dw.data();
    if (const char* wrong = dpw::gpu::conv_forward(s, p, nullptr)) return wrong;
    const int64_t bytes = dpw::gpu::conv_gradient_workspace_bytes(s);
    auto workspace = unwritten<char>(bytes);
    const char* wrong = dpw::gpu::conv_gradient(s, p, workspace.data(), bytes, nullptr);
    if (wrong) return wrong;
    const std::string what = describe(s) + ", " + name + ", ";
    compare(y, output, what + "output");
    compare(dx, x_gradient, what + "gradient of x");
    compare(dw, weights_gradient, what + "gradient of the weights");
    std::vector<T> all = y;
    all.insert(all.end(), dx.begin(), dx.end());
    all.insert(all.end(), dw.begin(), dw.end());
    if (first.empty()) first = all;
    if (!std::strcmp(name, "threads in falling order") &&
        std::memcmp(first.data(), all.data(), all.size() * sizeof(T))) {
      fail(what + "depends on the order of the threads");
    }
    return nullptr;
  });
  // One gradient alone.
  auto dw = unwritten<T>(weights.size());
  p.x_gradient = nullptr;
  p.weights_gradient = dw.data();
  const int64_t bytes = dpw::gpu::conv_gradient_workspace_bytes(s);
  auto workspace = unwritten<char>(bytes);
  if (const char* wrong =
          dpw::gpu::conv_gradient(s, p, workspace.data(), bytes, nullptr)) {
    fail(wrong);
  }
  compare(dw, weights_gradient, describe(s) + ", weights alone");
  ++totals.cases;
}

// Of every line `height width rows columns channels hidden filters kernel neighbour`:
// the tiling on a device with 48 kB of shared memory and on one with 227 kB.
int plan() {
  int64_t height, width, rows, columns, channels, hidden, filters, kernel, neighbour;
  while (std::cin >> height >> width >> rows >> columns >> channels >> hidden >>
         filters >> kernel >> neighbour) {
    BlockShape s;
    s.batch = 1;
    s.height = height;
    s.width = width;
    s.rows = rows;
    s.columns = columns;
    s.feature_channels = channels;
    s.positions = false;
    s.hidden = hidden;
    s.filters = filters;
    s.kernel = kernel;
    s.neighbour = neighbour;
    dpw::gpu::Device small, large;
    large.block_shared = 227 * 1024;
    large.shared = 228 * 1024;
    large.processors = 132;
    for (const dpw::gpu::Device& device : {small, large}) {
      const dpw::gpu::BlockPlanner planner(s, device);
      const dpw::gpu::BlockPlan p = planner.choose();
      std::printf("%ldx%ld tile %dx%d inputs %d hidden %d filters %d threads %d "
                  "wide %d %d blocks %ld shared %ld\n",
                  height, width, p.tile_height, p.tile_width, p.inputs, p.hidden,
                  p.filters, p.threads, p.wide_expand, p.wide_project,
                  planner.blocks(p), p.shared);
    }
  }
  return 0;
}

// Kernels that need nothing but memory.
template <int NUMBER>
struct Probe {
  void operator()(const dpw::gpu::Context&) const {}
};

template <int NUMBER>
const char* probe(int64_t shared) {
  return dpw::gpu::launch(Probe<NUMBER>{}, 1, 32, shared, nullptr);
}

template <int NUMBER>
dpw::gpu::Host::Allowed allowed(int device) {
  const void* function = dpw::gpu::function_of<Probe<NUMBER>>();
  return dpw::gpu::host().allowed[{function, device}];
}

// Threads on levels of many sizes share a kernel and its limit of shared memory, which
// CUDA forgets as soon as another one is set.
int launches() {
  dpw::gpu::Host& host = dpw::gpu::host();
  const int64_t most = host.device.block_shared = 227 * 1024;
  const auto level = [](int device, int64_t shared) {
    dpw::gpu::device_of_thread() = device;
    for (int i = 0; i < 400; ++i) {
      if (const char* wrong = probe<0>(shared)) fail(wrong);
    }
  };
  std::vector<std::thread> threads;
  for (int64_t kilobytes : {40, 49, 100, 227}) {
    for (int device : {0, 3}) threads.emplace_back(level, device, kilobytes * 1024);
  }
  for (std::thread& thread : threads) thread.join();
  for (int device : {0, 3}) {
    const auto found = allowed<0>(device);
    if (found.calls != 1 || found.bytes != most) {
      fail("a kernel's limit is set " + std::to_string(found.calls) + " times, to " +
           std::to_string(found.bytes) + " bytes");
    }
  }
  if (!probe<0>(most + 16)) fail("a launch may ask for more than the device has");
  if (allowed<0>(0).calls != 1) fail("the limit is set again");

  if (probe<1>(dpw::gpu::kFreeShared)) fail("what every device has is refused");
  if (allowed<1>(0).calls != 0) fail("what every device has is asked for");

  host.refusals = 1;
  if (!probe<2>(most)) fail("what CUDA says is not reported");
  if (probe<2>(most)) fail("a failure is kept");
  if (allowed<2>(0).calls != 2) fail("a failure is not tried again");
  std::printf("launch: %ld launches, one limit for each kernel and device\n",
              host.launches);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string what = count > 1 ? arguments[1] : "";
  if (what == "plan") return plan();
  if (what == "launch") return launches();
  if (count != 4 || (what != "block" && what != "conv")) {
    std::fprintf(stderr, "usage: cuda_host block|conv COUNT SEED, or plan, or launch\n");
    return 2;
  }
  Random random(static_cast<unsigned>(std::atoi(arguments[3])));
  for (int i = 0; i < std::atoi(arguments[2]); ++i) {
    if (what == "block") {
      const BlockShape s = block_shape(random);
      if (i % 3 == 0) block_case<float>(random, s);
      else if (i % 3 == 1) block_case<Bfloat16>(random, s);
      else block_case<Half>(random, s);
    } else {
      const ConvShape s = conv_shape(random);
      if (i % 3 == 0) conv_case<float>(random, s);
      else if (i % 3 == 1) conv_case<Bfloat16>(random, s);
      else conv_case<Half>(random, s);
    }
  }
  const dpw::gpu::Host& host = dpw::gpu::host();
  std::printf("%s: %ld shapes, %ld comparisons, largest float32 difference %.1e of the "
              "scale, %ld in little memory, %ld launches of %ld blocks\n",
              what.c_str(), totals.cases, totals.comparisons, totals.largest,
              totals.small, host.launches, host.blocks);
  return 0;
}
