// The fused inference block: signal -> weights -> pw1, dw, pw2 of one decoder level.
//
// A piece is a strip of consecutive patches. Their weights are generated together (a
// matrix product with the patches as rows), then each patch is computed row by row: a
// row of the input is gathered, expanded into a ring of `kernel` hidden rows, and as soon
// as the ring is full, one output row is made. Hidden values never leave the L1 cache,
// generated weights never the L2.
#ifndef HYPERSEG_TF_CPU_BLOCK_H_
#define HYPERSEG_TF_CPU_BLOCK_H_

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "cpu/depthwise.h"
#include "cpu/kernels.h"
#include "cpu/scratch.h"
#include "cpu/simd.h"

namespace dpw {
namespace DPW_ISA {

template <typename T>
class Block {
 public:
  Block(const BlockShape& shape, const BlockPointers<T>& pointers)
      : s_(shape),
        p_(pointers),
        channels_(shape.channels()),
        halo_(shape.halo()),
        patch_height_(shape.patch_height()),
        patch_width_(shape.patch_width()),
        padded_width_(shape.patch_width() + 2 * shape.halo()),
        hidden_lanes_(padded_lanes(shape.hidden)),
        output_lanes_(padded_lanes(shape.filters)),
        weights_(shape.weights()),
        strip_(block_strip(shape)) {
    if (s_.hidden) {
      expand_ = 0;
      depthwise_ = channels_ * hidden_lanes_;
      project_ = depthwise_ + s_.kernel * s_.kernel * hidden_lanes_;
      prepared_ = project_ + s_.hidden * output_lanes_;
    } else {
      prepared_ = by_dot() ? 0 : channels_ * output_lanes_;
    }
    shift1_ = shift(p_.shift1, s_.hidden, hidden_lanes_);
    shift2_ = shift(p_.shift2, s_.hidden, hidden_lanes_);
    shift3_ = shift(p_.shift3, s_.filters, output_lanes_);
  }

  // Strips [begin, end): prepared weights of every patch, for blocks that need them of
  // neighbours. `head` is what `pack` made, `prepared` that of all patches.
  void prepare(const float* head, float* prepared, int64_t begin, int64_t end) const {
    Scratch scratch(Scratch::round(strip_ * theta_stride()) +
                    Scratch::round(strip_ * signal_stride()));
    float* theta = scratch.take(strip_ * theta_stride());
    float* signal = scratch.take(strip_ * signal_stride());
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t first = piece * strip_, count = patches_from(first);
      generate(head, first, count, signal, theta);
      for (int64_t i = 0; i < count; ++i) {
        arrange(theta + i * theta_stride(), prepared + (first + i) * prepared_);
      }
    }
  }

  // Pieces [begin, end) of the output.
  void run(const float* head, const float* prepared, int64_t begin,
           int64_t end) const {
    Scratch scratch(
        Scratch::round(strip_ * theta_stride()) +
        Scratch::round(strip_ * signal_stride()) + Scratch::round(prepared_) +
        Scratch::round(padded_width_ * channels_) + Scratch::round(blend()) +
        Scratch::round(ring()) +
        Scratch::round(patch_width_ * hidden_lanes_) +
        Scratch::round(patch_width_ * std::max(output_lanes_, channels_)));
    Work work;
    float* theta = scratch.take(strip_ * theta_stride());
    float* signal = scratch.take(strip_ * signal_stride());
    float* own = scratch.take(prepared_);
    work.input = scratch.take(padded_width_ * channels_);
    work.blend = scratch.take(blend());
    work.ring = scratch.take(ring());
    work.filtered = scratch.take(patch_width_ * hidden_lanes_);
    work.output = scratch.take(patch_width_ * std::max(output_lanes_, channels_));
    for (int64_t piece = begin; piece < end; ++piece) {
      if (s_.neighbour) {
        residual_band(piece / s_.rows, piece % s_.rows, prepared, work);
        continue;
      }
      const int64_t first = piece * strip_, count = patches_from(first);
      generate(head, first, count, signal, theta);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t patch = first + i;
        const float* weights = theta + i * theta_stride();
        if (!s_.hidden && by_dot()) {
          dot_patch(patch, weights, work);
        } else {
          arrange(weights, own);
          if (s_.hidden) residual_patch(patch, own, work);
          else pointwise_patch(patch, own, work);
        }
      }
    }
  }

