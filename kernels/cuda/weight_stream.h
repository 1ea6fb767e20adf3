// The weights of a pass on their way through shared memory. Which bytes a warp multiplies does not depend on
// any activation, so every lane copies the pieces it is going to multiply kDepth units ahead: over the ends
// of rows and of products, and while the grid meets, attends or stages its inputs.
//
//   unit: the next 32 pieces of a pair of matrix rows, 1 KB       ring of a warp: kDepth units
//         lane l copies and multiplies pieces l, l + 32, ...      ┌──────┬──────┬─────┬────────────┐
//                                                                 │ unit │ + 1  │ ... │ + kDepth-1 │
//   A lane reads only what it copied itself and waits only for    └──────┴──────┴─────┴────────────┘
//   its own copies: there is no barrier in it.                    next to be multiplied, then copied over
//
// 8 warps have 48 KB under way, 6.3 MB on 132 multiprocessors: more than the 3.8 MB that hide 0.8 us of
// latency at 4.8 TB/s, what such a memory brings during the 1.3 us of a grid barrier, and, beside four staged
// rows of 3072, still inside the 99 KB that a block of the smaller GPUs may have.
#pragma once

#include "kernels/cuda/predictor_steps.h"
#include "kernels/cuda/product.h"

namespace tts::cuda {

constexpr int kDepth{6};
constexpr int kUnitBytes{2 * kWarp * static_cast<int>(sizeof(uint4))};

inline size_t stream_bytes(int threads) {
  return static_cast<size_t>(threads / kWarp) * kDepth * kUnitBytes;
}

struct WeightStream {
  Shared<uint4> ring;  // of this lane: pieces kWarp apart, two per unit
  int slot;            // of the oldest unit
  // the next unit to copy
  Pass pass;
  Work work;
  int step, left, row, piece, count;  // left: input rows of the product; count: matrix rows of the pair
  const char* from[2];
};

// Behind the end of a pair, of a product for some input rows, or of a product: to the next pair of this warp.
template <DType F>
__device__ void find_unit(WeightStream& s, const Frame& f) {
  const Place here = place();
  const int steps = steps_of(f, s.pass);
  while (s.step < steps && s.row >= s.work.M) {
    s.row = here.warp;
    s.left -= kTogether;
    if (s.left > 0) continue;
    if (++s.step == steps) return;
    s.work = work_of(f, s.pass, s.step);
    s.left = s.work.rows;
  }
  const Pair pair = pair_of(s.work, s.row, here.warps);
  s.piece = here.lane;
  s.count = pair.count;
  for (int r = 0; r < 2; ++r) {
    s.from[r] = static_cast<const char*>(pair.w[r]->data) + pair.m[r] * row_bytes<F>(s.work.K) +
                here.lane * int64_t{sizeof(uint4)};
  }
}

// Starts the copies of the next unit into the oldest slot; behind the last one of a pass, of nothing.
template <DType F>
__device__ void copy_unit(WeightStream& s, const Frame& f) {
  if (s.step < steps_of(f, s.pass)) {
    const Place here = place();
    const int pieces = s.work.K / kPiece<F>;
    for (int r = 0; r < 2; ++r) {
      if (r < s.count && s.piece < pieces) copy_async(s.ring + (2 * s.slot + r) * kWarp, s.from[r]);
      s.from[r] += kWarp * sizeof(uint4);
    }
    s.piece += kWarp;
    if (s.piece - here.lane >= pieces) {
      s.row += rows_of_pair(s.work, here.warps);
      find_unit<F>(s, f);
    }
  }
  commit_async();
  s.slot = s.slot + 1 == kDepth ? 0 : s.slot + 1;
}

// Before a pass, whose products are then multiplied in their order.
template <DType F>
__device__ void open_stream(WeightStream& s, const Frame& f, const Pass& pass) {
  s.pass = pass;
  s.step = 0;
  s.work = work_of(f, pass, 0);
  s.left = s.work.rows;
  s.row = place().warp;
  find_unit<F>(s, f);
  for (int i = 0; i < kDepth; ++i) copy_unit<F>(s, f);
}

// multiply() of product.h, the same bits, on the next units of the stream.
template <DType F, int R, int N>
__device__ void multiply_stream(float (&sum)[R * N], WeightStream& s, const Frame& f,
                                const Matrix* const (&w)[R], const int (&m)[R], const Shared<float> (&x)[N],
                                int K) {
  const int pieces = K / kPiece<F>, lane = place().lane;
  for (int first = 0; first < pieces; first += kWarp) {
    const int piece = first + lane;
    uint4 bits[R];
    wait_async<kDepth - 1>();
#pragma unroll
    for (int r = 0; r < R; ++r) {
      if (piece < pieces) bits[r] = s.ring[(2 * s.slot + r) * kWarp];
    }
    copy_unit<F>(s, f);
    if (piece < pieces) multiply_piece<F, R, N>(sum, bits, w, m, x, piece, pieces);
  }
}

}  // namespace tts::cuda
