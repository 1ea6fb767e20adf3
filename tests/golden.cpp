#include "golden.h"

#include "base/file.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace tts::golden {

// ---- files ------------------------------------------------------------------------------------------------

// The recorded files are our own test data: a plain reader, so that a fault of the engine's reader cannot
// hide here.
File::File(const std::string& path) : path_(path) {
  const std::string bytes = read_text(path, int64_t{1} << 30);
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  const Json json = Json::parse(std::string_view(bytes).substr(8, header), path);
  for (const auto& [name, entry] : json.members()) {
    if (name == "__metadata__") continue;
    Stored s;
    s.name = name;
    s.file = path;
    for (const Json& n : entry.at("shape").items())
      s.shape.size[static_cast<size_t>(s.shape.rank++)] = n.integer(0, 1 << 30);
    const auto count = static_cast<size_t>(element_count(s.shape));
    const char* at =
        bytes.data() + 8 + header + entry.at("data_offsets").items()[0].integer(0, int64_t{1} << 40);
    s.integers = entry.at("dtype").text() == "I64";
    if (s.integers) {
      s.whole.resize(count);
      std::copy_n(at, count * sizeof(int64_t), reinterpret_cast<char*>(s.whole.data()));
    } else {
      std::vector<float> narrow(count);
      std::copy_n(at, count * sizeof(float), reinterpret_cast<char*>(narrow.data()));
      s.real.assign(narrow.begin(), narrow.end());
    }
    tensors_.emplace(name, std::move(s));
  }
}

const Stored& File::peek(const std::string& name) const {
  const auto found = tensors_.find(name);
  check(found != tensors_.end(), Exit::bad_input, "{}: tensor {}: not stored", path_, name);
  return found->second;
}

const Stored& File::take(const std::string& name) {
  taken_.insert(name);
  return peek(name);
}

void File::require_all_taken(Tally& tally) const {
  for (const auto& [name, stored] : tensors_) {
    if (taken_.contains(name)) continue;
    const std::string kind = name.substr(name.rfind('.') + 1);
    if (tally.wants(kind)) tally.fail(kind, path_ + ": " + name, "stored, but nothing compared it");
  }
}

std::vector<float> as_floats(const Stored& s) { return {s.real.begin(), s.real.end()}; }
std::vector<int32_t> as_ints(const Stored& s) { return {s.whole.begin(), s.whole.end()}; }

std::vector<std::string> folders(const std::string& parent) {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(parent, error)) {
    if (entry.is_directory()) out.push_back(entry.path().filename().string());
  }
  check(!out.empty(), Exit::bad_input, "{}: expected recorded folders, found none", parent);
  std::sort(out.begin(), out.end());
  return out;
}

// ---- comparisons ------------------------------------------------------------------------------------------

bool Tally::wants(const std::string& kind) {
  if (only_.empty() || only_.contains(kind)) return true;
  left_out_.insert(kind);
  return false;
}

void Tally::record(const std::string& kind, const std::string& place, double error, bool good,
                   const std::string& why) {
  Row& row = rows_[kind];
  (good ? row.passed : row.failed) += 1;
  if (!(error <= row.worst)) {
    row.worst = error;
    row.place = place;
  }
  if (!good) std::printf("FAILED %s: %s: %s\n", kind.c_str(), place.c_str(), why.c_str());
}

void Tally::close(const std::string& kind, const Stored& want, std::span<const float> got, double bound) {
  const std::string place = want.file + ": " + want.name;
  if (want.integers || got.size() != want.real.size()) {
    fail(kind, place, format("expected {} real values, got {}", want.real.size(), got.size()));
    return;
  }
  double difference = 0, norm = 0, worst = -1;
  size_t worst_at = 0;
  bool finite = true;
  for (size_t i = 0; i < got.size(); ++i) {
    // Dropped scores are -inf: the same set on both sides, compared as a set.
    if (std::isinf(want.real[i]) || !std::isfinite(got[i])) {
      finite = finite && want.real[i] == static_cast<double>(got[i]);
      continue;
    }
    const double error = std::abs(got[i] - want.real[i]);
    difference += error * error;
    norm += want.real[i] * want.real[i];
    if (error > worst) worst = error, worst_at = i;
  }
  const double relative = difference == 0 ? 0 : std::sqrt(difference / norm);
  const bool good = finite && relative <= bound;
  std::string why;
  if (!finite) why = "infinite or NaN entries differ";
  else if (!good) {
    why = format("relative error {} exceeds {}; worst at {}: expected {}, got {}", relative, bound, worst_at,
                 want.real[worst_at], got[worst_at]);
  }
  record(kind, place, relative, good, why);
}

void Tally::equal(const std::string& kind, const Stored& want, std::span<const int32_t> got) {
  const std::string place = want.file + ": " + want.name;
  if (!want.integers || got.size() != want.whole.size()) {
    fail(kind, place, format("expected {} integers, got {}", want.whole.size(), got.size()));
    return;
  }
  size_t at = 0;
  while (at < got.size() && got[at] == want.whole[at]) ++at;
  const bool good = at == got.size();
  record(kind, place, good ? 0 : 1, good,
         good ? "" : format("at {}: expected {}, got {}", at, want.whole[at], got[at]));
}

void Tally::snr(const std::string& kind, const Stored& want, std::span<const float> got, double bound_db) {
  // An SNR of b dB is a relative error of 10^(-b/20).
  close(kind, want, got, std::pow(10.0, -bound_db / 20));
}

void Tally::scalar(const std::string& kind, const std::string& place, double want, double got, double bound) {
  const double error = std::abs(want - got);
  record(kind, place, error, error <= bound,
         format("expected {}, got {}, allowed difference {}", want, got, bound));
}

void Tally::text(const std::string& kind, const std::string& place, const std::string& want,
                 const std::string& got) {
  record(kind, place, want == got ? 0 : 1, want == got, format("expected {}, got {}", want, got));
}

void Tally::fail(const std::string& kind, const std::string& place, const std::string& why) {
  record(kind, place, INFINITY, false, why);
}

int Tally::passed() const {
  int n = 0;
  for (const auto& [kind, row] : rows_) n += row.passed;
  return n;
}

int Tally::failed() const {
  int n = 0;
  for (const auto& [kind, row] : rows_) n += row.failed;
  for (const std::string& kind : only_)
    n += rows_.contains(kind) ? 0 : 1;  // asked for, but nothing of it was there
  return n;
}

void Tally::print() const {
  std::printf("%-24s %8s %8s  %-12s %s\n", "kind", "passed", "failed", "worst error", "where");
  for (const auto& [kind, row] : rows_) {
    std::printf("%-24s %8d %8d  %-12.3g %s\n", kind.c_str(), row.passed, row.failed, row.worst,
                row.place.c_str());
  }
  for (const std::string& kind : only_) {
    if (!rows_.contains(kind))
      std::printf("FAILED %s: asked for with --only, but nothing of it is stored\n", kind.c_str());
  }
  if (!left_out_.empty()) {
    std::printf("left out by --only:");
    for (const std::string& kind : left_out_) std::printf(" %s", kind.c_str());
    std::printf("\n");
  }
  std::printf("%d passed, %d failed\n", passed(), failed());
}

}  // namespace tts::golden
