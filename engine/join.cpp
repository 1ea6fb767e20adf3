#include "engine/join.h"

#include "base/error.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tts {

namespace {

int64_t samples_of(double ms, int rate_hz) { return std::llround(ms * rate_hz / 1'000); }

// Rises from 0 to 1 over `length` samples, steepest by pi / (2 * length) per sample.
float rise(int64_t at, int64_t length) {
  if (at >= length) return 1;
  const double phase = (static_cast<double>(at) + 0.5) / static_cast<double>(length);
  return static_cast<float>(0.5 - 0.5 * std::cos(std::numbers::pi * phase));
}

}  // namespace

Joiner::Joiner(const JoinSettings& settings, Sink sink)
    : settings_(settings),
      sink_(std::move(sink)),
      lead_(samples_of(settings.lead_ms, settings.rate_hz)),
      trail_(samples_of(settings.trail_ms, settings.rate_hz)),
      fade_(samples_of(settings.fade_ms, settings.rate_hz)) {
  check(settings.rate_hz > 0 && lead_ >= 0 && trail_ >= 0 && fade_ >= 0, Exit::internal,
        "joining: expected a rate and lengths from 0");
}

void Joiner::begin_chunk(double gap_ms) {
  gap_ = heard_ ? std::max<int64_t>(0, samples_of(gap_ms, settings_.rate_hz)) : 0;
  seen_ = voiced_end_ = next_ = 0;
  begin_ = -1;
  held_.clear();
  placed_ = {written_, written_};
}

void Joiner::write(std::span<const float> samples) {
  held_.insert(held_.end(), samples.begin(), samples.end());
  for (size_t i = 0; i < samples.size(); ++i) {
    if (std::fabs(samples[i]) < settings_.silence) continue;
    const int64_t at = seen_ + static_cast<int64_t>(i);
    if (begin_ < 0) begin_ = std::max<int64_t>(0, at - lead_);
    voiced_end_ = at + 1;
  }
  seen_ += static_cast<int64_t>(samples.size());
  if (begin_ < 0) {  // nothing before the lead can be needed any more
    const int64_t drop = std::max<int64_t>(0, static_cast<int64_t>(held_.size()) - lead_);
    held_.erase(held_.begin(), held_.begin() + drop);
    next_ += drop;
    return;
  }
  // The end of what is kept is here or later, and the fade reaches `fade_` back from it.
  flush(std::min(seen_, voiced_end_ + trail_) - fade_);
}

Placed Joiner::end_chunk() {
  if (begin_ >= 0) {
    const int64_t end = std::min(seen_, voiced_end_ + trail_);
    flush(end - fade_);
    const int64_t first = std::max(next_, begin_);
    for (int64_t at = first; at < end; ++at)
      held_[static_cast<size_t>(at - next_)] *= rise(end - 1 - at, fade_);
    flush(end);
  }
  held_.clear();
  return placed_;
}

// Hands out what is kept before `end`, with the rise at the beginning of the chunk.
void Joiner::flush(int64_t end) {
  const int64_t first = std::max(next_, begin_);
  if (end <= first) return;
  if (next_ <= begin_) {  // the first of this chunk
    block_.assign(static_cast<size_t>(gap_), 0.0f);
    placed_.begin = written_ + gap_;
    heard_ = true;
  } else {
    block_.clear();
  }
  for (int64_t at = first; at < end; ++at)
    block_.push_back(held_[static_cast<size_t>(at - next_)] * rise(at - begin_, fade_));
  held_.erase(held_.begin(), held_.begin() + (end - next_));
  next_ = end;
  written_ += static_cast<int64_t>(block_.size());
  placed_.end = written_;
  sink_(block_);
}

}  // namespace tts
