// The check of the performance journal: it passes on ours, and fails when a figure, a switch or a line is
// changed.
#include "base/file.h"
#include "catch.h"
#include "process.h"
#include "temp_directory.h"

#include "base/limits.h"

using namespace tts;
using namespace tts::test;

namespace {

namespace fs = std::filesystem;

struct Copy {
  TempDirectory folder;
  std::string path = folder.file("journal");
  Copy() { fs::copy(std::string(TTS_SOURCE_DIR) + "/perf_journal", path, fs::copy_options::recursive); }

  Finished check() const { return run(TTS_BIN_DIR "/journal", {"--check", "--dir", path}); }
  std::string entry(const std::string& name) const { return path + "/entries/" + name; }
  void edit(const std::string& file, const std::string& from, const std::string& to) const {
    std::string text = read_text(file, limits::kJsonBytes);
    const size_t at = text.find(from);
    REQUIRE(at != text.npos);
    write_file(file, text.replace(at, from.size(), to));
  }
  void fails(const std::string& with) const {
    const Finished checked = check();
    INFO(checked.err);
    CHECK(checked.exit == 3);
    CHECK(checked.err.find(with) != checked.err.npos);
  }
};

}  // namespace

TEST_CASE("the journal of this tree passes its check") {
  const Copy journal;
  const Finished checked = journal.check();
  INFO(checked.err);
  CHECK(checked.exit == 0);
}

TEST_CASE("a figure that was not recorded is found") {
  const Copy changed_table, changed_line, added_table, changed_drawing;
  const std::string text = read_text(changed_table.entry("0001-baseline.md"), limits::kJsonBytes);
  const size_t row = text.find("` | ", text.find("|---|"));
  REQUIRE(row != text.npos);
  const size_t digit = text.find_first_of("123456789", row + 4);
  std::string edited = text;
  edited[digit] = edited[digit] == '9' ? '8' : static_cast<char>(edited[digit] + 1);
  write_file(changed_table.entry("0001-baseline.md"), edited);
  changed_table.fails("the table does not come from");

  changed_line.edit(changed_line.entry("0001-baseline.jsonl"), "\"rtf\":", "\"rtf\":1");
  changed_line.fails("the table does not come from");

  added_table.edit(added_table.entry("0001-baseline.md"), "<!-- recorded -->",
                   "| best | 0.01 |\n\n<!-- recorded -->");
  added_table.fails("a table that is not generated");

  changed_drawing.edit(changed_drawing.path + "/rtf.svg", "</svg>", "<!-- -->\n</svg>");
  changed_drawing.fails("does not come from the recorded lines");
}

TEST_CASE("every switch has one entry and every entry's switch exists") {
  const Copy missing, unknown, twice, no_lines, orphan;
  fs::remove(missing.entry("0002-run-ahead.md"));
  fs::remove(missing.entry("0002-run-ahead.jsonl"));
  missing.fails("the switch run_ahead has no entry");

  unknown.edit(unknown.entry("0002-run-ahead.md"), "`run_ahead`", "`walk_ahead`");
  unknown.fails("there is no switch walk_ahead");

  twice.edit(twice.entry("0001-baseline.md"), "- ablation: `none`", "- ablation: `run_ahead`");
  twice.fails("a second entry for the switch run_ahead");

  write_file(no_lines.entry("0002-run-ahead.jsonl"), "");
  no_lines.fails("0002-run-ahead");

  write_file(orphan.entry("0999-nothing.jsonl"), "");
  orphan.fails("belongs to no entry");
}
