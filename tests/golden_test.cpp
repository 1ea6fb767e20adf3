// golden_test [--device NAME] [--only KIND,...] [--model NAME] DIR            --device: also cpu:LEVEL
//
// Compares the engine with everything the official implementation recorded below DIR (models/, cases/,
// codec/, speaker/, tokenizer/, sampling.*, resample.*). A model without cases, a stored tensor that nothing
// compared, and a kind asked for but not stored are failures. --only restricts the kinds openly: the summary
// names what was left out. --model compares the parts that belong to one model.
#include "golden.h"

#include <algorithm>
#include <cstdio>

namespace tts::golden {

namespace {

struct Options {
  std::string device = "reference", model, directory;
  std::set<std::string> only;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool takes_value = word == "--device" || word == "--only" || word == "--model";
    check(!takes_value || i + 1 < argc, Exit::usage, "{}: expected a value", word);
    if (word == "--device") {
      options.device = argv[++i];
    } else if (word == "--model") {
      options.model = argv[++i];
    } else if (word == "--only") {
      std::string rest = argv[++i];
      for (size_t at = 0; at <= rest.size();) {
        const size_t comma = std::min(rest.find(',', at), rest.size());
        options.only.insert(rest.substr(at, comma - at));
        at = comma + 1;
      }
    } else {
      check(options.directory.empty() && word[0] != '-', Exit::usage,
            "usage: golden_test [--device NAME] [--only KIND,...] [--model NAME] DIR (got {})", word);
      options.directory = word;
    }
  }
  check(!options.directory.empty(), Exit::usage,
        "usage: golden_test [--device NAME] [--only KIND,...] [--model NAME] DIR");
  return options;
}

// Every model must have cases and codec recordings: a directory that was not visited is a failure, not a
// smaller number.
void check_models(const Run& run) {
  const std::vector<std::string> cases = folders(run.directory + "/cases");
  const std::vector<std::string> codec = folders(run.directory + "/codec");
  for (const std::string& model : folders(run.directory + "/models")) {
    const auto has = [&](const std::vector<std::string>& list) {
      return std::find(list.begin(), list.end(), model) != list.end();
    };
    if (!has(cases)) run.tally.fail("models", model, "no folder in cases/");
    if (!has(codec)) run.tally.fail("models", model, "no folder in codec/");
  }
}

struct Part {
  std::vector<std::string> prefixes;  // of its kinds; none: every kind that no other part has
  void (*compare)(const Run&);
  bool of_a_model = false;
};
const std::vector<Part> kParts = {
    {{"ids"}, check_text},         {{"sampling."}, check_sampling}, {{"clips", "resample"}, check_audio},
    {{"codec.", "encoder."}, check_codec, true}, {{"speaker."}, check_speaker, true}, {{}, check_cases, true},
};

bool belongs(const std::string& kind, const Part& part) {
  return std::any_of(part.prefixes.begin(), part.prefixes.end(),
                     [&](const std::string& p) { return kind.starts_with(p); });
}

// A part of which --only names nothing need not run.
bool wanted(const Options& options, const Part& part) {
  if (!options.model.empty() && !part.of_a_model) return false;
  if (options.only.empty()) return true;
  return std::any_of(options.only.begin(), options.only.end(), [&](const std::string& kind) {
    if (!part.prefixes.empty()) return belongs(kind, part);
    return std::none_of(kParts.begin(), kParts.end(),
                        [&](const Part& other) { return belongs(kind, other); });
  });
}

int run(int argc, char** argv) {
  const Options options = parse(argc, argv);
  Tally tally(options.only);
  const Run run{options.directory, options.device, options.model, tally};
  const std::vector<std::string> models = folders(options.directory + "/models");
  check(options.model.empty() || std::find(models.begin(), models.end(), options.model) != models.end(),
        Exit::usage, "--model: expected a folder of {}/models, got {}", options.directory, options.model);
  if (tally.wants("models")) check_models(run);
  for (const Part& part : kParts) {
    if (wanted(options, part)) part.compare(run);
  }
  tally.print();
  return tally.failed() == 0 && tally.passed() > 0 ? 0 : 1;
}

}  // namespace

}  // namespace tts::golden

int main(int argc, char** argv) {
  try {
    return tts::golden::run(argc, argv);
  } catch (const tts::Error& error) {
    std::fprintf(stderr, "golden_test: %s\n", error.what());
    return static_cast<int>(error.exit);
  }
}
