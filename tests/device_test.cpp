// What the device of the CUDA sources promises beside the operations: refusals with numbers, recorded graphs,
// progress without waiting, the second stream; and that its draws are those of the reference.
#include "catch.h"
#include "devices_here.h"

#if defined(TTS_EMULATOR)
#include "kernels/emulator/runtime.h"
#endif

#if defined(TTS_EMULATOR) || defined(TTS_CUDA)
#include <cmath>
#include <cstring>
#include <random>
#include <thread>

using namespace tts;

namespace {

template <class T>
T* filled(Cuda& d, const std::vector<T>& values) {
  T* at = static_cast<T*>(d.allocate(static_cast<int64_t>(values.size() * sizeof(T))));
  d.upload(at, values.data(), static_cast<int64_t>(values.size() * sizeof(T)));
  return at;
}

template <class T>
std::vector<T> read(Cuda& d, const T* at, size_t n) {
  std::vector<T> values(n);
  d.download(values.data(), at, static_cast<int64_t>(n * sizeof(T)));
  return values;
}

Cursor wait_for(Cuda& d, const Cursor* cursor, int tokens) {
  for (;;) {
    const Cursor seen = d.peek(cursor);
    if (seen.tokens == tokens) return seen;
    std::this_thread::yield();
  }
}

// Logits on a coarse grid: many ties, which top-k and top-p must treat as the specification says.
std::vector<float> coarse(int V, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> logits(static_cast<size_t>(V));
  for (float& v : logits) v = std::round(normal(random) * 4) / 4;
  return logits;
}

struct Drawn {
  std::vector<int32_t> codes;
  std::vector<float> scores;
  std::vector<uint32_t> seen;
  Cursor cursor;
};

template <class D>
Drawn draw_many(D& d, const SampleRule& rule, int V, int frames) {
  const int groups = 2;
  const auto take = [&](size_t bytes) { return d.allocate(static_cast<int64_t>(bytes)); };
  Drawn out;
  out.codes.resize(static_cast<size_t>((frames + 1) * groups)), out.scores.resize(static_cast<size_t>(V));
  out.seen.resize(static_cast<size_t>(V + 31) / 32);
  SampleState state;
  state.cursor = static_cast<Cursor*>(take(sizeof(Cursor)));
  state.codes = static_cast<int32_t*>(take(out.codes.size() * 4));
  state.groups = groups;
  state.seen = static_cast<uint32_t*>(take(out.seen.size() * 4));
  const SampleRule rules[groups] = {rule, rule};
  state.rules = static_cast<SampleRule*>(take(sizeof rules));
  d.upload(state.rules, rules, sizeof rules);
  state.scores = static_cast<float*>(take(out.scores.size() * 4));
  float* logits = static_cast<float*>(take(out.scores.size() * 4));
  for (int frame = 0; frame < frames; ++frame) {
    const std::vector<float> values = coarse(V, static_cast<uint32_t>(frame) + 100);
    d.upload(logits, values.data(), V * 4);
    d.sample(state, logits, 0, V);
    d.sample(state, logits, 1, V);
  }
  d.download(out.codes.data(), state.codes, static_cast<int64_t>(out.codes.size() * 4));
  d.download(out.scores.data(), state.scores, V * 4);
  d.download(out.seen.data(), state.seen, static_cast<int64_t>(out.seen.size() * 4));
  d.download(&out.cursor, state.cursor, sizeof(Cursor));
  return out;
}

}  // namespace

TEST_CASE("draws are the reference's: penalty, suppression, top-k with ties, top-p, greedy, the end") {
  constexpr int kVocabulary{331};
  if (!test::is_here<Cuda>()) return;
  Reference reference{DeviceOptions{}};
  Cuda device{DeviceOptions{}};
  const SampleRule plain{.seed = 7, .eos = 310, .first_suppressed = 300, .min_tokens = 2, .max_tokens = 12};
  int compared = 0;
  for (const float top_p : {1.0f, 0.9f, 0.3f, 0.0f}) {
    for (const int top_k : {0, 1, 20, 5000}) {
      for (const bool greedy : {false, true}) {
        SampleRule rule = plain;
        rule.top_p = top_p, rule.top_k = top_k, rule.greedy = greedy;
        rule.temperature = 0.75f, rule.penalty = top_k == 20 ? 1.5f : 1.0f;
        const Drawn want = draw_many(reference, rule, kVocabulary, 15),
                    got = draw_many(device, rule, kVocabulary, 15);
        INFO("top_p " << top_p << ", top_k " << top_k << ", greedy " << greedy);
        CHECK(got.codes == want.codes);
        CHECK(got.scores == want.scores);
        CHECK(got.seen == want.seen);
        CHECK(std::memcmp(&got.cursor, &want.cursor, sizeof(Cursor)) == 0);
        ++compared;
      }
    }
  }
  CHECK(compared == 32);
}

