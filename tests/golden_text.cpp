// tokenizer/: strings and ids.  sampling.*: logits and history -> processed scores and the greedy choice.
// resample.*, audio.*: clips at other rates -> 24 kHz.
#include "codec/resample.h"
#include "golden.h"
#include "golden_device.h"
#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace tts::golden {

constexpr double kResampleError{1e-5};  // the same filter in another build of its library

// ---- tokenizer --------------------------------------------------------------------------------------------

static std::string joined(const std::vector<int64_t>& ids) {
  std::string out;
  for (const int64_t id : ids) out += (out.empty() ? "" : " ") + std::to_string(id);
  return out;
}

static std::vector<int64_t> read_ids(const Json& list) {
  std::vector<int64_t> ids;
  for (const Json& id : list.items()) ids.push_back(id.integer(INT32_MIN, INT32_MAX));
  return ids;
}

void check_text(const Run& run) {
  if (!run.tally.wants("ids")) return;
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(run.directory + "/tokenizer")) {
    const Json json = Json::load(entry.path().string());
    const std::string directory = run.directory + "/models/" + json.at("model").text();
    const bool standard = json.at("regex").text() == "standard";
    const auto compare = [&](const Tokenizer& tokenizer, const Json& c, const char* key) {
      if (!c.has(key) || c.at(key).is_null()) return;
      const auto ids = tokenizer.encode_with_control(c.at("text").text());
      run.tally.text("ids", c.where() + " " + key, joined(read_ids(c.at(key))),
                     joined({ids.begin(), ids.end()}));
    };
    const Tokenizer plain = Tokenizer::load(directory, Pretokenizer::standard);
    const Tokenizer patched = Tokenizer::load(directory, Pretokenizer::patched);
    for (const Json& c : json.at("cases").items()) {
      compare(standard ? plain : patched, c, "ids");
      compare(plain, c, "ids_standard");
    }
    ++files;
  }
  check(files > 0, Exit::bad_input, "{}/tokenizer: expected recorded files, found none", run.directory);
}

// ---- sampling ---------------------------------------------------------------------------------------------

