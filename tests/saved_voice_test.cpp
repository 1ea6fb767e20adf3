// Saved voices: round trips, every byte of the header, voices made elsewhere, and other checkpoints.
#include "audio_clips.h"
#include "base/file.h"
#include "base/json.h"
#include "catch.h"
#include "engine/clone.h"
#include "engine/voice.h"
#include "process.h"
#include "recorded.h"
#include "refusal.h"
#include "speech.h"
#include "temp_directory.h"
#include "timing.h"

#include <bit>
#include <cmath>
#include <cstdio>
#include <filesystem>

using namespace tts;
using namespace tts::test;

namespace {

SavedVoice some_voice(int width = 48, int frames = 7, int groups = 16) {
  SavedVoice saved;
  saved.checkpoint = 0x0123456789abcdefu;
  saved.groups = frames == 0 ? 0 : groups;
  for (int i = 0; i < width; ++i) saved.voice.speaker_vector.push_back(std::sin(static_cast<float>(i)));
  for (int i = 0; i < frames * groups; ++i) saved.voice.codes.push_back(i * 31 % 64);
  saved.voice.transcript = frames == 0 ? "" : "Some words, spoké.";
  return saved;
}

bool equal(const SavedVoice& a, const SavedVoice& b) {
  return a.voice.speaker_vector == b.voice.speaker_vector && a.voice.codes == b.voice.codes &&
         a.voice.transcript == b.voice.transcript && a.groups == b.groups && a.checkpoint == b.checkpoint;
}

// With the right checksum again, so that what was changed is what is found.
std::string sealed(std::string bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i + 8 < bytes.size(); ++i)
    hash = (hash ^ static_cast<uint8_t>(bytes[i])) * 0x100000001b3u;
  return bytes.replace(bytes.size() - 8, 8, number(hash, 8));
}

std::string changed(std::string bytes, size_t at, const std::string& with) {
  return sealed(bytes.replace(at, with.size(), with));
}

Refusal refusal(const std::string& bytes) {
  return refusal_of([&] { parse_voice(as_bytes(bytes), "v.ttsvoice"); });
}

std::string tensor_file(const std::string& header, const std::string& data) {
  return number(header.size(), 8) + header + data;
}

struct Pair {
  std::string header = R"({"speaker_embedding":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                       R"("ref_codes":{"dtype":"I64","shape":[1,2],"data_offsets":[8,24]}})";
  std::string data = number(std::bit_cast<uint32_t>(0.5f), 4) + number(std::bit_cast<uint32_t>(-2.0f), 4) +
                     number(7, 8) + number(9, 8);
  std::string json = R"({"ref_text": "Words.", "x_vector_only_mode": false})";
  SavedVoice parse() const { return parse_voice_pair(as_bytes(tensor_file(header, data)), json, "pair"); }
};

}  // namespace

