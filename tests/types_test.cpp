// Sizes that cannot wrap, element types, messages.
#include "catch.h"
#include "refusal.h"

#include "base/limits.h"
#include "base/types.h"

#include <cmath>
#include <random>
#include <set>

using namespace tts;
using namespace tts::test;

TEST_CASE("sizes agree with 128-bit arithmetic or are refused") {
  std::mt19937_64 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const auto a = static_cast<int64_t>(random() >> random() % 64),
               b = static_cast<int64_t>(random() >> random() % 64);
    const __int128 product = static_cast<__int128>(a) * b, sum = static_cast<__int128>(a) + b;
    const bool negative = a < 0 || b < 0;
    int64_t got = -1;
    const bool multiplied = refusal_of([&] { got = checked_mul(a, b, "x"); }).exit == Exit::ok;
    REQUIRE(multiplied == (!negative && product <= INT64_MAX));
    if (multiplied) REQUIRE(got == static_cast<int64_t>(product));
    const bool added = refusal_of([&] { got = checked_add(a, b, "x"); }).exit == Exit::ok;
    REQUIRE(added == (!negative && sum <= INT64_MAX));
    if (added) REQUIRE(got == static_cast<int64_t>(sum));
  }
  CHECK(refusal_of([] { checked_mul(int64_t{1} << 62, 2, "rows"); }).message ==
        "rows: size does not fit 63 bits: 4611686018427387904 * 2");
  CHECK(refusal_of([] { element_count(Shape{int64_t{1} << 32, int64_t{1} << 32}); }).exit == Exit::bad_input);
}

TEST_CASE("shapes and element types") {
  CHECK(str(Shape{}) == "[]");
  CHECK(str(Shape{3, 0, 7}) == "[3,0,7]");
  CHECK(element_count(Shape{}) == 1);
  CHECK(element_count(Shape{3, 0, 7}) == 0);
  CHECK(byte_size(DType::bf16, Shape{3, 5}) == 30);
  CHECK(byte_size(DType::int4_blocks, Shape{3, 5}) == 8);  // half a byte is a byte
  CHECK(byte_size(DType::f64, Shape{2}) == 16);
  CHECK(str(Tensor{nullptr, DType::f16, Shape{2, 3}, nullptr}) == "F16[2,3]");
}

TEST_CASE("rounding to BF16 is to nearest, ties to even, and NaN stays NaN") {
  const auto round = [](uint32_t bits) { return round_to_bf16(std::bit_cast<float>(bits)).bits; };
  CHECK(round(0x3f800000) == 0x3f80);
  CHECK(round(0x3f807fff) == 0x3f80);
  CHECK(round(0x3f808000) == 0x3f80);  // a tie: even
  CHECK(round(0x3f818000) == 0x3f82);  // a tie: even is above
  CHECK(round(0x3f808001) == 0x3f81);
  CHECK(round(0x7f7fffff) == 0x7f80);  // beyond the largest: infinity
  CHECK(round(0xff800000) == 0xff80);
  CHECK(std::isnan(widen(round_to_bf16(std::bit_cast<float>(0x7f800001u)))));
  std::mt19937 random(2);
  for (int i = 0; i < 100'000; ++i) {
    const uint16_t bits = static_cast<uint16_t>(random());
    if ((bits & 0x7f80) == 0x7f80) continue;
    REQUIRE(round_to_bf16(widen(bf16{bits})).bits == bits);
  }
}

TEST_CASE("messages take text, numbers and whatever has a name") {
  const char* text = "text";
  const std::string expected = "text lit c s true -7 2.5 [1,2] BF16";
  CHECK(format("{} {} {} {} {} {} {} {} {}", text, "lit", 'c', std::string("s"), true, -7, 2.5, Shape{1, 2},
               DType::bf16) == expected);
  CHECK(format("no place") == "no place");
  CHECK(fixed(3.14159, 2) == "3.14");
  CHECK(fixed(-0.5, 0) == "-0");
  const Error error(Exit::device, "{}: expected {}, got {}", "gpu", 1, 0);
  CHECK(error.exit == Exit::device);
  CHECK(std::string(error.what()) == "gpu: expected 1, got 0");
}

TEST_CASE("the table of limits holds every limit once") {
  std::set<const Limit*> seen;
  for (const Limit* limit : limits::kAll) {
    CHECK(seen.insert(limit).second);
    CHECK(limit->value > 0);
    CHECK_FALSE(limit->name.empty());
    CHECK_FALSE(limit->unit.empty());
  }
}
