// Hostile text: linear splitting, n log n merging, and a small stack is enough.
#include "catch.h"
#include "timing.h"
#include "tokenizer/normalize.h"
#include "tokenizer_data.h"

#include <pthread.h>

#include <algorithm>
#include <iostream>

using namespace tts;
using namespace tts::test;

namespace {

constexpr size_t kMegabyte{1'000'000};

std::string repeat(std::u32string_view pattern, size_t bytes = kMegabyte) {
  std::string once = to_utf8(std::u32string(pattern)), out;
  while (out.size() + once.size() <= bytes) out += once;
  return out;
}

struct Hostile {
  const char* name;
  std::string text;
};

std::vector<Hostile> hostile_texts() {
  return {{"letters", repeat(U"abcdefgh")},
          {"capitals", repeat(U"ABC")},
          {"spaces", repeat(U" ")},
          {"digits", repeat(U"0123456789")},
          {"CJK", repeat(U"\u4f60\u597d")},
          {"Hangul jamo", repeat(U"\u1112\u1161\u11ab")},
          {"marks", repeat(U"\u0301")},
          {"marks in the wrong order", repeat(U"\u0301\u0323\u0345\u0327")},
          {"newlines", repeat(U"\n")},
          {"carriage returns", repeat(U"\r")},
          {"no-break spaces", repeat(U"\u00a0")},
          {"full stops", repeat(U".")},
          {"emoji", repeat(U"\U0001f600")},
          {"precomposed", repeat(U"\u1ec7")}};
}

// What encode does before it merges: check, form C, split.
size_t prepare(std::string_view text, Pretokenizer pretokenizer) {
  REQUIRE(first_invalid_utf8(text) == text.npos);
  if (is_surely_nfc(text)) return split_pieces(text, pretokenizer).size();
  return split_pieces(to_nfc(text), pretokenizer).size();
}

}  // namespace

TEST_CASE("one megabyte of anything is split in under 50 ms") {
  for (const Pretokenizer p : {Pretokenizer::standard, Pretokenizer::patched})
    for (const Hostile& hostile : hostile_texts()) {
      size_t pieces = 0;
      const double split = best_ms([&] { pieces = prepare(hostile.text, p); });
      std::cout << (p == Pretokenizer::standard ? "standard " : "patched ") << hostile.name << ": " << split
                << " ms, " << pieces << " pieces\n";
      CAPTURE(hostile.name);
      CHECK(split < 50 * kSlower);
    }
}

TEST_CASE("a piece of one megabyte merges in under a second") {
  for (const Hostile& hostile : hostile_texts()) {
    size_t tokens = 0;
    const double ms =
        best_ms([&] { tokens = qwen_tokenizer(Pretokenizer::standard).encode(hostile.text).size(); });
    std::cout << "encode " << hostile.name << ": " << ms << " ms, " << tokens << " tokens\n";
    CAPTURE(hostile.name);
    CHECK(ms < 1000 * kSlower);
  }
  std::string letters;  // one piece without any repetition
  for (uint64_t state = 1; letters.size() < kMegabyte;
       state = state * 6364136223846793005u + 1442695040888963407u)
    letters += static_cast<char>('a' + (state >> 33) % 26);
  CHECK(split_pieces(letters, Pretokenizer::standard).size() == 1);
  const double ms = best_ms([&] { qwen_tokenizer(Pretokenizer::standard).encode(letters); });
  std::cout << "encode random letters in one piece: " << ms << " ms\n";
  CHECK(ms < 1000 * kSlower);
}

TEST_CASE("time grows with the text, not with its square") {
  for (const Hostile& hostile : hostile_texts()) {
    const std::string_view half = std::string_view(hostile.text).substr(0, hostile.text.size() / 4 / 12 * 12);
    const double whole_ms = best_ms([&] { prepare(hostile.text, Pretokenizer::patched); });
    const double part_ms = best_ms([&] { prepare(half, Pretokenizer::patched); });
    CAPTURE(hostile.name, whole_ms, part_ms);
    CHECK(whole_ms < 10 * part_ms + 5);  // 4 when linear, 16 when quadratic; 5 ms of noise
  }
}

TEST_CASE("64 KiB of stack are enough for a megabyte") {
  const auto body = [](void*) -> void* {
    size_t tokens = 0;
    for (const Hostile& hostile : hostile_texts())
      tokens += qwen_tokenizer(Pretokenizer::patched).encode(hostile.text).size();
    return tokens > 0 ? reinterpret_cast<void*>(1) : nullptr;
  };
  qwen_tokenizer(Pretokenizer::patched).encode("warm");  // loaded by this thread: loading may use more
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, static_cast<size_t>((64 << 10) * (kSlower > 1 ? 8 : 1))) ==
          0);
  pthread_t thread;
  REQUIRE(pthread_create(&thread, &attributes, body, nullptr) == 0);
  void* result = nullptr;
  REQUIRE(pthread_join(thread, &result) == 0);
  CHECK(result != nullptr);
  pthread_attr_destroy(&attributes);
}

TEST_CASE("the published vocabulary loads in under 150 ms") {
  qwen_vocab();
  const double ms = best_ms([] {
    Tokenizer::from_files({qwen_vocab(), qwen_merges(), qwen_tokenizer_config(), {}, "qwen"});
  });
  std::cout << "load: " << ms << " ms\n";
  CHECK(ms < 150 * kSlower);
}

TEST_CASE("ordinary text") {
  std::string prose;
  while (prose.size() < kMegabyte)
    prose +=
        "It was a bright cold day in April, and the clocks weren't striking 13. Sch\u00f6ne Gr\u00fc\u00dfe "
        "aus K\u00f6ln!\n";
  const double ms = best_ms([&] { qwen_tokenizer(Pretokenizer::standard).encode(prose); });
  std::cout << "encode prose: " << ms << " ms per MB\n";
  CHECK(ms < 1000 * kSlower);
}
