// What the resident predictor kernel of frame.cu computes: its arguments, and the products of a pass as a
// list that every warp walks in one order, ahead with its loads (weight_stream.h) and behind with its sums.
//
//   pass:   L x ( qkv | o | gate up | down ) | head of every group drawn behind it
//
// Neighbouring output rows of a product belong to different multiprocessors; a warp takes two rows at once
// where there are two, so that twice the loads share one read of the input.
#pragma once

#include "kernels/cuda/format.h"
#include "kernels/cuda/reduce.h"

#include "kernels/ops.h"

namespace tts::cuda {

constexpr int kTogether{4};                   // input rows that share one read of a weight row
constexpr int kLayers{8}, kGroups{16};        // what fits the 4 KB of kernel arguments

enum Which { kQ, kK, kV, kO, kGate, kUp, kDown, kMatrices };
enum Step { kQkv, kOut, kGated, kBack, kSteps };  // the products of a layer, in their order

struct Layer {
  const float *input_norm, *q_norm, *k_norm, *post_norm;
  Matrix w[kMatrices];
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

struct Place {  // of this warp in the grid, of this lane in the warp
  int warp, warps, lane;
};
__device__ inline Place place() {
  return {static_cast<int>(blockIdx.x + gridDim.x * (threadIdx.x / kWarp)),
          static_cast<int>(gridDim.x * blockDim.x / kWarp), static_cast<int>(threadIdx.x) % kWarp};
}

struct Pass {
  int first, rows;  // positions first, first + 1, ...
  int head;         // groups head, head + 1, ... are drawn behind them
  __device__ int end() const { return first + rows; }
};

// One product of a pass. It points into the arguments of the kernel, which no thread copies: three matrices
// that are chosen by row would lie in local memory.
struct Work {
  const Matrix* w;    // `stacked` of them above each other; gated: gate and up
  const float* x;
  float* y;
  const float* norm;  // null: the input is taken as it is
  int stacked, M, K, rows;
  bool gated, add;
};

// The products of a pass in their order: kSteps per layer, then one head per group.
__device__ inline int steps_of(const Frame& f, const Pass& pass) {
  return f.L * kSteps + pass.end() - pass.head;
}
__device__ inline Work work_of(const Frame& f, const Pass& pass, int step) {
  if (step >= f.L * kSteps) {
    const int group = pass.head + step - f.L * kSteps;
    const float* row = f.x + static_cast<int64_t>(group - pass.first) * f.H;
    return {&f.head[group - 1], row, f.logits + static_cast<int64_t>(group) * f.V, f.norm, 1, f.V, f.H, 1,
            false, false};
  }
  const Layer& layer = f.layer[step / kSteps];
  const Heads& h = f.heads;
  switch (step % kSteps) {
    case kQkv:
      return {&layer.w[kQ], f.x, f.qkv, layer.input_norm, 3, (h.nq + 2 * h.nkv) * h.d, f.H, pass.rows, false,
              false};
    case kOut: return {&layer.w[kO], f.attended, f.x, nullptr, 1, f.H, h.nq * h.d, pass.rows, false, true};
    case kGated: return {&layer.w[kGate], f.x, f.mlp, layer.post_norm, 1, f.I, f.H, pass.rows, true, false};
    default: return {&layer.w[kDown], f.mlp, f.x, nullptr, 1, f.H, f.I, pass.rows, false, true};
  }
}

// The matrix and the row in it that output row m of a stack means.
__device__ inline const Matrix* find_row(const Work& p, int& m) {
  const Matrix* w = p.w;
  for (int i = 1; i < p.stacked && m >= w->rows; ++i) m -= (w++)->rows;
  return w;
}

// The matrix rows that a warp multiplies at once: of output rows `row` and, where it exists, the next of this
// warp; gated: gate and up of one.
struct Pair {
  const Matrix* w[2];
  int m[2];
  int count;
};
__device__ inline Pair pair_of(const Work& p, int row, int warps) {
  Pair pair{{}, {row, p.gated ? row : row + warps}, p.gated || row + warps < p.M ? 2 : 1};
  pair.w[0] = find_row(p, pair.m[0]);
  if (p.gated) pair.w[1] = p.w + 1;
  else pair.w[1] = pair.count == 2 ? find_row(p, pair.m[1]) : pair.w[0];
  return pair;
}
__device__ inline int rows_of_pair(const Work& p, int warps) { return p.gated ? warps : 2 * warps; }

}  // namespace tts::cuda
