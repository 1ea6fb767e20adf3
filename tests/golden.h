// Recorded numbers of the official implementation, and the bookkeeping that makes absence a failure: every
// stored tensor and every expected scalar must be read by exactly one comparison; what nobody asked for is
// reported as failed.
#pragma once

#include "base/json.h"
#include "base/types.h"

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace tts::golden {

// One stored tensor, widened.
struct Stored {
  std::string name, file;
  Shape shape;
  bool integers = false;
  std::vector<double> real;
  std::vector<int64_t> whole;
  int64_t count() const { return static_cast<int64_t>(integers ? whole.size() : real.size()); }
};

// Per kind of tensor: comparisons, failures, worst relative error and where.
class Tally {
 public:
  explicit Tally(std::set<std::string> only) : only_(std::move(only)) {}

  // Is this kind to be compared? Kinds are restricted openly by --only; the summary names what was left out.
  bool wants(const std::string& kind);

  // ||got - want|| / ||want|| <= bound over the whole tensor.
  void close(const std::string& kind, const Stored& want, std::span<const float> got, double bound);
  void equal(const std::string& kind, const Stored& want, std::span<const int32_t> got);
  void snr(const std::string& kind, const Stored& want, std::span<const float> got, double bound_db);
  void scalar(const std::string& kind, const std::string& place, double want, double got, double bound);
  void text(const std::string& kind, const std::string& place, const std::string& want,
            const std::string& got);
  void fail(const std::string& kind, const std::string& place, const std::string& why);

  int passed() const;
  int failed() const;
  void print() const;  // one line per kind, then "N passed, N failed"

 private:
  struct Row {
    int passed = 0, failed = 0;
    double worst = 0;
    std::string place;
  };
  void record(const std::string& kind, const std::string& place, double error, bool good,
              const std::string& why);
  std::set<std::string> only_, left_out_;
  std::map<std::string, Row> rows_;
};

// The tensors of one file. take() hands each out once.
class File {
 public:
  explicit File(const std::string& path);
  bool has(const std::string& name) const { return tensors_.contains(name); }
  const Stored& take(const std::string& name);
  const Stored& peek(const std::string& name) const;  // input of a comparison: does not count as compared
  // What was never taken fails under its kind (the name behind the last dot).
  void require_all_taken(Tally& tally) const;
  const std::map<std::string, Stored>& tensors() const { return tensors_; }

 private:
  std::string path_;
  std::map<std::string, Stored> tensors_;
  std::set<std::string> taken_;
};

std::vector<float> as_floats(const Stored& s);
std::vector<int32_t> as_ints(const Stored& s);

struct Run {
  std::string directory;  // of the goldens
  std::string device;
  std::string model;      // the only one; empty: all
  Tally& tally;
  bool skips(const std::string& name) const { return !model.empty() && name != model; }
};

// Each compares one part of the directory; all take the device by name.
void check_cases(const Run& run);
void check_codec(const Run& run);
void check_speaker(const Run& run);
void check_text(const Run& run);      // tokenizer
void check_sampling(const Run& run);
void check_audio(const Run& run);     // resample, clips

// Directories below `parent`; none at all is an error.
std::vector<std::string> folders(const std::string& parent);

}  // namespace tts::golden
