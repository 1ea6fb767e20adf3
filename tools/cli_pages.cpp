// Help, man page and shell completions out of the option table.
#include "tools/cli.h"

#include <algorithm>

namespace tts {

namespace {

constexpr size_t kTextColumn{34}, kPageWidth{100};

std::string joined(const std::vector<std::string_view>& words, std::string_view between) {
  std::string out;
  for (const std::string_view word : words) out += format("{}{}", out.empty() ? "" : between, word);
  return out;
}

// "-o, --output PATH"
std::string spelling(const OptionRow& row) {
  std::string out = row.letter ? format("-{}, ", row.letter) : "    ";
  out += format("--{}", row.name);
  if (row.kind == ArgKind::optional_path) return out + format("[={}]", row.value);
  if (row.kind == ArgKind::choice) return out + " " + row.choices;
  return row.kind == ArgKind::flag ? out : out + " " + row.value;
}

std::string number_text(double value) {
  return value == static_cast<double>(static_cast<int64_t>(value)) ? format("{}", static_cast<int64_t>(value))
                                                                   : format("{}", value);
}

// "help text (0..200)"
std::string full_help(const OptionRow& row) {
  if (row.kind == ArgKind::integer && row.most != INT64_MAX)
    return format("{} ({}..{})", row.help, row.least, row.most);
  if (row.kind == ArgKind::real)
    return format("{} ({}{} .. {})", row.help, row.low_open ? "above " : "", number_text(row.low),
                  number_text(row.high));
  return row.help;
}

void append_wrapped(std::string& out, std::string_view text, size_t column, size_t indent) {
  while (!text.empty()) {
    const size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    if (column > indent && column + 1 + word.size() > kPageWidth) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    }
    if (column > indent) out += ' ', ++column;
    out += word;
    column += word.size();
    text.remove_prefix(std::min(space == text.npos ? text.size() : space + 1, text.size()));
  }
  out += '\n';
}

void append_entry(std::string& out, const std::string& head, std::string_view text) {
  out += "  " + head;
  const size_t width = head.size() + 2;
  if (width + 2 > kTextColumn) {
    out += "\n" + std::string(kTextColumn, ' ');
  } else {
    out += std::string(kTextColumn - width, ' ');
  }
  append_wrapped(out, text, kTextColumn, kTextColumn);
}

std::vector<std::string_view> groups_of(const Program& program) {
  std::vector<std::string_view> groups;
  for (const OptionRow& row : program.options) {
    if (std::find(groups.begin(), groups.end(), row.group) == groups.end()) groups.emplace_back(row.group);
  }
  return groups;
}

std::string command_line(const Program& program, const CommandRow& command) {
  return format("{}{}{} [options]{}{}", program.name, *command.name ? " " : "", command.name,
                *command.operands ? " " : "", command.operands);
}

// ---- man page ---------------------------------------------------------------------------------------------

std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if (c == '\'' || c == '.')
      out += std::string("\\&") + c;
    else
      out += c;
  }
  return out;
}

std::string roff_paragraphs(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find("\n\n", at), text.size());
    out += ".PP\n" + roff(text.substr(at, end - at)) + "\n";
    at = end + 2;
  }
  return out;
}

// ---- completions ------------------------------------------------------------------------------------------

