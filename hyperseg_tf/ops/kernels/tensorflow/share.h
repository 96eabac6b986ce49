// Work of a CPU op, shared among the threads of TensorFlow's pool.
#ifndef HYPERSEG_TF_TENSORFLOW_SHARE_H_
#define HYPERSEG_TF_TENSORFLOW_SHARE_H_

#include <atomic>
#include <new>

#include <tensorflow/core/framework/op_kernel.h>
#include <tensorflow/core/util/work_sharder.h>

namespace hyperseg {

// Runs `work(begin, end)` on all threads of the device. False after an error was
// reported: memory that a thread does not get must not end the process.
template <typename Work>
bool share(tensorflow::OpKernelContext* context, int64_t pieces, int64_t cost, Work work) {
  if (pieces < 1) return true;
  std::atomic<bool> enough{true};
  const auto guarded = [&](int64_t begin, int64_t end) {
    try {
      if (enough) work(begin, end);
    } catch (const std::bad_alloc&) {
      enough = false;
    }
  };
  const auto& workers = *context->device()->tensorflow_cpu_worker_threads();
  tensorflow::Shard(workers.num_threads, workers.workers, pieces, cost, guarded);
  if (enough) return true;
  context->CtxFailure(tensorflow::errors::ResourceExhausted(
      "there is not enough memory for the scratch space of a patch."));
  return false;
}

}  // namespace hyperseg

#endif  // HYPERSEG_TF_TENSORFLOW_SHARE_H_
