// A mobile inverted bottleneck of the backbone for inference, in two halves and the
// squeeze-and-excitation between them.
//
// The first half works like the fused block: a piece is a tile of the output and a
// block of channels, whole cache lines of them; rows of the input are expanded into a
// ring of `kernel` hidden rows, and as soon as the ring is full, one output row is made.
// The hidden map, the largest of the network, is never written. The second half
// multiplies the gates, where there are any, into the weights of the projection, not
// into the map.
#ifndef HYPERSEG_TF_CPU_MOBILE_H_
#define HYPERSEG_TF_CPU_MOBILE_H_

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/depthwise.h"
#include "cpu/kernels.h"
#include "cpu/scratch.h"
#include "cpu/simd.h"

// The fuzzer makes it small, to have many tiles without a wide map.
#ifndef DPW_RING_FLOATS
#define DPW_RING_FLOATS (40 * 1024)
#endif

namespace dpw {
namespace DPW_ISA {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

class Expand {
 public:
  Expand(const ExpandShape& shape, const ExpandPointers& pointers)
      : s_(shape), p_(pointers), blocks_(ceil_div(shape.hidden, kBlock)) {
    // As wide as the ring fits, and all tiles alike.
    const int64_t row = kRingFloats / (s_.kernel * kBlock);
    const int64_t widest = std::max<int64_t>((row - s_.kernel) / s_.stride + 1, 8);
    tile_width_ = ceil_div(s_.out_width, ceil_div(s_.out_width, widest));
    tiles_ = ceil_div(s_.out_width, tile_width_);
    for (int64_t rows : {kRows, kRows / 2}) {
      tile_height_ = ceil_div(s_.out_height, ceil_div(s_.out_height, rows));
      strips_ = ceil_div(s_.out_height, tile_height_);
      if (pieces() >= kFewestPieces) break;
    }
  }

  // Tiles of an image times blocks of channels; a block comes last, so that the input
  // of a tile is read again while it is in a cache.
  int64_t pieces() const { return s_.batch * strips_ * tiles_ * blocks_; }

  int64_t sums() const { return pieces() * kBlock; }

  void run(float* sums, int64_t begin, int64_t end) const {
    const int64_t ring_width = (tile_width_ - 1) * s_.stride + s_.kernel;
    const int64_t taps = s_.kernel * s_.kernel;
    Scratch scratch(Scratch::round(s_.expanded ? s_.channels * kBlock : 0) +
                    Scratch::round(taps * kBlock) + 2 * Scratch::round(kBlock) +
                    Scratch::round(s_.kernel * ring_width * kBlock) +
                    Scratch::round(tile_width_ * kBlock));
    Work work;
    work.expand = scratch.take(s_.expanded ? s_.channels * kBlock : 0);
    work.depthwise = scratch.take(taps * kBlock);
    work.shift1 = scratch.take(kBlock);
    work.shift2 = scratch.take(kBlock);
    work.ring = scratch.take(s_.kernel * ring_width * kBlock);
    work.row = scratch.take(tile_width_ * kBlock);
    std::vector<const float*> rows(s_.kernel);
    for (int64_t piece = begin; piece < end; ++piece) {
      const Channels block = channels(piece % blocks_ * kBlock);
      const int64_t tile = piece / blocks_ % tiles_;
      const int64_t strip = piece / blocks_ / tiles_ % strips_;
      const int64_t image = piece / blocks_ / tiles_ / strips_;
      load_weights(block, work);
      run_tile(image, strip * tile_height_, tile * tile_width_, block, rows, work,
               sums + piece * kBlock);
    }
  }

  void average(const float* sums) const {
    const float scale = 1.0f / static_cast<float>(s_.out_height * s_.out_width);
    for (int64_t image = 0; image < s_.batch; ++image) {
      float* mean = p_.mean + image * s_.hidden;
      std::fill(mean, mean + s_.hidden, 0.0f);
      for (int64_t i = 0; i < strips_ * tiles_; ++i) {
        // A block has kBlock places, so channels follow each other.
        for (int64_t c = 0; c < s_.hidden; ++c) mean[c] += sums[c];
        sums += blocks_ * kBlock;
      }
      for (int64_t c = 0; c < s_.hidden; ++c) mean[c] *= scale;
    }
  }

