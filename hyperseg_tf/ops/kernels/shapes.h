// What the kernels compute, as plain numbers: sizes, options and the rules they obey.
// Free of TensorFlow, so that tests, fuzzers and the CUDA half use the same.
#ifndef HYPERSEG_TF_SHAPES_H_
#define HYPERSEG_TF_SHAPES_H_

#include <cstdint>
#include <string>

namespace dpw {

enum class Padding { kReflect, kReplicate, kCircular, kZeros };

// "reflect", "replicate", "circular" or "zeros"; false if it is none of them.
bool parse_padding(const std::string& name, Padding* padding);

// Pixel of the map that stands at `place` of the padded map, -1 for a zero.
static inline int64_t padded(int64_t place, int64_t size, Padding padding) {
  if (place >= 0 && place < size) return place;
  switch (padding) {
    case Padding::kReflect:
      return place < 0 ? -place : 2 * (size - 1) - place;
    case Padding::kReplicate:
      return place < 0 ? 0 : size - 1;
    case Padding::kCircular:
      return place < 0 ? place + size : place - size;
    default:
      return -1;
  }
}

// One dynamic patch-wise convolution: (B, H, W, C) -> (B, H, W, O).
struct ConvShape {
  int64_t batch = 0, height = 0, width = 0, channels = 0;
  int64_t rows = 0, columns = 0;  // the grid of patches
  int64_t weights = 0;            // per patch, as they came
  int64_t filters = 0, kernel = 1, groups = 1;
  Padding padding = Padding::kReflect;

  int64_t halo() const { return (kernel - 1) / 2; }
  int64_t patch_height() const { return height / rows; }
  int64_t patch_width() const { return width / columns; }
  int64_t depth() const { return channels / groups; }
};

// One decoder level for inference, from the signal to the output of the level.
struct BlockShape {
  int64_t batch = 0, height = 0, width = 0;
  int64_t feature_channels = 0;
  int64_t previous_channels = 0;  // of the level before, at half the size; 0: none
  int64_t rows = 0, columns = 0;
  // The weight head: `groups` products of (depth) x (depth, units / groups). Without
  // one (groups 0) the signal is the weights.
  int64_t signal_channels = 0, offset = 0, groups = 0, depth = 0, units = 0;
  int64_t start = 0;   // first weight of this level among the units
  int64_t hidden = 0;  // 0: a pointwise level
  int64_t filters = 0, kernel = 1;
  bool positions = true;
  bool neighbour = false;  // the halo has been through the neighbour's weights
  Padding padding = Padding::kReflect;

  int64_t channels() const {
    return (positions ? 2 : 0) + feature_channels + previous_channels;
  }
  int64_t halo() const { return (kernel - 1) / 2; }
  int64_t patch_height() const { return height / rows; }
  int64_t patch_width() const { return width / columns; }
  int64_t weights() const {
    return hidden ? hidden * channels() + hidden * kernel * kernel + filters * hidden
                  : filters * channels();
  }
  bool residual() const { return hidden && channels() == filters; }
};

// The first half of a mobile inverted bottleneck (EfficientNet) for inference: pointwise
// expansion, swish, depthwise convolution over a zero border, swish, and the mean of
// every channel: (B, H, W, C) -> (B, H', W', M), (B, M).
struct ExpandShape {
  int64_t batch = 0, height = 0, width = 0, channels = 0;
  int64_t hidden = 0;
  bool expanded = true;  // false: no expansion, hidden equals channels
  bool relu6 = false;    // behind both convolutions; else swish
  int64_t kernel = 3, stride = 1;
  int64_t before[2] = {0, 0};  // rows above, columns to the left
  int64_t out_height = 0, out_width = 0;
};

// Squeeze-and-excitation between the halves: the means through two small products, with
// swish and sigmoid: (B, M) -> (B, M).
struct ExciteShape {
  int64_t batch = 0, hidden = 0, squeezed = 0;
};

// The second half: every channel times its gate, if there are gates, pointwise
// projection, and the input of the bottleneck where it is added: (B, P, M) -> (B, P, O).
struct ProjectShape {
  int64_t batch = 0, pixels = 0, hidden = 0, filters = 0;
  bool gated = true, residual = false;
};

// One stage of a level in training: batch normalization, ReLU6 and a convolution without
// padding of every patch, each with its own kernel.
struct StageShape {
  int64_t patches = 0, height = 0, width = 0, channels = 0;
  int64_t filters = 0, kernel = 1;

  // Else pointwise; the depthwise one has as many filters as channels.
  bool depthwise() const { return kernel > 1; }
  int64_t out_height() const { return height - kernel + 1; }
  int64_t out_width() const { return width - kernel + 1; }
  int64_t weights() const {
    return depthwise() ? channels * kernel * kernel : filters * channels;
  }
};

// A window of a picture (H, W, 3) and its label (H, W), resized: which part of the
// scaled size, mirrored or not. It may reach beyond the picture.
struct WindowShape {
  int64_t height = 0, width = 0;
  int64_t scaled_height = 0, scaled_width = 0;
  int64_t first_row = 0, first_column = 0;  // in the scaled picture
  int64_t out_height = 0, out_width = 0;
  bool cubic = false, antialias = true, flip = false;
};

// Class maps (B, H, W) from logits (B, h, w, C), which are given at H, W divided by
// `factor`, rounded up to what the network pads to.
struct ClassMapShape {
  int64_t batch = 0, rows = 0, columns = 0, classes = 0;
  int64_t factor = 1;  // 2: bilinear, half-pixel centres
  int64_t height = 0, width = 0;
};

// Sets border and output size of SAME padding; no output where check() refuses the rest.
void pad_same(ExpandShape* shape);
// Sets them for borders of `before` and `after` pixels, each at most 255.
void pad_explicit(ExpandShape* shape, int64_t before, int64_t after);

// Empty if the sizes fit each other, else the rule, what came, and the way out.
std::string check(const ConvShape& shape);
std::string check(const BlockShape& shape);
std::string check(const ExpandShape& shape);  // once it is padded
std::string check(const ExciteShape& shape);
std::string check(const ProjectShape& shape);
std::string check(const StageShape& shape);
std::string check(const WindowShape& shape);
std::string check(const ClassMapShape& shape);

}  // namespace dpw

#endif  // HYPERSEG_TF_SHAPES_H_
