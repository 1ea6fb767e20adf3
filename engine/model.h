// A loaded checkpoint: configuration, tokenizer, and every tensor bound to mapped bytes. Independent of the
// device.
#pragma once

#include "base/file.h"
#include "codec/weights.h"
#include "engine/config.h"
#include "engine/weights.h"
#include "tokenizer/tokenizer.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tts {

// The bytes of a model directory by file name: a directory on disk, or the one embedded in the program
// ("embedded"). A file on disk is mapped; an embedded one is where the program was mapped.
class ModelFiles {
 public:
  static ModelFiles open(const std::string& directory_or_embedded);
  bool has(std::string_view name) const;                          // "speech_tokenizer/config.json"
  std::span<const std::byte> bytes(std::string_view name) const;  // absent: Exit::bad_input naming the file
  std::string_view text(std::string_view name) const;             // the same bytes
  std::span<const std::byte> shard(std::string_view folder,
                                   std::string_view name) const;  // confined to the folder
  std::string path(std::string_view name) const;                  // what messages call it
  const std::string& directory() const;
  void check_intact() const;  // no mapped file shrank
  // These bytes were copied: a mapped file's pages leave the memory, and come back should they be read again.
  void forget(const Tensor& tensor) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

bool has_embedded_voice();

// What a voice can and cannot do, said by the small file `voice.json` in its directory; any checkpoint may
// have one (docs/formats.md). Without the file everything is allowed.
struct VoiceRules {
  int max_characters = 0;          // reach of one chunk; 0: no limit of its own
  bool upfront_text_only = false;  // the streaming text layout was not trained
  bool spell_numbers = false;      // cannot read digits and symbols by itself
  std::string description;
};
VoiceRules parse_voice_rules(std::string_view bytes, const std::string& origin);

struct Model {
  ModelFiles files;
  ModelConfig config;
  VoiceRules rules;
  Tokenizer tokenizer;
  TalkerWeights talker{};
  PredictorWeights predictor{};
  CodecDecoderWeights decoder{};
  std::optional<CodecEncoderWeights> encoder{};            // absent as a group: encoding is refused by name
  std::optional<SpeakerEncoderWeights> speaker_encoder{};  // type base
  std::vector<std::string> warnings{};                     // unknown extra tensors
  int64_t weight_bytes = 0;                                // as stored
  std::vector<std::unique_ptr<std::byte[]>> owned{};       // tensors that had to be widened or realigned
};

// Every tensor of a loaded model, in the order of the lists: visit(tensor, name, shape).
template <class Visit>
void each_tensor(Model& m, Visit&& visit) {
  m.talker.each(m.config.talker, visit);
  m.predictor.each(m.config, visit);
  if (m.speaker_encoder) m.speaker_encoder->each(*m.config.speaker_encoder, visit);
  m.decoder.each(m.config.codec, visit);
  if (m.encoder) m.encoder->each(*m.config.codec_encoder, visit);
}

struct LoadOptions {
  bool strict = false;  // unknown tensors are errors
  Pretokenizer pretokenizer = Pretokenizer::standard;
};
std::unique_ptr<Model> load_model(const std::string& directory_or_embedded, const LoadOptions& options = {});
// The tokenizer alone; the other files of the directory may be absent.
Tokenizer load_tokenizer(const ModelFiles& files, Pretokenizer pretokenizer);

}  // namespace tts
