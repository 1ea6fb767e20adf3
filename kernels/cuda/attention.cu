// Attention of new rows over a cache: per-head norm, rotation, append, softmax, weighted sum.
//
// One row (a step): everything in one kernel. More rows: the first kernel prepares and appends all keys and
// values, the second attends; both call the same device functions, so a row's bits do not depend on how many
// share the call.
//
//   grid: kv heads x rows x spans      a block: the query heads of one kv head, one row, kSpan positions
//   positions   [   span 0   ][   span 1   ] ...     spans lie at absolute positions: p / kSpan
//
// A block leaves (largest score, sum, weighted values) of its span in scratch; whoever comes last of a row
// merges the spans in ascending order. A row within one span writes its result at once.
#include "kernels/cuda/attention.h"
#include "kernels/cuda/kernels.h"

#include <algorithm>
#include <cmath>

namespace tts::cuda {

namespace {

__global__ void __launch_bounds__(kSpan) append_kernel(const __grid_constant__ Attention a, int rows) {
  const int item = static_cast<int>(blockIdx.x) * kSpanWarps + static_cast<int>(threadIdx.x) / kWarp;
  if (item < rows * a.heads.nkv) append_head(a, item / a.heads.nkv, item % a.heads.nkv);
}

__global__ void __launch_bounds__(kSpan) attend_kernel(const __grid_constant__ Attention a) {
  release_successor();
  await_inputs();
  attend_span(a, static_cast<int>(blockIdx.x), static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.z),
              shared<float>());
}

}  // namespace

void attend(Queue& q, float* y, const float* x, const HeadNorms& norms, const KvCache& cache,
            const Heads& heads, const int32_t* position, int rows) {
  if (rows == 0) return;
  const int visible = heads.window > 0 ? std::min(heads.window, cache.capacity) : cache.capacity;
  const int spans = (visible + kSpan - 1) / kSpan + (heads.window > 0 ? 1 : 0);
  Attention a{.y = y,
              .x = x,
              .q_norm = norms.q.f32(),
              .k_norm = norms.k.f32(),
              .cache = cache,
              .heads = heads,
              .position = position,
              .partial = q.scratch,
              .arrived = q.arrivals,
              .first_row = 0,
              .spans = spans,
              .append = rows == 1,
              .scale = 1.0f / std::sqrt(static_cast<float>(heads.d))};
  if (!a.append) {
    launch(q, "append", append_kernel,
           {.blocks = blocks_for(int64_t{rows} * heads.nkv, kSpanWarps), .threads = kSpan}, a, rows);
  }
  const int64_t partial_bytes =
      checked_mul(checked_mul(heads.nq, spans, "attention"), (heads.d + 2) * 4, "attention");
  const int64_t room = std::min(q.scratch_bytes / partial_bytes, q.arrival_count / heads.nkv);
  check(room > 0 || spans == 1, Exit::internal, "attend: one row needs {} bytes of scratch, there are {}",
        partial_bytes, q.scratch_bytes);
  const int at_once =
      static_cast<int>(spans == 1 ? std::min(rows, 65535) : std::min<int64_t>(room, std::min(rows, 65535)));
  const size_t shared_bytes = attention_shared_bytes(heads);
  for (a.first_row = 0; a.first_row < rows; a.first_row += at_once) {
    const unsigned n = static_cast<unsigned>(std::min(at_once, rows - a.first_row));
    launch(q, "attend", attend_kernel,
           {.blocks = {static_cast<unsigned>(heads.nkv), n, static_cast<unsigned>(spans)},
            .threads = kSpan,
            .shared_bytes = shared_bytes,
            .early = true},
           a);
  }
}

}  // namespace tts::cuda