TEST_CASE("a voice is read as it was saved") {
  const TempDirectory folder;
  for (const SavedVoice& saved :
       {some_voice(), some_voice(1'024, 0), some_voice(1, 1, 1), some_voice(16'384, 8'192, 2)}) {
    save_voice(folder.file("a.ttsvoice"), saved);
    CHECK(equal(load_voice(folder.file("a.ttsvoice")), saved));
    CHECK(print_voice(load_voice(folder.file("a.ttsvoice"))) == file_bytes(folder.file("a.ttsvoice")));
  }
  const std::string bytes = print_voice(some_voice());
  CHECK(bytes.size() == 40 + 4 * 48 + 4 * 7 * 16 + 19 + 8);
  CHECK(bytes.substr(0, 16) == "TTSVOICE" + number(1, 4) + number(48, 4));
}

TEST_CASE("a voice of the largest checkpoint and a minute of reference loads in under 10 ms") {
  const TempDirectory folder;
  save_voice(folder.file("a.ttsvoice"), some_voice(2'048, 750));
  const double ms = processor_ms([&] { load_voice(folder.file("a.ttsvoice")); });
  std::printf("voice file loaded in %.3f ms\n", ms);
  CHECK(ms < 10 * kSlower);
}

TEST_CASE("malformed voices are refused") {
  const std::string good = print_voice(some_voice());
  CHECK(refusal("").message ==
        "v.ttsvoice: expected a saved voice, which begins with TTSVOICE, got something else");
  CHECK(refusal("RIFF").exit == Exit::bad_input);
  CHECK(refusal(good.substr(0, 47)).message ==
        "v.ttsvoice: expected at least 48 bytes, got 47; the file is truncated");
  CHECK(refusal(changed(good, 8, number(2, 4))).message == "v.ttsvoice: version: expected 1, got 2");
  CHECK(refusal(changed(good, 12, number(0, 4))).message ==
        "v.ttsvoice: speaker vector: expected 1..16384 values, got 0");
  CHECK(refusal(changed(good, 12, number(16'385, 4))).message ==
        "v.ttsvoice: speaker vector: expected 1..16384 values, got 16385");
  CHECK(refusal(changed(good, 12, number(0xffffffff, 4))).exit == Exit::bad_input);
  CHECK(refusal(changed(good, 12, number(49, 4))).message ==
        "v.ttsvoice: expected 711 bytes, got 707; the file is truncated");
  CHECK(refusal(changed(good, 12, number(47, 4))).message ==
        "v.ttsvoice: expected 703 bytes, got 707; the file is longer than a voice");
  CHECK(refusal(changed(good, 24, number(8'193, 4))).message ==
        "v.ttsvoice: reference frames: expected 0..8192, got 8193");
  CHECK(refusal(changed(good, 24, number(0, 4))).message ==
        "v.ttsvoice: codes per frame: expected 0 without frames, got 16");
  CHECK(refusal(changed(good, 28, number(0, 4))).message ==
        "v.ttsvoice: codes per frame: expected 1..64, got 0");
  CHECK(refusal(changed(good, 28, number(65, 4))).message ==
        "v.ttsvoice: codes per frame: expected 1..64, got 65");
  CHECK(refusal(changed(good, 32, number(32'769, 4))).message ==
        "v.ttsvoice: transcript: expected at most 32768 bytes, got 32769");
  CHECK(refusal(changed(good, 36, number(1, 4))).message == "v.ttsvoice: byte 36: expected 0, got 1");
  CHECK(refusal(changed(good, 44, number(0x7f800000, 4))).message ==
        "v.ttsvoice: speaker vector[1]: expected a finite number, got inf");
  CHECK(refusal(changed(good, 44, number(0x7fc00000, 4))).message ==
        "v.ttsvoice: speaker vector[1]: expected a finite number, got nan");
  CHECK(refusal(changed(good, 40 + 192 + 4, number(0xffffffff, 4))).message ==
        "v.ttsvoice: codes[1]: expected 0..1048575, got -1");
  CHECK(refusal(changed(good, good.size() - 10, "\xff")).message ==
        "v.ttsvoice: transcript: byte 16 is not valid UTF-8");
  CHECK(refusal(good + "x").exit == Exit::bad_input);
  SavedVoice blank = some_voice();
  blank.voice.transcript = " ... ";
  CHECK(
      refusal(print_voice(blank)).message ==
      "v.ttsvoice: transcript: expected the words of the reference, got none; in-context cloning needs them");
}

TEST_CASE("every cut and every flipped bit of a voice is noticed") {
  const std::string good = print_voice(some_voice(6, 2, 3));
  for (size_t size = 0; size < good.size(); ++size)
    CHECK(refusal(good.substr(0, size)).exit == Exit::bad_input);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    CHECK(refusal(bad).exit == Exit::bad_input);
  }
}

TEST_CASE("a voice made elsewhere") {
  const SavedVoice saved = Pair{}.parse();
  CHECK(saved.voice.speaker_vector == std::vector<float>{0.5f, -2.0f});
  CHECK(saved.voice.codes == std::vector<int32_t>{7, 9});
  CHECK(saved.groups == 2);
  CHECK(saved.voice.transcript == "Words.");
  CHECK(saved.checkpoint == 0);

  Pair vector_only;
  vector_only.json = R"({"ref_text": null, "x_vector_only_mode": true, "icl_mode": false})";
  CHECK(vector_only.parse().voice.codes.empty());
  vector_only.header = R"({"speaker_embedding":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}})";
  vector_only.data = number(0x3f80, 2) + number(0xc000, 2);
  CHECK(vector_only.parse().voice.speaker_vector == std::vector<float>{1.0f, -2.0f});

  const TempDirectory folder;
  write_file(folder.file("anna.safetensors"), tensor_file(Pair{}.header, Pair{}.data));
  CHECK(refusal_of([&] { load_voice(folder.file("anna.safetensors")); }).exit ==
        Exit::bad_input);  // without its JSON
  write_file(folder.file("anna.json"), Pair{}.json);
  CHECK(equal(load_voice(folder.file("anna.json")), saved));
  CHECK(equal(load_voice(folder.file("anna.safetensors")), saved));
}

TEST_CASE("malformed voices made elsewhere are refused") {
  const auto refused = [](auto change) {
    Pair pair;
    change(pair);
    const Refusal c = refusal_of([&] { pair.parse(); });
    CHECK(c.exit == Exit::bad_input);
    return c.message;
  };
  CHECK(refused([](Pair& p) {
          p.json = R"({"ref_text": "a", "x_vector_only_mode": false, "icl_mode": false})";
        }) == "pair: icl_mode: expected the opposite of x_vector_only_mode, got the same");
  refused([](Pair& p) { p.json = R"({"ref_text": "a"})"; });
  refused([](Pair& p) { p.json = R"({"ref_text": "a", "x_vector_only_mode": 0})"; });
  refused([](Pair& p) { p.json = R"({"ref_text": 3, "x_vector_only_mode": false})"; });
  refused([](Pair& p) { p.json = R"({"ref_text": "a", "x_vector_only_mode": false, "more": 1})"; });
  CHECK(refused([](Pair& p) { p.json = R"({"x_vector_only_mode": false})"; }) ==
        "pair: transcript: expected the words of the reference, got none; in-context cloning needs them");
  CHECK(refused([](Pair& p) { p.header.replace(p.header.find("ref_codes"), 9, "xxx_codes"); }) ==
        "pair: expected the tensors speaker_embedding and ref_codes, got \"xxx_codes\"");
  CHECK(refused([](Pair& p) { p.header.replace(p.header.find("I64"), 3, "F64"); }) ==
        "pair: ref_codes: expected I32 or I64[1..8192,1..64], got F64[1,2]");
  CHECK(refused([](Pair& p) {
          p.header.replace(p.header.find("[1,2]"), 5, "[2,1]"), p.data[15] = '\x80';
        }).starts_with("pair: ref_codes[0]: expected 0..1048575, got -"));
  CHECK(refused([](Pair& p) { p.header.replace(p.header.find("[1,2]"), 5, "[2]"); }) ==
        "pair: ref_codes: expected I32 or I64[1..8192,1..64], got I64[2]");
  CHECK(refused([](Pair& p) { p.header.replace(p.header.find("F32"), 3, "I32"); }) ==
        "pair: speaker_embedding: expected F32 or BF16, got I32");
  CHECK(refused([](Pair& p) { p.data.replace(0, 4, number(0x7fc00000, 4)); }) ==
        "pair: speaker vector[0]: expected a finite number, got nan");
  CHECK(refused([](Pair& p) {
          p.header = R"({"speaker_embedding":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
          p.data.resize(8);
        }) == "pair: expected a tensor ref_codes as x_vector_only_mode is false, got none");
}

TEST_CASE("a voice fits the checkpoint that made it, and no other width") {
  const std::unique_ptr<Model> small = load_model(golden_model("tiny-base"));
  const std::unique_ptr<Model> large = load_model(golden_model("tiny-base-1b7"));
  SavedVoice saved = some_voice(small->config.talker.dims.H, 7, small->config.talker.groups);
  saved.checkpoint = checkpoint_fingerprint(small->files);
  CHECK(saved.checkpoint == checkpoint_fingerprint(ModelFiles::open(golden_model("tiny-base"))));
  CHECK(saved.checkpoint != checkpoint_fingerprint(large->files));
  CHECK(check_saved_voice(saved, *small, "v").empty());
  const Refusal other = refusal_of([&] { check_saved_voice(saved, *large, "v"); });
  CHECK(other.exit == Exit::bad_input);
  CHECK(
      other.message ==
      "v: speaker vector: expected 72 values as " + large->config.directory +
          " has, got 48; the voice was made with a checkpoint of another size, make it again from its clip");
  saved.checkpoint = 1;
  CHECK(check_saved_voice(saved, *small, "v") ==
        std::vector<std::string>{
            "v: the voice was made by another checkpoint of the same width; it may sound different"});
  saved.checkpoint = 0;
  CHECK(check_saved_voice(saved, *small, "v") ==
        std::vector<std::string>{"v: the voice does not say which checkpoint made it"});
  saved.voice.codes[3] = 64;
  CHECK(refusal_of([&] { check_saved_voice(saved, *small, "v"); }).message ==
        "v: codes: expected 0..63 as " + small->config.directory + " has, got 64");
  saved.voice.codes.assign(8, 1);
  saved.groups = 8;
  CHECK(refusal_of([&] { check_saved_voice(saved, *small, "v"); }).exit == Exit::bad_input);
  const std::unique_ptr<Model> custom = load_model(golden_model("tiny-custom-voice"));
  CHECK(refusal_of([&] { check_saved_voice(saved, *custom, "v"); }).exit == Exit::usage);
}

TEST_CASE("the fingerprint changes with the configuration") {
  const TempDirectory folder;
  const std::string source = golden_model("tiny-base");
  std::filesystem::copy(source, folder.file("m"), std::filesystem::copy_options::recursive);
  const uint64_t before = checkpoint_fingerprint(ModelFiles::open(source));
  CHECK(checkpoint_fingerprint(ModelFiles::open(folder.file("m"))) == before);
  write_file(folder.file("m/config.json"), file_bytes(source + "/config.json") + "\n");
  CHECK(checkpoint_fingerprint(ModelFiles::open(folder.file("m"))) != before);
}

TEST_CASE("a saved voice is shown") {
  SavedVoice saved = some_voice();
  saved.voice.transcript = "One\x1b[2J.";
  CHECK(describe_voice(saved, "v.ttsvoice") ==
        "file             v.ttsvoice\nkind             saved voice, version 1\nmode             in context\n"
        "speaker vector   48 values\nreference codes  7 frames of 16 codes\ntranscript       One\\x1B[2J.\n"
        "checkpoint       0123456789abcdef\n");
  const Json json = Json::parse(describe_voice_json(saved, "v.ttsvoice"), "out");
  CHECK(json.at("mode").text() == "in_context");
  CHECK(json.at("width").integer(48, 48) == 48);
  CHECK(json.at("reference_frames").integer(7, 7) == 7);
  CHECK(json.at("transcript").text() == saved.voice.transcript);
  CHECK(json.at("checkpoint").text() == "0123456789abcdef");
  const SavedVoice bare = some_voice(4, 0);
  CHECK(Json::parse(describe_voice_json(bare, "v"), "out").at("mode").text() == "x_vector_only");
}

TEST_CASE("a voice speaks the same from its file as from its clip") {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-base"));
  Engine engine(model, {.kind = "cpu", .options = {}});
  const CloneRequest request = clone_of_recorded("a24000");
  const Clone clone = engine.clone(request);
  const TempDirectory folder;
  save_voice(folder.file("a.ttsvoice"), {.voice = *clone.voice,
                                         .groups = model->config.talker.groups,
                                         .checkpoint = checkpoint_fingerprint(model->files)});
  const SavedVoice saved = load_voice(folder.file("a.ttsvoice"));
  CHECK(check_saved_voice(saved, *model, "a.ttsvoice").empty());
  for (const std::string text : {"One text.", "And another one."}) {
    SpeakRequest speak = greedy_request_for(*model, text);
    speak.sampling.max_new_tokens = 8;
    speak.voice = clone.voice;
    const Heard from_clip = hear(engine, speak);
    speak.voice = std::make_shared<ClonedVoice>(saved.voice);
    const Heard from_file = hear(engine, speak);
    CHECK(!from_clip.samples.empty());
    CHECK(from_file.samples == from_clip.samples);
    CHECK(from_file.spoken.codes == from_clip.spoken.codes);
  }
}