  // Rows [begin, end) of the weight head, as floats, every group padded to whole
  // vectors, only the columns that this level reads.
  void pack(float* packed, int64_t begin, int64_t end) const {
    const int64_t stride = packed_stride();
    for (int64_t row = begin; row < end; ++row) {
      float* to = packed + row * stride;
      std::memset(to, 0, stride * sizeof(float));
      for (int64_t g = first_group(); g <= last_group(); ++g) {
        const T* from = p_.head + row * s_.units;
        for (int64_t u = group_begin(g); u < group_end(g); ++u) {
          *to++ = to_float(from[u]);
        }
        to += padded_lanes(group_end(g) - group_begin(g)) -
              (group_end(g) - group_begin(g));
      }
    }
  }

  int64_t packed() const { return s_.groups ? s_.depth * packed_stride() : 0; }

  int64_t prepared() const { return s_.neighbour ? patches() * prepared_ : 0; }

 private:
  struct Work {
    float *input, *blend, *ring, *filtered, *output;
  };

  int64_t packed_stride() const {
    int64_t lanes = 0;
    for (int64_t g = first_group(); g <= last_group(); ++g) {
      lanes += padded_lanes(group_end(g) - group_begin(g));
    }
    return lanes;
  }

  static std::vector<float> shift(const T* from, int64_t count, int64_t lanes) {
    std::vector<float> values(lanes, 0.0f);
    for (int64_t i = 0; from && i < count; ++i) values[i] = to_float(from[i]);
    return values;
  }

  // Patches of a few pixels: one dot product per filter, no other order of weights.
  bool by_dot() const { return patch_height_ * patch_width_ < 8; }

  // Values of a row of the previous output that a patch lies over.
  int64_t blend() const { return (patch_width_ / 2 + 2) * s_.previous_channels; }

  // Values of the last hidden rows of a patch, or of the whole map.
  int64_t ring() const {
    const int64_t width = s_.neighbour ? s_.width + 2 * halo_ : padded_width_;
    return s_.kernel * width * hidden_lanes_;
  }

  int64_t theta_stride() const { return weights_ + kLanes; }
  int64_t signal_stride() const { return s_.groups * s_.depth; }
  int64_t patches() const { return s_.batch * s_.rows * s_.columns; }
  int64_t patches_from(int64_t first) const {
    return std::min(strip_, patches() - first);
  }

  int64_t group_width() const { return s_.units / s_.groups; }
  int64_t first_group() const { return s_.start / group_width(); }
  int64_t last_group() const { return (s_.start + weights_ - 1) / group_width(); }
  int64_t group_begin(int64_t g) const {
    return std::max(s_.start, g * group_width());
  }
  int64_t group_end(int64_t g) const {
    return std::min(s_.start + weights_, (g + 1) * group_width());
  }

  // Natural weights of `count` patches from `first` on.
  void generate(const float* head, int64_t first, int64_t count, float* signal,
                float* theta) const {
    const T* from = p_.signal + first * s_.signal_channels;
    if (!s_.groups) {
      for (int64_t i = 0; i < count; ++i, from += s_.signal_channels) {
        for (int64_t u = 0; u < weights_; ++u) {
          theta[i * theta_stride() + u] = to_float(from[s_.start + u]);
        }
      }
      return;
    }
    const int64_t used = signal_stride(), stride = packed_stride();
    for (int64_t i = 0; i < count; ++i, from += s_.signal_channels) {
      for (int64_t c = 0; c < used; ++c) {
        signal[i * used + c] = to_float(from[s_.offset + c]);
      }
    }
    for (int64_t g = first_group(); g <= last_group(); ++g) {
      // A group writes whole vectors; the next one puts right what is too much.
      const int64_t lanes = padded_lanes(group_end(g) - group_begin(g));
      product<Activation::kNone>(signal + g * s_.depth, used, count, s_.depth, head,
                                 stride, lanes, nullptr,
                                 theta + group_begin(g) - s_.start, theta_stride());
      head += lanes;
    }
  }

  // Natural weights into the order in which vectors read them.
  void arrange(const float* theta, float* to) const {
    if (!s_.hidden) return transpose(theta, s_.filters, channels_, to, output_lanes_);
    transpose(theta, s_.hidden, channels_, to + expand_, hidden_lanes_);
    theta += s_.hidden * channels_;
    transpose(theta, s_.hidden, s_.kernel * s_.kernel, to + depthwise_, hidden_lanes_);
    theta += s_.hidden * s_.kernel * s_.kernel;
    transpose(theta, s_.filters, s_.hidden, to + project_, output_lanes_);
  }

