// Sampling on every device: progress of the cursor, how an utterance ends, faults, teacher forcing, the draw
// itself; and the operations that read the codes a draw left on the device. Recorded scores of the official
// package are in golden_test.
#include "catch.h"
#include "devices_here.h"
#include "kernels/devices.h"
#include "kernels/noise.h"

#include <cmath>
#include <limits>
#include <map>

using namespace tts;

namespace {

constexpr int kGroups{3};
constexpr int kFrames{40};

template <class D>
struct Utterance {
  D device{DeviceOptions{}};
  int V;
  SampleState state;
  float* logits;

  explicit Utterance(int vocabulary, int position = 9) : V(vocabulary) {
    state.cursor = static_cast<Cursor*>(device.allocate(sizeof(Cursor)));
    state.codes = static_cast<int32_t*>(device.allocate(kFrames * kGroups * 4));
    state.groups = kGroups;
    state.seen = static_cast<uint32_t*>(device.allocate((V + 31) / 32 * 4));
    state.rules = static_cast<SampleRule*>(device.allocate(kGroups * sizeof(SampleRule)));
    state.scores = static_cast<float*>(device.allocate(V * 4));
    logits = static_cast<float*>(device.allocate(V * 4));
    const Cursor start{position, 0, 0, 0, 0};
    device.upload(state.cursor, &start, sizeof start);
  }
  void force(const std::vector<int32_t>& codes) {
    auto* memory = static_cast<int32_t*>(device.allocate(static_cast<int64_t>(codes.size()) * 4));
    device.upload(memory, codes.data(), static_cast<int64_t>(codes.size()) * 4);
    state.forced = memory;
  }
  void sample(const std::vector<float>& values, const SampleRule& rule, int group = 0) {
    device.upload(logits, values.data(), V * 4);
    device.upload(state.rules + group, &rule, sizeof rule);
    device.sample(state, logits, group, V);
  }
  Cursor cursor() {
    Cursor now{};
    device.download(&now, state.cursor, sizeof now);
    return now;
  }
  int32_t code(int frame, int group) {
    int32_t value = 0;
    device.download(&value, state.codes + frame * kGroups + group, 4);
    return value;
  }
  std::vector<float> scores() {
    std::vector<float> values(static_cast<size_t>(V));
    device.download(values.data(), state.scores, V * 4);
    return values;
  }
};

std::vector<float> make_logits(int V, uint32_t seed) {
  std::vector<float> values;
  for (int i = 0; i < V; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values.push_back(static_cast<float>(static_cast<int32_t>(seed)) * 0x1p-29f);
  }
  return values;
}

SampleRule talker_rule(int V) {
  SampleRule rule;
  rule.seed = 7, rule.temperature = 0.9f, rule.top_k = 20, rule.top_p = 0.95f, rule.penalty = 1.3f;
  rule.eos = V - 5, rule.first_suppressed = V - 10, rule.min_tokens = 2, rule.max_tokens = 30;
  return rule;
}

template <class Visit>
void for_each_device(Visit&& visit) {
#define TTS_VISIT(D) \
  if (test::is_here<D>()) visit(static_cast<D*>(nullptr), std::string(D::kind()));
  TTS_DEVICES(TTS_VISIT)
#undef TTS_VISIT
}
#define TTS_ON(tag) std::remove_pointer_t<decltype(tag)>

}  // namespace

TEST_CASE("the first draw begins frame 0 at the position after the prompt; every later one adds one to all") {
  for_each_device([](auto tag, const std::string& label) {
    INFO(label);
    Utterance<TTS_ON(tag)> u(100);
    const SampleRule rule = talker_rule(100);
    for (int n = 0; n < 5; ++n) {
      u.sample(make_logits(100, static_cast<uint32_t>(n)), rule);
      const Cursor c = u.cursor();
      CHECK(c.position == 10 + n);
      CHECK(c.frame == n);
      CHECK(c.tokens == n + 1);
      CHECK(c.finish == static_cast<int32_t>(Finish::running));
    }
  });
}

TEST_CASE(
    "eos ends, but not among the first tokens; the last allowed token ends; then nothing changes any more") {
  for_each_device([](auto tag, const std::string& label) {
    INFO(label);
    std::vector<float> logits(100, 0.0f);
    SampleRule rule = talker_rule(100);
    rule.greedy = true;
    logits[static_cast<size_t>(rule.eos)] = 5;
    logits[4] = 4;
    Utterance<TTS_ON(tag)> u(100);
    for (const int want : {4, 4, rule.eos}) {
      u.sample(logits, rule);
      CHECK(u.code(u.cursor().frame, 0) == want);
    }
    CHECK(u.cursor().finish == static_cast<int32_t>(Finish::eos));
    u.sample(logits, rule);
    CHECK(u.cursor().tokens == 3);

    Utterance<TTS_ON(tag)> full(100);
    rule.max_tokens = 2;
    full.sample(logits, rule);
    CHECK(full.cursor().finish == static_cast<int32_t>(Finish::running));
    full.sample(logits, rule);
    CHECK(full.cursor().finish == static_cast<int32_t>(Finish::length));
  });
}

