// All CPU kernels for one instruction set; compiled once for each (see ops/build.py).
#include "cpu/block.h"
#include "cpu/class_map.h"
#include "cpu/conv.h"
#include "cpu/mobile.h"
#include "cpu/stage.h"
#include "cpu/window.h"

namespace dpw {
namespace DPW_ISA {
namespace {

template <typename T>
constexpr BlockKernels<T> block_kernels() {
  return {
      [](const BlockShape& s) { return Block<T>(s, {}).packed(); },
      [](const BlockShape& s) { return Block<T>(s, {}).prepared(); },
      [](const BlockShape& s, const BlockPointers<T>& p, float* packed, int64_t begin,
         int64_t end) { Block<T>(s, p).pack(packed, begin, end); },
      [](const BlockShape& s, const BlockPointers<T>& p, const float* packed,
         float* prepared, int64_t begin,
         int64_t end) { Block<T>(s, p).prepare(packed, prepared, begin, end); },
      [](const BlockShape& s, const BlockPointers<T>& p, const float* packed,
         const float* prepared, int64_t begin,
         int64_t end) { Block<T>(s, p).run(packed, prepared, begin, end); },
  };
}

template <typename T>
constexpr ConvKernels<T> conv_kernels() {
  return {
      [](const ConvShape& s, const ConvPointers<T>& p, int64_t begin, int64_t end) {
        Conv<T>(s, p).run(begin, end);
      },
      [](const ConvShape& s, const ConvPointers<T>& p, int64_t begin, int64_t end) {
        Conv<T>(s, p).x_gradient(begin, end);
      },
      [](const ConvShape& s, const ConvPointers<T>& p, int64_t begin, int64_t end) {
        Conv<T>(s, p).weights_gradient(begin, end);
      },
  };
}

constexpr MobileKernels mobile_kernels() {
  return {
      [](const ExpandShape& s) { return Expand(s, {}).pieces(); },
      [](const ExpandShape& s) { return Expand(s, {}).sums(); },
      [](const ExpandShape& s, const ExpandPointers& p, float* sums, int64_t begin,
         int64_t end) { Expand(s, p).run(sums, begin, end); },
      [](const ExpandShape& s, const ExpandPointers& p, const float* sums) {
        Expand(s, p).average(sums);
      },
      excite,
      [](const ProjectShape& s) { return Project(s, {}).pieces(); },
      [](const ProjectShape& s, const ProjectPointers& p, int64_t begin, int64_t end) {
        Project(s, p).run(begin, end);
      },
  };
}

using Work = void (Stage::*)(int64_t, int64_t) const;

template <Work work>
void staged(const StageShape& s, const StagePointers& p, int64_t begin, int64_t end) {
  (Stage(s, p).*work)(begin, end);
}

constexpr StageKernels stage_kernels() {
  return {staged<&Stage::moments>, staged<&Stage::run>, staged<&Stage::gradient>,
          staged<&Stage::finish>};
}

constexpr WindowKernels window_kernels() {
  return {[](const WindowShape& s, const WindowPointers& p) { Window(s, p).run(); }};
}

constexpr ClassMapKernels class_map_kernels() {
  return {[](const ClassMapShape& s, const ClassMapPointers& p, int64_t begin,
             int64_t end) { return ClassMap(s, p).run(begin, end); }};
}

}  // namespace

#define DPW_TEXT(name) #name
#define DPW_NAME(name) DPW_TEXT(name)

const Kernels& table() {
  static const Kernels kernels = {
      DPW_NAME(DPW_ISA),       block_kernels<float>(), block_kernels<Bfloat16>(),
      block_kernels<Half>(),   conv_kernels<float>(),  conv_kernels<Bfloat16>(),
      conv_kernels<Half>(),    mobile_kernels(),       stage_kernels(),
      window_kernels(),        class_map_kernels(),
  };
  return kernels;
}

}  // namespace DPW_ISA
}  // namespace dpw
