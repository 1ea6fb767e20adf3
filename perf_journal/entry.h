// One entry of the journal: entries/NNNN-name.md, written by hand but for its table, and the lines it comes
// from beside it.
//
//   # Title
//   - ablation: `name`              the switch that takes the optimisation away, or `none`
//   - run: `-m embedded -j 1`       arguments of tts-bench, one line per run; with an ablation each is run
//                                 without it too
//   - steps: `-m embedded -j 1`     arguments that are run with all switches off, then with one after the
//                                 other on
//   - device: `cuda`                the switch changes nothing elsewhere: no step of `steps`
//   - columns: `rtf`, `codec_ms`    fields of the JSON lines; of the first the spread is shown, and what the
//                                 ablation costs
//   ...
//   <!-- recorded -->
//   the table, generated
//   <!-- end -->
#pragma once

#include "base/json.h"

#include <string>
#include <vector>

namespace tts {

struct Record {
  std::string line;   // as it was printed
  Json json;
  std::string row;    // what the row of the table is called: the command, or the field `row`
  std::string commit() const { return json.at("commit").text(); }
};

struct Entry {
  std::string path;   // of the .md file
  std::string text;
  std::string title, ablation, device;
  std::vector<std::string> runs, steps, columns;
  std::vector<Record> records;

  std::string records_path() const { return path.substr(0, path.size() - 3) + ".jsonl"; }
};

// All entries below `journal`/entries, in order of their numbers.
std::vector<Entry> load_entries(const std::string& journal);
std::vector<Record> parse_records(const std::string& text, const std::string& origin);

// Every command of the entry, as arguments of tts-bench; `names`: all ablations in the order of their
// entries.
std::vector<std::string> commands_of(const Entry& entry, const std::vector<std::string>& names);
std::vector<std::string> ablations_in_order(const std::vector<Entry>& entries);

std::string render_table(const Entry& entry);
// The text with the table between its marks replaced.
std::string with_table(const Entry& entry, const std::string& table);

double median_of(const Entry& entry, const std::string& row, const std::string& column);

}  // namespace tts
