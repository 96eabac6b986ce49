// Which instruction set runs, decided once per process.
#include <cstdlib>
#include <cstring>

#include "cpu/kernels.h"

namespace dpw {

namespace portable {
const Kernels& table();
}
#ifdef DPW_X86
namespace avx2 {
const Kernels& table();
}
namespace avx512 {
const Kernels& table();
}
#endif

int64_t block_strip(const BlockShape& shape) {
  // The weights of a strip stay in a quarter of a large L2 cache.
  constexpr int64_t kFloats = 64 * 1024;
  const int64_t fit = kFloats / (shape.weights() + 1);
  return fit < 1 ? 1 : fit > 16 ? 16 : fit;
}

int64_t block_strips(const BlockShape& shape) {
  const int64_t patches = shape.batch * shape.rows * shape.columns;
  const int64_t strip = block_strip(shape);
  return (patches + strip - 1) / strip;
}

int64_t block_pieces(const BlockShape& shape) {
  return shape.neighbour ? shape.batch * shape.rows : block_strips(shape);
}

namespace {

const Kernels& choose() {
  const char* asked = std::getenv("HYPERSEG_TF_ISA");
  if (asked && !std::strcmp(asked, "portable")) return portable::table();
#ifdef DPW_X86
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq");
  if (has_avx512 && !(asked && !std::strcmp(asked, "avx2"))) return avx512::table();
  if (has_avx2) return avx2::table();
#endif
  return portable::table();
}

}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace dpw