TEST_CASE("suppressed ids are never drawn and the penalty counts an id once") {
  for_each_device([](auto tag, const std::string& label) {
    INFO(label);
    std::vector<float> logits(64, -1.0f);
    logits[60] = 50;  // suppressed
    logits[3] = 2, logits[5] = 1.9f, logits[7] = -0.5f;
    SampleRule rule = talker_rule(64);
    rule.greedy = true;
    Utterance<TTS_ON(tag)> u(64);
    u.sample(logits, rule);
    CHECK(u.code(0, 0) == 3);
    for (int n = 1; n < 4; ++n) u.sample(logits, rule);
    CHECK(u.scores()[3] == 2.0f / 1.3f);
    CHECK(u.scores()[60] == -std::numeric_limits<float>::infinity());
    u.force(std::vector<int32_t>(kFrames * kGroups, 7));
    u.sample(logits, rule);
    CHECK(u.code(4, 0) == 7);
    u.sample(logits, rule);
    CHECK(u.scores()[7] == -0.5f * 1.3f);
  });
}

TEST_CASE("logits that are not finite are a fault that names the group, and nothing is drawn from them") {
  for_each_device([](auto tag, const std::string& label) {
    for (const float poison :
         {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
      for (const int group : {0, 2}) {
        INFO(label << " group " << group << " value " << poison);
        Utterance<TTS_ON(tag)> u(50);
        const SampleRule rule = talker_rule(50);
        u.sample(make_logits(50, 1), rule);
        std::vector<float> logits = make_logits(50, 2);
        logits[49] = poison;
        u.sample(logits, rule, group);
        CHECK(u.cursor().finish == static_cast<int32_t>(Finish::fault));
        CHECK(u.cursor().fault == 1 + group);
        CHECK(u.cursor().tokens == 1);
      }
    }
  });
}

TEST_CASE("all devices draw the same codes and keep the same ones") {
  for_each_device([&](auto tag, const std::string& label) {
    Utterance<TTS_ON(tag)> u(300);
    Utterance<Reference> reference(300);
    SampleRule rule = talker_rule(300);
    rule.max_tokens = kFrames + 1;
    for (int n = 0; n < kFrames - 1; ++n) {
      for (const int group : {0, 1, 2}) {
        rule.top_k = group == 1 ? 0 : 20;
        rule.top_p = group == 2 ? 1.0f : 0.8f;
        std::vector<float> logits = make_logits(300, static_cast<uint32_t>(n * 3 + group));
        logits[11] = logits[12] = logits[200];  // ties
        u.sample(logits, rule, group), reference.sample(logits, rule, group);
        INFO(label << " token " << n << " group " << group);
        REQUIRE(u.cursor().finish == reference.cursor().finish);
        if (u.cursor().finish != 0) return;
        CHECK(u.scores() == reference.scores());
        CHECK(u.code(n, group) == reference.code(n, group));
      }
    }
  });
}

// Of n draws with probability p the count is within 5 sqrt(n p (1-p)) but once in a million.
TEST_CASE("draws follow the probabilities") {
  for_each_device([](auto tag, const std::string& label) {
    if (label == "emulator")
      return;  // the same text as the others, compared above; 4000 draws take minutes there
    const std::vector<float> logits = {0.0f, 1.0f, 2.0f, -1.0f};
    double total = 0;
    for (const float value : logits) total += std::exp(double{value});
    std::map<int, int> counts;
    constexpr int kDraws{4000};
    Utterance<TTS_ON(tag)> u(4);
    for (int i = 0; i < kDraws; ++i) {
      SampleRule rule;
      rule.seed = static_cast<uint64_t>(i);
      u.sample(logits, rule, 1);
      ++counts[u.code(0, 1)];
    }
    for (int id = 0; id < 4; ++id) {
      const double p = std::exp(double{logits[static_cast<size_t>(id)]}) / total;
      INFO(label << " id " << id);
      CHECK(std::abs(counts[id] - kDraws * p) < 5 * std::sqrt(kDraws * p * (1 - p)));
    }
  });
}

TEST_CASE(
    "a predictor input is the row of the frame's code; the next talker row sums all codes and the text") {
  for_each_device([](auto tag, const std::string& label) {
    INFO(label);
    constexpr int kWidth{5};
    Utterance<TTS_ON(tag)> u(8);
    std::vector<float> table(8 * kWidth), text = {100, 200, 300, 400, 500, 1000, 2000, 3000, 4000, 5000};
    for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>(i);
    const Tensor placed = u.device.place({table.data(), DType::f32, {8, kWidth}, nullptr});
    const Tensor tables[kGroups] = {placed, placed, placed};
    auto* rows = static_cast<float*>(u.device.allocate(static_cast<int64_t>(text.size()) * 4));
    u.device.upload(rows, text.data(), static_cast<int64_t>(text.size()) * 4);
    auto* y = static_cast<float*>(u.device.allocate(kWidth * 4));
    const std::vector<int32_t> codes = {1, 2, 3, 4, 5, 6, 0, 7, 1};
    u.device.upload(u.state.codes, codes.data(), static_cast<int64_t>(codes.size()) * 4);
    for (const int frame : {0, 1, 2}) {
      const Cursor c{0, frame, frame + 1, 0, 0};
      u.device.upload(u.state.cursor, &c, sizeof c);
      float got[kWidth];
      u.device.embed_code(y, u.state, 1, placed);
      u.device.download(got, y, sizeof got);
      for (int i = 0; i < kWidth; ++i)
        CHECK(got[i] == static_cast<float>(codes[frame * 3u + 1] * kWidth + i));
      u.device.next_row(y, u.state, tables, rows, 2);
      u.device.download(got, y, sizeof got);
      const int sum = codes[frame * 3u] + codes[frame * 3u + 1] + codes[frame * 3u + 2];
      for (int i = 0; i < kWidth; ++i) {
        const float pad = text[static_cast<size_t>(std::min(frame, 1) * kWidth + i)];
        CHECK(got[i] == static_cast<float>(sum * kWidth + 3 * i) + pad);
      }
    }
  });
}
