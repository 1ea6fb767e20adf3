// config.json, generation_config.json and speech_tokenizer/config.json of one model, separated by NUL bytes.
// What is accepted must have the properties that the engine computes with.
#include "fuzz.h"

#include "base/limits.h"
#include "engine/config.h"

namespace {

void require_stack(const tts::Dims& m) {
  using namespace tts;
  fuzz::require(m.H >= 1 && m.H <= limits::kHidden && m.L >= 1 && m.L <= limits::kLayers,
                "a stack beyond the limits");
  fuzz::require(m.nq >= 1 && m.nq <= limits::kHeads && m.nkv >= 1 && m.nq % m.nkv == 0,
                "heads that do not divide");
  fuzz::require(m.d >= 2 && m.d % 2 == 0 && m.eps > 0 && m.theta >= 1, "a head that cannot be rotated");
}

}  // namespace

TTS_FUZZ(config) {
  using namespace tts;
  const size_t first = bytes.find('\0');
  const size_t second = first == bytes.npos ? bytes.npos : bytes.find('\0', first + 1);
  if (second == bytes.npos) return;
  ModelConfig c;
  const ConfigFiles files{bytes.substr(0, first), bytes.substr(first + 1, second - first - 1),
                          bytes.substr(second + 1), "fuzz"};
  if (!fuzz::accepts([&] { c = parse_config(files); })) return;
  require_stack(c.talker.dims);
  require_stack(c.predictor);
  require_stack(c.codec.transformer);
  const int V = c.talker.dims.V;
  for (const int id : {c.talker.pad, c.talker.bos, c.talker.eos, c.talker.think, c.talker.nothink,
                       c.talker.think_bos, c.talker.think_eos}) {
    fuzz::require(id >= c.talker.first_suppressed && id < V, "a control id outside its table");
  }
  for (const Named& language : c.talker.languages)
    fuzz::require(language.id >= 0 && language.id < V, "a language outside the table");
  for (const Speaker& speaker : c.talker.speakers) {
    fuzz::require(speaker.id >= 0 && speaker.id < V && find_speaker(c, speaker.name) == &speaker,
                  "a speaker that is not found");
  }
  __int128 product = 1;
  for (const int rate : c.codec.upsample_rates) product *= rate;
  for (const int ratio : c.codec.upsampling_ratios) product *= ratio;
  fuzz::require(product == c.codec.samples_per_frame, "rates that do not give the samples of a frame");
  fuzz::require(c.talker.groups == c.codec.groups && c.predictor.V <= c.codec.codebook_size,
                "codes that the codec does not know");
  fuzz::require(c.speaker_encoder.has_value() == (c.type == ModelType::base),
                "a speaker encoder of the wrong type");
}