 private:
  static constexpr int64_t kBlock = 2 * kTileVectors * kLanes;
  // A ring takes a part of the L2 cache; a tile is high against the rows that
  // neighbouring tiles compute twice.
  static constexpr int64_t kRingFloats = DPW_RING_FLOATS, kRows = 32,
                           kFewestPieces = 16;

  struct Work {
    float *expand, *depthwise, *shift1, *shift2, *ring, *row;
  };

  // Channels of a block: those that the map has, and whole vectors.
  struct Channels {
    int64_t first, count, lanes;
  };

  Channels channels(int64_t first) const {
    const int64_t count = std::min(kBlock, s_.hidden - first);
    return {first, count, padded_lanes(count)};
  }

  // A block of channels of `rows` rows of all hidden channels.
  void take(const float* from, int64_t rows, const Channels& block, float* to) const {
    from += block.first;
    for (int64_t r = 0; r < rows; ++r, from += s_.hidden, to += block.lanes) {
      std::memcpy(to, from, block.count * sizeof(float));
      std::fill(to + block.count, to + block.lanes, 0.0f);
    }
  }

  void load_weights(const Channels& block, const Work& work) const {
    if (s_.expanded) {
      take(p_.expand, s_.channels, block, work.expand);
      take(p_.shift1, 1, block, work.shift1);
    }
    take(p_.depthwise, s_.kernel * s_.kernel, block, work.depthwise);
    take(p_.shift2, 1, block, work.shift2);
  }

  void run_tile(int64_t image, int64_t y, int64_t x, const Channels& block,
                std::vector<const float*>& rows, const Work& work, float* sums) const {
    const int64_t bottom = std::min(y + tile_height_, s_.out_height);
    const int64_t width = std::min(tile_width_, s_.out_width - x);
    const int64_t ring_width = (width - 1) * s_.stride + s_.kernel;
    const int64_t left = x * s_.stride - s_.before[1];
    // Rows above the map have negative numbers.
    const auto ring_row = [&](int64_t row) {
      const int64_t place = (row + s_.before[0]) % s_.kernel;
      return work.ring + place * ring_width * block.lanes;
    };
    // Whole vectors are written where they belong, others by way of a row.
    const bool direct = block.count == block.lanes;
    const int64_t stride = direct ? s_.hidden : block.lanes;
    float* tile = p_.output +
                  (image * s_.out_height * s_.out_width + x) * s_.hidden + block.first;
    std::fill(sums, sums + block.lanes, 0.0f);
    int64_t next = y * s_.stride - s_.before[0];
    for (; y < bottom; ++y) {
      const int64_t top = y * s_.stride - s_.before[0];
      for (next = std::max(next, top); next < top + s_.kernel; ++next) {
        hidden_row(image, next, left, ring_width, block, work, ring_row(next));
      }
      for (int64_t i = 0; i < s_.kernel; ++i) rows[i] = ring_row(top + i);
      float* to = tile + y * s_.out_width * s_.hidden;
      if (y + 1 < bottom) {
        float* below = to + s_.out_width * s_.hidden;
        for (int64_t i = 0; i < width; ++i, below += s_.hidden) {
          for (int64_t c = 0; c < block.count; c += 16) __builtin_prefetch(below + c, 1);
        }
      }
      float* out = direct ? to : work.row;
      depthwise_row<Activation::kNone>(rows.data(), width, block.lanes, s_.kernel,
                                       work.depthwise, work.shift2, out, s_.stride,
                                       stride);
      if (s_.relu6) {
        finish_row<Activation::kRelu6>(out, width, stride, block.lanes, sums);
      } else {
        finish_row<Activation::kSwish>(out, width, stride, block.lanes, sums);
      }
      if (direct) continue;
      for (int64_t i = 0; i < width; ++i) {
        std::memcpy(to + i * s_.hidden, out + i * stride, block.count * sizeof(float));
      }
    }
  }

