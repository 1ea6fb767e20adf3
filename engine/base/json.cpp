// Parsing: the library reads the text event by event, JsonBuilder turns the events into our tree and refuses
// what it should not hold. Every array and object is a Box on the heap that never moves, so a node finds its
// path through its container: no path is stored, and a node is 32 bytes whatever the file holds.
#include "base/json.h"

#include "base/file.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace tts {

struct Json::Box {
  const Box* parent = nullptr;
  uint32_t slot = 0;
  bool is_object = false;
  std::unique_ptr<std::string> origin;  // of the outermost box only
  std::vector<Json> items;
  std::vector<std::pair<std::string, Json>> members;
};

Json::Json() = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;

namespace {

constexpr size_t kBriefBytes{60};  // of a string or number quoted in a message

std::string shorten(std::string_view text) {
  if (text.size() <= kBriefBytes) return printable(text);
  size_t end = kBriefBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a character
  return printable(text.substr(0, end)) + "...";
}

std::string real_text(double value) {
  std::string text = format("{}", value);
  if (text.find_first_of(".en") == text.npos) text += ".0";  // 2.0 is not the integer 2
  return text;
}

std::string line_and_column(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset == 0 ? 0 : offset - 1, text.size()));
  const size_t line_begin = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
  return format("line {}, column {}", std::count(before.begin(), before.end(), '\n') + 1,
                before.size() - line_begin + 1);
}

}  // namespace

// ---- building -----------------------------------------------------------------------------------

struct JsonBuilder {
  using Box = Json::Box;
  std::string_view bytes;
  const std::string& origin;
  Json root;
  std::vector<Box*> open;
  int64_t values = 0;

  Json& next() {
    check(++values <= limits::kJsonValues, Exit::bad_input, "{}: expected at most {} values, got more",
          origin, limits::kJsonValues.value);
    check(!open.empty() || values == 1, Exit::bad_input, "{}: expected one value", origin);
    if (open.empty()) return root;
    Box& box = *open.back();
    if (!box.is_object) box.items.emplace_back();
    Json& node = box.is_object ? box.members.back().second : box.items.back();
    node.parent_ = &box;
    node.slot_ = static_cast<uint32_t>((box.is_object ? box.members.size() : box.items.size()) - 1);
    return node;
  }
  template <class Value>
  bool set(Json::Kind kind, Value value) {
    check(!open.empty(), Exit::bad_input, "{}: expected an object or an array, got a single value", origin);
    Json& node = next();
    node.kind_ = kind;
    node.value_ = std::move(value);
    return true;
  }
  bool begin(Json::Kind kind) {
    check(static_cast<int64_t>(open.size()) < limits::kJsonDepth, Exit::bad_input,
          "{}: expected at most {} levels of nesting, got more", origin, limits::kJsonDepth.value);
    Json& node = next();
    auto box = std::make_unique<Box>();
    box->parent = node.parent_;
    box->slot = node.slot_;
    box->is_object = kind == Json::Kind::object;
    if (open.empty()) box->origin = std::make_unique<std::string>(origin);
    open.push_back(box.get());
    node.kind_ = kind;
    node.value_ = std::move(box);
    return true;
  }
  bool end() {
    open.pop_back();
    return true;
  }
  void refuse_duplicates(const Box& box) const {
    std::vector<const std::pair<std::string, Json>*> sorted;
    sorted.reserve(box.members.size());
    for (const auto& member : box.members) sorted.push_back(&member);
    std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->first < b->first; });
    const auto twice = std::adjacent_find(sorted.begin(), sorted.end(),
                                          [](auto* a, auto* b) { return a->first == b->first; });
    check(twice == sorted.end(), Exit::bad_input, "{}: expected every key once, got it twice",
          twice == sorted.end() ? "" : (*twice)->second.where());
  }

  // ---- the events of the library, by the names it asks for
  bool null() { return set(Json::Kind::null, std::monostate{}); }
  bool boolean(bool v) { return set(Json::Kind::boolean, v); }
  bool number_integer(int64_t v) { return set(Json::Kind::integer, v); }
  bool number_unsigned(uint64_t v) {
    if (v <= static_cast<uint64_t>(INT64_MAX)) return set(Json::Kind::integer, static_cast<int64_t>(v));
    return set(Json::Kind::big, std::make_unique<std::string>(format("{}", v)));
  }
  bool number_float(double v, const std::string& digits) {
    if (digits.find_first_of(".eE") != digits.npos) return set(Json::Kind::real, v);
    return set(Json::Kind::big, std::make_unique<std::string>(digits));
  }
  bool string(std::string& v) { return set(Json::Kind::text, std::make_unique<std::string>(std::move(v))); }
  bool binary(nlohmann::json::binary_t&) { return false; }
  bool start_object(size_t) { return begin(Json::Kind::object); }
  bool start_array(size_t) { return begin(Json::Kind::array); }
  bool key(std::string& name) {
    open.back()->members.emplace_back(std::move(name), Json{});
    return true;
  }
  bool end_array() { return end(); }
  bool end_object() {
    refuse_duplicates(*open.back());
    return end();
  }
  bool parse_error(size_t position, const std::string& token, const nlohmann::json::exception&) {
    const bool at_end = position > bytes.size() || token.empty() || token == "<end of input>";
    throw Error(Exit::bad_input, "{}: {}: expected valid JSON, got {}", origin,
                line_and_column(bytes, position),
                at_end ? std::string("the end of the text") : format("'{}'", shorten(token)));
  }
};

