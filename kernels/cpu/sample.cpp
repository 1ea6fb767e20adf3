// Sampling: what kernels/reference/sample.cpp does, without sorting the whole vocabulary.
#include "kernels/cpu/cpu.h"
#include "kernels/noise.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace tts {

namespace {

constexpr float kDropped{-std::numeric_limits<float>::infinity()};

// Penalty once per id that was drawn before, then minimum length and suppression.
void apply_history(float* scores, const SampleState& state, const SampleRule& rule, int V) {
  if (rule.penalty != 1) {
    for (int word = 0; word < (V + 31) / 32; ++word) {
      for (uint32_t bits = state.seen[word]; bits != 0; bits &= bits - 1) {
        float& score = scores[word * 32 + std::countr_zero(bits)];
        score = score < 0 ? score * rule.penalty : score / rule.penalty;
      }
    }
  }
  const bool blocked = state.cursor->tokens < rule.min_tokens;
  const float eos = scores[rule.eos];
  std::fill(scores + rule.first_suppressed, scores + V, kDropped);
  scores[rule.eos] = blocked ? kDropped : eos;
}

// Everything below the k-th largest goes; ties with it stay. `work` holds V floats.
void keep_top_k(float* scores, int top_k, int V, float* work) {
  if (top_k >= V) return;
  std::copy(scores, scores + V, work);
  std::nth_element(work, work + top_k - 1, work + V, std::greater<>());
  const float threshold = work[top_k - 1];
  for (int id = 0; id < V; ++id) scores[id] = scores[id] < threshold ? kDropped : scores[id];
}

// Ascending by score, then by id; what has at most 1 - top_p of the mass up to itself goes, the largest
// stays.
void keep_top_p(float* scores, float top_p, int V, int32_t* order) {
  int kept = 0;
  for (int id = 0; id < V; ++id) {
    if (scores[id] != kDropped) order[kept++] = id;
  }
  std::sort(order, order + kept,
            [&](int a, int b) { return scores[a] < scores[b] || (scores[a] == scores[b] && a < b); });
  const double largest = double{scores[order[kept - 1]]};
  double total = 0, mass = 0;
  for (int id = 0; id < V; ++id) total += scores[id] == kDropped ? 0 : std::exp(double{scores[id]} - largest);
  for (int i = 0; i + 1 < kept; ++i) {
    mass += std::exp(double{scores[order[i]]} - largest) / total;
    if (mass > 1 - double{top_p}) return;
    scores[order[i]] = kDropped;
  }
}

int choose(const float* scores, const SampleRule& rule, int frame, int group, int V) {
  int best = -1;
  float highest = 0;
  for (int id = 0; id < V; ++id) {
    if (scores[id] == kDropped) continue;
    const float value =
        rule.greedy ? scores[id] : scores[id] + gumbel_noise(rule.seed, frame, group, id);
    if (best < 0 || value > highest) best = id, highest = value;
  }
  return best;
}

}  // namespace

void Cpu::sample(const SampleState& state, const float* logits, int group, int V) {
  Cursor& cursor = *state.cursor;
  const SampleRule& rule = state.rules[group];
  if (cursor.finish != static_cast<int32_t>(Finish::running)) return;
  float* scores = state.scores;
  float poison = 0;
  for (int id = 0; id < V; ++id) poison += logits[id] - logits[id];  // NaN unless all are finite
  std::copy(logits, logits + V, scores);
  if (poison != 0) {
    cursor.fault = 1 + group;
    cursor.finish = static_cast<int32_t>(Finish::fault);
    return;
  }
  if (group == 0) apply_history(scores, state, rule, V);
  if (!rule.greedy) {
    float* work = scores_.get<float>(V);
    for (int id = 0; id < V; ++id) scores[id] /= rule.temperature;
    if (rule.top_k > 0) keep_top_k(scores, rule.top_k, V, work);
    if (rule.top_p < 1) keep_top_p(scores, rule.top_p, V, reinterpret_cast<int32_t*>(work));
  }
  const int frame = group == 0 ? cursor.tokens : cursor.frame;
  const int at = frame * state.groups + group;
  const int code = state.forced != nullptr ? state.forced[at] : choose(scores, rule, frame, group, V);
  check(code >= 0 && code < V, Exit::internal, "sample: expected a code below {}, got {}", V, code);
  state.codes[at] = code;
  if (group > 0) return;
  state.seen[code / 32] |= 1u << (code % 32);
  cursor.position += 1;
  cursor.frame = frame;
  cursor.tokens += 1;
  const bool full = cursor.tokens == rule.max_tokens;
  const Finish finish = code == rule.eos ? Finish::eos : full ? Finish::length : Finish::running;
  cursor.finish = static_cast<int32_t>(finish);
}

}  // namespace tts
