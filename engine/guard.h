// Speech that never ends is ended, and said so. Two rules (both off with --guard off):
//   - a ceiling of frames, about three times healthy speech: 100 + 12 per text token;
//   - 25 near-silent frames in a row (2 s below -60 dBFS) after speech has begun.
// Samples already handed out cannot be taken back, so near-silence beyond 200 ms after a voiced frame is held
// until the next voiced frame. All decisions depend on frames only: never on chunks, run-ahead or time.
#pragma once

#include <span>
#include <vector>

namespace tts {

constexpr int frame_ceiling(int text_tokens) { return 100 + 12 * text_tokens; }

class SpeechGuard {
 public:
  SpeechGuard(int samples_per_frame, int sample_rate, bool on);

  // Takes one frame, appends to `out` what may be handed out now. True: the silence rule tripped, the rest is
  // dropped.
  bool push(std::span<const float> frame, std::vector<float>& out);
  // The item ended by itself or at a limit: held silence belongs to it after all.
  void release(std::vector<float>& out);

  // Frames that the audio handed out so far covers, partly covered ones included.
  int covered_frames() const;

 private:
  int samples_per_frame_, tail_samples_;
  bool on_;
  bool spoken_ = false;
  int silent_frames_ = 0;        // in a row
  int quiet_samples_ = 0;        // handed out since the last voiced frame
  long long handed_out_ = 0;
  std::vector<float> held_;
};

}  // namespace tts
