// The ops that need no GPU as one unit: TensorFlow's headers, which take longer to
// compile than what is in these files, are read once.
#include "tensorflow/class_map.cc"
#include "tensorflow/map_bytes.cc"
#include "tensorflow/mobile.cc"
#include "tensorflow/normalise_bytes.cc"
#include "tensorflow/ops.cc"
#include "tensorflow/stage.cc"
#include "tensorflow/window.cc"
