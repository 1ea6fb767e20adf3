// What is to be spoken: one text, or lines, or JSON lines, one item after the other as they arrive. A line
// that cannot be understood is an item that failed; the others go on.
#pragma once

#include "tools/cli.h"

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tts {

struct Item {
  std::string id{};                    // of the JSON line; else the number with four digits
  std::optional<int64_t> id_number{};  // when the JSON line gives a number as id
  std::string where{};                 // "" or "items.jsonl: line 3: ", for messages
  std::string text{};
  std::optional<std::string> speaker{}, language{}, instruct{}, output{};
  std::optional<std::string> ref_audio{}, ref_text{}, voice{};
  std::optional<int64_t> seed{};
  std::vector<std::string> notes{};  // what was dropped from the text, for -v
  std::exception_ptr error{};        // the line could not be understood
};

class ItemSource {
 public:
  // Exactly one source of text, else Exit::usage. `exact`: nothing is dropped from the text, blank lines are
  // items.
  ItemSource(const Arguments& args, bool exact);
  ItemSource(ItemSource&&) noexcept;
  ~ItemSource();

  std::optional<Item> next();
  bool several() const;  // --input lines or jsonl
  bool json_lines() const;
  const std::string& file() const;  // path of --file; "" when the text comes from elsewhere

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// One JSON line; Exit::bad_input names the line and the key.
Item parse_json_item(std::string_view line, const std::string& origin);

}  // namespace tts
