// cases/: prompt rows, prefill, every talker step and predictor pass under teacher forcing, then the free
// run.
#include "codec/codec.h"
#include "codec/resample.h"
#include "engine/session.h"
#include "golden.h"
#include "golden_device.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace tts::golden {

namespace {

// The goldens' own statement: a float64 recomputation differs by at most 2e-6, so 1e-5 is a safe bound for
// f32.
constexpr double kRelativeError{1e-5};

template <class D>
struct Bench {  // one model on one device
  Bench(const Model& m, D& d) : model(m), device(d), lm(d, m), workspace(d, m, DType::f32) {
    if (m.encoder) encoder.emplace(d, *m.config.codec_encoder, *m.encoder);
    if (m.speaker_encoder) speaker_encoder.emplace(d, *m.config.speaker_encoder, *m.speaker_encoder);
  }
  const Model& model;
  D& device;
  LanguageModel<D> lm;
  SessionSpace<D> workspace;
  std::optional<Encoder<D>> encoder;
  std::optional<SpeakerEncoder<D>> speaker_encoder;
};

struct Clips {  // the input audio of all cases
  File file;
  Json rates;
  explicit Clips(const std::string& directory)
      : file(directory + "/audio.safetensors"), rates(Json::load(directory + "/audio.json")) {}

  std::vector<float> at_24k(const std::string& name) {
    const int rate = static_cast<int>(rates.at("clips").at(name).at("rate").integer(1, 1 << 20));
    return resample(as_floats(file.peek(name)), rate, 24000);
  }
};

struct Case {
  const Json& json;
  File& file;
  std::string place, prefix;  // "item0." in a batch
  int item;
};

// ---- the call ---------------------------------------------------------------------------------------------

// An argument of the public call: a scalar for all items, or a list with one entry per item. null: absent.
const Json* argument(const Case& c, std::string_view name) {
  const Json* value = c.json.at("arguments").find(name);
  if (value && value->kind() == Json::Kind::array) value = &value->items()[static_cast<size_t>(c.item)];
  return value && !value->is_null() ? value : nullptr;
}

std::string text_argument(const Case& c, std::string_view name, const std::string& otherwise) {
  const Json* value = argument(c, name);
  return value ? value->text() : otherwise;
}

void read_sampling(const Case& c, SpeakRequest& request) {
  Sampling& s = request.sampling;
  const Json& given = c.json.at("sampling");
  const auto number = [&](std::string_view key, float& to) {
    if (given.has(key)) to = static_cast<float>(given.at(key).number());
  };
  if (given.has("do_sample")) s.greedy = !given.at("do_sample").boolean();
  if (given.has("subtalker_dosample")) s.sub_greedy = !given.at("subtalker_dosample").boolean();
  number("temperature", s.temperature);
  number("top_p", s.top_p);
  number("repetition_penalty", s.repetition_penalty);
  number("subtalker_temperature", s.sub_temperature);
  number("subtalker_top_p", s.sub_top_p);
  if (given.has("top_k")) s.top_k = static_cast<int>(given.at("top_k").integer(0, 1 << 20));
  if (given.has("subtalker_top_k"))
    s.sub_top_k = static_cast<int>(given.at("subtalker_top_k").integer(0, 1 << 20));
  s.max_new_tokens = static_cast<int>(c.json.at("max_new_tokens").integer(2, 1 << 20));
}

SpeakRequest read_request(const Case& c, const Model& model) {
  SpeakRequest request;
  const Json& text = c.json.at("text");
  request.text =
      text.kind() == Json::Kind::array ? text.items()[static_cast<size_t>(c.item)].text() : text.text();
  request.speaker = text_argument(c, "speaker", "");
  request.language = text_argument(c, "language", "auto");
  request.instruct = text_argument(c, "instruct", "");
  if (const Json* mode = argument(c, "non_streaming_mode")) {
    request.text_mode = mode->boolean() ? TextMode::upfront : TextMode::stream;
  }
  request.raw_control_tokens = true;
  request.official_chunks = true;
  request.official_reference_cut = true;
  request.guard = false;
  request.sampling = defaults_of(model.config.generation);
  read_sampling(c, request);
  if (!c.file.has(c.prefix + "speaker_embedding")) return request;
  ClonedVoice voice;
  voice.speaker_vector = as_floats(c.file.peek(c.prefix + "speaker_embedding"));
  if (c.file.has(c.prefix + "ref_codes")) {
    voice.codes = as_ints(c.file.peek(c.prefix + "ref_codes"));
    voice.transcript = text_argument(c, "ref_text", "");
  }
  request.voice = std::make_shared<ClonedVoice>(voice);
  return request;
}

// ---- the reference of a cloned voice ----------------------------------------------------------------------

// The official package encodes the clips of one call in one batch, zero-padded to the longest: the last frame
// of a shorter clip then sees zeros instead of its own padding.
template <class D>
void check_reference(Bench<D>& b, Case& c, Clips& clips, Tally& tally) {
  if (!c.file.has(c.prefix + "speaker_embedding")) return;
  std::vector<float> audio = clips.at_24k(argument(c, "ref_audio")->text());
  const std::string vector_name = c.prefix + "speaker_embedding", codes_name = c.prefix + "ref_codes";
  if (tally.wants("speaker_embedding")) {
    tally.close("speaker_embedding", c.file.take(vector_name), b.speaker_encoder->encode(audio),
                kRelativeError);
  }
  if (!c.file.has(codes_name) || !tally.wants("ref_codes")) return;
  const auto frames = static_cast<size_t>(c.file.peek(codes_name).shape[0]);
  if (const Json* all = c.json.at("arguments").find("ref_audio"); all->kind() == Json::Kind::array) {
    for (const Json& other : all->items())
      audio.resize(std::max(audio.size(), clips.at_24k(other.text()).size()), 0.0f);
  }
  std::vector<int32_t> codes = b.encoder->encode(audio);
  codes.resize(std::min(codes.size(), frames * static_cast<size_t>(b.model.config.talker.groups)));
  tally.equal("ref_codes", c.file.take(codes_name), codes);
}

// ---- under teacher forcing --------------------------------------------------------------------------------

struct Recorder {
  Case& c;
  Tally& tally;

