// Products of many rows (the prefill) through cuBLASLt, which is loaded when the device opens; the emulator
// has a plain kernel in its place. The library's order of summation may depend on the number of rows, so only
// Cuda::in_bulk() comes here.
//
//   room:  | rows going in, bf16 or f32 | gate and up, f32 | a slice of a matrix widened to f32 |
#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/ops.h"

#include <memory>

namespace tts::cuda {

struct Library;  // cuBLASLt, its handle and the algorithm of every shape seen so far

struct Gemm {
  bool rounded = false;  // activations to bf16 when the weights are; else everything in f32, without TF32
  std::byte* room = nullptr;
  int64_t room_bytes = 0;
  void* workspace = nullptr;  // of the library
  int64_t workspace_bytes = 0;
  std::shared_ptr<Library> library;
};

constexpr int kBulkRows{8};  // fewer are read by matvec.cu in one or two passes over the weights

// Exit::device when the library is not there, with what to do.
std::shared_ptr<Library> open_library();

// False: not for these formats or sizes; nothing was launched then.
bool qkv_in_bulk(Gemm& g, Queue& q, float* y, const float* x, const Norm& norm, const QkvWeights& w,
                 int rows);
bool linear_add_in_bulk(Gemm& g, Queue& q, float* y, const float* x, const Tensor& w, int rows);
bool gated_in_bulk(Gemm& g, Queue& q, float* y, const float* x, const Norm& norm, const Tensor& gate,
                   const Tensor& up, int rows);

// gemm.cu
void round_rows(Queue& q, uint16_t* to, const float* from, int64_t count);
void normalize_rounded(Queue& q, uint16_t* to, const float* from, const Norm& norm, int rows);
void widen(Queue& q, float* to, const uint16_t* from, int64_t count);
void combine(Queue& q, float* y, const float* gate, const float* up, int64_t count);

// d[rows][n] (rows `stride` apart) = x[rows][k] . w[n][k]^T, added to d or not; x and w both bf16 or both
// f32.
struct MatrixProduct {
  float* d = nullptr;
  const void *x = nullptr, *w = nullptr;
  int rows = 0, n = 0, k = 0;
  int64_t stride = 0;
  bool rounded = false, add = false;
};
void plain_product(Queue& q, const MatrixProduct& p);  // in place of the library

}  // namespace tts::cuda
