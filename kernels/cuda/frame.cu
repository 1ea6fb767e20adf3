// The code predictor of one frame in one cooperative kernel: all passes, sampling included, no launch and no
// host in between. One block per multiprocessor stays resident; warps own output rows; activations travel
// through L2, weights stream through shared memory once per pass (weight_stream.h). The composed text is
// engine/predictor.cpp; both call the same device functions, so their bits are equal.
//
//   pass:   rows of x ─► L x ( qkv | attention | o | gate up | down ) ─► head ─► draw          | grid barrier
//
// Two ways through a frame, the same codes:
//   in turn   K-1 passes; the first with two rows, then one row each
//   at once   guess all codes, run all open rows, draw every group with its own fixed noise; final is
//             everything up to the first code that changed, and the rows behind it run again. Never more
//             than K-1 rounds.
//
// The barrier counts arrivals of one launch and is zeroed by a memset in the stream before it: nobody resets
// it while others still wait. A block that waits longer than kPatience gives up for all: the frame ends with
// a fault, the GPU is not hung.
#include "kernels/cuda/attention.h"
#include "kernels/cuda/draw.h"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/weight_stream.h"

#include "kernels/arena.h"

#include <algorithm>

namespace tts::cuda {

namespace {

constexpr int kMostThreads{256}, kFewestThreads{kSumThreads};  // 512 leave 128 registers and spill
constexpr int kWide{1024};                    // output rows from which a multiprocessor is given all threads
constexpr int64_t kPatience{2'000'000'000};   // ns
constexpr int kLooks{16};                     // at a barrier between two at the watchdog

// All blocks. False: somebody gave up, and every thread returns.
__device__ bool meet(Barrier* barrier, int& met, Shared<unsigned> word) {
  ++met;
  __syncthreads();
  if (threadIdx.x == 0) {
    const unsigned all = gridDim.x * static_cast<unsigned>(met);
    __threadfence();
    add_release(&barrier->arrived, 1);
    const int64_t begin = nanoseconds();
    unsigned over = 0;
    for (int looks = 1; over == 0 && load_acquire(&barrier->arrived) < all; ++looks) {
      wait_a_moment();
      if (looks % kLooks != 0) continue;  // a look at the watchdog costs as much as a look at the barrier
      over = load_acquire(&barrier->gave_up);
      if (nanoseconds() - begin > kPatience) add_release(&barrier->gave_up, 1);
    }
    word[0] = over;
    __threadfence();
  }
  __syncthreads();
  return word[0] == 0;
}

// R matrix rows for N input rows that lie in shared memory: the outputs of `row` and, with R = 2, of the
// next row of this warp. Gated, R = 2: of `row` alone, from its gate and its up.
template <DType F, int R, int N>
__device__ void multiply_some(const Frame& f, const Work& p, WeightStream& stream,
                              const Shared<float> (&from)[N], int rows, int row) {
  const Place here = place();
  const Pair pair = pair_of(p, row, here.warps);
  const Matrix* w[R];
  int m[R];
  float scale[R];
#pragma unroll
  for (int r = 0; r < R; ++r) {
    w[r] = pair.w[r], m[r] = pair.m[r];
    if constexpr (F == DType::int8_rows) scale[r] = w[r]->scales[m[r]];  // on its way while weights are
  }
  float sum[R * N] = {};
  multiply_stream<F, R, N>(sum, stream, f, w, m, from, p.K);
#pragma unroll
  for (int i = 0; F == DType::int8_rows && i < R * N; ++i) sum[i] *= scale[i / N];
  warp_sum(sum);
#pragma unroll
  for (int r = 0; r < R; ++r) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
      if (here.lane != r * N + n || n >= rows || (p.gated && r > 0)) continue;
      float value = sum[r * N + n];
      if (p.gated) value = activate(value, Act::silu) * sum[(R - 1) * N + n];
      float& y = p.y[static_cast<int64_t>(n) * p.M + row + r * here.warps];
      y = p.add ? y + value : value;
    }
  }
}

// All output rows of this warp.
template <DType F, int N>
__device__ void multiply_rows(const Frame& f, const Work& p, WeightStream& stream, Shared<float> staged,
                              int rows) {
  const Place here = place();
  Shared<float> from[N];
  for (int n = 0; n < N; ++n) from[n] = staged + min(n, rows - 1) * p.K;
  for (int row = here.warp; row < p.M; row += rows_of_pair(p, here.warps)) {
    if (p.gated || row + here.warps < p.M) multiply_some<F, 2, N>(f, p, stream, from, rows, row);
    else multiply_some<F, 1, N>(f, p, stream, from, rows, row);
  }
}

// Stages the input rows (normalized where there is a norm), then multiplies; kTogether rows at a time.
template <DType F>
__device__ void product_phase(const Frame& f, Work p, WeightStream& stream, Shared<float> room) {
  for (int left = p.rows; left > 0; left -= kTogether) {
    const int n = min(kTogether, left);
    __syncthreads();
    if (p.norm == nullptr) {
      for (int i = static_cast<int>(threadIdx.x); i < n * p.K; i += static_cast<int>(blockDim.x))
        room[i] = p.x[i];
    } else {
      normalize_rows<kTogether>(room, p.x, n, {p.norm, nullptr, f.heads.eps}, p.K, room + kTogether * p.K);
    }
    __syncthreads();
    if (n == 1) multiply_rows<F, 1>(f, p, stream, room, n);
    else multiply_rows<F, kTogether>(f, p, stream, room, n);
    p.x += static_cast<int64_t>(kTogether) * p.K;
    p.y += static_cast<int64_t>(kTogether) * p.M;
  }
}

// New rows over the cache of a layer. More than one row: all are appended before any attends.
__device__ bool attention_phase(const Frame& f, const Layer& layer, int first, int rows, int& met,
                                Shared<float> room, Shared<unsigned> word) {
  Attention a{};
  a.y = f.attended;
  a.x = f.qkv;
  a.q_norm = layer.q_norm;
  a.k_norm = layer.k_norm;
  a.cache = layer.cache;
  a.heads = f.heads;
  a.position = f.positions + first;
  a.spans = 1;
  a.append = rows == 1;
  a.scale = 1.0f / sqrtf(static_cast<float>(f.heads.d));
  const int items = rows * f.heads.nkv;
  if (!a.append) {
    const Place here = place();
    for (int i = here.warp; i < items; i += here.warps) append_head(a, i / f.heads.nkv, i % f.heads.nkv);
    if (!meet(f.barrier, met, word)) return false;
  }
  for (int i = static_cast<int>(blockIdx.x); i < items; i += static_cast<int>(gridDim.x)) {
    __syncthreads();
    attend_span(a, i % f.heads.nkv, i / f.heads.nkv, 0, room);
  }
  return true;
}

// x[rows][H] at the positions of a pass through all layers and heads, to the barrier behind them.
template <DType F>
__device__ bool run_pass(const Frame& f, const Pass& pass, WeightStream& stream, int& met,
                         Shared<float> room, Shared<unsigned> word) {
  const int steps = steps_of(f, pass);
  for (int step = 0; step < steps; ++step) {
    product_phase<F>(f, work_of(f, pass, step), stream, room);
    if (step >= f.L * kSteps && step + 1 < steps) continue;  // heads do not wait for each other
    if (!meet(f.barrier, met, word)) return false;
    if (step % kSteps != kQkv || step >= f.L * kSteps) continue;
    if (!attention_phase(f, f.layer[step / kSteps], pass.first, pass.rows, met, room, word)) return false;
    if (!meet(f.barrier, met, word)) return false;
  }
  return true;
}

// While one block draws, the others have nothing to do but to bring the first layer closer: 25 MB of the
// published models in bf16, half of the second-level cache of the GPUs this is written for.
template <DType F>
__device__ void prefetch_first_layer(const Frame& f, const Pass& pass) {
  const Place here = place();
  for (int step = kQkv; step <= kGated; ++step) {
    const Work p = work_of(f, pass, step);
    for (int row = here.warp; row < p.M; row += rows_of_pair(p, here.warps)) {
      const Pair pair = pair_of(p, row, here.warps);
      prefetch_rows<F, 2>(pair.w, pair.m, p.K);
    }
  }
}

// One block writes the input row of the position behind the code of `group`.
__device__ inline void enter_code(const Frame& f, float* row, int group, int code) {
  for (int i = static_cast<int>(threadIdx.x); i < f.H; i += static_cast<int>(blockDim.x)) {
    row[i] = code < 0 ? 0.0f : weight_at(f.table[group], f.table_format, code, i);
  }
}
__device__ inline void enter_hidden(const Frame& f) {
  for (int i = static_cast<int>(threadIdx.x); i < f.H; i += static_cast<int>(blockDim.x))
    f.x[i] = f.hidden[i];
}

// The draws behind a pass, a block per group. In turn block 0 draws the one group and enters its code as the
// next row. At once to[g] gets the codes; groups before `first` are final and only carried over.
__device__ inline void draw_groups(const Frame& f, bool at_once, int frame, const Pass& pass,
                                   const int32_t* from, int32_t* to, Shared<float> room) {
  const SampleState& state = f.state;
  const int64_t codes_at = static_cast<int64_t>(frame) * state.groups;
  const int begin = at_once ? 0 : pass.head;
  for (int g = begin + static_cast<int>(blockIdx.x); g < pass.end(); g += static_cast<int>(gridDim.x)) {
    if (g < pass.head) {
      if (threadIdx.x == 0) to[g] = from[g];
      continue;
    }
    const int64_t at = static_cast<int64_t>(g) * f.V;
    int code = draw(at_once ? f.scores + at : state.scores, f.logits + at, state, g, frame, f.V,
                    shared_cast<Weight64>(room));
    if (at_once) {
      if (code >= 0 && state.forced != nullptr) code = state.forced[codes_at + g];
      if (threadIdx.x == 0) to[g] = code >= 0 && code < f.V ? code : -1;
    } else if (threadIdx.x == 0) {
      take_code(state, g, frame, code, f.V);
    }
    __syncthreads();
    if (!at_once && g + 1 < f.K) enter_code(f, f.x, g, state.codes[codes_at + g]);
  }
  if (blockIdx.x == 0 && threadIdx.x == 0) *f.rounds += 1;
}

// Behind a round at once: takes what is final and says how many groups are. -1: a logit was not finite.
__device__ inline int settle(const Frame& f, int frame, const Pass& pass, const int32_t* from,
                             const int32_t* to) {
  int changed = pass.head;  // every block comes to the same answer
  while (changed < f.K && to[changed] == from[changed] && to[changed] >= 0) ++changed;
  const bool fault = changed < f.K && to[changed] < 0;
  if (blockIdx.x == 0 && threadIdx.x == 0) {
    int32_t* codes = f.state.codes + static_cast<int64_t>(frame) * f.state.groups;
    for (int g = pass.head; g < f.K && g <= changed; ++g) codes[g] = to[g] < 0 ? 0 : to[g];
    if (fault) take_code(f.state, changed, frame, -1, f.V);
  }
  return fault ? -1 : changed + 1;
}

// The rows in front of the first pass in turn; the guess of the first round at once: the frame before.
__device__ inline void enter_frame(const Frame& f, bool at_once, int frame) {
  if (blockIdx.x != 0) return;
  const int32_t* codes = f.state.codes + static_cast<int64_t>(frame) * f.state.groups;
  if (!at_once) {
    enter_hidden(f);
    enter_code(f, f.x + f.H, 0, codes[0]);
  } else if (static_cast<int>(threadIdx.x) < f.K) {
    const int g = static_cast<int>(threadIdx.x);
    f.guess[g] = g == 0 || frame == 0 ? codes[g] : codes[g - f.state.groups];
  }
}

__device__ inline void enter_guess(const Frame& f, int first, const int32_t* guess) {
  for (int p = first + static_cast<int>(blockIdx.x); p < f.K; p += static_cast<int>(gridDim.x)) {
    if (p == 0) enter_hidden(f);
    else enter_code(f, f.x + static_cast<int64_t>(p - first) * f.H, p - 1, guess[p - 1]);
  }
}

template <DType F>
__device__ void run_frame(const Frame& f, bool at_once, int frame, WeightStream& stream,
                          Shared<float> room, Shared<unsigned> word) {
  int met = 0, side = 0;
  enter_frame(f, at_once, frame);
  if (at_once && !meet(f.barrier, met, word)) return;
  for (int first = 0; first >= 0 && first < f.K;) {
    const int32_t* from = f.guess + side * f.K;
    int32_t* to = f.guess + (1 - side) * f.K;
    const int rows = at_once ? f.K - first : first == 0 ? 2 : 1;
    const Pass pass{first, rows, at_once ? max(first, 1) : first + rows - 1};
    open_stream<F>(stream, f, pass);
    if (!at_once && first > 0 && blockIdx.x != 0) prefetch_first_layer<F>(f, pass);
    if (at_once) enter_guess(f, first, from);
    if (!meet(f.barrier, met, word)) return;
    if (f.state.cursor->finish != static_cast<int32_t>(Finish::running)) return;
    if (!run_pass<F>(f, pass, stream, met, room, word)) return;
    draw_groups(f, at_once, frame, pass, from, to, room);
    if (!at_once) {
      first = pass.end();
      continue;
    }
    if (!meet(f.barrier, met, word)) return;
    first = settle(f, frame, pass, from, to);
    side = 1 - side;
  }
}

template <DType F>
__global__ void __launch_bounds__(kMostThreads, 1)
    predictor_kernel(const __grid_constant__ Frame f, bool at_once) {
  Cursor* cursor = f.state.cursor;
  if (cursor->finish != static_cast<int32_t>(Finish::running)) return;
  const int frame = cursor->frame;
  Shared<unsigned> word = shared<unsigned>();
  Shared<uint4> ring = shared_cast<uint4>(word + 4);
  const int warps = static_cast<int>(blockDim.x) / kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  WeightStream stream{};
  stream.ring = ring + warp * 2 * kDepth * kWarp + place().lane;
  run_frame<F>(f, at_once, frame, stream, shared_cast<float>(ring + warps * 2 * kDepth * kWarp), word);
  wait_async<0>();  // nothing may land in shared memory that is somebody else's by then
  if (blockIdx.x == 0 && threadIdx.x == 0 && load_acquire(&f.barrier->gave_up) != 0) {
    cursor->fault = kGaveUp;
    cursor->finish = static_cast<int32_t>(Finish::fault);
  }
}

Layer layer_of(const PredictorLayer& l) {
  return {l.input_norm.f32(), l.q_norm.f32(), l.k_norm.f32(), l.post_norm.f32(),
          {matrix_of(l.q), matrix_of(l.k), matrix_of(l.v), matrix_of(l.o), matrix_of(l.gate), matrix_of(l.up),
           matrix_of(l.down)},
          l.cache};
}

// One format, pieces of 16 bytes, and few enough layers and groups for the arguments of one kernel.
bool fits(const PredictorFrame& p) {
  if (p.layers.empty() || p.layers.size() > kLayers || p.output.size() + 1 > kGroups || p.heads.window != 0)
    return false;
  const DType dtype = p.layers[0].q.dtype;
  const auto piece = [&](DType f) {
    return f == DType::f32 ? 4 : f == DType::bf16 ? 8 : f == DType::int8_rows ? 16 : 32;
  };
  const auto suits = [&](const Tensor& w) {
    return w.dtype == dtype && w.columns() % piece(dtype) == 0 &&
           reinterpret_cast<uintptr_t>(w.data) % 16 == 0;
  };
  bool all = p.layers[0].cache.capacity <= kSpan;
  for (const PredictorLayer& l : p.layers) {
    for (const Tensor* w : {&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down}) all = all && suits(*w);
  }
  for (const Tensor& w : p.output) all = all && suits(w);
  for (const Tensor& t : p.tables) all = all && t.dtype == p.tables[0].dtype;
  return all;
}

Frame frame_of(const PredictorFrame& p, float* scratch, unsigned* words) {
  Frame f{};
  for (size_t l = 0; l < p.layers.size(); ++l) f.layer[l] = layer_of(p.layers[l]);
  for (size_t g = 0; g < p.output.size(); ++g) {
    f.table[g] = matrix_of(p.tables[g]);
    f.head[g] = matrix_of(p.output[g]);
  }
  f.table_format = p.tables[0].dtype;
  f.norm = p.norm.f32();
  f.hidden = p.hidden;
  f.positions = p.positions;
  f.heads = p.heads;
  f.state = p.state;
  f.rounds = p.rounds;
  f.L = static_cast<int>(p.layers.size());
  f.K = static_cast<int>(p.output.size()) + 1;
  f.H = f.layer[0].w[kQ].columns;
  f.I = f.layer[0].w[kGate].rows;
  f.V = f.head[0].rows;
  Arena arena(scratch);
  f.x = arena.take<float>("x", int64_t{f.K} * f.H);
  f.qkv = arena.take<float>("q k v", int64_t{f.K} * (f.heads.nq + 2 * f.heads.nkv) * f.heads.d);
  f.attended = arena.take<float>("attended", int64_t{f.K} * f.heads.nq * f.heads.d);
  f.mlp = arena.take<float>("MLP", int64_t{f.K} * f.I);
  f.logits = arena.take<float>("logits", int64_t{f.K} * f.V);
  f.scores = arena.take<float>("scores", int64_t{f.K} * f.V);
  f.guess = arena.take<int32_t>("guess", int64_t{2} * f.K);
  f.barrier = reinterpret_cast<Barrier*>(words);
  return f;
}

int64_t scratch_of(const PredictorFrame& p) {
  const int64_t K = static_cast<int64_t>(p.output.size()) + 1, d = p.heads.d, H = p.layers[0].q.columns();
  const int64_t floats =
      K * (H + (2 * p.heads.nq + 2 * p.heads.nkv) * d + p.layers[0].gate.rows() + 2 * p.output[0].rows());
  return floats * 4 + 8 * Arena::kAlignment + 2 * K * 4;
}

}  // namespace

