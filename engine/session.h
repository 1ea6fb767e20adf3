// One utterance on a device: memory laid out once, the frame loop, the codec behind it, the end of the item.
#pragma once

#include "codec/codec.h"
#include "engine/guard.h"
#include "engine/synthesis.h"
#include "engine/talker.h"

#include <memory>

namespace tts {

constexpr int kPositionStep{512};   // rooms are rounded up, so that items of similar length share one layout
constexpr int kCodecCallFrames{16};  // at most per call of the codec: bounds its scratch

// How many frames an item may have, and what it is called when it gets that far.
struct FrameBudget {
  int frames;
  FinishReason reason;
};
FrameBudget frame_budget(const ModelConfig& config, const SpeakRequest& request, const Prompt& prompt);

// One per code group.
std::vector<SampleRule> frame_rules(const ModelConfig& config, const SpeakRequest& request,
                                    const FrameBudget& budget);

// Memory and codec state that utterances use one after the other; laid out again when an utterance needs
// more than any before it.
template <class D>
struct SessionSpace {
  SessionSpace(D& device, const Model& model, DType cache_dtype);
  ~SessionSpace();
  void reserve(const MemoryShape& room);
  void fit(const Prompt& prompt, const FrameBudget& budget);  // before the prefill; no allocation after it

  D& d;
  const Model& model;
  DType cache_dtype;
  Decoder<D> decoder;
  MemoryShape shape;
  void* memory = nullptr;
  Arena arena;
  Memory m;
  float* samples = nullptr;  // device, one chunk
};

// Layout for the given room, without a device: what --print-config and inspect show.
Arena session_plan(const ModelConfig& config, const MemoryShape& shape);
// A session of this many frames behind a few sentences of text: what is shown before there is a text.
constexpr int kShownRows{128};
MemoryShape shown_shape(const ModelConfig& config, int frames, DType cache_dtype);
// Rounded up.
MemoryShape room_for(int positions, int trailing, int reference, DType cache_dtype);
MemoryShape memory_shape(const Prompt& prompt, const FrameBudget& budget, int groups, DType cache_dtype);

template <class D>
Spoken speak(LanguageModel<D>& lm, SessionSpace<D>& workspace, const SpeakRequest& request,
             const SpeakCallbacks& callbacks);

// Codes alone -> samples, as one stream or in the official chunks.
template <class D>
std::vector<float> decode_codes(SessionSpace<D>& workspace, std::span<const int32_t> codes,
                                bool official_chunks);

}  // namespace tts
