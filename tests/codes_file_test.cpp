// Files of codes: both forms, and what is refused with which words.
#include "engine/codes_file.h"
#include "audio_clips.h"
#include "base/file.h"
#include "catch.h"
#include "process.h"
#include "refusal.h"
#include "temp_directory.h"

#include <cstring>

using namespace tts;
using namespace tts::test;

namespace {

std::string tensors_file(const std::string& header, const std::string& data) {
  return number(header.size(), 8) + header + data;
}

std::string one_tensor(const std::string& dtype, const std::string& shape, size_t bytes,
                       const std::string& name = "codes") {
  return tensors_file(R"({")" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape +
                          R"(,"data_offsets":[0,)" + std::to_string(bytes) + "]}}",
                      std::string(bytes, '\0'));
}

CodesFile some_codes() {
  CodesFile codes{.groups = 16, .codes = {}};
  for (int32_t i = 0; i < 16 * 5; ++i) codes.codes.push_back(i * 37 % 2'048);
  return codes;
}

}  // namespace

TEST_CASE("codes are read as they were written") {
  const TempDirectory folder;
  const CodesFile codes = some_codes();
  for (const std::string name : {"a.json", "a.safetensors"}) {
    save_codes(folder.file(name), codes);
    const CodesFile got = load_codes(folder.file(name));
    CHECK(got.groups == 16);
    CHECK(got.frames() == 5);
    CHECK(got.codes == codes.codes);
  }
  CHECK(print_codes({.groups = 2, .codes = {1, 2, 3, 4}}, CodesForm::json) ==
        "{\"groups\": 2, \"frames\": [\n[1, 2],\n[3, 4]\n]}\n");
  const std::string tensors = file_bytes(folder.file("a.safetensors"));
  uint64_t header = 0;
  std::memcpy(&header, tensors.data(), sizeof header);
  CHECK(header % 8 == 0);
  CHECK(tensors.size() == 8 + header + 5 * 16 * 4);
}

