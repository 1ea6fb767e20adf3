#include "catch.h"
#include "refusal.h"

#include "base/json.h"

#include <chrono>

using namespace tts;
using namespace tts::test;

namespace {

std::string message_of(const std::string& text) {
  const Refusal refusal = refusal_of([&] { Json::parse(text, "f.json"); });
  CHECK(refusal.exit == Exit::bad_input);
  return refusal.message;
}

}  // namespace

TEST_CASE("text that is not JSON is refused where it stops being JSON") {
  CHECK(message_of("") == "f.json: line 1, column 1: expected valid JSON, got the end of the text");
  CHECK(message_of("{\"a\":\n\n  tru}") ==
        "f.json: line 3, column 6: expected valid JSON, got '\"a\":<U+000A><U+000A>  tru}'");
  CHECK(message_of("[1,") == "f.json: line 1, column 4: expected valid JSON, got the end of the text");
  CHECK(message_of("[1] 2") == "f.json: line 1, column 5: expected valid JSON, got '2'");
  CHECK(message_of("[1e999]") == "f.json: line 1, column 6: expected valid JSON, got '1e999'");
  CHECK(message_of(std::string("{}\0 x", 5)) ==
        "f.json: line 1, column 3: expected valid JSON, got a NUL byte");
  CHECK(message_of("3") == "f.json: expected an object or an array, got a single value");
  for (const char* text : {"[NaN]",     "[Infinity]",    "[1,]",       "{\"a\" 1}",      "['a']",
                           "[01]",      "[+1]",          "[.5]",       "[1.]",           "[\"\t\"]",
                           "[\"\\x\"]", "[\"\\ud800\"]", "[\"\xff\"]", "[\"\xc0\x80\"]", "[\"\xed\xa0\x80\"]",
                           "{1:2}",     "[1]]",          "[tru]",      "[\"a]",          "//x\n[]"}) {
    INFO(text);
    CHECK(message_of(text).starts_with("f.json: line "));
  }
}

TEST_CASE("keys that appear twice, deep nesting, many values and long texts are refused") {
  CHECK(message_of("{\"a\":{\"b\":1,\"c\":2,\"b\":3}}") ==
        "f.json: a.b: expected every key once, got it twice");
  CHECK(message_of(std::string(33, '[') + std::string(33, ']')) ==
        "f.json: expected at most 32 levels of nesting, got more");
  CHECK_NOTHROW(Json::parse(std::string(32, '[') + std::string(32, ']'), "f.json"));
  std::string many = "[0";
  for (int i = 0; i < 2'200'000; ++i) many += ",0";
  CHECK(message_of(many + "]") == "f.json: expected at most 2200000 values, got more");
  CHECK(refusal_of([] { Json::parse("[1,2]", "f.json", 4); }).message ==
        "f.json: expected at most 4 bytes, got 5");
  CHECK(message_of(std::string((16 << 20) + 1, ' ')) ==
        "f.json: expected at most 16777216 bytes, got 16777217");
}