Json Json::parse(std::string_view bytes, const std::string& origin, int64_t byte_limit) {
  check(static_cast<int64_t>(bytes.size()) <= byte_limit, Exit::bad_input,
        "{}: expected at most {} bytes, got {}", origin, byte_limit, bytes.size());
  const size_t nul = bytes.find('\0');  // the library would take it for the end of the text
  check(nul == bytes.npos, Exit::bad_input, "{}: {}: expected valid JSON, got a NUL byte", origin,
        line_and_column(bytes, nul == bytes.npos ? 0 : nul + 1));
  JsonBuilder builder{bytes, origin, {}, {}, 0};
  nlohmann::json::sax_parse(bytes.begin(), bytes.end(), &builder);
  return std::move(builder.root);
}

Json Json::load(const std::string& path) { return parse(read_text(path, limits::kJsonBytes), path); }

// ---- reading ------------------------------------------------------------------------------------

std::string Json::where() const {
  std::vector<std::string> parts;
  const Box* root =
      kind_ == Kind::array || kind_ == Kind::object ? std::get<std::unique_ptr<Box>>(value_).get() : nullptr;
  uint32_t slot = slot_;
  for (const Box* box = parent_; box != nullptr; slot = box->slot, box = box->parent) {
    parts.push_back(box->is_object ? "." + shorten(box->members[slot].first) : format("[{}]", slot));
    root = box;
  }
  std::string path;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) path += *part;
  if (path.starts_with('.')) path.erase(0, 1);
  const std::string origin = root == nullptr ? "JSON" : *root->origin;
  return path.empty() ? origin : origin + ": " + path;
}

const Json* Json::find(std::string_view key) const {
  for (const auto& [name, value] : members()) {
    if (name == key) return &value;
  }
  return nullptr;
}

bool Json::has(std::string_view key) const { return find(key) != nullptr; }

const Json& Json::at(std::string_view key) const {
  const Json* value = find(key);
  check(value != nullptr, Exit::bad_input, "{}{}{}: expected a value, the key is absent", where(),
        parent_ == nullptr ? ": " : ".", key);
  return *value;
}

const std::vector<std::pair<std::string, Json>>& Json::members() const {
  check(kind_ == Kind::object, Exit::bad_input, "{}: expected an object, got {}", where(), brief());
  return std::get<std::unique_ptr<Box>>(value_)->members;
}

