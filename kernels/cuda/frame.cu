// The code predictor of one frame in one cooperative kernel: all passes, sampling included, no launch and no
// host in between. One block per multiprocessor stays resident; warps own output rows; activations travel
// through L2, weights stream once per pass. The composed text is engine/predictor.cpp; both call the same
// device functions, so their bits are equal.
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
#include "kernels/cuda/product.h"

#include "kernels/arena.h"

#include <algorithm>

namespace tts::cuda {

namespace {

constexpr int kMostThreads{256}, kFewestThreads{kSumThreads};  // 512 leave 128 registers and spill
constexpr int kWide{1024};                    // output rows from which a multiprocessor is given all threads
constexpr int kTogether{4};                   // input rows that share one read of a weight row
constexpr int kLayers{8}, kGroups{16};        // what fits the 4 KB of kernel arguments
constexpr int64_t kPatience{2'000'000'000};   // ns
constexpr int kLooks{16};                     // at a barrier between two at the watchdog

struct Layer {
  const float *input_norm, *q_norm, *k_norm, *post_norm;
  Matrix q, k, v, o, gate, up, down;
  KvCache cache;
};

struct Barrier {
  unsigned arrived, gave_up;
};

struct Frame {
  Layer layer[kLayers];
  Matrix table[kGroups], head[kGroups];
  const float* norm;
  const float* hidden;
  const int32_t* positions;
  Heads heads;
  SampleState state;
  float *x, *qkv, *attended, *mlp, *logits, *scores;  // [K][...]
  int32_t* guess;                                     // [2][K], at once only
  int32_t* rounds;                                    // counts passes
  Barrier* barrier;
  int L, H, I, V, K;
  DType table_format;
};
static_assert(sizeof(Frame) <= 4096, "kernel arguments");

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

struct Place {  // of this warp in the grid; neighbouring output rows go to different multiprocessors
  int warp, warps;
};
__device__ inline Place place() {
  return {static_cast<int>(blockIdx.x + gridDim.x * (threadIdx.x / kWarp)),
          static_cast<int>(gridDim.x * blockDim.x / kWarp)};
}

// Output rows row, row + step, ... (R of them) of one product for N input rows that lie in shared memory.
template <DType F, Kind kKind, int R, int N, class X>
__device__ void multiply_some(const Product& p, const X (&from)[N], int rows, int row, int step) {
  constexpr int kMatrices{kKind == Kind::gated ? 2 * R : R};
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const Matrix* w[kMatrices];
  int m[kMatrices];
#pragma unroll
  for (int i = 0; i < kMatrices; ++i) {
    m[i] = row + i % R * step;
    w[i] = kKind == Kind::gated ? &p.w[i / R] : &find_row(p, m[i]);
  }
  float sum[kMatrices * N] = {};
  multiply<F, kMatrices, N>(sum, w, m, from, p.K);
  warp_sum(sum);
#pragma unroll
  for (int r = 0; r < R; ++r) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
      if (lane != r * N + n || n >= rows) continue;
      float value = sum[r * N + n];
      if constexpr (kKind == Kind::gated) value = activate(value, Act::silu) * sum[(R + r) * N + n];
      store_output(p, n, row + r * step, value);
    }
  }
}

// All output rows of this warp, two at once where there are two and one input row: twice the loads in flight.
template <DType F, Kind kKind, int N>
__device__ void multiply_rows(const Product& p, Shared<float> staged, int rows) {
  const Place here = place();
  Shared<float> from[N];
  for (int n = 0; n < N; ++n) from[n] = staged + min(n, rows - 1) * p.K;
  int row = here.warp;
  if constexpr (N == 1) {
    for (; row + here.warps < p.M; row += 2 * here.warps)
      multiply_some<F, kKind, 2, N>(p, from, rows, row, here.warps);
  }
  for (; row < p.M; row += here.warps) multiply_some<F, kKind, 1, N>(p, from, rows, row, 0);
}

// Before a barrier: the first `most` rows that this warp reads behind it.
template <DType F, Kind kKind>
__device__ void prefetch_product(const Product& p, int most = 2) {
  constexpr int kMatrices{kKind == Kind::gated ? 2 : 1};
  const Place here = place();
  for (int i = 0; i < most; ++i) {
    const int row = here.warp + i * here.warps;
    if (row >= p.M) return;
    const Matrix* w[kMatrices];
    int m[kMatrices];
    for (int k = 0; k < kMatrices; ++k) {
      m[k] = row;
      w[k] = kKind == Kind::gated ? &p.w[k] : &find_row(p, m[k]);
    }
    prefetch_rows<F, kMatrices>(w, m, p.K);
  }
}

// Stages the input rows (normalized unless plain), then multiplies; kTogether rows at a time.
template <DType F, Kind kKind>
__device__ void product_phase(Product p, Shared<float> room) {
  const int rows = p.rows;
  for (int first = 0; first < rows; first += kTogether) {
    const int n = min(kTogether, rows - first);
    Product part = p;
    part.x = p.x + static_cast<int64_t>(first) * p.K;
    part.y = p.y + static_cast<int64_t>(first) * p.M;
    __syncthreads();
    if constexpr (kKind == Kind::plain) {
      for (int i = static_cast<int>(threadIdx.x); i < n * p.K; i += static_cast<int>(blockDim.x))
        room[i] = part.x[i];
    } else {
      normalize_rows<kTogether>(room, part.x, n, p.norm, p.K, room + kTogether * p.K);
    }
    __syncthreads();
    if (n == 1) multiply_rows<F, kKind, 1>(part, room, n);
    else multiply_rows<F, kKind, kTogether>(part, room, n);
  }
}

__device__ inline Product product_of(float* y, const float* x, const Matrix& w, int rows) {
  Product p;
  p.w[0] = w;
  p.x = x;
  p.y = y;
  p.M = p.stride = w.rows;
  p.K = w.columns;
  p.rows = rows;
  return p;
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

__device__ inline Product qkv_of(const Frame& f, int l, int rows) {
  const Layer& layer = f.layer[l];
  Product p = product_of(f.qkv, f.x, layer.q, rows);
  p.w[1] = layer.k;
  p.w[2] = layer.v;
  p.M += layer.k.rows + layer.v.rows;
  p.stride = p.M;
  p.norm = {layer.input_norm, nullptr, f.heads.eps};
  return p;
}
__device__ inline Product gated_of(const Frame& f, int l, int rows) {
  const Layer& layer = f.layer[l];
  Product p = product_of(f.mlp, f.x, layer.gate, rows);
  p.w[1] = layer.up;
  p.norm = {layer.post_norm, nullptr, f.heads.eps};
  return p;
}
__device__ inline Product residual_of(const Frame& f, const float* x, const Matrix& w, int rows) {
  Product p = product_of(f.x, x, w, rows);
  p.add = true;
  return p;
}
__device__ inline Product head_of(const Frame& f, const float* row, int group) {
  Product p = product_of(f.logits + static_cast<int64_t>(group) * f.V, row, f.head[group - 1], 1);
  p.norm = {f.norm, nullptr, f.heads.eps};
  return p;
}

// x[rows][H] at positions first, first + 1, ... through all layers. Every phase asks for the weights of the
// next one before it waits: they come while the barrier does.
template <DType F>
__device__ bool run_layers(const Frame& f, int first, int rows, int& met, Shared<float> room,
                           Shared<unsigned> word) {
  for (int l = 0; l < f.L; ++l) {
    const Layer& layer = f.layer[l];
    product_phase<F, Kind::normed>(qkv_of(f, l, rows), room);
    const Product o = residual_of(f, f.attended, layer.o, rows);
    prefetch_product<F, Kind::plain>(o);
    if (!meet(f.barrier, met, word)) return false;
    if (!attention_phase(f, layer, first, rows, met, room, word)) return false;
    if (!meet(f.barrier, met, word)) return false;
    product_phase<F, Kind::plain>(o, room);
    const Product gated = gated_of(f, l, rows);
    prefetch_product<F, Kind::gated>(gated);
    if (!meet(f.barrier, met, word)) return false;
    product_phase<F, Kind::gated>(gated, room);
    const Product down = residual_of(f, f.mlp, layer.down, rows);
    prefetch_product<F, Kind::plain>(down);
    if (!meet(f.barrier, met, word)) return false;
    product_phase<F, Kind::plain>(down, room);
    if (l + 1 < f.L) prefetch_product<F, Kind::normed>(qkv_of(f, l + 1, rows));
    if (!meet(f.barrier, met, word)) return false;
  }
  return true;
}

template <DType F>
__device__ void head_phase(const Frame& f, const float* row, int group, Shared<float> room) {
  product_phase<F, Kind::normed>(head_of(f, row, group), room);
}

// While one block draws, the others have nothing to do but to bring the first layer closer: 25 MB of the
// published models in bf16, half of the second-level cache of the GPUs this is written for.
template <DType F>
__device__ void prefetch_first_layer(const Frame& f) {
  constexpr int kAll{1 << 20};
  prefetch_product<F, Kind::normed>(qkv_of(f, 0, 1), kAll);
  prefetch_product<F, Kind::plain>(residual_of(f, f.attended, f.layer[0].o, 1), kAll);
  prefetch_product<F, Kind::gated>(gated_of(f, 0, 1), kAll);
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

template <DType F>
__device__ void passes_in_turn(const Frame& f, int frame, Shared<float> room, Shared<unsigned> word) {
  const SampleState& state = f.state;
  const int32_t* codes = state.codes + static_cast<int64_t>(frame) * state.groups;
  int met = 0;
  if (blockIdx.x == 0) {
    enter_hidden(f);
    enter_code(f, f.x + f.H, 0, codes[0]);
  }
  for (int g = 0; g + 1 < f.K; ++g) {
    const int rows = g == 0 ? 2 : 1, first = g == 0 ? 0 : g + 1;
    if (!meet(f.barrier, met, word)) return;
    if (state.cursor->finish != static_cast<int32_t>(Finish::running)) return;
    if (!run_layers<F>(f, first, rows, met, room, word)) return;
    head_phase<F>(f, f.x + static_cast<int64_t>(rows - 1) * f.H, g + 1, room);
    if (!meet(f.barrier, met, word)) return;
    if (blockIdx.x != 0) {
      if (g + 2 < f.K) prefetch_first_layer<F>(f);
      continue;
    }
    const float* logits = f.logits + static_cast<int64_t>(g + 1) * f.V;
    const int code = draw(state.scores, logits, state, g + 1, frame, f.V, shared_cast<Weight64>(room));
    if (threadIdx.x == 0) {
      take_code(state, g + 1, frame, code, f.V);
      *f.rounds += 1;
    }
    __syncthreads();
    if (g + 2 < f.K) enter_code(f, f.x, g + 1, codes[g + 1]);
  }
}

// The draws of one round: a block per group; guess[to] gets them. Groups before `first` are final and only
// carried over.
__device__ inline void draw_all(const Frame& f, int frame, int first, const int32_t* from, int32_t* to,
                                Shared<float> room) {
  for (int g = static_cast<int>(blockIdx.x); g < f.K; g += static_cast<int>(gridDim.x)) {
    if (g < first || g == 0) {
      if (threadIdx.x == 0) to[g] = from[g];
      continue;
    }
    const int64_t at = static_cast<int64_t>(g) * f.V;
    int code = draw(f.scores + at, f.logits + at, f.state, g, frame, f.V, shared_cast<Weight64>(room));
    if (code >= 0 && f.state.forced != nullptr)
      code = f.state.forced[static_cast<int64_t>(frame) * f.state.groups + g];
    if (threadIdx.x == 0) to[g] = code >= 0 && code < f.V ? code : -1;
    __syncthreads();
  }
}

template <DType F>
__device__ void passes_at_once(const Frame& f, int frame, Shared<float> room, Shared<unsigned> word) {
  const SampleState& state = f.state;
  int32_t* codes = state.codes + static_cast<int64_t>(frame) * state.groups;
  int met = 0, side = 0;
  if (blockIdx.x == 0 && static_cast<int>(threadIdx.x) < f.K) {  // the guess: the frame before
    const int g = static_cast<int>(threadIdx.x);
    f.guess[g] = g == 0 || frame == 0 ? codes[g] : codes[g - state.groups];
  }
  if (!meet(f.barrier, met, word)) return;
  for (int first = 0; first < f.K;) {
    const int32_t* from = f.guess + side * f.K;
    int32_t* to = f.guess + (1 - side) * f.K;
    const int rows = f.K - first;
    for (int p = first + static_cast<int>(blockIdx.x); p < f.K; p += static_cast<int>(gridDim.x)) {
      if (p == 0) enter_hidden(f);
      else enter_code(f, f.x + static_cast<int64_t>(p - first) * f.H, p - 1, from[p - 1]);
    }
    if (!meet(f.barrier, met, word)) return;
    if (!run_layers<F>(f, first, rows, met, room, word)) return;
    for (int g = max(first, 1); g < f.K; ++g)
      head_phase<F>(f, f.x + static_cast<int64_t>(g - first) * f.H, g, room);
    if (!meet(f.barrier, met, word)) return;
    draw_all(f, frame, first, from, to, room);
    if (blockIdx.x == 0 && threadIdx.x == 0) *f.rounds += 1;
    if (!meet(f.barrier, met, word)) return;
    int changed = max(first, 1);  // every block comes to the same answer
    while (changed < f.K && to[changed] == from[changed] && to[changed] >= 0) ++changed;
    const bool fault = changed < f.K && to[changed] < 0;
    if (blockIdx.x == 0 && threadIdx.x == 0) {
      for (int g = max(first, 1); g < f.K && g <= changed; ++g) codes[g] = to[g] < 0 ? 0 : to[g];
      if (fault) take_code(state, changed, frame, -1, f.V);
    }
    if (fault) return;
    first = changed + 1;
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
  Shared<float> room = shared_cast<float>(word + 4);
  if (at_once) passes_at_once<F>(f, frame, room, word);
  else passes_in_turn<F>(f, frame, room, word);
  if (blockIdx.x == 0 && threadIdx.x == 0 && load_acquire(&f.barrier->gave_up) != 0) {
    cursor->fault = f.K;
    cursor->finish = static_cast<int32_t>(Finish::fault);
  }
}

Layer layer_of(const PredictorLayer& l) {
  return {l.input_norm.f32(), l.q_norm.f32(), l.k_norm.f32(), l.post_norm.f32(),
          matrix_of(l.q), matrix_of(l.k), matrix_of(l.v), matrix_of(l.o),
          matrix_of(l.gate), matrix_of(l.up), matrix_of(l.down), l.cache};
}

// One format, pieces of 16 bytes, and few enough layers and groups for the arguments of one kernel.
bool fits(const PredictorFrame& p) {
  if (p.layers.empty() || p.layers.size() > kLayers || p.output.size() + 1 > kGroups || p.heads.window != 0)
    return false;
  const DType format = p.layers[0].q.dtype;
  const auto piece = [&](DType f) {
    return f == DType::f32 ? 4 : f == DType::bf16 ? 8 : f == DType::int8_rows ? 16 : 32;
  };
  const auto suits = [&](const Tensor& w) {
    return w.dtype == format && w.columns() % piece(format) == 0 &&
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
  f.H = f.layer[0].q.columns;
  f.I = f.layer[0].gate.rows;
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
      16 + std::max({staged, attention_shared_bytes(f.heads), draw_shared_bytes(threads)});
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
