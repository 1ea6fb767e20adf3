// What is said about a checkpoint, and the rules a voice may bring.
#include "catch.h"
#include "refusal.h"
#include "temp_directory.h"
#include "tiny_model.h"

#include "base/file.h"
#include "base/json.h"
#include "engine/inspect.h"

using namespace tts;
using namespace tts::test;

TEST_CASE("inspection lists every tensor and adds up") {
  const std::unique_ptr<Model> model = load_model(golden_model("tiny-base"));
  const std::string text = inspect_text(*model);
  CHECK(text.find("talker.model.text_embedding.weight") != text.npos);
  CHECK(text.find("predictor sampling  sample true, ") != text.npos);
  CHECK(text.find(str(model->talker.text_embedding)) != text.npos);
  const Json json = Json::parse(inspect_json(*model), "inspect");
  CHECK(json.at("type").text() == "base");
  CHECK(json.at("tensors").items().size() == 528);
  CHECK(json.at("tensor_count").integer(0, 9999) == 528);
  CHECK(json.at("bytes").integer(0, INT64_MAX) == model->weight_bytes);
  int64_t tensors = 0, bytes = 0;
  for (const auto& [name, group] : json.at("groups").members()) {
    tensors += group.at("tensors").integer(0, 9999);
    bytes += group.at("bytes").integer(0, INT64_MAX);
  }
  CHECK(tensors == 528);
  CHECK(bytes == model->weight_bytes);
  CHECK(json.at("groups").at("speaker_encoder").at("tensors").integer(0, 99) == 76);
  const Json& plan = json.at("memory_plan");
  int64_t parts = 0;
  for (const auto& [name, bytes_of_part] : plan.at("parts").members())
    parts += bytes_of_part.integer(0, INT64_MAX);
  const int64_t session = plan.at("session_bytes").integer(0, INT64_MAX);
  CHECK(session >= parts);
  CHECK(session <= parts + 256 * 64);  // aligned entries, fewer than 64 in this model
  const int64_t room = plan.at("prompt_rows").integer(0, 999) + plan.at("frames").integer(0, 9999);
  CHECK(plan.at("parts").at("keys").integer(0, INT64_MAX) >= room * 4 * model->config.talker.dims.nkv *
                                                                 model->config.talker.dims.d *
                                                                 model->config.talker.dims.L);
  CHECK(plan.at("weight_bytes").integer(0, INT64_MAX) == model->weight_bytes);
  CHECK(text.find("\nsession  ") != text.npos);
  CHECK(json.at("talker").at("hidden").integer(0, 99) == 48);
  CHECK(json.at("generation").at("top_k").integer(0, 99) == 50);
}

TEST_CASE("a quantised matrix counts its weights, not its bytes") {
  const TempDirectory dir;
  TinyModel tiny;
  const std::string name = "talker.model.layers.1.mlp.down_proj.weight";  // [48,96]
  tiny.damage = [&](auto& tensors) {
    for (TensorBytes& tensor : tensors) {
      if (tensor.name == name) tensor = {name, "U8", Shape{48, 48}, std::string(48 * 48, '\x88')};
    }
    tensors.push_back({name + ".scales", "F32", Shape{48, 3}, std::string(48 * 3 * 4, '\0')});
  };
  write_tiny_model(dir.file("m"), tiny);
  write_tiny_model(dir.file("plain"));
  const auto parameters = [](const std::string& directory) {
    return Json::parse(inspect_json(*load_model(directory)), "inspect")
        .at("parameters")
        .integer(0, INT64_MAX);
  };
  CHECK(parameters(dir.file("m")) == parameters(dir.file("plain")));
}

TEST_CASE("names that would steer a terminal are shown escaped") {
  const TempDirectory dir;
  TinyModel tiny;
  tiny.damage = [](auto& tensors) { tensors.push_back({"\x1b[31mred", "U8", Shape{1}, "x"}); };
  write_tiny_model(dir.file("m"), tiny);
  const std::string text = inspect_text(*load_model(dir.file("m")));
  CHECK(text.find('\x1b') == text.npos);
  CHECK(text.find("\\x1B[31mred") != text.npos);
}

TEST_CASE("a voice may bring rules of its own") {
  const TempDirectory dir;
  write_tiny_model(dir.file("m"));
  CHECK(load_model(dir.file("m"))->rules.max_characters == 0);
  write_file(dir.file("m/voice.json"),
             R"({"description":"small","max_characters":120,"upfront_text_only":true,"spell_numbers":true})");
  const std::unique_ptr<Model> model = load_model(dir.file("m"));
  CHECK(model->rules.description == "small");
  CHECK(model->rules.max_characters == 120);
  CHECK(model->rules.upfront_text_only);
  CHECK(model->rules.spell_numbers);
}

TEST_CASE("rules that are not understood are refused") {
  const auto says = [](const std::string& json) {
    const Refusal refusal = refusal_of([&] { parse_voice_rules(json, "voice.json"); });
    CHECK(refusal.exit == Exit::bad_input);
    return refusal.message;
  };
  CHECK(says(R"({"max_chars":9})") ==
        "voice.json: max_chars: unknown key; expected one of description, max_characters, upfront_text_only, "
        "spell_numbers");
  CHECK(says(R"({"max_characters":0})") ==
        "voice.json: max_characters: expected an integer in 1..32768, got 0");
  CHECK(says(R"({"spell_numbers":1})") == "voice.json: spell_numbers: expected true or false, got 1");
  CHECK(says(R"({"description":7})") == "voice.json: description: expected a string, got 7");
  CHECK(says("{\"description\":\"" + std::string(2001, 'x') + "\"}") ==
        "voice.json: description: expected at most 2000 bytes, got 2001");
  CHECK(says("[]") == "voice.json: expected an object, got an array");
}
