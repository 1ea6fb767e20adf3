// JSON from strangers: size and depth are limited, duplicate keys are refused, integers are integers. Every
// complaint names the file and the key path: "config.json: talker_config.hidden_size: expected an integer
// in 1..16384, got 2.5".
#pragma once

#include "base/error.h"
#include "base/limits.h"

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tts {

// One value of a parsed document; a plain tree, moved but never copied (a node knows its place by its
// container). Getters check type and range and throw Exit::bad_input.
class Json {
 public:
  enum class Kind : uint8_t { null, boolean, integer, big, real, text, array, object };  // big: outside int64

  // `origin` is the file name (or "line 3 of items.jsonl") that messages begin with. The outermost value is
  // an object or an array.
  static Json parse(std::string_view bytes, const std::string& origin,
                    int64_t byte_limit = limits::kJsonBytes);
  static Json load(const std::string& path);

  Json();
  Json(Json&&) noexcept;
  Json& operator=(Json&&) noexcept;
  ~Json();

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::null; }
  std::string where() const;  // "config.json: talker_config.hidden_size"

  // ---- objects
  bool has(std::string_view key) const;          // present; null counts as present
  const Json& at(std::string_view key) const;    // absent: error
  const Json* find(std::string_view key) const;  // absent: nullptr
  const std::vector<std::pair<std::string, Json>>& members() const;
  void allow_only(
      std::initializer_list<std::string_view> keys) const;  // an unknown key is an error that lists the known

  // ---- values
  int64_t integer(int64_t low, int64_t high) const;
  double number() const;  // finite
  bool boolean() const;
  const std::string& text() const;
  const std::vector<Json>& items() const;
  bool is_number() const { return kind_ == Kind::integer || kind_ == Kind::big || kind_ == Kind::real; }
  std::string brief() const;  // what was found, short and printable: `2.5`, `"abc"`, `an object`

 private:
  friend struct JsonBuilder;
  struct Box;  // the children of an array or object, and where it stands itself
  Kind kind_ = Kind::null;
  uint32_t slot_ = 0;            // number within `parent_`
  const Box* parent_ = nullptr;  // null: the outermost value
  std::variant<std::monostate, bool, int64_t, double, std::unique_ptr<std::string>, std::unique_ptr<Box>>
      value_;
};

// Writing: values are appended in order, commas and quotes are set here. Doubles are written with the
// shortest digits that read back the same; text is escaped, invalid UTF-8 refused by assertion of the caller.
class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(bool v);
  JsonWriter& value(int64_t v);
  JsonWriter& value(int v) { return value(static_cast<int64_t>(v)); }
  JsonWriter& value(uint64_t v);
  JsonWriter& value(double v);
  JsonWriter& null();
  template <class T>
  JsonWriter& field(std::string_view name, const T& v) {
    return key(name).value(v);
  }
  const std::string& str() const { return out_; }

 private:
  void separate();
  std::string out_;
  bool first_ = true;
  bool after_key_ = false;
};

}  // namespace tts
