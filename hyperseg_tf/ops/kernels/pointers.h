// Where the arrays of an operation are. Channels come last, rows are contiguous.
#ifndef HYPERSEG_TF_POINTERS_H_
#define HYPERSEG_TF_POINTERS_H_

namespace dpw {

// Pointers of one block.
template <typename T>
struct BlockPointers {
  const T* feature;   // (B, H, W, Cf)
  const T* previous;  // (B, H/2, W/2, Cp), null without
  const T* signal;    // (B, h, w, S)
  const T* head;      // (depth, units); null without a weight head
  const T* shift1;    // (hidden), null in a pointwise level
  const T* shift2;    // (hidden), null in a pointwise level
  const T* shift3;    // (filters)
  T* output;          // (B, H, W, filters)
};

// Pointers of one convolution and its gradients; what is not asked for is null.
template <typename T>
struct ConvPointers {
  const T* x;         // (B, H, W, C)
  const T* weights;   // (B, h, w, P)
  const T* upstream;  // (B, H, W, O): the gradient of the output
  T* output;          // (B, H, W, O)
  T* x_gradient;      // (B, H, W, C)
  T* weights_gradient;  // (B, h, w, P)
};

// Pointers of the first half of a mobile bottleneck.
struct ExpandPointers {
  const float* x;          // (B, H, W, C)
  const float* expand;     // (C, M), null without an expansion
  const float* shift1;     // (M), null without an expansion
  const float* depthwise;  // (k, k, M)
  const float* shift2;     // (M)
  float* output;           // (B, H', W', M)
  float* mean;             // (B, M)
};

// Pointers of squeeze-and-excitation.
struct ExcitePointers {
  const float* mean;    // (B, M)
  const float* reduce;  // (M, R)
  const float* shift1;  // (R)
  const float* expand;  // (R, M)
  const float* shift2;  // (M)
  float* gate;          // (B, M)
};

// Pointers of the second half.
struct ProjectPointers {
  const float* x;         // (B, P, M)
  const float* gate;      // (B, M) or null
  const float* project;   // (M, O)
  const float* shift;     // (O)
  const float* residual;  // (B, P, O) or null
  float* output;          // (B, P, O)
};

// Pointers of one stage and its gradients; what is not asked for is null. Rows of C
// numbers belong to the batch, those of `partial` to a patch.
struct StagePointers {
  const float* x;         // (N, H, W, C)
  const float* kernels;   // (N, P)
  const float* upstream;  // (N, H', W', O): the gradient of y
  const float* mean;      // (C)
  const float* inverse;   // (C): 1 / standard deviation
  const float* scale;     // (C): gamma * inverse
  const float* shift;     // (C): beta
  const float* offset;    // (C): see Stage::finish
  const float* slope;     // (C)
  float* partial;         // (N, 2, C)
  float* y;               // (N, H', W', O)
  float* x_gradient;      // (N, H, W, C)
  float* kernels_gradient;  // (N, P)
};

// Pointers of a window. Bytes by their plain name: the runtime compiler of CUDA, which
// compiles this file, too, has no <cstdint>.
struct WindowPointers {
  const unsigned char* image;  // (H, W, 3)
  const unsigned char* label;  // (H, W)
  const unsigned char* fill;   // (3): the colour around the picture
  unsigned char empty_label;   // the label there
  unsigned char* out_image;    // (H', W', 3)
  unsigned char* out_label;    // (H', W')
};

// Pointers of class maps.
struct ClassMapPointers {
  const float* logits;     // (B, h, w, C)
  unsigned char* classes;  // (B, H, W)
  float* confidence;       // (B, H, W), or null
};

}  // namespace dpw

#endif  // HYPERSEG_TF_POINTERS_H_
