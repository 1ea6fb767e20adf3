// Every limit on data from strangers, in one table; `tts-gen --print-config` prints it, errors quote it.
#pragma once

#include <cstdint>
#include <string_view>

namespace tts {

struct Limit {
  std::string_view name;
  int64_t value;
  std::string_view unit;
  constexpr operator int64_t() const { return value; }  // NOLINT: reads as the number it is
};

namespace limits {

inline constexpr Limit kHeaderBytes{"safetensors header", 100'000'000, "bytes"};
inline constexpr Limit kTensors{"tensors in a model", 65'536, "tensors"};
inline constexpr Limit kTensorRank{"tensor rank", 8, "axes"};
inline constexpr Limit kTensorNameBytes{"tensor name", 512, "bytes"};
inline constexpr Limit kJsonBytes{"JSON file", 16 << 20, "bytes"};
inline constexpr Limit kJsonDepth{"JSON depth", 32, "levels"};
inline constexpr Limit kJsonValues{"JSON values of a file", 2'200'000, "values"};
inline constexpr Limit kVocabularyBytes{"vocab.json, merges.txt", 16 << 20, "bytes"};
inline constexpr Limit kVocabularyEntries{"vocab.json, merges.txt entries", 1 << 20, "entries"};
inline constexpr Limit kAddedTokenBytes{"added token", 256, "bytes"};
inline constexpr Limit kHidden{"hidden width", 16'384, "channels"};
inline constexpr Limit kLayers{"layers", 256, "layers"};
inline constexpr Limit kHeads{"heads", 256, "heads"};
inline constexpr Limit kHeadWidth{"head width", 1'024, "channels"};
inline constexpr Limit kMlpWidth{"MLP width", 65'536, "channels"};
inline constexpr Limit kPositions{"positions of a stack", 1 << 20, "positions"};
inline constexpr Limit kVocabulary{"vocabulary", 1 << 20, "entries"};
inline constexpr Limit kNames{"speakers or languages", 4'096, "names"};
inline constexpr Limit kCodeGroups{"code groups", 64, "groups"};
inline constexpr Limit kCodecChannels{"codec channels", 8'192, "channels"};
inline constexpr Limit kCodecStages{"stages of a codec side", 16, "stages"};
inline constexpr Limit kConvTaps{"taps of a convolution", 64, "taps"};
inline constexpr Limit kSamplesPerFrame{"samples of a frame", 65'536, "samples"};
inline constexpr Limit kTextBytes{"text of one item", 32 << 10, "bytes"};
inline constexpr Limit kTextTokens{"text of one item", 8'192, "tokens"};
inline constexpr Limit kInputBytes{"whole text input", 64 << 20, "bytes"};
inline constexpr Limit kPauseMs{"pause written in the text", 10'000, "ms"};
inline constexpr Limit kClipBytes{"reference audio file", 64 << 20, "bytes"};
inline constexpr Limit kClipDecodedBytes{"reference audio, decoded", 64 << 20, "bytes"};
inline constexpr Limit kClipSeconds{"reference audio", 60, "seconds"};
inline constexpr Limit kClipSilenceMs{"silence appended to reference audio", 5'000, "ms"};
inline constexpr Limit kClipMinSamples{"reference audio at 24 kHz, at least", 1'280, "samples"};
inline constexpr Limit kClipChannels{"reference audio", 8, "channels"};
inline constexpr Limit kClipMinRate{"reference audio rate, at least", 8'000, "Hz"};
inline constexpr Limit kClipMaxRate{"reference audio rate", 192'000, "Hz"};
inline constexpr Limit kFrames{"frames of one item", 8'192, "frames"};

// clang-format off: one per line
inline constexpr const Limit* kAll[] = {
    &kHeaderBytes,
    &kTensors,
    &kTensorRank,
    &kTensorNameBytes,
    &kJsonBytes,
    &kJsonDepth,
    &kJsonValues,
    &kVocabularyBytes,
    &kVocabularyEntries,
    &kAddedTokenBytes,
    &kHidden,
    &kLayers,
    &kHeads,
    &kHeadWidth,
    &kMlpWidth,
    &kPositions,
    &kVocabulary,
    &kNames,
    &kCodeGroups,
    &kCodecChannels,
    &kCodecStages,
    &kConvTaps,
    &kSamplesPerFrame,
    &kTextBytes,
    &kTextTokens,
    &kInputBytes,        &kPauseMs,
    &kClipBytes,
    &kClipDecodedBytes,
    &kClipSeconds,
    &kClipSilenceMs,
    &kClipMinSamples,
    &kClipChannels,
    &kClipMinRate,
    &kClipMaxRate,
    &kFrames,
};
// clang-format on

}  // namespace limits
}  // namespace tts