const std::vector<Json>& Json::items() const {
  check(kind_ == Kind::array, Exit::bad_input, "{}: expected an array, got {}", where(), brief());
  return std::get<std::unique_ptr<Box>>(value_)->items;
}

void Json::allow_only(std::initializer_list<std::string_view> keys) const {
  for (const auto& [name, value] : members()) {
    if (std::find(keys.begin(), keys.end(), name) != keys.end()) continue;
    std::string known;
    for (const std::string_view key : keys) known += (known.empty() ? "" : ", ") + std::string(key);
    throw Error(Exit::bad_input, "{}: unknown key; expected one of {}", value.where(), known);
  }
}

int64_t Json::integer(int64_t low, int64_t high) const {
  const int64_t* value = std::get_if<int64_t>(&value_);
  check(value != nullptr && *value >= low && *value <= high, Exit::bad_input,
        "{}: expected an integer in {}..{}, got {}", where(), low, high, brief());
  return *value;
}

double Json::number() const {
  check(is_number(), Exit::bad_input, "{}: expected a number, got {}", where(), brief());
  const double value = kind_ == Kind::integer ? static_cast<double>(std::get<int64_t>(value_))
                       : kind_ == Kind::big
                           ? std::strtod(std::get<std::unique_ptr<std::string>>(value_)->c_str(), nullptr)
                           : std::get<double>(value_);
  check(std::isfinite(value), Exit::bad_input, "{}: expected a finite number, got {}", where(), brief());
  return value;
}

bool Json::boolean() const {
  check(kind_ == Kind::boolean, Exit::bad_input, "{}: expected true or false, got {}", where(), brief());
  return std::get<bool>(value_);
}

const std::string& Json::text() const {
  check(kind_ == Kind::text, Exit::bad_input, "{}: expected a string, got {}", where(), brief());
  return *std::get<std::unique_ptr<std::string>>(value_);
}

std::string Json::brief() const {
  switch (kind_) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return std::get<bool>(value_) ? "true" : "false";
    case Kind::integer:
      return format("{}", std::get<int64_t>(value_));
    case Kind::big:
      return shorten(*std::get<std::unique_ptr<std::string>>(value_));
    case Kind::real:
      return real_text(std::get<double>(value_));
    case Kind::text:
      return format("\"{}\"", shorten(*std::get<std::unique_ptr<std::string>>(value_)));
    case Kind::array:
      return "an array";
    case Kind::object:
      return "an object";
  }
  return "?";
}

// ---- writing ------------------------------------------------------------------------------------

void JsonWriter::separate() {
  if (!first_ && !after_key_) out_ += ',';
  first_ = false;
  after_key_ = false;
}

JsonWriter& JsonWriter::begin_object() {
  separate();
  out_ += '{';
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::end_object() {
  out_ += '}';
  first_ = false;
  return *this;
}

JsonWriter& JsonWriter::begin_array() {
  separate();
  out_ += '[';
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::end_array() {
  out_ += ']';
  first_ = false;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  value(name);
  out_ += ':';
  after_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  separate();
  out_ += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out_ += {'\\', c};
    } else if (c == '\n') {
      out_ += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      out_ += std::string("\\u00") + kHex[byte >> 4] + kHex[byte & 15];
    } else {
      out_ += c;
    }
  }
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::value(bool v) {
  separate();
  out_ += v ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::value(int64_t v) {
  separate();
  out_ += format("{}", v);
  return *this;
}

JsonWriter& JsonWriter::value(uint64_t v) {
  separate();
  out_ += format("{}", v);
  return *this;
}

JsonWriter& JsonWriter::value(double v) {
  check(std::isfinite(v), Exit::internal, "JSON: expected a finite number, got {}", v);
  separate();
  out_ += real_text(v);
  return *this;
}

JsonWriter& JsonWriter::null() {
  separate();
  out_ += "null";
  return *this;
}

}  // namespace tts