#if defined(TTS_EMULATOR)
TEST_CASE("without a usable GPU the message says what was found and what is needed") {
  emulator::set_device_count(0);
  CHECK_THROWS_WITH(Cuda{DeviceOptions{}}, test::ContainsSubstring("expected a GPU, found none") &&
                                               test::ContainsSubstring("choose --device cpu"));
  emulator::set_device_count(1);
  DeviceOptions options;
  options.index = 3;
  CHECK_THROWS_WITH(Cuda{options}, test::ContainsSubstring("cuda: device 3: expected an index below 1"));
  Cuda device{DeviceOptions{}};
  CHECK_THROWS_WITH(device.allocate(int64_t{1} << 40),
                    test::ContainsSubstring("memory: expected 1099511627776 free bytes"));
  CHECK(device.memory_bytes() > 0);
}
#endif

TEST_CASE("a recorded graph repeats its work and is counted by its kernels") {
  if (!test::is_here<Cuda>()) return;
  Cuda device{DeviceOptions{}};
  int32_t* counter = filled(device, std::vector<int32_t>{0});
  int recorded = 0;
  const auto body = [&] {
    ++recorded;
    device.advance(counter, 1);
    device.advance(counter, 10);
  };
  const Counters before = device.counters();
  for (int i = 0; i < 5; ++i) device.replay(42, body);
  const Counters used = device.counters() - before;
  CHECK(recorded == 1);
  CHECK(used.launches == 10);
  CHECK(used.graph_replays == 5);
  CHECK(used.syncs == 0);
  CHECK(read(device, counter, 1)[0] == 55);
  CHECK_THROWS(device.replay(43, [&]() { throw Error(Exit::internal, "body"); }));
  device.replay(43, body);
  CHECK(read(device, counter, 1)[0] == 66);
  for (uint64_t key = 100; key < 140; ++key) device.replay(key, body);  // more than are kept
  CHECK(read(device, counter, 1)[0] == 66 + 40 * 11);
}

TEST_CASE("progress is seen without waiting, and a reset hides what was published before it") {
  if (!test::is_here<Cuda>()) return;
  Cuda device{DeviceOptions{}};
  Cursor* cursor = filled(device, std::vector<Cursor>{{5, 3, 4, 1, 0}});
  CHECK(device.peek(cursor).tokens == 0);  // nothing was published yet
  const Counters before = device.counters();
  device.publish(cursor);
  const Cursor seen = wait_for(device, cursor, 4);
  CHECK(seen.position == 5);
  CHECK(seen.finish == 1);
  CHECK((device.counters() - before).syncs == 0);
  device.zero(cursor, sizeof(Cursor));
  CHECK(device.peek(cursor).finish == 0);
  device.publish(cursor);
  const Cursor next{9, 8, 7, 0, 0};
  device.upload(cursor, &next, sizeof next);
  CHECK(device.peek(cursor).tokens == 0);
  device.publish(cursor);
  CHECK(wait_for(device, cursor, 7).position == 9);
  device.release(cursor);
}

TEST_CASE("the second stream starts after all uploads and has scratch of its own") {
  if (!test::is_here<Cuda>()) return;
  Cuda device{DeviceOptions{}};
  std::vector<float> x(64 * 8), weight(3 * 8 * 8);
  std::mt19937 random(5);
  for (float& v : x) v = std::normal_distribution<float>()(random);
  for (float& v : weight) v = std::normal_distribution<float>()(random);
  Reference reference{DeviceOptions{}};
  Conv conv;
  conv.weight = {weight.data(), DType::f32, {3, 8, 8}, nullptr};
  conv.in = conv.out = 8, conv.taps = 3;
  std::vector<float> history(16), want(x.size());
  reference.conv(want.data(), x.data(), conv, history.data(), 64);
  for (int round = 0; round < 20; ++round) {
    Conv there = conv;
    there.weight = device.place(conv.weight);
    float* history_there = filled(device, std::vector<float>(16));
    float* y = filled(device, std::vector<float>(x.size()));
    float* x_there = filled(device, x);
    std::vector<float> got(x.size());
    Cuda& second = device.beside();
    second.conv(y, x_there, there, history_there, 64);
    second.download(got.data(), y, static_cast<int64_t>(got.size() * 4));
    double worst = 0;
    for (size_t i = 0; i < got.size(); ++i)
      worst = std::max(worst, std::abs(double{got[i]} - double{want[i]}));
    CHECK(worst < 25 * 0x1p-24 * 64);  // 24 products and a store, values far below 64
  }
}
#endif
