// Malformed safetensors files and shard indices, each refused with its exact message in under 100 ms.
#include "catch.h"
#include "refusal.h"
#include "temp_directory.h"
#include "timing.h"

#include "base/file.h"
#include "engine/safetensors.h"

#include <unistd.h>

#include <cstring>
#include <iostream>

using namespace tts;
using namespace tts::test;

namespace {

std::string with_length(uint64_t length, const std::string& rest) {
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + rest;
}
std::string with_header(const std::string& header, size_t data_bytes = 0) {
  return with_length(header.size(), header) + std::string(data_bytes, '\1');
}
// One tensor "w" with these members.
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets,
                size_t data_bytes) {
  return with_header(
      "{\"w\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}",
      data_bytes);
}

struct Case {
  std::string file, message;  // without "f.safetensors: "
};

const std::string kA = R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
const std::string kMissing = ": expected a value, the key is absent";

const std::vector<Case> kRefused = {
    // ---- the length
    {"", "expected a safetensors file of at least 8 bytes, got 0"},
    {std::string(7, '\0'), "expected a safetensors file of at least 8 bytes, got 7"},
    {with_length(0, "{}"), "header length: expected 2..2, got 0"},
    {with_length(1, "{}"), "header length: expected 2..2, got 1"},
    {with_length(3, "{}"), "header length: expected 2..2, got 3"},
    {with_length(2, ""), "header length: expected 2..0, got 2"},
    {with_length(uint64_t{1} << 63, "{}"), "header length: expected 2..2, got 9223372036854775808"},
    {with_length(UINT64_MAX, "{}"), "header length: expected 2..2, got 18446744073709551615"},
    // ---- the header as JSON
    {with_header("[]"), "header: expected it to begin with '{', got byte 91"},
    {with_header(" {}"), "header: expected it to begin with '{', got byte 32"},
    {with_header("\xef\xbb\xbf{}"), "header: expected it to begin with '{', got byte 239"},
    {with_header("{]"), "line 1, column 2: expected valid JSON, got '{]'"},
    {with_header("{} x"), "line 1, column 4: expected valid JSON, got '{} x'"},
    {with_header(std::string("{}\0", 3)), "line 1, column 3: expected valid JSON, got a NUL byte"},
    {with_header("{\"a"), "line 1, column 4: expected valid JSON, got the end of the text"},
    {with_header("{" + kA + "," + kA + "}", 4), "a: expected every key once, got it twice"},
    {with_header("{\"__metadata__\":{\"format\":1}}"), "__metadata__.format: expected a string, got 1"},
    {with_header("{\"__metadata__\":[]}"), "__metadata__: expected an object, got an array"},
    {with_header("{\"\":{}}"), "expected tensor names of 1..512 bytes, got 0"},
    {with_header("{\"" + std::string(513, 'n') + "\":{}}"), "expected tensor names of 1..512 bytes, got 513"},
    {with_header("{\"w\":7}"), "w: expected an object, got 7"},
    {with_header("{\"w\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4],\"x\":1}}", 4),
     "w.x: unknown key; expected one of dtype, shape, data_offsets"},
    {with_header("{\"w\":{\"shape\":[4],\"data_offsets\":[0,4]}}", 4), "w.dtype" + kMissing},
    {with_header("{\"w\":{\"dtype\":\"U8\",\"data_offsets\":[0,4]}}", 4), "w.shape" + kMissing},
    {with_header("{\"w\":{\"dtype\":\"U8\",\"shape\":[4]}}", 4), "w.data_offsets" + kMissing},
    // ---- element types
    {one("\"Q4\"", "[4]", "[0,4]", 4),
     "w.dtype: expected one of F32, BF16, F16, F64, I64, I32, I16, I8, U8, BOOL, got \"Q4\""},
    {one("\"bf16\"", "[2]", "[0,4]", 4),
     "w.dtype: expected one of F32, BF16, F16, F64, I64, I32, I16, I8, U8, BOOL, got \"bf16\""},
    {one("\"\"", "[2]", "[0,4]", 4),
     "w.dtype: expected one of F32, BF16, F16, F64, I64, I32, I16, I8, U8, BOOL, got \"\""},
    {one("3", "[4]", "[0,4]", 4), "w.dtype: expected a string, got 3"},
    {one("null", "[4]", "[0,4]", 4), "w.dtype: expected a string, got null"},
    // ---- shapes
    {one("\"U8\"", "4", "[0,4]", 4), "w.shape: expected an array, got 4"},
    {one("\"U8\"", "[-4]", "[0,4]", 4), "w.shape[0]: expected an integer in 0..9223372036854775807, got -4"},
    {one("\"U8\"", "[4.0]", "[0,4]", 4),
     "w.shape[0]: expected an integer in 0..9223372036854775807, got 4.0"},
    {one("\"U8\"", "[\"4\"]", "[0,4]", 4),
     "w.shape[0]: expected an integer in 0..9223372036854775807, got \"4\""},
    {one("\"U8\"", "[18446744073709551616]", "[0,4]", 4),
     "w.shape[0]: expected an integer in 0..9223372036854775807, got 18446744073709551616"},
    {one("\"U8\"", "[1,1,1,1,1,1,1,1,4]", "[0,4]", 4), "w.shape: expected at most 8 axes, got 9"},
    {one("\"U8\"", "[5]", "[0,4]", 4), "tensor w: expected the bytes of U8[5], got 4"},
    {one("\"F32\"", "[2]", "[0,4]", 4), "tensor w: expected the bytes of F32[2], got 4"},
    {one("\"F32\"", "[]", "[0,0]", 0), "tensor w: expected the bytes of F32[], got 0"},
    {one("\"U8\"", "[0]", "[0,4]", 4), "tensor w: expected the bytes of U8[0], got 4"},
    {one("\"U8\"", "[4294967296,4294967296]", "[0,0]", 0),
     "tensor w: expected the bytes of U8[4294967296,4294967296], got 0"},
    {one("\"F64\"", "[2305843009213693952]", "[0,0]", 0),
     "tensor w: expected the bytes of F64[2305843009213693952], got 0"},
    {one("\"F64\"", "[4611686018427387904,1152921504606846976]", "[0,0]", 0),  // 2^128 bits: wraps to nothing
     "tensor w: expected the bytes of F64[4611686018427387904,1152921504606846976], got 0"},
    {one("\"U8\"", "[4611686018427387904,4611686018427387904,4611686018427387904,16]", "[0,0]", 0),
     "tensor w: expected the bytes of U8[4611686018427387904,4611686018427387904,4611686018427387904,16], "
     "got 0"},
    {one("\"U8\"", "[9223372036854775807,9223372036854775807,9223372036854775807]", "[0,4]", 4),
     "tensor w: expected the bytes of U8[9223372036854775807,9223372036854775807,9223372036854775807], got "
     "4"},
    // ---- offsets
    {one("\"U8\"", "[4]", "[0]", 4), "w.data_offsets: expected two offsets, got 1"},
    {one("\"U8\"", "[4]", "[0,2,4]", 4), "w.data_offsets: expected two offsets, got 3"},
    {one("\"U8\"", "[4]", "{}", 4), "w.data_offsets: expected an array, got an object"},
    {one("\"U8\"", "[4]", "[-4,0]", 4), "w.data_offsets[0]: expected an integer in 0..4, got -4"},
    {one("\"U8\"", "[4]", "[4,0]", 4), "w.data_offsets[1]: expected an integer in 4..4, got 0"},
    {one("\"U8\"", "[4]", "[0,5]", 4), "w.data_offsets[1]: expected an integer in 0..4, got 5"},
    {one("\"U8\"", "[4]", "[0,4]", 3), "w.data_offsets[1]: expected an integer in 0..3, got 4"},
    {one("\"U8\"", "[4]", "[0,4.0]", 4), "w.data_offsets[1]: expected an integer in 0..4, got 4.0"},
    {one("\"U8\"", "[4]", "[0,9223372036854775808]", 4),
     "w.data_offsets[1]: expected an integer in 0..4, got 9223372036854775808"},
    {one("\"U8\"", "[4]", "[null,4]", 4), "w.data_offsets[0]: expected an integer in 0..4, got null"},
    // ---- how the tensors cover the data
    {one("\"U8\"", "[4]", "[0,4]", 5), "expected 4 bytes of tensor data, got 5"},
    {one("\"U8\"", "[4]", "[1,5]", 5), "tensor w: expected its data to begin at 0, got 1"},
    {with_header("{" + kA + R"(,"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})", 6),
     "tensor b: expected its data to begin at 4, got 2"},
    {with_header("{" + kA + R"(,"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4),
     "tensor b: expected its data to begin at 4, got 0"},
    {with_header("{" + kA + R"(,"b":{"dtype":"U8","shape":[2],"data_offsets":[6,8]}})", 8),
     "tensor b: expected its data to begin at 4, got 6"},
    {with_header("{}", 1), "expected 0 bytes of tensor data, got 1"},
};

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