  float coordinate(int64_t place, int64_t size) const {
    const float last = static_cast<float>(size) - 1.0f;
    const float value =
        (2.0f * static_cast<float>(place) - last) / std::max(last, 1.0f);
    return to_float(from_float<T>(value));
  }

  // Rows of a patch lie far apart in the maps: no processor guesses the next one.
  template <int WRITE>
  static void prefetch(const T* from, int64_t count) {
    constexpr int64_t kLine = 64 / sizeof(T);
    for (int64_t i = 0; i < count; i += kLine) __builtin_prefetch(from + i, WRITE);
  }

  void prefetch_inputs(int64_t b, int64_t y, int64_t x) const {
    const int64_t own = s_.feature_channels, before = s_.previous_channels;
    if (y < 0 || y >= s_.height) return;
    prefetch<0>(p_.feature + ((b * s_.height + y) * s_.width + x) * own,
                patch_width_ * own);
    // A row of the previous output is new to every second row.
    if (!before || y % 2 == 0 || y / 2 + 1 >= s_.height / 2) return;
    const int64_t row = b * (s_.height / 2) + y / 2 + 1;
    prefetch<0>(p_.previous + (row * (s_.width / 2) + x / 2) * before,
                patch_width_ / 2 * before);
  }

  void prefetch_output(int64_t b, int64_t y, int64_t x) const {
    if (y >= s_.height) return;
    prefetch<1>(p_.output + ((b * s_.height + y) * s_.width + x) * s_.filters,
                patch_width_ * s_.filters);
  }

  // Values of `pixels` neighbours with `channels` each; at `to` they lie `stride` apart,
  // and what stands between them is lost.
  static void spread(const T* from, int64_t pixels, int64_t channels, int64_t stride,
                     float* to) {
    if constexpr (std::is_same_v<T, float>) {
      const int64_t lanes = padded_lanes(channels);
      // The last ones would read too far.
      for (; pixels * channels >= lanes; --pixels) {
        copy_over(from, channels, to);
        from += channels;
        to += stride;
      }
    }
    for (; pixels > 0; --pixels, from += channels, to += stride) {
      for (int64_t c = 0; c < channels; ++c) to[c] = to_float(from[c]);
    }
  }

  // Fused input of pixels (y, x .. x + count): coordinates, feature, previous output.
  void gather(int64_t b, int64_t y, int64_t x, int64_t count, const Work& work,
              float* to) const {
    const int64_t own = s_.feature_channels, before = s_.previous_channels;
    const int64_t front = s_.positions ? 2 : 0;
    spread(p_.feature + ((b * s_.height + y) * s_.width + x) * own, count, own,
           channels_, to + front);
    if (before) upsample(b, y, x, count, work.blend, to + front + own);
    if (!s_.positions) return;
    const float row = coordinate(y, s_.height);
    for (int64_t i = 0; i < count; ++i) {
      to[i * channels_] = coordinate(x + i, s_.width);
      to[i * channels_ + 1] = row;
    }
  }

  // The previous output at twice the size; `blend` takes one row of it.
  void upsample(int64_t b, int64_t y, int64_t x, int64_t count, float* blend,
                float* to) const {
    const int64_t before = s_.previous_channels;
    const int64_t height = s_.height / 2, width = s_.width / 2;
    const int64_t other =
        y % 2 ? std::min(y / 2 + 1, height - 1) : std::max<int64_t>(y / 2 - 1, 0);
    // Columns that the pixels lie between.
    const int64_t first = std::max<int64_t>((x + 1) / 2 - 1, 0);
    const int64_t last = std::min((x + count) / 2, width - 1);
    const T* near = p_.previous + ((b * height + y / 2) * width + first) * before;
    const T* far = p_.previous + ((b * height + other) * width + first) * before;
    for (int64_t i = 0; i < (last - first + 1) * before; ++i) {
      blend[i] = 0.75f * to_float(near[i]) + 0.25f * to_float(far[i]);
    }
    for (int64_t end = x + count; x < end; ++x, to += channels_) {
      const int64_t side =
          x % 2 ? std::min(x / 2 + 1, width - 1) : std::max<int64_t>(x / 2 - 1, 0);
      const float* here = blend + (x / 2 - first) * before;
      const float* there = blend + (side - first) * before;
      int64_t c = 0;
      for (; c + kLanes <= before; c += kLanes) {
        store(to + c, load(here + c) * 0.75f + load(there + c) * 0.25f);
      }
      for (; c < before; ++c) to[c] = here[c] * 0.75f + there[c] * 0.25f;
    }
  }

