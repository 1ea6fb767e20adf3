#include "tools/cli.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

namespace tts {

namespace {

constexpr size_t kWordBytes{4'000'000};  // one argument; the system's own limit is lower

std::string with_dashes(std::string_view word) {
  std::string name(word);
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

}  // namespace

// ---- numbers and words ------------------------------------------------------------------------------------

int64_t parse_integer(std::string_view word, int64_t low, int64_t high, std::string_view what) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  const bool whole = error == std::errc{} && end == word.data() + word.size();
  check(whole && value >= low && value <= high, Exit::usage, "{}: expected an integer in {}..{}, got '{}'",
        what, low, high, word);
  return value;
}

double parse_real(std::string_view word, double low, double high, bool low_open, std::string_view what) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  const bool whole = error == std::errc{} && end == word.data() + word.size() && std::isfinite(value);
  check(whole && value <= high && (low_open ? value > low : value >= low), Exit::usage,
        "{}: expected a number {} {} and at most {}, got '{}'", what, low_open ? "above" : "of at least", low,
        high, word);
  return value;
}

std::vector<std::string_view> split_choices(std::string_view choices) {
  std::vector<std::string_view> out;
  while (!choices.empty()) {
    const size_t bar = std::min(choices.find('|'), choices.size());
    out.push_back(choices.substr(0, bar));
    choices.remove_prefix(std::min(bar + 1, choices.size()));
  }
  return out;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

// ---- parsing ----------------------------------------------------------------------------------------------

struct Parser {
  const Program& program;
  std::span<const std::string> words;
  Arguments args;
  size_t at = 0;

  const OptionRow* find(std::string_view name) const {
    const auto found = std::find_if(program.options.begin(), program.options.end(),
                                    [&](const OptionRow& row) { return name == row.name; });
    return found == program.options.end() ? nullptr : &*found;
  }

  const OptionRow& long_option(std::string_view name) const {
    constexpr size_t kLongestName{64};  // bounds the search for the nearest one
    const std::string wanted = with_dashes(name.substr(0, kLongestName));
    if (const OptionRow* row = find(wanted); row && name.size() <= kLongestName) return *row;
    const OptionRow* nearest = nullptr;
    size_t best = std::max<size_t>(2, wanted.size() / 3) + 1;
    for (const OptionRow& row : program.options) {
      const bool begins = wanted.size() >= 3 && std::string_view(row.name).starts_with(wanted);
      const size_t distance = begins ? 1 : edit_distance(wanted, row.name);
      if (distance < best) {
        best = distance;
        nearest = &row;
      }
    }
    if (nearest) throw Error(Exit::usage, "unknown option '--{}'; did you mean '--{}'?", name, nearest->name);
    throw Error(Exit::usage, "unknown option '--{}'; {} --help lists the known ones", name, program.name);
  }

  const OptionRow& letter_option(char letter) const {
    const auto found = std::find_if(program.options.begin(), program.options.end(),
                                    [&](const OptionRow& row) { return row.letter == letter; });
    check(found != program.options.end(), Exit::usage, "unknown option '-{}'; {} --help lists the known ones",
          letter, program.name);
    return *found;
  }

  void take(const OptionRow& row, std::string value) {
    const std::string what = format("--{}", row.name);
    check(value.size() <= kWordBytes, Exit::usage, "{}: expected at most {} bytes, got {}", what, kWordBytes,
          value.size());
    check(row.kind == ArgKind::flag || !args.values_.contains(row.name), Exit::usage, "{}: given twice",
          what);
    if (row.kind == ArgKind::integer) parse_integer(value, row.least, row.most, what);
    if (row.kind == ArgKind::real) parse_real(value, row.low, row.high, row.low_open, what);
    if (row.kind == ArgKind::choice) {
      const auto known = split_choices(row.choices);
      check(std::find(known.begin(), known.end(), value) != known.end(), Exit::usage,
            "{}: expected {}, got '{}'", what, row.choices, value);
    }
    check(row.kind != ArgKind::path || !value.empty(), Exit::usage, "{}: expected {}, got an empty word",
          what, row.value);
    args.values_[row.name] = std::move(value);
  }

  std::string next_word(const OptionRow& row) {
    check(at + 1 < words.size(), Exit::usage, "--{}: expected {}, got nothing", row.name, row.value);
    return words[++at];
  }

  void long_word(std::string_view word) {
    const size_t equals = word.find('=');
    const OptionRow& row = long_option(word.substr(0, equals));
    if (equals != word.npos) {
      check(row.kind != ArgKind::flag, Exit::usage, "--{}: takes no value, got '{}'", row.name,
            word.substr(equals + 1));
      const std::string value(word.substr(equals + 1));
      check(row.kind != ArgKind::optional_path || !value.empty(), Exit::usage,
            "--{}: expected {}, got an empty word", row.name, row.value);
      take(row, value);
    } else if (row.kind == ArgKind::flag || row.kind == ArgKind::optional_path) {
      take(row, "");
    } else {
      take(row, next_word(row));
    }
  }

  void letters(std::string_view word) {  // -qv, -j4, -j 4
    for (size_t i = 0; i < word.size(); ++i) {
      const OptionRow& row = letter_option(word[i]);
      if (row.kind == ArgKind::flag) {
        take(row, "");
      } else {
        take(row, i + 1 < word.size() ? std::string(word.substr(i + 1)) : next_word(row));
        return;
      }
    }
  }

  void collect() {
    bool options_end = false;
    size_t first_after_end = std::string::npos;
    for (at = 0; at < words.size(); ++at) {
      const std::string& word = words[at];
      if (!options_end && word == "--") {
        options_end = true;
        first_after_end = args.operands.size();
      } else if (!options_end && word.starts_with("--")) {
        long_word(std::string_view(word).substr(2));
      } else if (!options_end && word.size() > 1 && word[0] == '-') {
        letters(std::string_view(word).substr(1));
      } else {
        args.operands.push_back(word);
      }
    }
    choose_command(first_after_end);
  }

  // A command word stands first; behind "--" nothing is one.
  void choose_command(size_t first_after_end) {
    for (size_t i = 0; i < program.commands.size(); ++i) {
      const std::string_view name = program.commands[i].name;
      if (name.empty()) continue;
      const size_t space = name.find(' ');
      const size_t count = space == name.npos ? 1 : 2;
      if (args.operands.size() < count || first_after_end < count) continue;
      if (args.operands[0] != name.substr(0, space)) continue;
      if (count == 2 && args.operands[1] != name.substr(space + 1)) continue;
      args.command = i;
      args.operands.erase(args.operands.begin(), args.operands.begin() + static_cast<std::ptrdiff_t>(count));
      return;
    }
  }

  void check_fit() const {
    const CommandRow& command = program.commands[args.command];
    for (const auto& [name, value] : args.values_) {
      check((find(name)->commands >> args.command & 1) != 0, Exit::usage, "--{}: does not apply to '{}{}{}'",
            name, program.name, *command.name ? " " : "", command.name);
    }
    if (args.has("help") || args.has("version") || args.has("completion")) return;
    const auto count = static_cast<int>(args.operands.size());
    check(count >= command.min_operands && count <= command.max_operands, Exit::usage,
          "{}: expected {}, got {} words", *command.name ? command.name : program.name, command.operands,
          count);
  }
};

const OptionRow& Arguments::row(std::string_view name) const {
  for (const OptionRow& known : program_->options) {
    if (name == known.name) return known;
  }
  throw Error(Exit::internal, "option '{}' is not in the table of {}", name, program_->name);
}

bool Arguments::has(std::string_view name) const { return values_.contains(row(name).name); }

std::string Arguments::text(std::string_view name, std::string_view otherwise) const {
  const auto found = values_.find(row(name).name);
  return found == values_.end() ? std::string(otherwise) : found->second;
}

int64_t Arguments::integer(std::string_view name, int64_t otherwise) const {
  const OptionRow& known = row(name);
  const auto found = values_.find(name);
  if (found == values_.end()) return otherwise;
  return parse_integer(found->second, known.least, known.most, name);
}

double Arguments::real(std::string_view name, double otherwise) const {
  const OptionRow& known = row(name);
  const auto found = values_.find(name);
  return found == values_.end() ? otherwise
                                : parse_real(found->second, known.low, known.high, known.low_open, name);
}

Arguments parse_arguments(const Program& program, std::span<const std::string> words) {
  Parser parser{program, words, {}, 0};
  parser.args.program_ = &program;
  parser.collect();
  parser.check_fit();
  return std::move(parser.args);
}

Arguments parse_arguments(const Program& program, int argc, char** argv) {
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  return parse_arguments(program, words);
}

}  // namespace tts