  void close(const char* kind, std::span<const float> got) {
    if (c.file.has(c.prefix + kind) && tally.wants(kind))
      tally.close(kind, c.file.take(c.prefix + kind), got, kRelativeError);
  }
  void equal(const char* kind, std::span<const int32_t> got) {
    if (c.file.has(c.prefix + kind) && tally.wants(kind))
      tally.equal(kind, c.file.take(c.prefix + kind), got);
  }
};

template <class D>
std::vector<float> fetch(D& d, const float* from, int64_t count) {
  std::vector<float> out(static_cast<size_t>(count));
  d.download(out.data(), from, count * 4);
  return out;
}

void append(std::vector<float>& to, const std::vector<float>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

// Prompt rows, every layer over them, the final norm: one block, since recorded prompts are short.
template <class D>
void check_prefill_stages(Bench<D>& b, const Prompt& prompt, Recorder& record) {
  D& d = b.device;
  Memory& m = b.workspace.m;
  const Dims& dims = b.model.config.talker.dims;
  const int rows = static_cast<int>(prompt.rows.size());
  check(rows <= kPrefillRows, Exit::internal, "recorded prompt of {} rows exceeds one block", rows);
  write_prompt_rows(b.lm, m, prompt, 0, rows);
  record.close("prompt", fetch(d, m.x, int64_t{rows} * dims.H));
  std::vector<float> layers;
  for (size_t l = 0; l < b.lm.talker.layers.size(); ++l) {
    decoder_layer(d, b.lm.talker.layers[l], m.talker.caches[l], m.talker, dims, m.x, m.prefill_position,
                  rows);
    append(layers, fetch(d, m.x, int64_t{rows} * dims.H));
  }
  record.close("prefill_layers", layers);
  d.norm(m.x, m.x, {.weight = b.lm.talker.norm, .bias = {}, .eps = dims.eps}, rows);
  record.close("prefill_hidden", fetch(d, m.x, int64_t{rows} * dims.H));
}

void check_ids(const Prompt& prompt, Recorder& record) {
  record.equal("input_ids", prompt.input_ids);
  record.equal("instruct_ids", prompt.instruct_ids);
  record.equal("ref_ids", prompt.reference_ids);
  std::vector<int32_t> positions(prompt.rows.size());
  for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int32_t>(i);
  record.equal("prefill_positions", positions);
}

// Smallest gap between the best and the second best score, and the same over the norm of the raw logits.
struct Margin {
  double gap = std::numeric_limits<double>::infinity(), over_norm = gap;
  void add(std::span<const float> scores, std::span<const float> logits) {
    float best = -INFINITY, second = -INFINITY;
    for (const float s : scores) {
      if (s > best) second = best, best = s;
      else if (s > second) second = s;
    }
    double norm = 0;
    for (const float x : logits) norm += static_cast<double>(x) * x;
    gap = std::min(gap, static_cast<double>(best) - second);
    over_norm = std::min(over_norm, (static_cast<double>(best) - second) / std::sqrt(norm));
  }
};

struct Steps {  // what teacher forcing collects
  std::vector<float> hidden, logits, scores, inputs, predictor_logits;
  std::vector<int32_t> positions, best;  // best: arg max of the processed scores
  Margin talker, predictor;
};

template <class D>
void collect_choice(Bench<D>& b, Steps& steps) {
  const Dims& dims = b.model.config.talker.dims;
  Memory& m = b.workspace.m;
  append(steps.hidden, fetch(b.device, m.hidden, dims.H));
  const std::vector<float> logits = fetch(b.device, m.logits, dims.V),
                           scores = fetch(b.device, m.state.scores, dims.V);
  append(steps.logits, logits);
  append(steps.scores, scores);
  steps.best.push_back(static_cast<int32_t>(std::max_element(scores.begin(), scores.end()) - scores.begin()));
  steps.talker.add(scores, logits);
}

template <class D>
Steps force(Bench<D>& b, const Prompt& prompt, int frames) {
  D& d = b.device;
  Memory& m = b.workspace.m;
  const Dims &t = b.model.config.talker.dims, &p = b.model.config.predictor;
  Steps steps;
  d.zero(m.prefill_position, 4);
  prefill(b.lm, m, prompt);
  d.sample(m.state, m.logits, 0, t.V);
  collect_choice(b, steps);
  for (int n = 0; n < frames; ++n) {
    for (int g = 0; g + 1 < b.model.config.talker.groups; ++g) {
      predictor_pass(b.lm, m, g);
      const std::vector<float> logits = fetch(d, m.pass_logits, p.V);
      append(steps.predictor_logits, logits);
      steps.predictor.add(fetch(d, m.state.scores, p.V), logits);
    }
    d.next_row(m.x, m.state, b.lm.code_tables.data(), m.trailing, m.trailing_rows);
    append(steps.inputs, fetch(d, m.x, t.H));
    Cursor cursor;
    d.download(&cursor, m.state.cursor, sizeof cursor);
    steps.positions.push_back(cursor.position);
    talker_step(b.lm, m);
    d.sample(m.state, m.logits, 0, t.V);
    collect_choice(b, steps);
  }
  return steps;
}

void compare_margins(const Case& c, const Steps& steps, Tally& tally, bool talker_greedy,
                     bool predictor_greedy) {
  const Json& item = c.json.at("items").items()[static_cast<size_t>(c.item)];
  const Json* margins = item.find("margins");
  if (!margins || !tally.wants("margins")) return;
  // Two scores of a row, each within 1e-5 of the row's norm: their gap over the norm moves by at most twice
  // that.
  constexpr double kOverNorm{2 * kRelativeError};
  const auto compare = [&](const char* name, const Margin& got) {
    const std::string gap = format("{}_gap", name), over = format("{}_gap_over_norm", name);
    if (!margins->has(gap)) return;
    const double want_gap = margins->at(gap).number(), want_over = margins->at(over).number();
    tally.scalar("margins", c.place + ": " + over, want_over, got.over_norm, kOverNorm);
    tally.scalar("margins", c.place + ": " + gap, want_gap, got.gap, kOverNorm * want_gap / want_over);
  };
  if (talker_greedy) compare("talker", steps.talker);
  if (predictor_greedy) compare("predictor", steps.predictor);
}

// The recorded codes, and behind them the token that ended the item.
std::vector<int32_t> forced_codes(const Case& c, int groups) {
  std::vector<int32_t> codes = as_ints(c.file.peek(c.prefix + "codes"));
  codes.push_back(static_cast<int32_t>(c.file.peek(c.prefix + "tokens").whole.back()));
  codes.resize(codes.size() + static_cast<size_t>(groups) - 1, 0);
  return codes;
}

template <class D>
void check_forced(Bench<D>& b, Case& c, const SpeakRequest& request, Tally& tally) {
  D& d = b.device;
  Recorder record{c, tally};
  const Dims& dims = b.model.config.talker.dims;
  const Prompt prompt = build_prompt(b.model, request);
  check_ids(prompt, record);
  const FrameBudget budget = frame_budget(b.model.config, request, prompt);
  const std::vector<int32_t> codes = forced_codes(c, b.model.config.talker.groups);
  b.workspace.fit(prompt, budget);
  Memory& m = b.workspace.m;
  auto* forced = static_cast<int32_t*>(d.allocate(static_cast<int64_t>(codes.size()) * 4));
  d.upload(forced, codes.data(), static_cast<int64_t>(codes.size()) * 4);
  m.state.forced = forced;
  begin_utterance(b.lm, m, frame_rules(b.model.config, request, budget));
  upload_prompt(b.lm, m, prompt);
  // The recorded list holds the pad only when it is all there is.
  const int trailing = std::max<int>(1, static_cast<int>(prompt.trailing.size()));
  record.close("trailing", fetch(d, m.trailing, int64_t{trailing} * dims.H));
  record.close("tts_pad",
               fetch(d, m.trailing + static_cast<int64_t>(prompt.trailing.size()) * dims.H, dims.H));
  check_prefill_stages(b, prompt, record);

  const int frames = static_cast<int>(c.file.peek(c.prefix + "codes").shape[0]);
  Steps steps = force(b, prompt, frames);
  m.state.forced = nullptr;
  d.release(forced);
  record.close("hidden", steps.hidden);
  record.close("logits", steps.logits);
  record.close("scores", steps.scores);
  record.close("step_inputs", steps.inputs);
  record.equal("step_positions", steps.positions);
  if (request.sampling.greedy) record.equal("tokens", steps.best);
  if (c.file.has(c.prefix + "predictor_logits")) {
    steps.predictor_logits.resize(static_cast<size_t>(c.file.peek(c.prefix + "predictor_logits").count()));
    record.close("predictor_logits", steps.predictor_logits);
  }
  compare_margins(c, steps, tally, request.sampling.greedy, request.sampling.sub_greedy);
}

// ---- the free run -----------------------------------------------------------------------------------------

void compare_scalars(const Case& c, const Spoken& spoken, int64_t samples, const ModelConfig& config,
                     Tally& tally) {
  const Json& item = c.json.at("items").items()[static_cast<size_t>(c.item)];
  const auto expect = [&](const char* key, int64_t got) {
    if (item.has(key))
      tally.scalar("scalars", c.place + ": " + key, static_cast<double>(item.at(key).integer(0, 1 << 30)),
                   static_cast<double>(got), 0);
  };
  expect("prompt_rows", spoken.prompt_rows);
  expect("frames", spoken.frames);
  expect("tokens", spoken.frames + 1);
  expect("samples", samples);
  tally.text("scalars", c.place + ": finish_reason", item.at("finish_reason").text(),
             std::string(str(spoken.finish)));
  if (!item.has("reference_frames")) return;
  const int64_t reference = c.file.peek(c.prefix + "ref_codes").shape[0],
                spf = config.codec.samples_per_frame;
  const int64_t cut = spf * (reference + spoken.frames) - samples;
  expect("reference_frames", reference);
  expect("cut_samples", cut);
  tally.scalar("scalars", c.place + ": cut_is_one_short", item.at("cut_is_one_short").boolean(),
               cut < spf * reference, 0);
}

// Sampled cases cannot be drawn again: their codes are forced, the rest is compared.
template <class D>
void check_run(Bench<D>& b, Case& c, SpeakRequest request, Tally& tally) {
  Recorder record{c, tally};
  const bool greedy = request.sampling.greedy && request.sampling.sub_greedy;
  const int groups = b.model.config.talker.groups;
  if (!greedy) request.forced_codes = forced_codes(c, groups);
  std::vector<float> wave;
  const auto keep = [&](std::span<const float> samples) {
    wave.insert(wave.end(), samples.begin(), samples.end());
  };
  const Spoken spoken = speak(b.lm, b.workspace, request, {.samples = keep, .progress = {}, .stop = {}});

  record.equal("codes", spoken.codes);
  if (!request.sampling.greedy) {  // greedy tokens were compared with the scores' own arg max
    std::vector<int32_t> tokens;
    for (int n = 0; n < spoken.frames; ++n) tokens.push_back(spoken.codes[static_cast<size_t>(n * groups)]);
    const int32_t last = static_cast<int32_t>(c.file.peek(c.prefix + "tokens").whole.back());
    tokens.push_back(spoken.finish == FinishReason::eos ? b.model.config.talker.eos : last);
    record.equal("tokens", tokens);
  }
  if (request.voice && request.voice->in_context()) {
    std::vector<int32_t> all = request.voice->codes;
    all.insert(all.end(), spoken.codes.begin(), spoken.codes.end());
    record.equal("decode_codes", all);
  }
  if (c.file.has(c.prefix + "wave") && tally.wants("wave")) {
    tally.snr("wave", c.file.take(c.prefix + "wave"), wave, wave_snr_db(D::kind()));
  }
  if (tally.wants("scalars"))
    compare_scalars(c, spoken, static_cast<int64_t>(wave.size()), b.model.config, tally);
}

template <class D>
void check_model(const Run& run, D& device, const std::string& name) {
  const auto model = load_model(run.directory + "/models/" + name);
  Bench<D> bench(*model, device);
  Clips clips(run.directory);
  for (const std::string& folder : folders(run.directory + "/cases/" + name)) {
    const std::string path = run.directory + "/cases/" + name + "/" + folder;
    const Json json = Json::load(path + "/case.json");
    File file(path + "/tensors.safetensors");
    const size_t items = json.at("items").items().size();
    for (size_t i = 0; i < items; ++i) {
      const std::string prefix = json.at("text").kind() == Json::Kind::array ? format("item{}.", i) : "";
      Case c{json, file, name + "/" + folder + (prefix.empty() ? "" : " " + prefix), prefix,
             static_cast<int>(i)};
      const SpeakRequest request = read_request(c, *model);
      check_reference(bench, c, clips, run.tally);
      check_forced(bench, c, request, run.tally);
      check_run(bench, c, request, run.tally);
    }
    file.require_all_taken(run.tally);
  }
}

}  // namespace

void check_cases(const Run& run) {
  for (const std::string& model : folders(run.directory + "/cases")) {
    if (run.skips(model)) continue;
    with_golden_device(run.device, [&](auto& device) { check_model(run, device, model); });
  }
}

}  // namespace tts::golden
