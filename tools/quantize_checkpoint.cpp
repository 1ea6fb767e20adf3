#include "tools/quantize_checkpoint.h"

#include "base/file.h"
#include "engine/bind.h"
#include "engine/tensor_writer.h"

#include <cstdio>
#include <filesystem>

namespace tts {

namespace {

namespace fs = std::filesystem;

// Every tensor of the file, those that no model type uses included: a quantised copy loses nothing else.
void write_quantised(const ModelFiles& files, const std::string& path, Quant quant) {
  const TensorTable table = open_tensors(files, "");
  Owned owned;
  std::vector<std::pair<std::string, Tensor>> out;
  for (const StoredTensor& stored : table.tensors) {
    const DType dtype = quantised_format(stored.name, stored.tensor.shape, quant);
    if (dtype == DType::f32) {
      out.emplace_back(stored.name, stored.tensor);
      continue;
    }
    check(stored.tensor.dtype != DType::i8 && stored.tensor.dtype != DType::u8, Exit::bad_input,
          "{}: tensor {}: already quantised; start from the original checkpoint", table.path, stored.name);
    Tensor matrix = stored.tensor;
    Converter{owned}(matrix, stored.name, matrix.shape);
    const Tensor q = quantise(matrix, dtype, owned);
    const bool nibbles = dtype == DType::int4_blocks;
    const int64_t M = q.rows(), K = q.columns();
    out.emplace_back(stored.name,
                     Tensor{q.data, nibbles ? DType::u8 : DType::i8, {M, nibbles ? K / 2 : K}, nullptr});
    out.emplace_back(stored.name + std::string(kScalesSuffix),
                     Tensor{q.scales, DType::f32, nibbles ? Shape{M, K / 32} : Shape{M}, nullptr});
  }
  write_safetensors(path, std::move(out));
}

bool is_weights(const fs::path& name) {
  const std::string text = name.filename().string();
  return text.starts_with("model") &&
         (text.ends_with(".safetensors") || text.ends_with(".safetensors.index.json"));
}

void copy_the_rest(const fs::path& from, const fs::path& to) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(from)) {
    const bool skip = entry.is_regular_file() && is_weights(entry.path());
    if (!skip) fs::copy(entry.path(), to / entry.path().filename(), fs::copy_options::recursive, error);
    check(!error, Exit::output, "{}: cannot be written: {}", (to / entry.path().filename()).string(),
          error.message());
  }
}

const std::vector<std::string> kTexts = {
    "The small boat left the harbour at dawn and came back before noon.",
    "Nobody on the pier had expected it so early, because the wind had turned in the night.",
    "Could you read the second chapter once more, please, and a little slower this time?",
};

}  // namespace

void quantize_checkpoint(const std::string& from, const std::string& to, Quant quant,
                         const DeviceOptions& options, int frames) {
  const auto model = load_model(from);
  std::error_code error;
  check(!fs::exists(to), Exit::output, "{}: exists; name a new directory", to);
  fs::create_directories(to, error);
  check(!error, Exit::output, "{}: cannot be made: {}", to, error.message());
  copy_the_rest(from, to);
  write_quantised(model->files, to + "/model.safetensors", quant);
  const std::vector<GroupAgreement> groups = measure_agreement(*model, quant, kTexts, frames, options);
  write_file(to + "/quantization.json", agreement_json(groups, quant));
  std::printf("%-7s %8s %8s %10s\n", "group", "draws", "top-1", "KL (nats)");
  for (size_t g = 0; g < groups.size(); ++g) {
    std::printf("%-7zu %8lld %7.2f%% %10.5f\n", g, static_cast<long long>(groups[g].draws),
                100 * groups[g].top1, groups[g].kl);
  }
}

}  // namespace tts
