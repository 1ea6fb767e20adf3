#include "engine/clone.h"

#include "base/trace.h"
#include "codec/resample.h"

#include <algorithm>
#include <cmath>

namespace tts {

namespace {

constexpr float kSilence{1e-4f};      // -80 dBFS: below it there is no voice, only the noise of a converter
constexpr double kShortSeconds{1.0};  // shorter clips work, but seldom sound like the speaker

double seconds_of(const AudioClip& clip) { return static_cast<double>(clip.samples.size()) / clip.rate; }

void check_model(const Model& model, const CloneRequest& request) {
  const ModelConfig& c = model.config;
  check(c.type == ModelType::base && model.speaker_encoder, Exit::usage,
        "{}: voice cloning: expected a base checkpoint, got {}; {}", c.directory, c.type,
        c.type == ModelType::custom_voice ? "choose one of its speakers"
                                          : "describe the voice with --instruct");
  if (request.vector_only) return;
  check(model.encoder.has_value(), Exit::bad_input,
        "{}: speech_tokenizer: expected the tensors encoder.* for in-context cloning, got none; use "
        "--x-vector-only, or "
        "a complete checkpoint",
        c.directory);
}

void check_audio(const CloneRequest& request) {
  const AudioClip& clip = request.clip;
  check(!clip.samples.empty() && clip.rate > 0, Exit::bad_input, "{}: expected samples, got none",
        request.origin);
  check(seconds_of(clip) <= static_cast<double>(limits::kClipSeconds), Exit::bad_input,
        "{}: expected at most {} seconds of audio, got {}; cut the clip", request.origin,
        limits::kClipSeconds.value, fixed(seconds_of(clip), 1));
  float largest = 0;
  for (const float x : clip.samples) {
    check(std::isfinite(x), Exit::bad_input, "{}: expected finite samples, got {}", request.origin, x);
    largest = std::max(largest, std::abs(x));
  }
  check(largest >= kSilence, Exit::bad_input, "{}: expected a voice, got silence (no sample reaches {})",
        request.origin, kSilence);
}

std::vector<std::string> warnings_about(const CloneRequest& request) {
  std::vector<std::string> warnings;
  if (seconds_of(request.clip) < kShortSeconds) {
    warnings.push_back(format("{}: {} s is short for a reference; 3 to 10 s keep the voice better",
                              request.origin, fixed(seconds_of(request.clip), 2)));
  }
  if (request.clip.clipped) {
    warnings.push_back(format("{}: the recording is clipped; the voice will sound so, too", request.origin));
  }
  return warnings;
}

// The clip at another rate; samples of the clip itself when the rates are equal.
std::vector<float> at_rate(const CloneRequest& request, int rate) {
  const AudioClip& clip = request.clip;
  std::vector<float> samples = clip.rate == rate ? clip.samples : resample(clip.samples, clip.rate, rate);
  check(static_cast<int64_t>(samples.size()) >= limits::kClipMinSamples, Exit::bad_input,
        "{}: expected at least {} samples at {} Hz, got {}; give a longer clip", request.origin,
        limits::kClipMinSamples.value, rate, samples.size());
  return samples;
}

bool is_blank(const std::string& text) { return text.find_first_not_of(" \t\r\n\f\v") == text.npos; }

}  // namespace

void check_clone(const Model& model, const CloneRequest& request) {
  check_model(model, request);
  check(request.vector_only || !is_blank(request.transcript), Exit::usage,
        "{}: in-context cloning needs the words of the clip: give --ref-text, or use --x-vector-only",
        request.origin);
  check(request.silence_ms >= 0 && request.silence_ms <= limits::kClipSilenceMs, Exit::usage,
        "--ref-silence-ms: expected 0..{}, got {}", limits::kClipSilenceMs.value, request.silence_ms);
  check_audio(request);
}

template <class D>
Clone Cloner<D>::clone(const CloneRequest& request) {
  const Trace trace("clone");
  check_clone(model_, request);
  const ModelConfig& c = model_.config;
  auto voice = std::make_shared<ClonedVoice>();

  if (!speaker_encoder_) {
    speaker_encoder_ = std::make_unique<SpeakerEncoder<D>>(d_, *c.speaker_encoder, *model_.speaker_encoder);
  }
  voice->speaker_vector = speaker_encoder_->encode(at_rate(request, c.speaker_encoder->sample_rate));

  if (!request.vector_only) {
    const int rate = c.codec_encoder->sample_rate;
    std::vector<float> samples = at_rate(request, rate);
    samples.resize(samples.size() + static_cast<size_t>(int64_t{request.silence_ms} * rate / 1000));
    voice->codes = encode(samples);
    voice->transcript = request.transcript;
  }
  return {std::move(voice), warnings_about(request)};
}

template <class D>
std::vector<int32_t> Cloner<D>::encode(std::span<const float> samples) {
  check(model_.encoder.has_value(), Exit::bad_input,
        "{}: speech_tokenizer: expected the tensors encoder.*, got none", model_.config.directory);
  if (!encoder_) encoder_ = std::make_unique<Encoder<D>>(d_, *model_.config.codec_encoder, *model_.encoder);
  return encoder_->encode(samples);
}

#define TTS_INSTANTIATE(D) template class Cloner<D>;
TTS_DEVICES(TTS_INSTANTIATE)

}  // namespace tts
