// The CPU kernels: pure functions of pointers and sizes, once per instruction set.
//
// Work is cut into pieces that write disjoint outputs, so any number of threads may run
// any pieces in any order with the same result, bit for bit.
#ifndef HYPERSEG_TF_CPU_KERNELS_H_
#define HYPERSEG_TF_CPU_KERNELS_H_

#include <cstdint>

#include "pointers.h"
#include "shapes.h"
#include "storage.h"

namespace dpw {

// Patches whose weights are generated together, and how many such strips there are.
int64_t block_strip(const BlockShape& shape);
int64_t block_strips(const BlockShape& shape);
// Pieces of the block itself: strips, or rows of patches where these need the hidden
// values of their neighbours.
int64_t block_pieces(const BlockShape& shape);

// In this order, each over pieces [begin, end) in any number of calls:
//   pack     rows of the weight head (`depth` of them), where there is one
//   prepare  strips, where prepared_floats is not 0
//   run      pieces
template <typename T>
struct BlockKernels {
  int64_t (*packed_floats)(const BlockShape&);
  int64_t (*prepared_floats)(const BlockShape&);
  void (*pack)(const BlockShape&, const BlockPointers<T>&, float* packed,
               int64_t begin, int64_t end);
  void (*prepare)(const BlockShape&, const BlockPointers<T>&, const float* packed,
                  float* prepared, int64_t begin, int64_t end);
  void (*run)(const BlockShape&, const BlockPointers<T>&, const float* packed,
              const float* prepared, int64_t begin, int64_t end);
};

template <typename T>
struct ConvKernels {
  // Patches, B * h * w of them.
  void (*run)(const ConvShape&, const ConvPointers<T>&, int64_t begin, int64_t end);
  // Bands of the map's gradient, B * h of them: rows of one row of patches.
  void (*x_gradient)(const ConvShape&, const ConvPointers<T>&, int64_t begin,
                     int64_t end);
  // Patches, B * h * w of them.
  void (*weights_gradient)(const ConvShape&, const ConvPointers<T>&, int64_t begin,
                           int64_t end);
};

// In this order: `expand` over its pieces in any number of calls, `average` once over
// the images, both with the same `sums`; `excite` over images; `project` over its pieces.
struct MobileKernels {
  int64_t (*expand_pieces)(const ExpandShape&);
  int64_t (*sums)(const ExpandShape&);  // floats
  void (*expand)(const ExpandShape&, const ExpandPointers&, float* sums, int64_t begin,
                 int64_t end);
  void (*average)(const ExpandShape&, const ExpandPointers&, const float* sums);
  void (*excite)(const ExciteShape&, const ExcitePointers&, int64_t begin, int64_t end);
  int64_t (*project_pieces)(const ProjectShape&);
  void (*project)(const ProjectShape&, const ProjectPointers&, int64_t begin,
                  int64_t end);
};

// Each over pieces [begin, end) of the N patches, in any number of calls. Forward:
// moments, then run; back: gradient, then finish.
struct StageKernels {
  using Work = void (*)(const StageShape&, const StagePointers&, int64_t begin,
                        int64_t end);
  Work moments, run, gradient, finish;
};

// Throws std::bad_alloc.
struct WindowKernels {
  void (*run)(const WindowShape&, const WindowPointers&);
};

// Over rows of logits [begin, end), B * h of them, in any number of calls; whether all
// logits that were needed are finite. Throws std::bad_alloc.
struct ClassMapKernels {
  bool (*run)(const ClassMapShape&, const ClassMapPointers&, int64_t begin, int64_t end);
};

struct Kernels {
  const char* name;
  BlockKernels<float> block_f32;
  BlockKernels<Bfloat16> block_bf16;
  BlockKernels<Half> block_f16;
  ConvKernels<float> conv_f32;
  ConvKernels<Bfloat16> conv_bf16;
  ConvKernels<Half> conv_f16;
  MobileKernels mobile;
  StageKernels stage;
  WindowKernels window;
  ClassMapKernels class_map;

  const BlockKernels<float>& block(float) const { return block_f32; }
  const BlockKernels<Bfloat16>& block(Bfloat16) const { return block_bf16; }
  const BlockKernels<Half>& block(Half) const { return block_f16; }
  const ConvKernels<float>& conv(float) const { return conv_f32; }
  const ConvKernels<Bfloat16>& conv(Bfloat16) const { return conv_bf16; }
  const ConvKernels<Half>& conv(Half) const { return conv_f16; }
};

// The fastest set that this processor has. HYPERSEG_TF_ISA=portable|avx2|avx512
// chooses another one that it has; a name that it has not is ignored.
const Kernels& kernels();

}  // namespace dpw

#endif  // HYPERSEG_TF_CPU_KERNELS_H_
