// journal: replays every measurement of the journal with the tts-bench beside it, writes the recorded lines,
// tables and drawings, and checks that no figure stands there that was not recorded.
#include "base/file.h"
#include "base/limits.h"
#include "kernels/switches.h"
#include "perf_journal/plot.h"
#include "tools/program.h"
#include "tools/report.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <set>
#include <sstream>

namespace tts {

namespace {

namespace fs = std::filesystem;

enum class Command : uint8_t { check, run, tables, kCount };
constexpr CommandSet kRun{2}, kAll{7};

constexpr CommandRow kCommands[] = {
    {.name = "", .operands = "",
     .help = "with --check: every table, drawing and switch against the recorded lines"},
    {.name = "run", .operands = "[ENTRY...]",
     .help = "measure again what the entries (all) name, then write tables and drawings",
     .max_operands = 1000},
    {.name = "tables", .operands = "", .help = "write tables and drawings from the recorded lines"},
};

constexpr const char* kGroup{"Options"};
constexpr OptionRow kOptions[] = {
    {.name = "check", .group = kGroup, .help = "changes nothing; exit 3 names what differs",
     .example = "--check"},
    {.name = "dir", .kind = ArgKind::path, .value = "DIR", .group = kGroup, .commands = kAll,
     .help = "the journal (default perf_journal)", .example = "--check --dir DIR"},
    {.name = "model", .kind = ArgKind::path, .value = "DIR", .group = kGroup, .commands = kRun,
     .help = "what the entries call random-0.6b (tts-bench checkpoint DIR makes one); DIR-int8 and "
             "DIR-base, if there, are "
             "random-0.6b-int8 and -base",
     .example = "run --model DIR"},
    {.name = "rounds", .kind = ArgKind::integer, .value = "N", .group = kGroup, .commands = kRun,
     .least = 1, .most = 1000,
     .help = "times that all commands of an entry are run in turn (default 3)", .example = "run --rounds 5"},
    {.name = "completion", .kind = ArgKind::choice, .value = "SHELL", .group = kGroup, .commands = kAll,
     .choices = "bash|zsh|fish",
     .help = "print the completion script of a shell", .example = "--completion bash"},
    {.name = "man", .group = kGroup, .commands = kAll, .help = "print the man page", .example = "--man"},
    {.name = "help", .letter = 'h', .group = kGroup, .commands = kAll, .help = "this page"},
    {.name = "version", .group = kGroup, .commands = kAll, .help = "version and commit"},
};

constexpr Program kProgram{
    .name = "journal",
    .summary = "the performance journal of tts-engine",
    .description =
        "An entry is a text with one generated table; perf_journal/entry.h describes its form. Runs whose "
        "model is not "
        "there keep the lines that were recorded before.",
    .commands = kCommands,
    .options = kOptions,
};

// ---- check --------------------------------------------------------------------------------------

void check_switches(const std::vector<Entry>& entries) {
  std::set<std::string> switches, with_entry;
  for (size_t i = 0; i < static_cast<size_t>(Ablate::kCount); ++i)
    switches.emplace(name_of(static_cast<Ablate>(i)));
  for (const Entry& entry : entries) {
    const std::string& name = entry.ablation;
    if (name == "none") continue;
    check(switches.contains(name), Exit::bad_input, "{}: there is no switch {}", entry.path, name);
    check(with_entry.insert(name).second, Exit::bad_input, "{}: a second entry for the switch {}", entry.path,
          name);
  }
  for (const std::string& name : switches) {
    check(with_entry.contains(name), Exit::bad_input, "journal: the switch {} has no entry", name);
  }
}

void check_entry(const Entry& entry, const std::vector<std::string>& names) {
  check(with_table(entry, render_table(entry)) == entry.text, Exit::bad_input,
        "{}: the table does not come from {}; journal tables writes it", entry.path, entry.records_path());
  std::istringstream rest(with_table(entry, ""));
  for (std::string line; std::getline(rest, line);) {
    check(!line.starts_with("|"), Exit::bad_input, "{}: a table that is not generated: {}", entry.path, line);
  }
  for (const std::string& command : commands_of(entry, names)) {
    const bool there = std::any_of(entry.records.begin(), entry.records.end(), [&](const Record& r) {
      return r.row == command || r.row.starts_with(command + ", ");
    });
    check(there, Exit::bad_input, "{}: nothing recorded for: {}", entry.records_path(), command);
  }
}

struct Drawing {
  const char* name;
  std::string (*draw)(const std::vector<Entry>&);
};
constexpr Drawing kDrawings[] = {{"rtf.svg", plot_steps}, {"positions.svg", plot_positions}};

void check_journal(const std::string& journal) {
  const std::vector<Entry> entries = load_entries(journal);
  check(!entries.empty(), Exit::bad_input, "{}/entries: expected entries, got none", journal);
  check_switches(entries);
  for (const Entry& entry : entries) check_entry(entry, ablations_in_order(entries));
  for (const Drawing& drawing : kDrawings) {
    const std::string path = journal + "/" + drawing.name;
    check(read_text(path, limits::kJsonBytes) == drawing.draw(entries), Exit::bad_input,
          "{}: does not come from the recorded lines; journal tables draws it", path);
  }
  std::printf("%zu entries, every table and drawing from recorded lines, every switch with its entry\n",
              entries.size());
}

// ---- run ----------------------------------------------------------------------------------------

void write_tables(const std::string& journal) {
  const std::vector<Entry> entries = load_entries(journal);
  for (const Entry& entry : entries) write_file(entry.path, with_table(entry, render_table(entry)));
  for (const Drawing& drawing : kDrawings) write_file(journal + "/" + drawing.name, drawing.draw(entries));
}

// Where the models have the names that the entries use, so that no path of this machine gets into a record.
struct Workplace {
  std::string path;
  explicit Workplace(const std::string& model)
      : path((fs::temp_directory_path() / format("journal-{}", getpid())).string()) {
    fs::create_directories(path);
    for (const std::string suffix : {"", "-int8", "-base"}) {
      if (!model.empty() && fs::exists(model + suffix)) {
        fs::create_directory_symlink(fs::absolute(model + suffix), path + "/random-0.6b" + suffix);
      }
    }
  }
  Workplace(const Workplace&) = delete;
  ~Workplace() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  bool has_model_of(const std::string& command) const {
    std::istringstream words(command);
    for (std::string word; words >> word;) {
      if (word == "-m" && words >> word) return word == "embedded" || fs::exists(path + "/" + word);
    }
    return true;  // no model is named: the embedded voice, or none is needed
  }
};

std::string run_bench(const Workplace& place, const std::string& arguments) {
  const std::string bench = fs::read_symlink("/proc/self/exe").replace_filename("tts-bench").string();
  std::fprintf(stderr, "journal: tts-bench %s\n", arguments.c_str());
  std::FILE* pipe = popen(format("cd '{}' && '{}' {} --json", place.path, bench, arguments).c_str(), "r");
  check(pipe != nullptr, Exit::internal, "{}: cannot be started", bench);
  std::string out;
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
  const int status = pclose(pipe);
  check(status == 0, Exit::internal, "tts-bench {}: failed with status {}", arguments, status);
  return out;
}

void run_entry(const Entry& entry, const std::vector<std::string>& names, const Workplace& place,
               int64_t rounds) {
  std::vector<std::string> commands;
  for (const std::string& command : commands_of(entry, names)) {
    if (place.has_model_of(command)) commands.push_back(command);
    else std::fprintf(stderr, "journal: not run, its model is not here (--model): %s\n", command.c_str());
  }
  if (commands.empty()) return;
  std::string lines;
  const auto again = [&](const Record& r) {
    return std::any_of(commands.begin(), commands.end(),
                       [&](const std::string& c) { return r.row == c || r.row.starts_with(c + ", "); });
  };
  for (int64_t round = 0; round < rounds; ++round) {
    for (const std::string& command : commands) lines += run_bench(place, command);
  }
  for (const Record& record : entry.records) {
    if (!again(record)) lines += record.line + "\n";
  }
  parse_records(lines, entry.records_path());
  write_file(entry.records_path(), lines);
}

void run_journal(const Arguments& args, const std::string& journal) {
  const std::vector<Entry> entries = load_entries(journal);
  const Workplace place(args.text("model"));
  for (const Entry& entry : entries) {
    const std::string name = fs::path(entry.path).stem().string();
    const bool wanted = args.operands.empty() ||
                        std::any_of(args.operands.begin(), args.operands.end(),
                                    [&](const std::string& word) { return name.find(word) != name.npos; });
    if (wanted) run_entry(entry, ablations_in_order(entries), place, args.integer("rounds", 3));
  }
  write_tables(journal);
}

void act(const Arguments& args, const std::string&) {
  const std::string journal = args.text("dir", "perf_journal");
  switch (static_cast<Command>(args.command)) {
    case Command::check:
      check(args.has("check"), Exit::usage, "expected a command (run, tables) or --check");
      return check_journal(journal);
    case Command::run:
      return run_journal(args, journal);
    case Command::tables:
      return write_tables(journal);
    case Command::kCount:
      break;
  }
  throw Error(Exit::internal, "command {}: unknown", args.command);
}

}  // namespace

}  // namespace tts

int main(int argc, char** argv) { return tts::run_program(tts::kProgram, argc, argv, tts::act); }
