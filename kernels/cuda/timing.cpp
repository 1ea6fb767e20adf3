// Time on the GPU, by events, and what the GPU can do at most: for tts-bench.
#include "kernels/cuda/context.h"

#include <algorithm>

namespace tts {

void Cuda::begin_timing() {
  State& s = *state_;
  for (cudaEvent_t* event : {&s.begun, &s.ended}) {
    if (*event == nullptr) cuda_call(cudaEventCreateWithFlags(event, cudaEventDefault));
  }
  cuda_call(cudaEventRecord(s.begun, queue_->stream));
}

double Cuda::end_timing() {
  State& s = *state_;
  cuda_call(cudaEventRecord(s.ended, queue_->stream));
  cuda_call(cudaEventSynchronize(s.ended));
  float milliseconds = 0;
  cuda_call(cudaEventElapsedTime(&milliseconds, s.begun, s.ended));
  return double{milliseconds};
}

Cuda::Ceilings Cuda::measure_ceilings() {
  Ceilings most{0, 0};
  const cudaDeviceProp& p = state_->properties;
  const int64_t bytes = std::min<int64_t>(512 << 20, static_cast<int64_t>(p.totalGlobalMem) / 64);
  void* from = allocate(bytes);
  void* to = allocate(bytes);
  for (int round = 0; round < 6; ++round) {
    const double ms = milliseconds([&] { copy(to, from, bytes); });
    if (ms > 0) most.gb_s = std::max(most.gb_s, 2 * static_cast<double>(bytes) / ms / 1e6);
  }
  release(to);
  release(from);
#if !defined(TTS_EMULATOR)
  int kilohertz = 0;
  cuda_call(cudaDeviceGetAttribute(&kilohertz, cudaDevAttrClockRate, state_->index));
  constexpr double kLanes{128};  // of a multiprocessor, one fused multiply-add each; 64 on 8.0
  most.gflop_s =
      p.multiProcessorCount * (p.major == 8 && p.minor == 0 ? kLanes / 2 : kLanes) * 2 * kilohertz / 1e6;
#endif
  return most;
}

}  // namespace tts