TEST_CASE("malformed JSON codes are refused") {
  struct Bad {
    std::string_view text, message;
  };
  constexpr Bad cases[] = {
      {"", ""},
      {"[]", ""},
      {"{}", ""},
      {R"({"groups": 2})", ""},
      {R"({"groups": 2, "frames": []})", "c.json: frames: expected 1..8192, got 0"},
      {R"({"groups": 0, "frames": [[]]})", "c.json: groups: expected an integer in 1..64, got 0"},
      {R"({"groups": 65, "frames": [[]]})", "c.json: groups: expected an integer in 1..64, got 65"},
      {R"({"groups": 2.0, "frames": [[1, 2]]})", "c.json: groups: expected an integer in 1..64, got 2.0"},
      {R"({"groups": "2", "frames": [[1, 2]]})", "c.json: groups: expected an integer in 1..64, got \"2\""},
      {R"({"groups": 2, "frames": [[1, 2], [1]]})", "c.json: frames[1]: expected 2 codes, got 1"},
      {R"({"groups": 2, "frames": [[1, 2, 3]]})", "c.json: frames[0]: expected 2 codes, got 3"},
      {R"({"groups": 2, "frames": [1, 2]})", ""},
      {R"({"groups": 2, "frames": {"a": [1, 2]}})", ""},
      {R"({"groups": 2, "frames": [[1, -1]]})",
       "c.json: frames[0][1]: expected an integer in 0..1048575, got -1"},
      {R"({"groups": 2, "frames": [[1, 1048576]]})",
       "c.json: frames[0][1]: expected an integer in 0..1048575, got 1048576"},
      {R"({"groups": 2, "frames": [[1, 1.5]]})",
       "c.json: frames[0][1]: expected an integer in 0..1048575, got 1.5"},
      {R"({"groups": 2, "frames": [[1, null]]})",
       "c.json: frames[0][1]: expected an integer in 0..1048575, got null"},
      {R"({"groups": 2, "frames": [[1, 99999999999999999999]]})", ""},
      {R"({"groups": 2, "frames": [[1, 2]], "rate": 3})", ""},
      {R"({"groups": 2, "groups": 2, "frames": [[1, 2]]})", ""},
      {R"({"groups": 2, "frames": [[1, 2]]} more)", ""},
  };
  for (const Bad& bad : cases) {
    INFO(bad.text);
    const Refusal c = refusal_of([&] { parse_codes_json(bad.text, "c.json"); });
    CHECK(c.exit == Exit::bad_input);
    if (!bad.message.empty()) CHECK(c.message == bad.message);
  }
  std::string long_file = R"({"groups": 1, "frames": [[0])";
  for (int i = 0; i < 8'192; ++i) long_file += ",[0]";
  CHECK(refusal_of([&] { parse_codes_json(long_file + "]}", "c.json"); }).message ==
        "c.json: frames: expected 1..8192, got 8193");
}

TEST_CASE("malformed tensor codes are refused") {
  struct Bad {
    std::string bytes, message;
  };
  std::string negative = one_tensor("I32", "[1,2]", 8);
  negative.back() = '\xff';
  const std::vector<Bad> cases = {
      {"", ""},
      {tensors_file("{}", ""), "c: expected one tensor \"codes\", got 0 tensors"},
      {one_tensor("I32", "[1,2]", 8, "code"), "c: expected one tensor \"codes\", got \"code\""},
      {one_tensor("I64", "[1,2]", 16), "c: codes: expected I32[frames,groups], got I64[1,2]"},
      {one_tensor("F32", "[1,2]", 8), "c: codes: expected I32[frames,groups], got F32[1,2]"},
      {one_tensor("I32", "[2]", 8), "c: codes: expected I32[frames,groups], got I32[2]"},
      {one_tensor("I32", "[1,1,2]", 8), "c: codes: expected I32[frames,groups], got I32[1,1,2]"},
      {one_tensor("I32", "[0,16]", 0), "c: frames: expected 1..8192, got 0"},
      {one_tensor("I32", "[8193,1]", 8'193 * 4), "c: frames: expected 1..8192, got 8193"},
      {one_tensor("I32", "[1,65]", 65 * 4), "c: groups: expected 1..64, got 65"},
      {one_tensor("I32", "[1,0]", 0), "c: groups: expected 1..64, got 0"},
      {one_tensor("I32", "[1,3]", 8), ""},
      {negative, "c: codes[0][1]: expected 0..1048575, got -16777216"},
  };
  for (const Bad& bad : cases) {
    INFO(bad.message);
    const Refusal c = refusal_of([&] { parse_codes_tensors(as_bytes(bad.bytes), "c"); });
    CHECK(c.exit == Exit::bad_input);
    if (!bad.message.empty()) CHECK(c.message == bad.message);
  }
}

TEST_CASE("codes of another checkpoint are refused") {
  const CodesFile codes = some_codes();
  CHECK(refusal_of([&] { check_codes(codes, 16, 2'048, "c"); }).exit == Exit::ok);
  CHECK(refusal_of([&] { check_codes(codes, 8, 2'048, "c"); }).message ==
        "c: groups: expected 8 as the checkpoint has, got 16");
  CHECK(refusal_of([&] { check_codes(codes, 16, 64, "c"); }).message ==
        "c: codes[0][2]: expected 0..63 as the checkpoint has, got 74");
}

TEST_CASE("names of files of codes") {
  CHECK(codes_form("a.json") == CodesForm::json);
  CHECK(codes_form("a.b.safetensors") == CodesForm::tensors);
  CHECK(refusal_of([] { codes_form("a.txt"); }).exit == Exit::usage);
  const TempDirectory folder;
  CHECK(refusal_of([&] { load_codes(folder.file("absent.json")); }).exit == Exit::bad_input);
  CHECK(refusal_of([&] { load_codes(folder.file("absent.safetensors")); }).exit == Exit::bad_input);
  CHECK(refusal_of([&] { save_codes("/dev/full", some_codes()); }).exit == Exit::usage);
  CHECK(refusal_of([&] { save_codes(folder.file("no/a.json"), some_codes()); }).exit == Exit::output);
}
