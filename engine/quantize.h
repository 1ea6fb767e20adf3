// Weight-only quantisation of the language model: which matrices, to which format, how a weight is rounded.
//
//   int8   every matrix that a product reads per frame: layers, heads, adapter; one scale per row,
//          max|w| / 127.
//   int4   the talker's layers in blocks of 32 weights (scale max|w| / 7, stored plus 8); its head and the
//          predictor int8, because late code groups do not survive 4 bits.
//   kept   embedding tables and the text projection (read by the row or once per text id), norms, biases,
//          the codec.
//
// In a file a quantised matrix NAME.weight is I8 [M,K] with NAME.weight.scales F32 [M], or U8 [M,K/2] with
// scales F32 [M,K/32]; nibble order in kernels/ops.h. Loading such a file and quantising at load give the
// same bits.
#pragma once

#include "engine/weights.h"
#include "kernels/arena.h"
#include "kernels/host_memory.h"

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace tts {

enum class Quant : uint8_t { none, int8, int4 };
Quant parse_quant(std::string_view name);  // Exit::usage
std::string_view str(Quant quant);

constexpr std::string_view kScalesSuffix{".scales"};

// The format of a tensor by its checkpoint name; f32 means "as stored": it is not one of the matrices above.
DType quantised_format(std::string_view name, const Shape& shape, Quant quant);

using Owned = std::vector<std::unique_ptr<std::byte[]>>;

// The matrix in `dtype` (int8_rows or int4_blocks), in memory of the arena; without memory it learns the size
// only. Rows are independent of each other.
Tensor quantise(const Tensor& matrix, DType dtype, Arena& arena);
Tensor quantise(const Tensor& matrix, DType dtype, Owned& owned);  // in a block of its own

// All matrices of a language model that `quant` names; those already quantised stay as they are. They lie in
// one block, which gets huge pages: products read up to 1.6 times as fast as from pages of 4 KiB.
void quantise_model(const ModelConfig& config, TalkerWeights& talker, PredictorWeights& predictor,
                    Quant quant, HostMemory& memory);

}  // namespace tts