  // Columns [left, left + count) of row y of the hidden map, zero outside.
  void hidden_row(int64_t image, int64_t y, int64_t left, int64_t count,
                  const Channels& block, const Work& work, float* to) const {
    const int64_t lanes = block.lanes;
    if (y < 0 || y >= s_.height) {
      std::memset(to, 0, count * lanes * sizeof(float));
      return;
    }
    const int64_t begin = std::min(count, std::max<int64_t>(-left, 0));
    const int64_t end = std::max(begin, std::min(count, s_.width - left));
    std::memset(to, 0, begin * lanes * sizeof(float));
    std::memset(to + end * lanes, 0, (count - end) * lanes * sizeof(float));
    if (begin == end) return;
    const float* from =
        p_.x + ((image * s_.height + y) * s_.width + left + begin) * s_.channels;
    to += begin * lanes;
    if (!s_.expanded) {
      take(from, end - begin, block, to);
    } else if (s_.relu6) {
      product<Activation::kRelu6>(from, s_.channels, end - begin, s_.channels,
                                  work.expand, lanes, lanes, work.shift1, to, lanes);
    } else {
      product<Activation::kSwish>(from, s_.channels, end - begin, s_.channels,
                                  work.expand, lanes, lanes, work.shift1, to, lanes);
    }
  }

  // The activation, and the sum; a row's own first: a value added to a large sum loses
  // digits.
  template <Activation A>
  static void finish_row(float* row, int64_t width, int64_t stride, int64_t lanes,
                         float* sums) {
    for (int64_t lane = 0; lane < lanes; lane += kLanes) {
      Vector total{};
      for (int64_t x = 0; x < width; ++x) {
        float* at = row + x * stride + lane;
        const Vector value = activate<A>(load(at));
        store(at, value);
        total += value;
      }
      store(sums + lane, load(sums + lane) + total);
    }
  }

  const ExpandShape s_;
  const ExpandPointers p_;
  const int64_t blocks_;
  int64_t tile_width_, tiles_, tile_height_, strips_;
};

// to[c] = shift[c] + sum_r x[r] * w[r][c]
inline void small_product(const float* x, int64_t rows, const float* w,
                          const float* shift, int64_t columns, float* to) {
  std::memcpy(to, shift, columns * sizeof(float));
  for (int64_t r = 0; r < rows; ++r, w += columns) {
    for (int64_t c = 0; c < columns; ++c) to[c] += x[r] * w[c];
  }
}

// Images [begin, end). The products are a few thousandths of the network, so one thread
// does an image.
inline void excite(const ExciteShape& s, const ExcitePointers& p, int64_t begin,
                   int64_t end) {
  const int64_t hidden = padded_lanes(s.hidden), squeezed = padded_lanes(s.squeezed);
  Scratch scratch(Scratch::round(squeezed) + Scratch::round(hidden));
  float* small = scratch.take(squeezed);
  float* large = scratch.take(hidden);
  std::fill(small, small + squeezed, 0.0f);
  std::fill(large, large + hidden, 0.0f);
  for (int64_t image = begin; image < end; ++image) {
    small_product(p.mean + image * s.hidden, s.hidden, p.reduce, p.shift1, s.squeezed,
                  small);
    for (int64_t i = 0; i < squeezed; i += kLanes) {
      store(small + i, swish(load(small + i)));
    }
    small_product(small, s.squeezed, p.expand, p.shift2, s.hidden, large);
    for (int64_t i = 0; i < hidden; i += kLanes) {
      store(large + i, sigmoid(load(large + i)));
    }
    std::memcpy(p.gate + image * s.hidden, large, s.hidden * sizeof(float));
  }
}

class Project {
 public:
  Project(const ProjectShape& shape, const ProjectPointers& pointers)
      : s_(shape),
        p_(pointers),
        blocks_(ceil_div(shape.filters, kBlock)),
        strip_(ceil_div(shape.pixels,
                        std::max<int64_t>(1, ceil_div(shape.pixels, kPixels)))),
        strips_(shape.pixels ? ceil_div(shape.pixels, strip_) : 0) {}

