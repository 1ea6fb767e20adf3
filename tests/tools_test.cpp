// tts-gen as a process: sources of text, kinds of output, JSON lines, exit codes.
#include "base/file.h"
#include "base/json.h"
#include "catch.h"
#include "process.h"
#include "speech.h"
#include "temp_directory.h"

#include <sys/stat.h>

#include <filesystem>
#include <sstream>

using namespace tts;
using namespace tts::test;

namespace {

const std::string kModel{golden_model("tiny-custom-voice")};
using Words = std::vector<std::string>;

Words with_model(Words words) {
  words.insert(words.begin(), {"-m", kModel, "--seed", "1", "--device", "cpu", "-j", "1"});
  return words;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

// The speech of "Hello." as a file, made once.
const std::string& hello() {
  static const std::string bytes = [] {
    const TempDirectory folder;
    REQUIRE(tts_gen(with_model({"Hello.", "-o", folder.file("a.wav")})).exit == 0);
    return file_bytes(folder.file("a.wav"));
  }();
  return bytes;
}

}  // namespace

TEST_CASE("text from words, option, file and standard input is the same text") {
  const TempDirectory folder;
  write_file(folder.file("plain.txt"), "Hello.");
  write_file(folder.file("bom.txt"), "\xEF\xBB\xBFHello.\r\n");
  const std::string out = folder.file("a.wav");
  for (const Words& words : {Words{"--", "Hello."}, Words{"-t", "Hello."},
                             Words{"-f", folder.file("plain.txt")}, Words{"-f", folder.file("bom.txt")}}) {
    Words all = with_model({"-o", out});
    all.insert(all.end(), words.begin(), words.end());
    CHECK(tts_gen(all).exit == 0);
    CHECK(file_bytes(out) == hello());
  }
  CHECK(tts_gen(with_model({"-o", out}), {.input = "Hello.\n"}).exit == 0);
  CHECK(file_bytes(out) == hello());
  CHECK(tts_gen(with_model({"-o", out, "-f", "-"}), {.input = "Hello."}).exit == 0);
  CHECK(file_bytes(out) == hello());
  CHECK(tts_gen({"-o", out, "Hello.", "--seed", "1", "--device", "cpu"},
                {.environment = {{"TTS_MODEL", kModel}}})
            .exit == 0);
  CHECK(file_bytes(out) == hello());
}

TEST_CASE("a pipe, a FIFO and a file get the same samples") {
  const TempDirectory folder;
  const Finished piped = tts_gen(with_model({"Hello.", "-o", "-"}));
  CHECK(piped.exit == 0);
  CHECK(piped.out.size() == hello().size());
  CHECK(piped.out.substr(44) == hello().substr(44));
  const Finished unasked = tts_gen(with_model({"Hello."}));
  CHECK(unasked.out == piped.out);
  CHECK(unasked.err.find("no --output: a stream on standard output") != std::string::npos);
  const Finished raw =
      tts_gen(with_model({"Hello.", "-o", "-", "--format", "raw", "--first-chunk-frames", "3"}));
  CHECK(raw.out == hello().substr(44));
  const std::string fifo = folder.file("fifo");
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  const Finished through =
      run("/bin/sh", {"-c", "cat '" + fifo + "' & '" TTS_BIN_DIR "/tts-gen' -q -m '" + kModel +
                                "' --seed 1 --device cpu -o '" + fifo + "' Hello.; wait"});
  CHECK(through.out.substr(std::min<size_t>(44, through.out.size())) == hello().substr(44));
  const Finished to_file =
      tts_gen(with_model({"Hello."}), {.directory = folder.path(), .output_file = folder.file("stdout")});
  CHECK(to_file.exit == 0);
  CHECK(file_bytes(folder.file("out.wav")) == hello());
  CHECK(file_bytes(folder.file("stdout")).empty());
}

TEST_CASE("codes out, codes in") {
  const TempDirectory folder;
  for (const char* name : {"c.json", "c.safetensors"}) {
    CHECK(tts_gen(with_model({"Hello.", "-o", folder.file("a.wav"), "--codes", folder.file(name)})).exit ==
          0);
    CHECK(tts_gen({"-m", kModel, "--from-codes", folder.file(name), "-o", folder.file("b.wav")}).exit == 0);
    CHECK(file_bytes(folder.file("b.wav")) == hello());
    CHECK(tts_gen({"codec", "decode", "-m", kModel, folder.file(name), "-o", folder.file("c.wav")}).exit ==
          0);
    CHECK(file_bytes(folder.file("c.wav")) == hello());
  }
  CHECK(tts_gen({"-m", kModel, "--from-codes", folder.file("c.json"), "Hello.", "-o", folder.file("d.wav")})
            .exit == 2);
}

TEST_CASE("the JSON result has every field and agrees with the file") {
  const TempDirectory folder;
  const Finished done = tts_gen(with_model({"Hello.", "-o", folder.file("a.wav"), "--json", "-q"}));
  CHECK(done.exit == 0);
  CHECK(done.err.empty());
  REQUIRE(lines_of(done.out).size() == 1);
  const Json json = Json::parse(done.out, "result");
  for (const char* key :
       {"id",          "output", "format",    "sample_rate", "samples",   "seconds",  "finish_reason",
        "attempts",    "seed",   "model",     "device",      "speaker",   "language", "text_tokens",
        "prompt_rows", "frames", "timing_ms", "per_frame",   "memory_mb", "rtf",      "tok_s",
        "warnings"})
    CHECK(json.has(key));
  const auto has_all = [&](const char* key, std::initializer_list<const char*> names) {
    for (const char* name : names) CHECK(json.at(key).has(name));
  };
  has_all("model", {"name", "type", "size"});
  has_all("device", {"kind", "name", "dtype", "quant", "threads"});
  has_all("language", {"asked", "used"});
  has_all("timing_ms",
          {"load", "tokenize", "prefill", "first_audio", "talker", "predictor", "codec", "write", "total"});
  has_all("per_frame", {"syncs", "launches", "copies", "allocations"});
  has_all("memory_mb", {"weights", "session", "peak_rss", "device", "planned"});
  CHECK(json.at("samples").integer(0, 1 << 30) * 2 + 44 ==
        static_cast<int64_t>(file_bytes(folder.file("a.wav")).size()));
  CHECK(json.at("finish_reason").text() == "eos");
  CHECK(json.at("seed").integer(0, 10) == 1);
  CHECK(json.at("speaker").text() == "serena");
  CHECK(json.at("per_frame").at("allocations").number() == 0);
  const Finished in_file = tts_gen(with_model({"Hello.", "-o", "-", "--json=" + folder.file("r.json")}));
  CHECK(in_file.exit == 0);
  CHECK(lines_of(file_bytes(folder.file("r.json"))).size() == 1);
}

TEST_CASE("JSON lines: a failed item says so, the others equal the same item alone") {
  const TempDirectory folder;
  const std::string items =
      "{\"text\": \"Hello.\", \"id\": \"first\"}\n"
      "\n"
      "{\"text\": \"Hello.\", \"unknown\": 1}\n"
      "not json\n"
      "{\"text\": \"\", \"id\": 7}\n"
      "{\"text\": \"Hello.\", \"seed\": 5, \"output\": \"deep/er.wav\", \"speaker\": \"RYAN\"}\n"
      "{\"text\": \"Hello.\", \"output\": \"../up.wav\"}\n"
      "{\"text\": \"Hello.\", \"output\": \"/abs.wav\"}\n"
      "{\"text\": \"Hello.\", \"output\": \"first.wav\"}\n"
      "{\"text\": \"Hello.\", \"speaker\": \"nobody\", \"id\": \"x\"}\n"
      "{\"text\": \"Hello.\", \"id\": \"last\"}";
  const Finished done = tts_gen(with_model({"--input", "jsonl", "-d", folder.file("out")}), {.input = items});
  CHECK(done.exit == 3);
  const auto lines = lines_of(done.out);
  REQUIRE(lines.size() == 10);
  const int expected[] = {0, 3, 3, 3, 0, 3, 3, 3, 2, 0};
  for (size_t i = 0; i < lines.size(); ++i) {
    CAPTURE(lines[i]);
    const Json line = Json::parse(lines[i], "line");
    CHECK(line.has("error") == (expected[i] != 0));
    if (line.has("error")) CHECK(line.at("exit").integer(0, 255) == expected[i]);
  }
  CHECK(Json::parse(lines[3], "line").at("id").integer(0, 100) == 7);
  CHECK(file_bytes(folder.file("out/first.wav")) == hello());
  CHECK(file_bytes(folder.file("out/last.wav")) == hello());
  CHECK(names_in(folder.file("out")) == std::vector<std::string>{"deep", "first.wav", "last.wav"});
  CHECK(names_in(folder.path()) == std::vector<std::string>{"out"});
  REQUIRE(
      tts_gen({"-m", kModel, "--seed", "5", "-s", "ryan", "Hello.", "-o", folder.file("alone.wav")}).exit ==
      0);
  CHECK(file_bytes(folder.file("alone.wav")) == file_bytes(folder.file("out/deep/er.wav")));

  const Finished fast =
      tts_gen(with_model({"--input", "jsonl", "--fail-fast", "-d", folder.file("fast")}), {.input = items});
  CHECK(fast.exit == 3);
  CHECK(lines_of(fast.out).size() == 2);
}

TEST_CASE("lines: one file per line, named by its number") {
  const TempDirectory folder;
  const Finished done =
      tts_gen(with_model({"--input", "lines", "-d", folder.path()}), {.input = "Hello.\r\n\nHello.\n"});
  CHECK(done.exit == 0);
  CHECK(names_in(folder.path()) == std::vector<std::string>{"0001.wav", "0003.wav"});
  CHECK(file_bytes(folder.file("0003.wav")) == hello());
}

TEST_CASE("tokens: any text, nothing stripped, one JSON line per item") {
  const Finished empty = tts_gen({"tokens", "-m", kModel, "--json", "-t", ""});
  CHECK(empty.out == "{\"id\":\"0001\",\"ids\":[],\"pieces\":[]}\n");
  const Finished kept = tts_gen({"tokens", "-m", kModel, "--json"}, {.input = "\n\n"});
  CHECK(kept.out.find("\\n") != std::string::npos);
  const Finished many = tts_gen({"tokens", "-m", kModel, "--json", "--input", "jsonl"},
                                {.input = "{\"id\":\"a\",\"text\":\"Hello\"}\n{\"id\":2,\"text\":\" \"}\n"});
  REQUIRE(lines_of(many.out).size() == 2);
  CHECK(lines_of(many.out)[0].starts_with("{\"id\":\"a\",\"ids\":["));
  CHECK(lines_of(many.out)[1].starts_with("{\"id\":2,\"ids\":["));
  const Finished control = tts_gen({"tokens", "-m", kModel, "--json", "--raw-control-tokens", "<|im_end|>"});
  const Finished plain = tts_gen({"tokens", "-m", kModel, "--json", "<|im_end|>"});
  CHECK(Json::parse(control.out, "control").at("ids").items().size() == 1);
  CHECK(Json::parse(plain.out, "plain").at("ids").items().size() > 1);
  CHECK(tts_gen({"tokens", "-m", kModel, "-t", "\xff"}).exit == 3);
}

#ifdef TTS_EMBED_VOICE
TEST_CASE("without a model the embedded voice speaks, and says so once") {
  const TempDirectory folder;
  const auto said = [&](Words more) {
    more.insert(more.begin(), {"Hi.", "--max-new-tokens", "4", "--seed", "1", "-o", folder.file("a.wav")});
    const Finished done = tts_gen(more, {.environment = {{"TTS_MODEL", ""}}});
    CHECK(done.exit == 6);  // cut by the option
    const size_t first = done.err.find("the embedded voice");
    return first == std::string::npos                                            ? 0
           : done.err.find("the embedded voice", first + 1) == std::string::npos ? 1
                                                                                 : 2;
  };
  CHECK(said({}) == 1);
  CHECK(said({"-q"}) == 0);
  CHECK(said({"-m", "embedded"}) == 0);  // was asked for
  const std::string voices = tts_gen({"voices"}, {.environment = {{"TTS_MODEL", ""}}}).out;
  CHECK(voices.starts_with("model      embedded\n"));
  CHECK(voices.find("speakers   rms, slt\n") != std::string::npos);
  CHECK(tts_gen({"inspect", "embedded"}).out.starts_with("model               embedded\n"));
  CHECK(tts_gen({"doctor"}).out.find("voice      embedded") != std::string::npos);
}
#endif

TEST_CASE("inspect voices version doctor") {
  CHECK(Json::parse(tts_gen({"inspect", kModel, "--json"}).out, "inspect").kind() == Json::Kind::object);
  CHECK(tts_gen({"inspect", kModel}).out.find("talker") != std::string::npos);
  CHECK(tts_gen({"inspect", "/nonexistent"}).exit == 3);
  const Finished voices = tts_gen({"voices", "-m", kModel, "--json"});
  CHECK(Json::parse(voices.out, "voices").at("speakers").items().size() == 9);
  CHECK(Json::parse(tts_gen({"--version", "--json"}).out, "version").at("version").text() == "0.1.0");
  const Finished doctor = tts_gen({"doctor", "--json"});
  CHECK(doctor.exit == 0);
  const Json examined = Json::parse(doctor.out, "doctor");
  for (const Json& device : examined.at("devices").items()) {
    CAPTURE(device.at("kind").text());
    if (device.at("usable").boolean())
      CHECK(device.at("self_test").text().find("FAILED") == std::string::npos);
  }
  CHECK(tts_gen({"--print-config", "-m", kModel}).out.find("total = ") != std::string::npos);
}

TEST_CASE("several chunks become one recording whose subtitles count its samples") {
  const TempDirectory folder;
  const Words asked{"--split", "sentence", "Hello there. Hello again.", "--subtitles", folder.file("s.json"),
                    "--json",  "-o"};
  const auto speak = [&](const std::string& name) {
    Words words = with_model(asked);
    words.push_back(folder.file(name));
    return tts_gen(words);
  };
  const Finished done = speak("a.wav");
  CHECK(done.exit == 0);
  const int64_t samples = Json::parse(done.out, "result").at("samples").integer(0, 1 << 30);
  CHECK(samples * 2 + 44 == static_cast<int64_t>(file_bytes(folder.file("a.wav")).size()));
  const Json subtitles = Json::load(folder.file("s.json"));
  const auto& sentences = subtitles.at("sentences").items();
  REQUIRE(sentences.size() == 2);
  CHECK(sentences[0].at("begin_sample").integer(0, samples) == 0);
  CHECK(sentences[0].at("end_sample").integer(0, samples) <
        sentences[1].at("begin_sample").integer(0, samples));
  CHECK(sentences[1].at("end_sample").integer(0, samples) == samples);
  CHECK(speak("b.wav").exit == 0);
  CHECK(file_bytes(folder.file("b.wav")) == file_bytes(folder.file("a.wav")));
  CHECK(lines_of(
            tts_gen(with_model({"--print-chunks", "--split", "sentence", "Hello there. Hello again."})).out)
            .size() == 2);
  CHECK(lines_of(tts_gen(with_model({"--print-chunks", "Hello there. Hello again."})).out).size() == 1);
}
