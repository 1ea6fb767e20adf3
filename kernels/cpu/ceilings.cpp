// What this machine can do at best, measured with the same threads and vectors the kernels use: independent
// chains of multiply-adds, and a plain read of memory that no cache holds. The percentages of tts-bench refer
// to these.
#include "kernels/cpu/cpu.h"

#include <algorithm>
#include <chrono>

#ifndef TTS_LEVEL

namespace tts {

namespace {

struct CeilingKernels {
  int lanes;
  float (*multiply_add)(int64_t rounds);  // 16 chains of `lanes` each, 2 operations per round, chain and lane
  float (*read)(const float* p, int64_t n);
};

}  // namespace
}  // namespace tts

#define TTS_THIS_FILE "kernels/cpu/ceilings.cpp"
#include "kernels/cpu/each_level.h"

namespace tts {

namespace {

template <class Body>
double best_seconds(int repetitions, const Body& body) {
  double best = 1e9;
  for (int i = 0; i < repetitions; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    body();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

}  // namespace

Ceilings Cpu::measure_ceilings() {
  const CeilingKernels& kernels = TTS_BY_LEVEL(kCeilings, level_);
  // 256 MiB, timed in pieces of 4 MiB: short enough that some are not interrupted, and none is in a cache
  // when its turn comes again.
  constexpr int64_t kRounds{20'000}, kFloats{int64_t{1} << 26}, kPiece{1 << 20}, kSlice{1 << 15};
  volatile float sink = 0;
  const int threads = team_.threads();
  const double arithmetic = best_seconds(
      200, [&] { team_.run(threads, [&](int, int) { sink = kernels.multiply_add(kRounds); }); });
  auto* memory = static_cast<float*>(memory_.allocate(kFloats * int64_t{sizeof(float)}));
  std::fill(memory, memory + kFloats, 1.0f);
  int64_t piece = 0;
  const double reading = best_seconds(4 * kFloats / kPiece, [&] {
    const float* begin = memory + piece++ % (kFloats / kPiece) * kPiece;
    team_.run(kPiece / kSlice, [&](int slice, int) { sink = kernels.read(begin + slice * kSlice, kSlice); });
  });
  memory_.release(memory);
  return {2.0 * 16 * kernels.lanes * kRounds * threads / arithmetic / 1e9, kPiece * 4.0 / reading / 1e9};
}

}  // namespace tts

#else

namespace tts::TTS_LEVEL {
namespace {

#include "kernels/cpu/simd.h"

float multiply_add(int64_t rounds) {
  F chains[16];
  for (int c = 0; c < 16; ++c) chains[c] = broadcast(static_cast<float>(c));
  const F factor = broadcast(0.999f), step = broadcast(0.5f);
  for (int64_t i = 0; i < rounds; ++i) {
    for (int c = 0; c < 16; ++c) chains[c] = fma(chains[c], factor, step);
  }
  F total{};
  for (const F chain : chains) total += chain;
  return sum(total);
}

float read(const float* p, int64_t n) {
  F chains[8]{};
  for (int64_t i = 0; i < n; i += 8 * kLanes) {
    for (int c = 0; c < 8; ++c) chains[c] += load(p + i + c * kLanes);
    for (int line = 0; line < 8 * kLanes; line += 16) __builtin_prefetch(p + i + 2048 + line);
  }
  F total{};
  for (const F chain : chains) total += chain;
  return sum(total);
}

}  // namespace

constexpr CeilingKernels kCeilings{kLanes, multiply_add, read};

}  // namespace tts::TTS_LEVEL

#endif