TEST_CASE("malformed safetensors files are refused with the exact message in under 100 ms") {
  double slowest_ms = 0;
  for (const Case& c : kRefused) {
    Refusal refusal;
    slowest_ms = std::max(slowest_ms, processor_ms([&] {
      refusal = refusal_of([&] { parse_safetensors(bytes_of(c.file), "f.safetensors"); });
    }));
    CHECK(refusal.exit == Exit::bad_input);
    CHECK(refusal.message == "f.safetensors: " + c.message);
  }
  std::cout << "malformed safetensors: " << kRefused.size() << " refused, the slowest in "
            << fixed(slowest_ms, 2) << " ms\n";
  CHECK(slowest_ms < 100 * kSlower);
  CHECK(kRefused.size() >= 60);
}

TEST_CASE("a header longer than the limit is refused although the file is long enough") {
  const TempDirectory dir;
  const std::string path = dir.file("f");
  write_file(path, with_length(100'000'001, "{}"));
  REQUIRE(truncate(path.c_str(), 100'000'100) == 0);
  const MappedFile file(path);
  CHECK(refusal_of([&] { parse_safetensors(file.bytes(), "f"); }).message ==
        "f: header length: expected 2..100000000, got 100000001");
}

TEST_CASE("more tensors than the limit are refused") {
  std::string header = "{";
  for (int i = 0; i < 65'538; ++i) {
    header +=
        (i > 0 ? ",\"t" : "\"t") + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  }
  const std::string file = with_header(header + "}");
  CHECK(refusal_of([&] { parse_safetensors(bytes_of(file), "f"); }).message ==
        "f: expected at most 65536 tensors, got 65538");
}