TEST_CASE("many equal keys cost no quadratic time") {
  std::string text = "{";
  for (int i = 0; i < 500'000; ++i) text += (i > 0 ? ",\"k" : "\"k") + std::to_string(i) + "\":0";
  const auto begin = std::chrono::steady_clock::now();
  CHECK(Json::parse(text + "}", "f.json").members().size() == 500'000);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));  // quadratic: hours
}

TEST_CASE("getters name the place, what they expect and what they found") {
  const Json file = Json::parse(
      R"({"a":{"b":[1,2.5,"x",null,true,{"c":18446744073709551616}]},"n":-3,"r":2.0,"e":1e3})", "f.json");
  const std::vector<Json>& b = file.at("a").at("b").items();
  CHECK(b[0].integer(0, 1) == 1);
  CHECK(b[1].number() == 2.5);
  CHECK(b[2].text() == "x");
  CHECK(b[4].boolean());
  CHECK(file.at("n").integer(-5, 5) == -3);
  CHECK(b[5].at("c").number() == 18446744073709551616.0);
  const auto says = [](auto call) { return refusal_of(call).message; };
  CHECK(says([&] { b[0].integer(2, 3); }) == "f.json: a.b[0]: expected an integer in 2..3, got 1");
  CHECK(says([&] { b[1].integer(2, 3); }) == "f.json: a.b[1]: expected an integer in 2..3, got 2.5");
  CHECK(says([&] { b[3].number(); }) == "f.json: a.b[3]: expected a number, got null");
  CHECK(says([&] { b[4].text(); }) == "f.json: a.b[4]: expected a string, got true");
  CHECK(says([&] { b[0].boolean(); }) == "f.json: a.b[0]: expected true or false, got 1");
  CHECK(says([&] { b[5].at("c").integer(0, INT64_MAX); }) ==
        "f.json: a.b[5].c: expected an integer in 0..9223372036854775807, got 18446744073709551616");
  CHECK(says([&] { file.at("r").integer(0, 9); }) == "f.json: r: expected an integer in 0..9, got 2.0");
  CHECK(says([&] { file.at("e").integer(0, 9); }) == "f.json: e: expected an integer in 0..9, got 1000.0");
  CHECK(says([&] { file.at("a").items(); }) == "f.json: a: expected an array, got an object");
  CHECK(says([&] { file.at("n").members(); }) == "f.json: n: expected an object, got -3");
  CHECK(says([&] { file.at("q"); }) == "f.json: q: expected a value, the key is absent");
  CHECK(says([&] { file.at("a").at("q"); }) == "f.json: a.q: expected a value, the key is absent");
  CHECK(says([&] {
          file.at("a").allow_only({"x", "y"});
        }) == "f.json: a.b: unknown key; expected one of x, y");
  CHECK(file.find("q") == nullptr);
  CHECK(file.has("n"));
  CHECK(b[3].is_null());
}

TEST_CASE("what is quoted in a message is short and cannot steer a terminal") {
  const Json file = Json::parse("{\"a\":\"\\u001b[31m" + std::string(200, 'x') + "\"}", "f.json");
  CHECK(file.at("a").brief() == "\"\\x1B[31m" + std::string(55, 'x') + "...\"");
  CHECK(printable("a\x1b[0m\n\x7f\xc2\x9b ü €") == "a\\x1B[0m\\x0A\\x7F\\xC2\\x9B ü €");
  CHECK(printable("\xff\xc0\x80\xe2\x80\xae") == "\\xFF\\xC0\\x80\\xE2\\x80\\xAE");
}

TEST_CASE("what is written is read back as the same values") {
  JsonWriter out;
  out.begin_object()
      .field("s", "a\"\\\n\x01\x7fü")
      .field("i", int64_t{INT64_MIN})
      .field("u", uint64_t{UINT64_MAX});
  out.field("d", 0.1).field("whole", 2.0).field("tiny", 5e-324).field("b", true).key("n").null();
  out.key("l")
      .begin_array()
      .value(1)
      .value("x")
      .begin_object()
      .end_object()
      .begin_array()
      .end_array()
      .end_array()
      .end_object();
  const Json back = Json::parse(out.str(), "f.json");
  CHECK(back.at("s").text() == "a\"\\\n\x01\x7fü");
  CHECK(back.at("i").integer(INT64_MIN, 0) == INT64_MIN);
  CHECK(back.at("u").brief() == "18446744073709551615");
  CHECK(back.at("d").number() == 0.1);
  CHECK(back.at("whole").kind() == Json::Kind::real);
  CHECK(back.at("tiny").number() == 5e-324);
  CHECK(back.at("n").is_null());
  CHECK(back.at("l").items().size() == 4);
  CHECK(refusal_of([] { JsonWriter().value(1.0 / 0.0); }).exit == Exit::internal);
}
