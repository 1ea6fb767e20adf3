// The command line of a program as one table. Parser, --help, the man page and the completions of three
// shells are made from it, so none of them can say something else than the others.
//
//   const OptionRow kRows[] = {{.name = "seed", .kind = ArgKind::integer, .value = "N", .help = "..."}, ...};
//   const Program kProgram{.name = "tts-x", .summary = "...", .commands = kCommands, .options = kRows};
//   const Arguments args = parse_arguments(kProgram, argc, argv);
//   args.integer("seed", 0);
#pragma once

#include "base/error.h"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tts {

enum class ArgKind : uint8_t {
  flag,
  text,
  path,           // completed as a file name
  integer,        // least..most
  real,           // low..high, finite; low itself is refused when low_open
  choice,         // one of `choices`, separated by |
  optional_path,  // --name or --name=PATH
};

using CommandSet = uint32_t;  // bit i: the i-th row of Program::commands

struct OptionRow {
  const char* name;  // long name, words separated by -
  char letter = 0;
  ArgKind kind = ArgKind::flag;
  const char* value = "";  // what the help calls the argument
  const char* group = "";
  CommandSet commands = 1;
  const char* choices = "";
  int64_t least = 0, most = 0;
  double low = 0, high = 0;
  bool low_open = false;
  const char* help = "";
  const char* example = "";  // arguments of one command that uses it, for the man page and the tests
};

struct CommandRow {
  const char* name;      // "" is the act without a command word; "codec decode" is two words
  const char* operands;  // "[TEXT...]"
  const char* help;
  int min_operands = 0, max_operands = 0;
};

struct Program {
  const char* name;
  const char* summary;      // one line
  const char* description;  // paragraphs, separated by an empty line
  std::span<const CommandRow> commands;
  std::span<const OptionRow> options;
  const char* footer = "";  // exit codes and environment, for help and man page
};

class Arguments {
 public:
  bool has(std::string_view name) const;
  std::string text(std::string_view name, std::string_view otherwise = "") const;
  int64_t integer(std::string_view name, int64_t otherwise) const;
  double real(std::string_view name, double otherwise) const;

  size_t command = 0;                 // index into Program::commands
  std::vector<std::string> operands;  // what is not an option

 private:
  friend struct Parser;
  friend Arguments parse_arguments(const Program& program, std::span<const std::string> words);
  const Program* program_ = nullptr;
  std::map<std::string, std::string, std::less<>> values_;
  const OptionRow& row(std::string_view name) const;  // a name that is not in the table is a mistake of ours
};

// Exit::usage names the argument, what was expected and, for an unknown option, the nearest known one.
Arguments parse_arguments(const Program& program, std::span<const std::string> words);
Arguments parse_arguments(const Program& program, int argc, char** argv);

// Strict: the whole word is the number, no sign where the range has none, no NaN or infinity, nothing wraps.
int64_t parse_integer(std::string_view word, int64_t low, int64_t high, std::string_view what);
double parse_real(std::string_view word, double low, double high, bool low_open, std::string_view what);

std::vector<std::string_view> split_choices(std::string_view choices);
size_t edit_distance(std::string_view a, std::string_view b);

// ---- what is printed from the table (tools/cli_pages.cpp) -------------------------------------------------
std::string help_page(const Program& program);
std::string man_page(const Program& program, std::string_view version);
std::string completion_script(const Program& program, std::string_view shell);  // bash, zsh, fish

}  // namespace tts
