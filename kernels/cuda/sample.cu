// Sampling of one code: one block, everything in draw.h.
#include "kernels/cuda/draw.h"
#include "kernels/cuda/kernels.h"

namespace tts::cuda {

namespace {

constexpr int kThreads{512};

__global__ void __launch_bounds__(kThreads)
sample_kernel(SampleState state, const float* logits, int group, int V) {
  release_successor();
  await_inputs();
  if (state.cursor->finish != static_cast<int32_t>(Finish::running)) return;
  const int frame = group == 0 ? state.cursor->tokens : state.cursor->frame;
  const int code = draw(state.scores, logits, state, group, frame, V, shared<Weight64>());
  if (threadIdx.x == 0) take_code(state, group, frame, code, V);
}

}  // namespace

void sample(Queue& q, const SampleState& state, const float* logits, int group, int V) {
  const int threads = V < kThreads ? (V + kWarp - 1) / kWarp * kWarp : kThreads;
  launch(
      q, "sample", sample_kernel,
      {.threads = static_cast<unsigned>(threads), .shared_bytes = draw_shared_bytes(threads), .early = true},
      state, logits, group, V);
}

}  // namespace tts::cuda
