// Chunks of a long text become one recording: silence at their edges is cut to a set amount, the edges are
// faded, gaps of silence stand between them. Works on the stream: samples leave as soon as no later one can
// change them.
//
//   chunk 1   ......######..###..........        . silence   # voice
//   output    ..######..###...                   lead and trail kept, fade over the outer ends
//   chunk 2                            ...####.....
//   output                     _____..####...    _ gap
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace tts {

struct JoinSettings {
  int rate_hz = 0;
  double lead_ms = 30;    // silence kept before the first sound of a chunk
  double trail_ms = 80;   // and behind its last
  double fade_ms = 5;     // raised cosine over both ends of what is kept
  float silence = 1e-3f;  // smaller samples are silent: -60 dBFS
};
inline constexpr double kGapMs{250};  // between chunks of a paragraph
inline constexpr double kParagraphGapMs{700};

struct Placed {  // of a chunk, in samples of the output; begin == end: nothing could be heard
  int64_t begin = 0, end = 0;
};

class Joiner {
 public:
  using Sink = std::function<void(std::span<const float>)>;
  Joiner(const JoinSettings& settings, Sink sink);

  // The gap is written with the chunk's first sound: a silent chunk adds neither. Before the first chunk
  // there is none.
  void begin_chunk(double gap_ms);
  void write(std::span<const float> samples);
  Placed end_chunk();

  int64_t samples() const { return written_; }

 private:
  void flush(int64_t end);

  JoinSettings settings_;
  Sink sink_;
  int64_t lead_, trail_, fade_;
  int64_t written_ = 0;  // in all
  int64_t gap_ = 0;      // before this chunk, not yet written
  bool heard_ = false;   // some chunk was
  // Of this chunk, counted from its first sample:
  int64_t seen_ = 0;
  int64_t begin_ = -1;      // first that is kept; -1: no sound so far
  int64_t voiced_end_ = 0;  // behind the last sound
  int64_t next_ = 0;        // first of `held_`
  std::vector<float> held_;
  std::vector<float> block_;
  Placed placed_;
};

}  // namespace tts
