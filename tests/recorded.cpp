#include "recorded.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace tts {

Recorded::Recorded(const std::string& path) : file_(path) {
  for (const StoredTensor& stored : parse_safetensors(file_.bytes(), path))
    tensors_[stored.name] = stored.tensor;
  check(!tensors_.empty(), Exit::internal, "{}: no tensors", path);
}

const Tensor& Recorded::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  check(found != tensors_.end(), Exit::internal, "{}: no tensor {}", file_.path(), name);
  return found->second;
}

std::vector<float> Recorded::floats(const std::string& name) const {
  const Tensor& t = at(name);
  check(t.dtype == DType::f32, Exit::internal, "{}: {}: expected F32, got {}", file_.path(), name, t);
  std::vector<float> values(static_cast<size_t>(element_count(t.shape)));
  std::memcpy(values.data(), t.data, values.size() * sizeof(float));
  return values;
}

std::vector<int32_t> Recorded::integers(const std::string& name) const {
  const Tensor& t = at(name);
  check(t.dtype == DType::i64, Exit::internal, "{}: {}: expected I64, got {}", file_.path(), name, t);
  std::vector<int64_t> wide(static_cast<size_t>(element_count(t.shape)));
  std::memcpy(wide.data(), t.data, wide.size() * sizeof(int64_t));
  return {wide.begin(), wide.end()};
}

std::vector<float> Recorded::time_first(const std::string& name) const {
  const std::vector<float> values = floats(name);
  if (shape(name).rank == 1) return values;
  const size_t channels = static_cast<size_t>(shape(name)[0]), rows = static_cast<size_t>(shape(name)[1]);
  std::vector<float> turned(values.size());
  for (size_t t = 0; t < rows; ++t) {
    for (size_t c = 0; c < channels; ++c) turned[t * channels + c] = values[c * rows + t];
  }
  return turned;
}

namespace {

struct Energies {
  double wanted = 0, error = 0;
};
Energies energies(std::span<const float> got, std::span<const float> want) {
  Energies e;
  for (size_t i = 0; i < want.size(); ++i) {
    const double w = want[i], difference = got[i] - w;
    e.wanted += w * w, e.error += difference * difference;
  }
  return e;
}

}  // namespace

double relative_error(std::span<const float> got, std::span<const float> want) {
  if (got.size() != want.size() || want.empty()) return std::numeric_limits<double>::infinity();
  const Energies e = energies(got, want);
  return std::sqrt(e.error / e.wanted);
}

double snr_db(std::span<const float> got, std::span<const float> want) {
  if (got.size() != want.size() || want.empty()) return -std::numeric_limits<double>::infinity();
  const Energies e = energies(got, want);
  return 10 * std::log10(e.wanted / e.error);
}

}  // namespace tts
