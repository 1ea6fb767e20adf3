// spec/sampling.md sections 2 to 4, one step after the other.
#include "kernels/noise.h"
#include "kernels/reference/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace tts {

namespace {

constexpr float kDropped{-std::numeric_limits<float>::infinity()};

// Section 2, steps 1 to 3
void apply_history(float* scores, const SampleState& state, const SampleRule& rule, int V) {
  for (int id = 0; id < V; ++id) {
    const bool seen = (state.seen[id / 32] >> (id % 32) & 1u) != 0;
    if (seen && rule.penalty != 1)
      scores[id] = scores[id] < 0 ? scores[id] * rule.penalty : scores[id] / rule.penalty;
  }
  if (state.cursor->tokens < rule.min_tokens) scores[rule.eos] = kDropped;
  for (int id = rule.first_suppressed; id < V; ++id) {
    if (id != rule.eos) scores[id] = kDropped;
  }
}

void keep_top_k(float* scores, int top_k, int V) {
  std::vector<float> sorted(scores, scores + V);
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  const float threshold = sorted[static_cast<size_t>(std::min(top_k, V) - 1)];
  for (int id = 0; id < V; ++id) {
    if (scores[id] < threshold) scores[id] = kDropped;  // ties with the k-th largest stay
  }
}

// Ascending: what has at most 1 - top_p of the mass below and at itself goes; the largest always stays.
void keep_top_p(float* scores, float top_p, int V) {
  std::vector<int> order(static_cast<size_t>(V));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return scores[a] < scores[b]; });
  const double largest = double{scores[order.back()]};
  double total = 0, mass = 0;
  for (int id = 0; id < V; ++id) total += std::exp(double{scores[id]} - largest);
  for (size_t i = 0; i + 1 < order.size(); ++i) {
    mass += std::exp(double{scores[order[i]]} - largest) / total;
    if (mass <= 1 - double{top_p}) scores[order[i]] = kDropped;
  }
}

// Section 2, step 5, the draw by Gumbel-max: arg max of score + noise over what was kept. The lowest id wins
// a tie.
int choose(const float* scores, const SampleRule& rule, int frame, int group, int V) {
  int best = -1;
  float highest = 0;
  for (int id = 0; id < V; ++id) {
    if (scores[id] == kDropped) continue;
    const float value =
        rule.greedy ? scores[id] : scores[id] + gumbel_noise(rule.seed, frame, group, id);
    if (best < 0 || value > highest) {
      best = id;
      highest = value;
    }
  }
  return best;
}

void finish_token(const SampleState& state, const SampleRule& rule, int code) {
  Cursor& cursor = *state.cursor;
  state.seen[code / 32] |= 1u << (code % 32);
  if (code == rule.eos)
    cursor.finish = static_cast<int32_t>(Finish::eos);
  else if (cursor.tokens == rule.max_tokens)
    cursor.finish = static_cast<int32_t>(Finish::length);
}

}  // namespace

void Reference::sample(const SampleState& state, const float* logits, int group, int V) {
  Cursor& cursor = *state.cursor;
  const SampleRule& rule = state.rules[group];
  if (cursor.finish != static_cast<int32_t>(Finish::running)) return;
  float* scores = state.scores;
  std::copy(logits, logits + V, scores);
  if (!std::all_of(logits, logits + V, [](float value) { return std::isfinite(value); })) {
    cursor.fault = 1 + group;
    cursor.finish = static_cast<int32_t>(Finish::fault);
    return;
  }
  if (group == 0) apply_history(scores, state, rule, V);
  if (!rule.greedy) {
    for (int id = 0; id < V; ++id) scores[id] /= rule.temperature;
    if (rule.top_k > 0) keep_top_k(scores, rule.top_k, V);
    if (rule.top_p < 1) keep_top_p(scores, rule.top_p, V);
  }
  const int frame = group == 0 ? cursor.tokens : cursor.frame;
  const int at = frame * state.groups + group;
  const int code = state.forced != nullptr ? state.forced[at] : choose(scores, rule, frame, group, V);
  check(code >= 0 && code < V, Exit::internal, "sample: expected a code below {}, got {}", V, code);
  state.codes[at] = code;
  if (group > 0) return;
  cursor = {cursor.position + 1, frame, cursor.tokens + 1, cursor.finish, cursor.fault};
  finish_token(state, rule, code);
}

}  // namespace tts