  void put(int64_t b, int64_t y, int64_t x, const float* from) const {
    T* to = p_.output + ((b * s_.height + y) * s_.width + x) * s_.filters;
    int64_t pixels = patch_width_;
    if constexpr (std::is_same_v<T, float>) {
      // The last ones would write too far.
      for (; pixels * s_.filters >= output_lanes_; --pixels) {
        copy_over(from, s_.filters, to);
        from += output_lanes_;
        to += s_.filters;
      }
    }
    for (; pixels > 0; --pixels, from += output_lanes_, to += s_.filters) {
      for (int64_t o = 0; o < s_.filters; ++o) to[o] = from_float<T>(from[o]);
    }
  }

  struct Place {
    int64_t b, i, j, y, x;
  };

  Place place(int64_t patch) const {
    const int64_t j = patch % s_.columns, i = patch / s_.columns % s_.rows;
    return {patch / s_.columns / s_.rows, i, j, i * patch_height_, j * patch_width_};
  }

  void dot_patch(int64_t patch, const float* weights, const Work& work) const {
    const Place at = place(patch);
    const int64_t whole = channels_ / kLanes * kLanes;
    for (int64_t y = 0; y < patch_height_; ++y) {
      gather(at.b, at.y + y, at.x, patch_width_, work, work.input);
      for (int64_t x = 0; x < patch_width_; ++x) {
        const float* input = work.input + x * channels_;
        for (int64_t o = 0; o < s_.filters; ++o) {
          const float* factors = weights + o * channels_;
          Vector total{};
          for (int64_t c = 0; c < whole; c += kLanes) {
            total += load(input + c) * load(factors + c);
          }
          float value = sum(total) + shift3_[o];
          for (int64_t c = whole; c < channels_; ++c) value += input[c] * factors[c];
          work.output[x * output_lanes_ + o] = value < 0.0f ? 0.0f : value;
        }
      }
      put(at.b, at.y + y, at.x, work.output);
    }
  }

  void pointwise_patch(int64_t patch, const float* prepared, const Work& work) const {
    const Place at = place(patch);
    for (int64_t y = 0; y < patch_height_; ++y) {
      gather(at.b, at.y + y, at.x, patch_width_, work, work.input);
      product<Activation::kRelu>(work.input, channels_, patch_width_, channels_,
                                 prepared, output_lanes_, output_lanes_,
                                 shift3_.data(), work.output, output_lanes_);
      put(at.b, at.y + y, at.x, work.output);
    }
  }

  void expand(const float* input, int64_t count, const float* prepared,
              float* to) const {
    product<Activation::kRelu6>(input, channels_, count, channels_,
                                prepared + expand_, hidden_lanes_, hidden_lanes_,
                                shift1_.data(), to, hidden_lanes_);
  }

  // A row of the padded input through this patch's own expansion.
  void hidden_row(const Place& at, int64_t y, const float* prepared, const Work& work,
                  float* to) const {
    const int64_t inside = padded(y, s_.height, s_.padding);
    if (inside < 0) {
      std::memset(work.input, 0, padded_width_ * channels_ * sizeof(float));
    } else {
      for (int64_t i = 0; i < padded_width_;) {
        const bool centre = i == halo_;
        const int64_t x = padded(at.x - halo_ + i, s_.width, s_.padding);
        const int64_t count = centre ? patch_width_ : 1;
        float* pixel = work.input + i * channels_;
        if (x < 0) std::memset(pixel, 0, channels_ * sizeof(float));
        else gather(at.b, inside, x, count, work, pixel);
        i += count;
      }
    }
    expand(work.input, padded_width_, prepared, to);
  }

