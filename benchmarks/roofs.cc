// Measured limits of the processors in use: multiply-adds per second, and copied bytes.
//
//   roofs THREADS  ->  "<FLOP/s> <bytes/s>"
//
// Every thread computes or copies on its own data; the best of several repetitions
// counts, since whatever disturbs one makes it slower, never faster.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

namespace {

constexpr int kRepetitions = 30;
// Independent sums: more than the latency times the units of any processor of today,
// and with the factor and the addend they fit in 16 registers.
constexpr int kChains = 12;
constexpr long kSteps = 3'000'000;
// More than any cache that the copy could stay in.
constexpr size_t kCopyBytes = size_t{96} << 20;

template <int Bytes>
struct Vector {
  typedef float type __attribute__((vector_size(Bytes)));
};

// Seconds of the slowest thread, from a common start.
template <typename Function>
double seconds(int threads, const Function& work) {
  std::atomic<int> waiting{threads};
  std::vector<double> taken(threads);
  std::vector<std::thread> pool;
  for (int t = 0; t < threads; ++t) {
    pool.emplace_back([&, t] {
      --waiting;
      while (waiting.load() > 0) std::this_thread::yield();
      const auto begin = std::chrono::steady_clock::now();
      work(t);
      const auto end = std::chrono::steady_clock::now();
      taken[t] = std::chrono::duration<double>(end - begin).count();
    });
  }
  double slowest = 0;
  for (int t = 0; t < threads; ++t) {
    pool[t].join();
    slowest = slowest > taken[t] ? slowest : taken[t];
  }
  return slowest;
}

template <int Bytes>
double flops_per_second(int threads) {
  using V = typename Vector<Bytes>::type;
  constexpr int kLanes = Bytes / sizeof(float);
  // Unknown to the compiler; the sums tend to 1, so they stay ordinary numbers.
  volatile float factor = 0.5f, addend = 0.5f;
  std::vector<float> sink(threads);
  double best = 0;
  for (int i = 0; i < kRepetitions; ++i) {
    const double taken = seconds(threads, [&](int t) {
      V sums[kChains];
      for (int c = 0; c < kChains; ++c) sums[c] = V{} + static_cast<float>(c);
      const V a = V{} + factor, b = V{} + addend;
      for (long step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
        for (int c = 0; c < kChains; ++c) sums[c] = sums[c] * a + b;
      }
      // Every lane is used, so none is left out.
      V total{};
      for (int c = 0; c < kChains; ++c) total += sums[c];
      for (int lane = 0; lane < kLanes; ++lane) sink[t] += total[lane];
    });
    const double done = 2.0 * kLanes * kChains * kSteps * threads / taken;
    best = best > done ? best : done;
  }
  return best;
}

double bytes_per_second(int threads) {
  std::vector<std::unique_ptr<char[]>> from, to;
  for (int t = 0; t < threads; ++t) {
    from.emplace_back(new char[kCopyBytes]);
    to.emplace_back(new char[kCopyBytes]);
    std::memset(from[t].get(), 1, kCopyBytes);
    std::memset(to[t].get(), 2, kCopyBytes);
  }
  double best = 0;
  for (int i = 0; i < kRepetitions; ++i) {
    const double taken = seconds(threads, [&](int t) {
      std::memcpy(to[t].get(), from[t].get(), kCopyBytes);
      asm volatile("" : : "r"(to[t].get()) : "memory");
    });
    const double done = 2.0 * kCopyBytes * threads / taken;
    best = best > done ? best : done;
  }
  return best;
}

}  // namespace

int main(int count, char** words) {
  const int threads = count > 1 ? std::atoi(words[1]) : 1;
  if (threads < 1) return 2;
  double flops = flops_per_second<16>(threads);
#ifdef __AVX__
  const double wide = flops_per_second<32>(threads);
  if (wide > flops) flops = wide;
#endif
#ifdef __AVX512F__
  const double widest = flops_per_second<64>(threads);
  if (widest > flops) flops = widest;
#endif
  std::printf("%.6g %.6g\n", flops, bytes_per_second(threads));
}
