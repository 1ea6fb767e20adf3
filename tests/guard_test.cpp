#include "catch.h"
#include "engine/guard.h"

#include <cstddef>
#include <numeric>

using tts::SpeechGuard;

namespace {

constexpr int kFrame{1920}, kRate{24000};
constexpr size_t kTail{4800};  // 200 ms

std::vector<float> frame_of(float level) { return std::vector<float>(kFrame, level); }

struct Fed {
  std::vector<size_t> sizes;  // samples handed out per frame
  bool tripped = false;
  size_t total() const { return std::accumulate(sizes.begin(), sizes.end(), size_t{0}); }
};

Fed feed(SpeechGuard& guard, const std::vector<float>& levels) {
  Fed fed;
  for (const float level : levels) {
    std::vector<float> out;
    fed.tripped = guard.push(frame_of(level), out);
    fed.sizes.push_back(out.size());
    if (fed.tripped) break;
  }
  return fed;
}

std::vector<float> levels(int voiced, int silent) {
  std::vector<float> list(static_cast<size_t>(voiced), 0.1f);
  list.insert(list.end(), static_cast<size_t>(silent), 0.0f);
  return list;
}

}  // namespace

TEST_CASE("25 silent frames after speech trip the guard; the audio ends 200 ms after the last voiced frame") {
  SpeechGuard guard(kFrame, kRate, true);
  const Fed fed = feed(guard, levels(3, 40));
  CHECK(fed.tripped);
  CHECK(fed.sizes.size() == 3 + 25);
  CHECK(fed.total() == 3 * kFrame + kTail);
  CHECK(guard.covered_frames() == 6);  // three voiced, two and a half of silence
}

TEST_CASE("24 silent frames do not, and held silence comes out with the next voiced frame") {
  SpeechGuard guard(kFrame, kRate, true);
  std::vector<float> list = levels(2, 24);
  list.push_back(0.1f);
  const Fed fed = feed(guard, list);
  CHECK_FALSE(fed.tripped);
  CHECK(fed.total() == list.size() * kFrame);
  CHECK(fed.sizes.back() > kFrame);
}

TEST_CASE("silence before speech neither trips nor is held") {
  SpeechGuard guard(kFrame, kRate, true);
  const Fed fed = feed(guard, levels(0, 60));
  CHECK_FALSE(fed.tripped);
  CHECK(fed.total() == 60u * kFrame);
}

TEST_CASE("an item that ends by itself keeps its trailing silence") {
  SpeechGuard guard(kFrame, kRate, true);
  const Fed fed = feed(guard, levels(2, 10));
  std::vector<float> rest;
  guard.release(rest);
  CHECK(fed.total() + rest.size() == 12u * kFrame);
}

TEST_CASE("switched off, everything passes at once") {
  SpeechGuard guard(kFrame, kRate, false);
  const Fed fed = feed(guard, levels(1, 60));
  CHECK_FALSE(fed.tripped);
  for (const size_t size : fed.sizes) CHECK(size == kFrame);
}

TEST_CASE("the border of silence is -60 dBFS") {
  for (const auto& [level, trips] : {std::pair{0.99e-3f, true}, std::pair{1.01e-3f, false}}) {
    SpeechGuard guard(kFrame, kRate, true);
    std::vector<float> list{0.1f};
    list.insert(list.end(), 30, level);
    CHECK(feed(guard, list).tripped == trips);
  }
}
