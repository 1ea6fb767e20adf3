#include "perf_journal/entry.h"

#include "base/file.h"
#include "base/limits.h"
#include "tools/statistics.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

namespace tts {

namespace {

namespace fs = std::filesystem;
constexpr std::string_view kBegin{"<!-- recorded -->\n"}, kEnd{"<!-- end -->\n"};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// What stands between backquotes.
std::vector<std::string> quoted(const std::string& line) {
  std::vector<std::string> words;
  for (size_t at = line.find('`'); at != line.npos;) {
    const size_t end = line.find('`', at + 1);
    if (end == line.npos) break;
    words.push_back(line.substr(at + 1, end - at - 1));
    at = line.find('`', end + 1);
  }
  return words;
}

Entry parse_entry(const std::string& path) {
  Entry entry;
  entry.path = path;
  entry.text = read_text(path, limits::kJsonBytes);
  for (const std::string& line : lines_of(entry.text)) {
    const auto is = [&](std::string_view key) { return line.starts_with("- " + std::string(key) + ": "); };
    const std::vector<std::string> words =
        is("ablation") || is("run") || is("steps") || is("columns") || is("device")
            ? quoted(line)
            : std::vector<std::string>{};
    if (line.starts_with("# ") && entry.title.empty()) entry.title = line.substr(2);
    if (is("ablation") && !words.empty()) entry.ablation = words[0];
    if (is("run")) entry.runs.insert(entry.runs.end(), words.begin(), words.end());
    if (is("steps")) entry.steps.insert(entry.steps.end(), words.begin(), words.end());
    if (is("columns")) entry.columns = words;
    if (is("device") && !words.empty()) entry.device = words[0];
  }
  check(!entry.title.empty() && !entry.ablation.empty() && !entry.columns.empty(), Exit::bad_input,
        "{}: expected a title and lines for ablation and columns", path);
  check(fs::exists(entry.records_path()), Exit::bad_input, "{}: the recorded lines are missing",
        entry.records_path());
  entry.records = parse_records(read_text(entry.records_path(), limits::kJsonBytes), entry.records_path());
  return entry;
}

// "tts-bench -m embedded --json" -> "-m embedded", and what distinguishes the lines of one command.
std::string row_of(const Json& json) {
  if (json.has("row")) return json.at("row").text();
  std::string command = json.at("command").text();
  for (const std::string_view part : {" --json", "tts-bench "}) {
    const size_t at = command.find(part);
    if (at != command.npos) command.erase(at, part.size());
  }
  for (const char* key : {"label", "start", "position", "stage", "case"}) {
    if (!json.has(key) || command.find(std::string("--") + key) != command.npos) continue;
    const Json& value = json.at(key);
    command += ", " + (value.is_number() ? value.brief() : value.text());
  }
  return command;
}

std::string number(double x) {
  const double size = std::abs(x);
  return fixed(x, size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3);
}

std::vector<double> values_of(const Entry& entry, const std::string& row, const std::string& column) {
  std::vector<double> values;
  for (const Record& record : entry.records) {
    if (record.row == row && record.json.has(column) && record.json.at(column).is_number()) {
      values.push_back(record.json.at(column).number());
    }
  }
  return values;
}

std::vector<std::string> rows_of(const Entry& entry) {
  std::vector<std::string> rows;
  for (const Record& record : entry.records) {
    if (std::find(rows.begin(), rows.end(), record.row) == rows.end()) rows.push_back(record.row);
  }
  return rows;
}

std::string list_of(const std::set<std::string>& words) {
  std::string list;
  for (const std::string& word : words) list += (list.empty() ? "" : "; ") + word;
  return list;
}

std::string where_recorded(const Entry& entry) {
  std::set<std::string> machines, commits;
  for (const Record& record : entry.records) {
    const std::string cores =
        record.json.has("cores") ? format(", {} cores", record.json.at("cores").brief()) : "";
    machines.insert(record.json.at("machine").text() + cores);
    commits.insert(record.commit());
  }
  return format("{}. Commit {}.\n\n", list_of(machines), list_of(commits));
}

std::string cell(const std::vector<double>& values, bool spread) {
  if (values.empty()) return "–";
  if (!spread || values.size() < 2) return number(median(values));
  return format("{} ({}–{})", number(median(values)), number(quantile(values, 0)),
                number(quantile(values, 1)));
}

}  // namespace

std::vector<Record> parse_records(const std::string& text, const std::string& origin) {
  std::vector<Record> records;
  for (const std::string& line : lines_of(text)) {
    Json json = Json::parse(line, format("line {} of {}", records.size() + 1, origin));
    std::string row = row_of(json);
    check(json.has("machine") && json.has("commit"), Exit::bad_input,
          "{}: line {}: expected machine and commit", origin, records.size() + 1);
    records.push_back({line, std::move(json), std::move(row)});
  }
  return records;
}

std::vector<Entry> load_entries(const std::string& journal) {
  std::vector<std::string> paths;
  check(fs::is_directory(journal + "/entries"), Exit::bad_input, "{}/entries: expected a directory", journal);
  for (const auto& file : fs::directory_iterator(journal + "/entries")) {
    if (file.path().extension() == ".md") paths.push_back(file.path().string());
    else if (file.path().extension() == ".jsonl")
      check(fs::exists(fs::path(file.path()).replace_extension(".md")), Exit::bad_input,
            "{}: belongs to no entry", file.path().string());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Entry> entries;
  for (const std::string& path : paths) entries.push_back(parse_entry(path));
  return entries;
}

std::vector<std::string> ablations_in_order(const std::vector<Entry>& entries) {
  std::vector<std::string> names;
  for (const Entry& entry : entries) {
    if (entry.ablation != "none" && entry.device.empty()) names.push_back(entry.ablation);
  }
  return names;
}

std::vector<std::string> commands_of(const Entry& entry, const std::vector<std::string>& names) {
  std::vector<std::string> commands;
  for (const std::string& run : entry.runs) {
    commands.push_back(run);
    if (entry.ablation != "none") commands.push_back(run + " --ablate " + entry.ablation);
  }
  for (const std::string& run : entry.steps) {
    for (size_t on = 0; on <= names.size(); ++on) {
      std::string off;
      for (size_t i = on; i < names.size(); ++i) off += (off.empty() ? " --ablate " : ",") + names[i];
      commands.push_back(run + off);
    }
  }
  return commands;
}

std::string render_table(const Entry& entry) {
  if (entry.records.empty()) return "Nothing recorded.\n";
  const bool ratio = std::any_of(entry.records.begin(), entry.records.end(), [](const Record& r) {
    return r.row.find(" --ablate ") != std::string::npos;
  });
  std::string out = where_recorded(entry), line = "|---|---:|";
  out += "| run | n |";
  for (const std::string& column : entry.columns) out += " " + column + " |", line += "---:|";
  if (ratio) out += " × all on |", line += "---:|";
  out += "\n" + line + "\n";
  for (const std::string& row : rows_of(entry)) {
    const std::vector<double> first = values_of(entry, row, entry.columns[0]);
    out += format("| `{}` | {} |", row, first.size());
    for (const std::string& column : entry.columns) {
      out += " " + cell(values_of(entry, row, column), column == entry.columns[0]) + " |";
    }
    if (ratio && row.find(" --ablate ") == row.npos) {
      out += " |";
    } else if (ratio) {
      const std::vector<double> on =
          values_of(entry, row.substr(0, row.find(" --ablate ")), entry.columns[0]);
      out += on.empty() || first.empty() ? " – |" : " " + fixed(median(first) / median(on), 2) + " |";
    }
    out += "\n";
  }
  return out;
}

std::string with_table(const Entry& entry, const std::string& table) {
  const size_t begin = entry.text.find(kBegin), end = entry.text.find(kEnd);
  check(begin != entry.text.npos && end != entry.text.npos && begin < end, Exit::bad_input,
        "{}: expected the marks <!-- recorded --> and <!-- end -->", entry.path);
  return entry.text.substr(0, begin + kBegin.size()) + table + entry.text.substr(end);
}

double median_of(const Entry& entry, const std::string& row, const std::string& column) {
  return median(values_of(entry, row, column));
}

}  // namespace tts
