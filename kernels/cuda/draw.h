// One draw by one block (spec/sampling.md sections 2 to 4): used by sample.cu and by the predictor kernel in
// frame.cu.
//
// Top-k and top-p are one radix selection: find the smallest key so that what lies at or above it weighs at
// least `target`. Top-k weighs every score 1 and takes the score as key, so ties with the k-th stay. Top-p
// weighs exp(score - largest) in fixed point (sums of integers have no order) and takes (score, id) as key,
// so of equals the lower ids go first.
#pragma once

#include "kernels/cuda/ptx.h"
#include "kernels/cuda/reduce.h"

#include "kernels/noise.h"
#include "kernels/ops.h"

#include <cmath>

namespace tts::cuda {

using Weight64 = unsigned long long;
constexpr int kDigits{256};
constexpr double kFixedPoint{1099511627776.0};  // 2^40: 2^20 codes of weight 1 stay below 2^63

// Shared memory of a draw:  weights [256]   found [3] (key high, key low, -)   partial, one per warp
constexpr size_t draw_shared_bytes(int threads) {
  return (kDigits + 4 + static_cast<size_t>(threads / kWarp)) * sizeof(Weight64);
}

// Order of floats as unsigned numbers; -0 and +0 are equal.
__device__ inline uint32_t order_of(float x) {
  const uint32_t bits = __float_as_uint(x + 0.0f);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

__device__ inline Weight64 warp_sum64(Weight64 v) {
  for (int step = kWarp / 2; step > 0; step /= 2) v += __shfl_xor_sync(~0u, v, step);
  return v;
}
__device__ inline Weight64 warp_max64(Weight64 v) {
  for (int step = kWarp / 2; step > 0; step /= 2) {
    const Weight64 other = __shfl_xor_sync(~0u, v, step);
    v = other > v ? other : v;
  }
  return v;
}

template <bool Largest>
__device__ Weight64 block_reduce64(Weight64 v, Shared<Weight64> partial) {
  v = Largest ? warp_max64(v) : warp_sum64(v);
  if (threadIdx.x % kWarp == 0) partial[threadIdx.x / kWarp] = v;
  __syncthreads();
  v = partial[0];
  for (unsigned w = 1; w < blockDim.x / kWarp; ++w) {
    const Weight64 other = partial[w];
    v = Largest ? (other > v ? other : v) : v + other;
  }
  __syncthreads();
  return v;
}

// One warp: the digit at which the weights, summed from digit 255 down, first reach `target`; and what lies
// above it.
__device__ inline void find_digit(Shared<Weight64> weights, Weight64 target, Shared<Weight64> found) {
  constexpr int kPerLane{kDigits / kWarp};
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  Weight64 own = 0;
  for (int i = 0; i < kPerLane; ++i) own += weights[lane * kPerLane + i];
  Weight64 above = 0, sum = own;
  for (int step = 1; step < kWarp; step *= 2) {
    const Weight64 other = __shfl_down_sync(~0u, sum, step);
    if (lane + step < kWarp) sum += other;
  }
  above = sum - own;
  if (above >= target || sum < target) return;
  int digit = lane * kPerLane + kPerLane - 1;
  for (; above + weights[digit] < target; --digit) above += weights[digit];
  found[0] = static_cast<Weight64>(digit);
  found[1] = above;
}

// The smallest 64-bit key (digits [0, rounds) from the top; lower digits zero) with weight(>= key) >= target.
// key_of(id), weight_of(id) for id in [0, V).
template <class Key, class Mass>
__device__ Weight64 select_key(int V, int rounds, Weight64 target, Shared<Weight64> room, Key&& key_of,
                               Mass&& weight_of) {
  Shared<Weight64> found = room + kDigits;
  Weight64 prefix = 0, mask = 0;
  for (int round = 0; round < rounds; ++round) {
    const int shift = 56 - 8 * round;
    for (unsigned i = threadIdx.x; i < kDigits; i += blockDim.x) room[i] = 0;
    __syncthreads();
    for (int id = static_cast<int>(threadIdx.x); id < V; id += static_cast<int>(blockDim.x)) {
      const Weight64 key = key_of(id);
      if ((key & mask) == prefix) atomicAdd(room + (key >> shift & 255u), weight_of(id));
    }
    __syncthreads();
    if (threadIdx.x < kWarp) find_digit(room, target, found);
    __syncthreads();
    const Weight64 digit = found[0], above = found[1];
    prefix |= digit << shift;
    mask |= Weight64{255} << shift;
    target -= above;
  }
  __syncthreads();
  return prefix;
}

__device__ inline void keep_top_k(float* scores, int top_k, int V, Shared<Weight64> room) {
  const Weight64 key = select_key(
      V, 4, static_cast<Weight64>(top_k < V ? top_k : V), room,
      [&](int id) { return static_cast<Weight64>(order_of(scores[id])) << 32; },
      [](int) { return Weight64{1}; });
  for (int id = static_cast<int>(threadIdx.x); id < V; id += static_cast<int>(blockDim.x)) {
    if (order_of(scores[id]) < static_cast<uint32_t>(key >> 32)) scores[id] = -INFINITY;
  }
  __syncthreads();
}

__device__ inline void keep_top_p(float* scores, float top_p, int V, Shared<Weight64> room) {
  Shared<Weight64> partial = room + (kDigits + 4);
  Weight64 best = 0;
  for (int id = static_cast<int>(threadIdx.x); id < V; id += static_cast<int>(blockDim.x)) {
    const Weight64 key = static_cast<Weight64>(order_of(scores[id])) << 32 | static_cast<unsigned>(id);
    best = key > best ? key : best;
  }
  const int top = static_cast<int>(block_reduce64<true>(best, partial) & 0xffffffffu);
  const double largest = scores[top];
  const auto weight_of = [&](int id) {
    return static_cast<Weight64>(exp(scores[id] - largest) * kFixedPoint);
  };
  const auto key_of = [&](int id) {
    return static_cast<Weight64>(order_of(scores[id])) << 32 | static_cast<unsigned>(id);
  };
  Weight64 own = 0;
  for (int id = static_cast<int>(threadIdx.x); id < V; id += static_cast<int>(blockDim.x))
    own += weight_of(id);
  const Weight64 total = block_reduce64<false>(own, partial);
  const double limit = (1 - static_cast<double>(top_p)) * static_cast<double>(total);
  const double rest = ceil(static_cast<double>(total) - limit);
  const Weight64 target = rest < 1 ? 1 : static_cast<Weight64>(rest);
  const Weight64 key = select_key(V, 8, target, room, key_of, weight_of);
  for (int id = static_cast<int>(threadIdx.x); id < V; id += static_cast<int>(blockDim.x)) {
    if (key_of(id) < key) scores[id] = -INFINITY;
  }
  __syncthreads();
}

// Section 2, steps 1 to 3, for one id.
__device__ inline float score_of(float logit, int id, const SampleState& state, const SampleRule& rule,
                                 bool talker, int tokens) {
  if (talker) {
    const bool seen = (state.seen[id / 32] >> (id % 32) & 1u) != 0;
    if (seen && rule.penalty != 1) logit = logit < 0 ? logit * rule.penalty : logit / rule.penalty;
    if (id == rule.eos ? tokens < rule.min_tokens : id >= rule.first_suppressed) return -INFINITY;
  }
  return rule.greedy ? logit : logit / rule.temperature;
}

// The chosen code of logits[V], or -1 when a logit is not finite. Leaves the processed scores in `scores`.
// All threads of the block call it; `room` has draw_shared_bytes().
__device__ inline int draw(float* scores, const float* logits, const SampleState& state, int group, int frame,
                           int V, Shared<Weight64> room) {
  Shared<Weight64> partial = room + (kDigits + 4);
  const SampleRule rule = state.rules[group];
  const int tokens = state.cursor->tokens;
  Weight64 bad = 0;
  for (int id = static_cast<int>(threadIdx.x); id < V; id += static_cast<int>(blockDim.x)) {
    const float logit = logits[id];
    bad |= !(fabsf(logit) < INFINITY);
    scores[id] = score_of(logit, id, state, rule, group == 0, tokens);
  }
  if (block_reduce64<true>(bad, partial) != 0) return -1;
  if (!rule.greedy) {
    if (rule.top_k > 0) keep_top_k(scores, rule.top_k, V, room);
    if (rule.top_p < 1) keep_top_p(scores, rule.top_p, V, room);
  }
  Weight64 best = 0;  // larger value first, then the lower id
  for (int id = static_cast<int>(threadIdx.x); id < V; id += static_cast<int>(blockDim.x)) {
    const float score = scores[id];
    if (score == -INFINITY) continue;
    const float value = rule.greedy ? score : score + gumbel_noise(rule.seed, frame, group, id);
    const Weight64 key =
        static_cast<Weight64>(order_of(value)) << 32 | (0xffffffffu - static_cast<unsigned>(id));
    best = key > best ? key : best;
  }
  best = block_reduce64<true>(best, partial);
  return best == 0 ? -1 : static_cast<int>(0xffffffffu - static_cast<unsigned>(best & 0xffffffffu));
}

// What follows a draw, by one thread: the code is stored, group 0 advances the cursor.
__device__ inline void take_code(const SampleState& state, int group, int frame, int code, int V) {
  Cursor& cursor = *state.cursor;
  const SampleRule& rule = state.rules[group];
  const int64_t at = static_cast<int64_t>(frame) * state.groups + group;
  if (code >= 0 && state.forced != nullptr) code = state.forced[at];
  if (code < 0 || code >= V) {
    cursor.fault = 1 + group;
    cursor.finish = static_cast<int32_t>(Finish::fault);
    return;
  }
  state.codes[at] = code;
  if (group > 0) return;
  cursor.position += 1;
  cursor.frame = frame;
  cursor.tokens += 1;
  state.seen[code / 32] |= 1u << (code % 32);
  if (code == rule.eos) cursor.finish = static_cast<int32_t>(Finish::eos);
  else if (cursor.tokens == rule.max_tokens) cursor.finish = static_cast<int32_t>(Finish::length);
}

}  // namespace tts::cuda
