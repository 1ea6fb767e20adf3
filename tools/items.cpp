#include "tools/items.h"

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "tokenizer/tokenizer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace tts {

namespace {

constexpr std::string_view kByteOrderMark{"\xEF\xBB\xBF"};

// Lines of a descriptor as they arrive; at most limits::kInputBytes in all.
class LineReader {
 public:
  LineReader(int descriptor, std::string name) : descriptor_(descriptor), name_(std::move(name)) {}
  LineReader(const LineReader&) = delete;
  ~LineReader() {
    if (descriptor_ > STDIN_FILENO) close(descriptor_);
  }

  // Without its "\n" or "\r\n"; nothing at the end.
  std::optional<std::string> next() {
    size_t end;
    while ((end = buffer_.find('\n', searched_)) == buffer_.npos && !at_end_) {
      searched_ = buffer_.size();
      fill();
    }
    searched_ = 0;
    if (end == buffer_.npos && buffer_.empty()) return std::nullopt;
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end == buffer_.npos ? end : end + 1);
    if (line.ends_with('\r')) line.pop_back();
    if (number_++ == 0 && line.starts_with(kByteOrderMark)) line.erase(0, kByteOrderMark.size());
    return line;
  }

  int64_t number() const { return number_; }
  const std::string& name() const { return name_; }

 private:
  void fill() {
    char bytes[1 << 16];
    ssize_t got;
    do {
      got = read(descriptor_, bytes, sizeof bytes);
    } while (got < 0 && errno == EINTR);
    check(got >= 0, Exit::bad_input, "{}: cannot be read: {}", name_, std::generic_category().message(errno));
    at_end_ = got == 0;
    taken_ += got;
    check(taken_ <= limits::kInputBytes, Exit::bad_input, "{}: expected at most {} bytes, got more", name_,
          limits::kInputBytes.value);
    buffer_.append(bytes, static_cast<size_t>(got));
  }

  int descriptor_;
  std::string name_, buffer_;
  size_t searched_ = 0;
  int64_t number_ = 0, taken_ = 0;
  bool at_end_ = false;
};

std::string numbered(int64_t number) {
  const std::string digits = format("{}", number);
  return std::string(digits.size() < 4 ? 4 - digits.size() : 0, '0') + digits;
}

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == line.npos; }

void check_utf8(std::string_view text, const std::string& where, size_t offset) {
  const size_t bad = first_invalid_utf8(text);
  check(bad == text.npos, Exit::bad_input, "{}text: invalid UTF-8 at byte {}", where, bad + offset);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

}  // namespace

Item parse_json_item(std::string_view line, const std::string& origin) {
  const Json json = Json::parse(line, origin);
  check(json.kind() == Json::Kind::object, Exit::bad_input, "{}: expected an object, got {}", origin,
        json.brief());
  json.allow_only({"id", "text", "speaker", "language", "instruct", "seed", "output", "ref_audio", "ref_text",
                   "voice"});
  Item item;
  item.text = json.at("text").text();
  const auto optional_text = [&](const char* key, std::optional<std::string>& to) {
    if (const Json* value = json.find(key)) to = value->text();
  };
  optional_text("speaker", item.speaker);
  optional_text("language", item.language);
  optional_text("instruct", item.instruct);
  optional_text("output", item.output);
  optional_text("ref_audio", item.ref_audio);
  optional_text("ref_text", item.ref_text);
  optional_text("voice", item.voice);
  check(!item.voice || !item.ref_audio, Exit::bad_input,
        "{}: voice: expected one voice, got ref_audio as well", origin);
  if (const Json* value = json.find("seed")) item.seed = value->integer(0, INT64_MAX);
  if (const Json* value = json.find("id")) {
    if (value->is_number()) {
      item.id_number = value->integer(INT64_MIN, INT64_MAX);
      item.id = format("{}", *item.id_number);
    } else {
      item.id = value->text();
    }
  }
  return item;
}

struct ItemSource::State {
  bool exact = false, raw = false, lines = false, json = false;
  std::string file;
  std::optional<std::string> whole;  // one text that is there already
  bool from_file = false;  // the text lies in a file or stream: BOM and the last line end are not text
  std::unique_ptr<LineReader> reader;

  void open(const std::string& path) {
    if (!lines && !json) {
      whole = read_text(path, limits::kInputBytes);
      from_file = true;
      return;
    }
    int descriptor = STDIN_FILENO;
    if (path != "-") {
      descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
      check(descriptor >= 0, Exit::bad_input, "{}: cannot be opened: {}", path,
            std::generic_category().message(errno));
    }
    reader = std::make_unique<LineReader>(descriptor, path == "-" ? "standard input" : path);
  }

  Item one_text() {
    Item item{.id = numbered(1), .text = std::move(*whole)};
    whole.reset();
    size_t offset = 0;
    if (from_file) {
      item.where = (file == "-" ? "standard input" : file) + ": ";
      if (item.text.starts_with(kByteOrderMark)) item.text.erase(0, offset = kByteOrderMark.size());
    }
    check_utf8(item.text, item.where, offset);
    if (from_file && !exact && !raw && item.text.ends_with('\n')) {
      item.text.pop_back();
      if (item.text.ends_with('\r')) item.text.pop_back();
      item.notes.push_back("the line end at the end of the text was dropped");
    }
    return item;
  }

  std::optional<Item> next_line() {
    for (;;) {
      const std::optional<std::string> line = reader->next();
      if (!line) return std::nullopt;
      if (is_blank(*line) && (json || !exact)) continue;
      return parse_line(*line);
    }
  }

  Item parse_line(const std::string& line) {
    const std::string origin = format("{}: line {}", reader->name(), reader->number());
    Item item;
    try {
      if (json) {
        item = parse_json_item(line, origin);
      } else {
        item.text = line;
        check_utf8(line, origin + ": ", 0);
      }
    } catch (const Error&) {
      item.error = std::current_exception();
    }
    item.where = origin + ": ";
    if (item.id.empty() && !item.id_number) item.id = numbered(reader->number());
    return item;
  }
};

ItemSource::ItemSource(const Arguments& args, bool exact) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.exact = exact;
  s.raw = args.has("raw-control-tokens");
  s.lines = args.text("input", "text") == "lines";
  s.json = args.text("input", "text") == "jsonl";
  const int sources =
      (args.operands.empty() ? 0 : 1) + (args.has("text") ? 1 : 0) + (args.has("file") ? 1 : 0);
  check(sources <= 1, Exit::usage, "text: expected one source out of words, --text and --file, got {}",
        sources);
  if (sources == 0) {
    check(
        isatty(STDIN_FILENO) == 0, Exit::usage,
        "text: expected words, --text, --file or standard input, got nothing; for example: tts-gen 'Hello.'");
    s.file = "-";
  } else if (args.has("file")) {
    s.file = args.text("file");
  }
  if (!s.file.empty()) {
    s.open(s.file);
  } else {
    check(!s.lines && !s.json, Exit::usage,
          "--input {}: expected --file or standard input, got the text as an argument", args.text("input"));
    s.whole = args.has("text") ? args.text("text") : joined(args.operands);
  }
}

ItemSource::ItemSource(ItemSource&&) noexcept = default;
ItemSource::~ItemSource() = default;

std::optional<Item> ItemSource::next() {
  if (state_->reader) return state_->next_line();
  return state_->whole ? std::optional(state_->one_text()) : std::nullopt;
}

bool ItemSource::several() const { return state_->lines || state_->json; }
bool ItemSource::json_lines() const { return state_->json; }
const std::string& ItemSource::file() const { return state_->file; }

}  // namespace tts