  // Strips of pixels times blocks of filters.
  int64_t pieces() const { return s_.batch * strips_ * blocks_; }

  void run(int64_t begin, int64_t end) const {
    Scratch scratch(Scratch::round(kDepth * kBlock) + Scratch::round(kBlock) +
                    Scratch::round(strip_ * kBlock));
    float* weights = scratch.take(kDepth * kBlock);
    float* shift = scratch.take(kBlock);
    float* out = scratch.take(strip_ * kBlock);
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t first = piece % blocks_ * kBlock;
      const int64_t strip = piece / blocks_ % strips_;
      const int64_t image = piece / blocks_ / strips_;
      const int64_t pixel = strip * strip_;
      const int64_t used = std::min(kBlock, s_.filters - first);
      const int64_t count = std::min(strip_, s_.pixels - pixel);
      const int64_t lanes = padded_lanes(used);
      std::memcpy(shift, p_.shift + first, used * sizeof(float));
      std::fill(shift + used, shift + kBlock, 0.0f);
      const float* x = p_.x + (image * s_.pixels + pixel) * s_.hidden;
      for (int64_t k = 0; k < s_.hidden; k += kDepth) {
        const int64_t depth = std::min(kDepth, s_.hidden - k);
        gated(image, k, depth, first, used, weights);
        for (int64_t i = 0; i < count; i += kAhead) {
          const int64_t rows = std::min(kAhead, count - i);
          if (!k && !first) prefetch(x + (i + rows) * s_.hidden, rows, depth);
          float* to = out + i * kBlock;
          product<Activation::kNone>(x + i * s_.hidden + k, s_.hidden, rows, depth,
                                     weights, kBlock, lanes, k ? to : shift, to, kBlock,
                                     k ? kBlock : 0);
        }
      }
      put((image * s_.pixels + pixel) * s_.filters + first, count, used, out);
    }
  }

 private:
  static constexpr int64_t kBlock = kTileVectors * kLanes;
  // A block of weights and a tile of pixels of this depth fit into an L1 cache.
  static constexpr int64_t kDepth = 256, kPixels = 256;
  // Pixels that are prefetched together, while as many before them are computed.
  static constexpr int64_t kAhead = 2 * kTileRows;

  // Many short rows are more streams than a processor follows.
  void prefetch(const float* from, int64_t rows, int64_t depth) const {
    for (int64_t r = 0; r < rows; ++r, from += s_.hidden) {
      for (int64_t i = 0; i < depth; i += 16) __builtin_prefetch(from + i);
    }
  }


  void gated(int64_t image, int64_t k, int64_t depth, int64_t first, int64_t used,
             float* to) const {
    const float* gate = s_.gated ? p_.gate + image * s_.hidden + k : nullptr;
    const float* from = p_.project + k * s_.filters + first;
    for (int64_t i = 0; i < depth; ++i, from += s_.filters, to += kBlock) {
      if (gate) {
        for (int64_t c = 0; c < used; ++c) to[c] = from[c] * gate[i];
      } else {
        std::memcpy(to, from, used * sizeof(float));
      }
      for (int64_t c = used; c < kBlock; ++c) to[c] = 0.0f;
    }
  }

  void put(int64_t at, int64_t count, int64_t used, const float* out) const {
    float* to = p_.output + at;
    const float* residual = p_.residual + (s_.residual ? at : 0);
    for (int64_t i = 0; i < count; ++i, to += s_.filters, out += kBlock) {
      if (s_.residual) {
        for (int64_t c = 0; c < used; ++c) to[c] = out[c] + residual[c];
        residual += s_.filters;
      } else {
        std::memcpy(to, out, used * sizeof(float));
      }
    }
  }

  const ProjectShape s_;
  const ProjectPointers p_;
  const int64_t blocks_, strip_, strips_;
};

}  // namespace DPW_ISA
}  // namespace dpw

#endif  // HYPERSEG_TF_CPU_MOBILE_H_