TEST_CASE("what the format allows is read") {
  const std::string file = with_header(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[8,20]},)"
      R"("s":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"e":{"dtype":"F32","shape":[7,0],"data_offsets":[20,20]},)"
      R"("zero":{"dtype":"U8","shape":[9223372036854775807,9223372036854775807,0],"data_offsets":[8,8]}}   )",
      20);
  const std::vector<StoredTensor> tensors = parse_safetensors(bytes_of(file), "f");
  REQUIRE(tensors.size() == 4);
  CHECK(tensors[0].name == "s");
  CHECK(tensors[1].name == "zero");
  CHECK(tensors[2].name == "b");
  CHECK(str(tensors[2].tensor) == "BF16[2,3]");
  CHECK(tensors[2].bytes == 12);
  CHECK(tensors[2].tensor.data == file.data() + file.size() - 12);
  CHECK(tensors[3].bytes == 0);
  CHECK(parse_safetensors(bytes_of(with_header("{}")), "f").empty());
}

TEST_CASE("malformed shard indices are refused with the exact message") {
  const auto says = [](const std::string& json) {
    const Refusal refusal = refusal_of([&] { parse_shard_index(json, "i.json"); });
    CHECK(refusal.exit == Exit::bad_input);
    return refusal.message;
  };
  CHECK(says("{}") == "i.json: weight_map: expected a value, the key is absent");
  CHECK(says(R"({"weight_map":[]})") == "i.json: weight_map: expected an object, got an array");
  CHECK(says(R"({"weight_map":{"a":3}})") == "i.json: weight_map.a: expected a string, got 3");
  CHECK(says(R"({"weight_map":{"a":"x","a":"y"}})") ==
        "i.json: weight_map.a: expected every key once, got it twice");
  CHECK(says(R"({"weight_map":{"a":"x")") ==
        "i.json: line 1, column 23: expected valid JSON, got the end of the text");
  for (const std::string name : {"", ".", "..", "/etc/passwd", "../x.safetensors", "a/b", "a/"}) {
    CHECK(says(R"({"weight_map":{"a":")" + name + "\"}}") ==
          "i.json: weight_map.a: expected a plain file name, got \"" + name + "\"");
  }
  CHECK(says(R"({"weight_map":{"a":"x\u0000y"}})") ==
        "i.json: weight_map.a: expected a plain file name, got \"x\\x00y\"");
  CHECK(says(R"({"weight_map":{"a":")" + std::string(256, 'x') + "\"}}") ==
        "i.json: weight_map.a: expected a plain file name, got \"" + std::string(60, 'x') + "...\"");
}