bool predict(Queue& q, const PredictorFrame& p) {
  if (!fits(p) || scratch_of(p) > q.scratch_bytes) return false;
  unsigned* words = q.arrivals + q.arrival_count;  // behind what attention uses
  const Frame f = frame_of(p, q.scratch, words);
  const int widest = std::max({f.H, f.I, f.heads.nq * f.heads.d});
  const int threads = f.I >= kWide ? kMostThreads : kFewestThreads;
  const size_t staged =
      static_cast<size_t>(kTogether) * static_cast<size_t>(widest + kSumWarps) * sizeof(float);
  const size_t shared_bytes =
      16 + stream_bytes(threads) +
      std::max({staged, attention_shared_bytes(f.heads), draw_shared_bytes(threads)});
  bool launched = false;
  for_format(p.layers[0].q.dtype, [&]<DType F>() {
    int resident = 0;
    cuda_call(resident_blocks(&resident, predictor_kernel<F>, threads, shared_bytes));
    if (resident == 0) return;
    cuda_call(cudaMemsetAsync(words, 0, sizeof(Barrier), q.stream));
    launch(q, "predictor", predictor_kernel<F>,
           {.blocks = static_cast<unsigned>(q.multiprocessors),
            .threads = static_cast<unsigned>(threads),
            .shared_bytes = shared_bytes,
            .cooperative = true},
           f, p.at_once);
    launched = true;
  });
  return launched;
}

}  // namespace tts::cuda