namespace {

constexpr int kTalkerTokens{1 << 20};  // no limit in these cases
constexpr double kScoreError{1e-6};    // given logits: one division per entry

SampleRule read_rule(const Json& c) {
  const Json& p = c.at("parameters");
  const auto number = [&](const char* key, float otherwise) {
    return p.has(key) ? static_cast<float>(p.at(key).number()) : otherwise;
  };
  const bool talker = c.at("kind").text() == "talker";
  SampleRule rule;
  rule.greedy = !p.at("do_sample").boolean();
  rule.temperature = number("temperature", 1);
  rule.top_p = number("top_p", 1);
  rule.penalty = talker ? number("repetition_penalty", 1.05f) : 1;
  rule.top_k = p.has("top_k") ? static_cast<int>(p.at("top_k").integer(0, 1 << 20)) : 0;
  if (talker) {
    rule.eos = static_cast<int>(c.at("eos").integer(0, 1 << 20));
    rule.first_suppressed = static_cast<int>(c.at("vocab").integer(1025, 1 << 20)) - 1024;
    rule.min_tokens = 2;
    rule.max_tokens = kTalkerTokens;
  }
  return rule;
}

template <class D>
void check_choice(D& d, const Json& c, File& file, Tally& tally) {
  const std::string name = c.at("name").text();
  const int V = static_cast<int>(c.at("vocab").integer(2, 1 << 20));
  const std::vector<int32_t> history = as_ints(file.take(name + ".history"));
  const std::vector<float> logits = as_floats(file.take(name + ".logits"));
  std::vector<uint32_t> seen(static_cast<size_t>((V + 31) / 32));
  for (const int32_t id : history) seen[static_cast<size_t>(id) / 32] |= 1u << (id % 32);

  const int rows = static_cast<int>(history.size()) + 2;
  SampleState state;
  state.groups = 2;
  state.cursor = static_cast<Cursor*>(d.allocate(sizeof(Cursor)));
  state.codes = static_cast<int32_t*>(d.allocate(int64_t{rows} * 2 * 4));
  state.seen = static_cast<uint32_t*>(d.allocate(static_cast<int64_t>(seen.size()) * 4));
  state.scores = static_cast<float*>(d.allocate(int64_t{V} * 4));
  auto* there = static_cast<float*>(d.allocate(int64_t{V} * 4));
  const int tokens = static_cast<int>(history.size());
  const Cursor cursor{
      .position = 0, .frame = std::max(0, tokens - 1), .tokens = tokens, .finish = 0, .fault = 0};
  d.upload(state.cursor, &cursor, sizeof cursor);
  d.upload(state.seen, seen.data(), static_cast<int64_t>(seen.size()) * 4);
  d.upload(there, logits.data(), int64_t{V} * 4);
  const int group = c.at("kind").text() == "talker" ? 0 : 1;
  const SampleRule rule = read_rule(c);
  state.rules = static_cast<SampleRule*>(d.allocate(2 * sizeof rule));
  d.upload(state.rules + group, &rule, sizeof rule);
  d.sample(state, there, group, V);

  std::vector<float> scores(static_cast<size_t>(V));
  d.download(scores.data(), state.scores, int64_t{V} * 4);
  if (tally.wants("sampling.scores"))
    tally.close("sampling.scores", file.take(name + ".scores"), scores, kScoreError);
  if (tally.wants("sampling.choice")) {
    const auto kept = std::count_if(scores.begin(), scores.end(), [](float s) { return std::isfinite(s); });
    const auto best = std::max_element(scores.begin(), scores.end()) - scores.begin();  // the first of equals
    tally.scalar("sampling.choice", name + ": kept", static_cast<double>(c.at("kept").integer(0, V)),
                 static_cast<double>(kept), 0);
    tally.scalar("sampling.choice", name + ": greedy_choice",
                 static_cast<double>(c.at("greedy_choice").integer(0, V)), static_cast<double>(best), 0);
  }
  for (void* p :
       {static_cast<void*>(state.cursor), static_cast<void*>(state.codes), static_cast<void*>(state.seen),
        static_cast<void*>(state.scores), static_cast<void*>(there)}) {
    d.release(p);
  }
}

}  // namespace

void check_sampling(const Run& run) {
  const Json json = Json::load(run.directory + "/sampling.json");
  File file(run.directory + "/sampling.safetensors");
  with_golden_device(run.device, [&](auto& device) {
    for (const Json& c : json.at("cases").items()) check_choice(device, c, file, run.tally);
  });
  file.require_all_taken(run.tally);
}

// ---- audio ------------------------------------------------------------------------------------------------

void check_audio(const Run& run) {
  const Json clips = Json::load(run.directory + "/audio.json"),
             runs = Json::load(run.directory + "/resample.json");
  const File audio(run.directory + "/audio.safetensors");
  if (run.tally.wants("clips")) {
    for (const auto& [name, facts] : clips.at("clips").members()) {
      run.tally.scalar("clips", name + ": samples",
                       static_cast<double>(facts.at("samples").integer(0, 1 << 30)),
                       static_cast<double>(audio.peek(name).count()), 0);
    }
  }
  File resampled(run.directory + "/resample.safetensors");
  if (!run.tally.wants("resample")) return;
  for (const Json& facts : runs.at("runs").items()) {
    const std::string name = facts.at("audio").text();
    const auto rate = static_cast<int>(facts.at("rate").integer(1, 1 << 20));
    run.tally.close("resample", resampled.take(name + ".24k"),
                    resample(as_floats(audio.peek(name)), rate, 24000), kResampleError);
  }
  resampled.require_all_taken(run.tally);
}

}  // namespace tts::golden
