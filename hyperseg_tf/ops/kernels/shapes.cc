#include "shapes.h"

#include <algorithm>
#include <initializer_list>

namespace dpw {
namespace {

// Larger products are refused; every index then fits with room to spare.
constexpr int64_t kLargest = int64_t{1} << 46;

// The product of sizes, or -1 if one is negative or it is too large.
template <typename... Sizes>
int64_t product(Sizes... sizes) {
  int64_t result = 1;
  bool valid = true;
  for (int64_t size : {static_cast<int64_t>(sizes)...}) {
    if (size < 0) valid = false;
    if (!valid) break;
    if (size > 0 && result > kLargest / size) valid = false;
    else result *= size;
  }
  return valid ? result : -1;
}

std::string text(int64_t value) { return std::to_string(value); }

std::string pair(int64_t a, int64_t b) { return text(a) + "x" + text(b); }

struct Size {
  const char* name;
  int64_t value;
};

// Afterwards sums of sizes cannot overflow.
std::string check_sizes(std::initializer_list<Size> sizes) {
  for (const Size& size : sizes) {
    if (size.value < 0 || size.value > kLargest) {
      return std::string(size.name) + " must be 0 to 2**46: got " + text(size.value) +
             ".";
    }
  }
  return "";
}

std::string check_grid(int64_t height, int64_t width, int64_t rows, int64_t columns,
                       int64_t kernel, Padding padding) {
  if (kernel < 1 || kernel % 2 == 0 || kernel > 255) {
    return "kernel_size must be odd, 1 to 255: got " + text(kernel) + ".";
  }
  if (rows < 1 || columns < 1) {
    return "the grid must have at least one patch: got " + pair(rows, columns) + ".";
  }
  if (height < 1 || width < 1) {
    return "the map must have at least one pixel: got " + pair(height, width) + ".";
  }
  if (height % rows || width % columns) {
    return "the grid must divide the map: got " + pair(height, width) +
           " pixels for " + pair(rows, columns) + " patches; pad the map.";
  }
  const int64_t halo = (kernel - 1) / 2, least = height < width ? height : width;
  if (padding == Padding::kReflect && halo >= least) {
    return "reflect padding of " + text(halo) + " pixels needs more pixels than that "
           "on each side: got a map of " + pair(height, width) + ".";
  }
  if (padding == Padding::kCircular && halo > least) {
    return "circular padding of " + text(halo) + " pixels needs at least that many: "
           "got a map of " + pair(height, width) + ".";
  }
  return "";
}

// Sizes that check() refuses could overflow before it sees them: they are not padded.
bool paddable(const ExpandShape& s) {
  for (int64_t size : {s.height, s.width}) {
    if (size < 1 || size > kLargest) return false;
  }
  return s.kernel >= 1 && s.kernel <= 255 && s.stride >= 1 && s.stride <= 255;
}

}  // namespace

bool parse_padding(const std::string& name, Padding* padding) {
  if (name == "reflect") *padding = Padding::kReflect;
  else if (name == "replicate") *padding = Padding::kReplicate;
  else if (name == "circular") *padding = Padding::kCircular;
  else if (name == "zeros") *padding = Padding::kZeros;
  else return false;
  return true;
}

std::string check(const ConvShape& s) {
  std::string wrong = check_sizes({{"batch", s.batch},
                                   {"height", s.height},
                                   {"width", s.width},
                                   {"channels", s.channels},
                                   {"the grid's rows", s.rows},
                                   {"the grid's columns", s.columns},
                                   {"weights", s.weights},
                                   {"filters", s.filters},
                                   {"kernel_size", s.kernel},
                                   {"groups", s.groups}});
  if (!wrong.empty()) return wrong;
  if (s.filters < 1 || s.groups < 1 || s.filters % s.groups) {
    return "groups must divide filters, both at least 1: got groups=" + text(s.groups) +
           ", filters=" + text(s.filters) + ".";
  }
  if (s.channels < 1 || s.channels % s.groups) {
    return "groups=" + text(s.groups) + " must divide the channels: got " +
           text(s.channels) + ".";
  }
  wrong = check_grid(s.height, s.width, s.rows, s.columns, s.kernel, s.padding);
  if (!wrong.empty()) return wrong;
  const int64_t needed = product(s.filters, s.depth(), s.kernel, s.kernel);
  if (needed < 0) {
    return "the weights of a patch must be countable: got filters=" + text(s.filters) +
           " over " + text(s.depth()) + " channels of " + pair(s.kernel, s.kernel) +
           "; use smaller sizes.";
  }
  if (s.weights != needed) {
    return text(s.filters) + " filters of " + pair(s.kernel, s.kernel) + " over " +
           text(s.depth()) + " channels need " + text(needed) +
           " weights per patch: got " + text(s.weights) + ".";
  }
  // An empty batch must not hide the size of its images.
  const int64_t images = std::max<int64_t>(s.batch, 1);
  const int64_t wide = std::max(s.channels, s.filters);
  const int64_t padded_width = s.patch_width() + 2 * s.halo();
  if (product(images, s.height + 2 * s.halo(), s.width + 2 * s.halo(), wide) < 0 ||
      product(images, s.rows, s.columns, needed) < 0 ||
      product(images, s.rows, s.columns, s.patch_height() + 2 * s.halo(), padded_width,
              s.channels) < 0 ||
      product(padded_width, s.kernel, s.kernel, wide) < 0) {
    return "the maps must have less than 2**46 values: got batch " + text(s.batch) +
           " of " + pair(s.height, s.width) + " with " + text(wide) + " channels.";
  }
  return "";
}

std::string check(const BlockShape& s) {
  std::string wrong = check_sizes({{"batch", s.batch},
                                   {"height", s.height},
                                   {"width", s.width},
                                   {"feature channels", s.feature_channels},
                                   {"previous channels", s.previous_channels},
                                   {"the grid's rows", s.rows},
                                   {"the grid's columns", s.columns},
                                   {"signal channels", s.signal_channels},
                                   {"offset", s.offset},
                                   {"groups", s.groups},
                                   {"depth", s.depth},
                                   {"units", s.units},
                                   {"start", s.start},
                                   {"hidden", s.hidden},
                                   {"filters", s.filters},
                                   {"kernel_size", s.kernel}});
  if (!wrong.empty()) return wrong;
  if (s.filters < 1 || s.hidden < 0 || s.feature_channels < 1 ||
      s.previous_channels < 0) {
    return "filters and channels must be positive: got filters=" + text(s.filters) +
           ", hidden=" + text(s.hidden) + ", channels " + text(s.feature_channels) +
           " and " + text(s.previous_channels) + ".";
  }
  if (!s.hidden && s.kernel != 1) {
    return "a block without hidden channels has kernel_size 1: got " + text(s.kernel) +
           ".";
  }
  if (!s.hidden && s.neighbour) {
    return "a block without hidden channels has no halo: got halo \"neighbour\".";
  }
  wrong = check_grid(s.height, s.width, s.rows, s.columns, s.kernel, s.padding);
  if (!wrong.empty()) return wrong;
  if (s.previous_channels && (s.height % 2 || s.width % 2)) {
    return "the previous output has half the size of the feature, which must be even: "
           "got " + pair(s.height, s.width) + ".";
  }
  const int64_t channels = s.channels();
  const int64_t sizes[] = {product(s.hidden, channels),
                           product(s.hidden, s.kernel, s.kernel),
                           product(s.filters, s.hidden ? s.hidden : channels)};
  for (int64_t size : sizes) {
    if (size < 0) {
      return "the weights of a patch must be countable: got filters=" +
             text(s.filters) + ", hidden=" + text(s.hidden) + " over " +
             text(channels) + " channels; use smaller sizes.";
    }
  }
  if (s.groups) {
    if (s.depth < 1 || s.units < 1 || s.units % s.groups) {
      return "groups must divide the units of the weight head, which has at least one "
             "row: got groups=" + text(s.groups) + ", units=" + text(s.units) +
             ", depth=" + text(s.depth) + ".";
    }
    const int64_t used = product(s.groups, s.depth);
    if (used < 0 || used > s.signal_channels - s.offset) {
      return "the weight head reads " + text(s.groups) + " groups of " +
             text(s.depth) + " channels from channel " + text(s.offset) +
             " on: got a signal of " + text(s.signal_channels) + ".";
    }
  } else if (s.units != s.signal_channels) {
    return "without a weight head the signal is the weights: got units=" +
           text(s.units) + " of " + text(s.signal_channels) + ".";
  }
  if (s.weights() > s.units - s.start) {
    return "the block needs weights " + text(s.start) + " to " +
           text(s.start + s.weights()) + " of each patch: got " + text(s.units) + ".";
  }
  const int64_t images = std::max<int64_t>(s.batch, 1);
  const int64_t wide = std::max(channels, s.filters);
  if (product(images, s.height + 2 * s.halo(), s.width + 2 * s.halo(), wide) < 0 ||
      product(images, s.rows, s.columns, s.units + s.signal_channels) < 0 ||
      product(s.depth, s.units) < 0 ||
      (s.neighbour && product(s.kernel, s.width + 2 * s.halo(), s.hidden) < 0) ||
      product(s.patch_height() + 2 * s.halo(), s.patch_width() + 2 * s.halo(),
              channels + s.hidden + s.filters) < 0) {
    return "the maps must have less than 2**46 values: got batch " + text(s.batch) +
           " of " + pair(s.height, s.width) + " with " + text(wide) + " channels.";
  }
  return "";
}

void pad_same(ExpandShape* s) {
  if (!paddable(*s)) return;
  const auto along = [&](int64_t size, int64_t* before) {
    const int64_t out = (size + s->stride - 1) / s->stride;
    *before = std::max<int64_t>((out - 1) * s->stride + s->kernel - size, 0) / 2;
    return out;
  };
  s->out_height = along(s->height, &s->before[0]);
  s->out_width = along(s->width, &s->before[1]);
}

void pad_explicit(ExpandShape* s, int64_t before, int64_t after) {
  s->before[0] = s->before[1] = before;
  if (!paddable(*s) || before < 0 || before > 255 || after < 0 || after > 255) return;
  const auto along = [&](int64_t size) {
    const int64_t whole = size + before + after - s->kernel;
    return whole < 0 ? 0 : whole / s->stride + 1;
  };
  s->out_height = along(s->height);
  s->out_width = along(s->width);
}

std::string check(const ExpandShape& s) {
  std::string wrong = check_sizes({{"batch", s.batch},
                                   {"height", s.height},
                                   {"width", s.width},
                                   {"channels", s.channels},
                                   {"hidden channels", s.hidden}});
  if (!wrong.empty()) return wrong;
  if (s.channels < 1 || s.hidden < 1 || s.height < 1 || s.width < 1) {
    return "the map and its channels must be positive: got " +
           pair(s.height, s.width) + " with " + text(s.channels) + " channels, " +
           text(s.hidden) + " hidden.";
  }
  if (!s.expanded && s.hidden != s.channels) {
    return "without an expansion the depthwise kernel has the channels of the map: "
           "got " + text(s.hidden) + " for " + text(s.channels) + ".";
  }
  if (s.kernel < 1 || s.kernel > 255) {
    return "the depthwise kernel must have 1 to 255 pixels: got " + text(s.kernel) +
           ".";
  }
  if (s.stride < 1 || s.stride > 255) {
    return "stride must be 1 to 255: got " + text(s.stride) + ".";
  }
  if (s.before[0] < 0 || s.before[1] < 0 || s.before[0] > 255 || s.before[1] > 255) {
    return "the border must have 0 to 255 pixels: got " +
           pair(s.before[0], s.before[1]) + ".";
  }
  if (s.out_height < 1 || s.out_width < 1) {
    return "the padded map must not be smaller than the kernel: got a map of " +
           pair(s.height, s.width) + " for a kernel of " + text(s.kernel) + ".";
  }
  const int64_t images = std::max<int64_t>(s.batch, 1);
  const int64_t wide = std::max(s.channels, s.hidden);
  if (product(images, s.height + 512, s.width + 512, wide) < 0 ||
      product(images, s.out_height, s.out_width, wide) < 0 ||
      product(s.channels, s.hidden) < 0 || product(s.kernel, s.kernel, s.hidden) < 0) {
    return "the maps must have less than 2**46 values: got batch " + text(s.batch) +
           " of " + pair(s.height, s.width) + " with " + text(wide) + " channels.";
  }
  return "";
}

std::string check(const ExciteShape& s) {
  std::string wrong = check_sizes({{"batch", s.batch},
                                   {"hidden channels", s.hidden},
                                   {"squeezed channels", s.squeezed}});
  if (!wrong.empty()) return wrong;
  if (s.hidden < 1 || s.squeezed < 1) {
    return "channels must be positive: got " + text(s.hidden) + " hidden, " +
           text(s.squeezed) + " squeezed.";
  }
  if (product(std::max<int64_t>(s.batch, 1), s.hidden) < 0 ||
      product(s.hidden, s.squeezed) < 0) {
    return "the kernels must have less than 2**46 values: got " + text(s.hidden) +
           " hidden channels and " + text(s.squeezed) + " squeezed for batch " +
           text(s.batch) + ".";
  }
  return "";
}

std::string check(const ProjectShape& s) {
  std::string wrong = check_sizes({{"batch", s.batch},
                                   {"pixels", s.pixels},
                                   {"hidden channels", s.hidden},
                                   {"filters", s.filters}});
  if (!wrong.empty()) return wrong;
  if (s.hidden < 1 || s.filters < 1) {
    return "channels must be positive: got " + text(s.hidden) + " hidden, " +
           text(s.filters) + " filters.";
  }
  // Nor may an empty map hide the size of the gates.
  const int64_t images = std::max<int64_t>(s.batch, 1);
  const int64_t pixels = std::max<int64_t>(s.pixels, 1);
  if (product(images, pixels, std::max(s.hidden, s.filters)) < 0 ||
      product(s.hidden, s.filters) < 0) {
    return "the maps must have less than 2**46 values: got batch " + text(s.batch) +
           " of " + text(s.pixels) + " pixels with " +
           text(std::max(s.hidden, s.filters)) + " channels.";
  }
  return "";
}

std::string check(const StageShape& s) {
  std::string wrong = check_sizes({{"batch", s.patches},
                                   {"height", s.height},
                                   {"width", s.width},
                                   {"channels", s.channels},
                                   {"filters", s.filters},
                                   {"kernel_size", s.kernel}});
  if (!wrong.empty()) return wrong;
  wrong = check_grid(s.height, s.width, 1, 1, s.kernel, Padding::kZeros);
  if (!wrong.empty()) return wrong;
  if (s.channels < 1 || s.filters < 1) {
    return "channels and filters must be at least 1: got " + text(s.channels) +
           " and " + text(s.filters) + ".";
  }
  if (s.kernel > s.height || s.kernel > s.width) {
    return "the kernel must fit in the patch: got " + text(s.kernel) + " and " +
           pair(s.height, s.width) + ".";
  }
  if (s.depthwise() && s.filters != s.channels) {
    return "a depthwise stage has as many filters as channels: got " +
           text(s.filters) + " and " + text(s.channels) + ".";
  }
  if (product(s.channels + 64, s.kernel, s.kernel, s.filters + 64) < 0 ||
      product(s.patches, s.height + 2 * s.kernel, s.width + 2 * s.kernel,
              s.channels + s.filters + 64, s.kernel) < 0) {
    return "the numbers of a stage must be countable: got " + text(s.patches) +
           " patches of " + pair(s.height, s.width) + " pixels, " + text(s.channels) +
           " channels and " + text(s.filters) + " filters.";
  }
  return "";
}

std::string check(const WindowShape& s) {
  // Far above any picture, and no product of two comes near an overflow.
  constexpr int64_t kSide = int64_t{1} << 24;
  for (const Size& size : {Size{"height", s.height}, Size{"width", s.width},
                           Size{"scaled height", s.scaled_height},
                           Size{"scaled width", s.scaled_width}}) {
    if (size.value < 1 || size.value > kSide) {
      return std::string(size.name) + " must be 1 to 2**24: got " + text(size.value) +
             ".";
    }
  }
  for (const Size& size : {Size{"window height", s.out_height},
                           Size{"window width", s.out_width}}) {
    if (size.value < 0 || size.value > kSide) {
      return std::string(size.name) + " must be 0 to 2**24: got " + text(size.value) +
             ".";
    }
  }
  for (int64_t first : {s.first_row, s.first_column}) {
    if (first < -kSide || first > kSide) {
      return "the window must begin within 2**24 of the picture: got " +
             pair(s.first_row, s.first_column) + ".";
    }
  }
  return "";
}

std::string check(const ClassMapShape& s) {
  constexpr int64_t kSide = int64_t{1} << 24;
  for (const Size& size : {Size{"batch", s.batch}, Size{"rows", s.rows},
                           Size{"columns", s.columns}}) {
    // No image is no mistake.
    if (size.value < (size.name[0] == 'b' ? 0 : 1) || size.value > kSide) {
      return std::string(size.name) + " of logits must be 1 to 2**24: got " +
             text(size.value) + ".";
    }
  }
  if (s.classes < 1 || s.classes > 256) {
    return "logits must be of 1 to 256 classes: got " + text(s.classes) + ".";
  }
  if (s.factor != 1 && s.factor != 2) {
    return "factor must be 1 or 2: got " + text(s.factor) + ".";
  }
  if (s.height < 1 || s.height > s.factor * s.rows || s.width < 1 ||
      s.width > s.factor * s.columns) {
    return "size must be within that of the logits, " +
           pair(s.factor * s.rows, s.factor * s.columns) + ": got " +
           pair(s.height, s.width) + ".";
  }
  return "";
}

}  // namespace dpw
