// Whatever is accepted, printed and read again is the same tree.
#include "fuzz.h"

#include "base/json.h"

namespace {

using tts::Json;
using tts::JsonWriter;

void print(JsonWriter& out, const Json& value) {
  switch (value.kind()) {
    case Json::Kind::null:
      out.null();
      break;
    case Json::Kind::boolean:
      out.value(value.boolean());
      break;
    case Json::Kind::integer:
      out.value(value.integer(INT64_MIN, INT64_MAX));
      break;
    case Json::Kind::big:
      out.value("big " + value.brief());
      break;  // has no exact number to print
    case Json::Kind::real:
      out.value(value.number());
      break;
    case Json::Kind::text:
      out.value(std::string_view(value.text()));
      break;
    case Json::Kind::array:
      out.begin_array();
      for (const Json& item : value.items()) print(out, item);
      out.end_array();
      break;
    case Json::Kind::object:
      out.begin_object();
      for (const auto& [key, member] : value.members()) print(out.key(key), member);
      out.end_object();
  }
}

std::string printed(const Json& value) {
  JsonWriter out;
  print(out, value);
  return out.str();
}

// Every place has a name, and a name leads back to its place.
void visit(const Json& value) {
  tts::fuzz::require(value.where().starts_with("fuzz.json"), "a value without a place");
  tts::fuzz::require(!value.brief().empty(), "a value without a description");
  if (value.kind() == Json::Kind::object) {
    for (const auto& [key, member] : value.members()) {
      tts::fuzz::require(&value.at(key) == &member, "a key that finds another value");
      visit(member);
    }
  }
  if (value.kind() == Json::Kind::array) {
    for (const Json& item : value.items()) visit(item);
  }
}

bool same(const Json& a, const Json& b) {
  if (a.kind() == Json::Kind::big) return b.kind() == Json::Kind::text;
  if (a.kind() != b.kind()) return false;
  if (a.kind() == Json::Kind::array) {
    if (a.items().size() != b.items().size()) return false;
    for (size_t i = 0; i < a.items().size(); ++i) {
      if (!same(a.items()[i], b.items()[i])) return false;
    }
    return true;
  }
  if (a.kind() == Json::Kind::object) {
    if (a.members().size() != b.members().size()) return false;
    for (size_t i = 0; i < a.members().size(); ++i) {
      if (a.members()[i].first != b.members()[i].first || !same(a.members()[i].second, b.members()[i].second))
        return false;
    }
    return true;
  }
  return a.kind() == Json::Kind::text ? a.text() == b.text() : printed(a) == printed(b);
}

}  // namespace

TTS_FUZZ(json) {
  Json value;
  if (!tts::fuzz::accepts([&] { value = Json::parse(bytes, "fuzz.json"); })) return;
  if (bytes.size() < 4096) visit(value);  // looking every key up is quadratic
  const std::string text = printed(value);
  const Json again = Json::parse(text, "printed.json", INT64_MAX);
  tts::fuzz::require(same(value, again), "parse(print(x)) differs from x");
}