  // Row y of the hidden map with its border: every patch's part through its own
  // expansion.
  void shared_row(int64_t b, int64_t y, const float* all, const Work& work,
                  float* to) const {
    const int64_t inside = padded(y, s_.height, s_.padding), lanes = hidden_lanes_;
    if (inside < 0) {
      std::memset(to, 0, (s_.width + 2 * halo_) * lanes * sizeof(float));
      return;
    }
    float* map = to + halo_ * lanes;
    const float* weights =
        all + (b * s_.rows + inside / patch_height_) * s_.columns * prepared_;
    for (int64_t j = 0; j < s_.columns; ++j, weights += prepared_) {
      gather(b, inside, j * patch_width_, patch_width_, work, work.input);
      expand(work.input, patch_width_, weights, map + j * patch_width_ * lanes);
    }
    for (int64_t i = 0; i < halo_; ++i) {
      for (int64_t x : {i - halo_, s_.width + i}) {
        const int64_t from = padded(x, s_.width, s_.padding);
        if (from < 0) std::memset(map + x * lanes, 0, lanes * sizeof(float));
        else std::memcpy(map + x * lanes, map + from * lanes, lanes * sizeof(float));
      }
    }
  }

  // What comes behind the expansion, for row y of a patch.
  void finish_row(const Place& at, int64_t y, const float* const* rows,
                  const float* prepared, const Work& work) const {
    depthwise_row<Activation::kRelu6>(rows, patch_width_, hidden_lanes_, s_.kernel,
                                      prepared + depthwise_, shift2_.data(),
                                      work.filtered);
    product<Activation::kNone>(work.filtered, hidden_lanes_, patch_width_, s_.hidden,
                               prepared + project_, output_lanes_, output_lanes_,
                               shift3_.data(), work.output, output_lanes_);
    if (s_.residual()) add_input(at, y, work);
    put(at.b, at.y + y, at.x, work.output);
  }

  void residual_patch(int64_t patch, const float* prepared, const Work& work) const {
    const Place at = place(patch);
    const int64_t size = padded_width_ * hidden_lanes_;
    std::vector<const float*> rows(s_.kernel);
    for (int64_t t = 0; t < patch_height_ + 2 * halo_; ++t) {
      prefetch_inputs(at.b, at.y - halo_ + t + 1, at.x);
      hidden_row(at, at.y - halo_ + t, prepared, work,
                 work.ring + t % s_.kernel * size);
      const int64_t y = t - 2 * halo_;
      if (y + 1 >= 0) prefetch_output(at.b, at.y + y + 1, at.x);
      if (y < 0) continue;
      for (int64_t i = 0; i < s_.kernel; ++i) {
        rows[i] = work.ring + (y + i) % s_.kernel * size;
      }
      finish_row(at, y, rows.data(), prepared, work);
    }
  }

  // A row of patches whose halos have been through their neighbours' weights.
  void residual_band(int64_t b, int64_t i, const float* all, const Work& work) const {
    const int64_t size = (s_.width + 2 * halo_) * hidden_lanes_;
    const int64_t first = (b * s_.rows + i) * s_.columns;
    std::vector<const float*> rows(s_.kernel);
    for (int64_t t = 0; t < patch_height_ + 2 * halo_; ++t) {
      shared_row(b, i * patch_height_ - halo_ + t, all, work,
                 work.ring + t % s_.kernel * size);
      const int64_t y = t - 2 * halo_;
      if (y < 0) continue;
      for (int64_t j = 0; j < s_.columns; ++j) {
        for (int64_t k = 0; k < s_.kernel; ++k) {
          rows[k] = work.ring + (y + k) % s_.kernel * size +
                    j * patch_width_ * hidden_lanes_;
        }
        finish_row(place(first + j), y, rows.data(), all + (first + j) * prepared_,
                   work);
      }
    }
  }

  void add_input(const Place& at, int64_t y, const Work& work) const {
    gather(at.b, at.y + y, at.x, patch_width_, work, work.input);
    for (int64_t i = 0; i < patch_width_; ++i) {
      for (int64_t c = 0; c < channels_; ++c) {
        work.output[i * output_lanes_ + c] += work.input[i * channels_ + c];
      }
    }
  }

  const BlockShape s_;
  const BlockPointers<T> p_;
  const int64_t channels_, halo_, patch_height_, patch_width_, padded_width_;
  const int64_t hidden_lanes_, output_lanes_, weights_, strip_;
  int64_t expand_ = 0, depthwise_ = 0, project_ = 0, prepared_ = 0;
  std::vector<float> shift1_, shift2_, shift3_;
};

}  // namespace DPW_ISA
}  // namespace dpw

#endif  // HYPERSEG_TF_CPU_BLOCK_H_