std::vector<std::string_view> command_words(const Program& program) {
  std::vector<std::string_view> words;
  for (const CommandRow& command : program.commands) {
    const std::string_view name(command.name);
    const std::string_view word = name.substr(0, name.find(' '));
    if (!word.empty() && std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
  }
  return words;
}

std::string function_name(const Program& program) {
  std::string name = format("_{}", program.name);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::string quoted(std::string_view text) {  // inside '...' of a shell
  std::string out;
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out;
}

std::string bash_script(const Program& program) {
  std::string options, cases;
  for (const OptionRow& row : program.options) {
    options += format("{}--{}", options.empty() ? "" : " ", row.name);
    const std::string labels =
        row.letter ? format("-{}|--{}", row.letter, row.name) : format("--{}", row.name);
    if (row.kind == ArgKind::choice) {
      cases += format("    {}) COMPREPLY=($(compgen -W '{}' -- \"$word\")); return ;;\n", labels,
                      joined(split_choices(row.choices), " "));
    } else if (row.kind == ArgKind::path) {
      cases += format("    {}) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n", labels);
    } else if (row.kind != ArgKind::flag && row.kind != ArgKind::optional_path) {
      cases += format("    {}) COMPREPLY=(); return ;;\n", labels);
    }
  }
  const std::string function = function_name(program);
  return format(
      "# bash completion of {}\n{}() {\n  local word=${COMP_WORDS[COMP_CWORD]} "
      "previous=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  case $previous in\n{}  esac\n  if [[ $word == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W '{}' -- \"$word\"))\n  else\n"
      "    COMPREPLY=($(compgen -W '{}' -f -- \"$word\"))\n  fi\n}\ncomplete -o filenames -F {} {}\n",
      program.name, function, cases, options, joined(command_words(program), " "), function, program.name);
}

std::string zsh_script(const Program& program) {
  std::string specs;
  for (const OptionRow& row : program.options) {
    std::string help(row.help);
    std::replace_if(
        help.begin(), help.end(), [](char c) { return c == '[' || c == ']' || c == ':'; }, ' ');
    std::string action;
    if (row.kind == ArgKind::choice)
      action = format(":{}:({})", row.name, joined(split_choices(row.choices), " "));
    else if (row.kind == ArgKind::path)
      action = format(":{}:_files", row.name);
    else if (row.kind != ArgKind::flag && row.kind != ArgKind::optional_path)
      action = format(":{}:", row.name);
    specs += format("  '--{}[{}]{}' \\\n", row.name, quoted(help), action);
    if (row.letter) specs += format("  '-{}[{}]{}' \\\n", row.letter, quoted(help), action);
  }
  return format("#compdef {}\n_arguments \\\n{}  '*:text or file:({})'\n", program.name, specs,
                joined(command_words(program), " "));
}

std::string fish_script(const Program& program) {
  std::string out = format("# fish completion of {}\n", program.name);
  for (const std::string_view word : command_words(program))
    out += format("complete -c {} -n __fish_use_subcommand -a {}\n", program.name, word);
  for (const OptionRow& row : program.options) {
    out += format("complete -c {} -l {}", program.name, row.name);
    if (row.letter) out += format(" -s {}", row.letter);
    if (row.kind == ArgKind::choice)
      out += format(" -x -a '{}'", joined(split_choices(row.choices), " "));
    else if (row.kind == ArgKind::path)
      out += " -r";
    else if (row.kind != ArgKind::flag && row.kind != ArgKind::optional_path)
      out += " -x";
    out += format(" -d '{}'\n", quoted(row.help));
  }
  return out;
}

}  // namespace

std::string help_page(const Program& program) {
  std::string out = format("{} - {}\n\nUsage:\n", program.name, program.summary);
  for (const CommandRow& command : program.commands) {
    out += "  " + command_line(program, command) + "\n" + std::string(6, ' ');
    append_wrapped(out, command.help, 6, 6);
  }
  for (const std::string_view group : groups_of(program)) {
    out += format("\n{}:\n", group);
    for (const OptionRow& row : program.options) {
      if (group == row.group) append_entry(out, spelling(row), full_help(row));
    }
  }
  return out + "\n" + program.footer;
}

std::string man_page(const Program& program, std::string_view version) {
  std::string title(program.name);
  std::transform(title.begin(), title.end(), title.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? c - 32 : c; });
  std::string out =
      format(".TH {} 1 \"\" \"tts-engine {}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n",
             roff(title), version, roff(program.name), roff(program.summary));
  for (const CommandRow& command : program.commands) out += roff(command_line(program, command)) + "\n.br\n";
  out += ".SH DESCRIPTION\n" + roff_paragraphs(program.description) + ".SH COMMANDS\n";
  for (const CommandRow& command : program.commands)
    out += format(".TP\n.B {}\n{}\n", roff(command_line(program, command)), roff(command.help));
  out += ".SH OPTIONS\n";
  for (const std::string_view group : groups_of(program)) {
    out += format(".SS {}\n", roff(group));
    for (const OptionRow& row : program.options) {
      if (group != row.group) continue;
      std::string head = spelling(row);
      head.erase(0, head.find_first_not_of(' '));
      out += format(".TP\n.B {}\n{}\n.br\nExample: {} {}\n", roff(head), roff(full_help(row)),
                    roff(program.name), roff(row.example));
    }
  }
  return out + ".SH EXIT STATUS AND ENVIRONMENT\n.nf\n" + roff(program.footer) + ".fi\n";
}

std::string completion_script(const Program& program, std::string_view shell) {
  if (shell == "bash") return bash_script(program);
  if (shell == "zsh") return zsh_script(program);
  check(shell == "fish", Exit::usage, "--completion: expected bash|zsh|fish, got '{}'", shell);
  return fish_script(program);
}

}  // namespace tts
