// The operations of kernels/ops.h as free functions over a queue; bodies in the .cu file of the same topic.
// Host code: no CUDA header beyond launch.h.
#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/ops.h"

namespace tts::cuda {

// matvec.cu
void linear(Queue& q, float* y, const float* x, const Tensor& w, const Tensor& bias, int rows, Act act);
void linear_add(Queue& q, float* y, const float* x, const Tensor& w, const Tensor& bias, const Tensor& scale,
                int rows);
void qkv(Queue& q, float* y, const float* x, const Norm& norm, const QkvWeights& w, int rows);
void gated(Queue& q, float* y, const float* x, const Norm& norm, const Tensor& gate, const Tensor& up,
           int rows);

// attention.cu
struct HeadNorms {  // [d] each; may be empty
  const Tensor &q, &k;
};
void attend(Queue& q, float* y, const float* x, const HeadNorms& norms, const KvCache& cache,
            const Heads& heads, const int32_t* position, int rows);

// elementwise.cu
void norm(Queue& q, float* y, const float* x, const Norm& norm, int rows);
void embed(Queue& q, float* y, const int32_t* ids, const Tensor& table, int rows);
void embed_add(Queue& q, float* y, const int32_t* ids, const Tensor& table, int rows);
void sum_codes(Queue& q, float* y, const int32_t* codes, const Tensor* tables, int groups, int rows);
void embed_code(Queue& q, float* y, const SampleState& state, int group, const Tensor& table);
void next_row(Queue& q, float* y, const SampleState& state, const Tensor* tables, const float* text,
              int text_rows);
void clamp(Queue& q, float* y, const float* x, int n);
void advance(Queue& q, int32_t* counter, int n);

// encoders.cu
void unfold(Queue& q, float* y, const float* x, const float* add, const Neighbours& neighbours, int rows);
void insert(Queue& q, float* y, const float* x, const Columns& columns, int rows);
void pool(Queue& q, float* y, const float* x, const float* scores, int C, int rows);
void add_scaled(Queue& q, float* y, const float* x, const float* scale, int C, int rows);
void nearest_code(Queue& q, int32_t* codes, float* x, const Tensor& table, int groups, int group, int rows);

// conv.cu
void conv(Queue& q, float* y, const float* x, const Conv& conv, float* history, int rows, bool add);
void depthwise(Queue& q, float* y, const float* x, const Tensor& weight, const Tensor& bias, float* history,
               int rows);

// sample.cu
void sample(Queue& q, const SampleState& state, const float* logits, int group, int V);

// frame.cu: false when the shapes are not for it; nothing was launched then
bool predict(Queue& q, const PredictorFrame& frame);

// Whether this binary holds code for the chosen GPU.
cudaError_t find_code();

// What the host may see without waiting, in pinned memory. The two sequence numbers frame the cursor: equal,
// and it is whole.
struct Published {
  uint32_t before, epoch;  // epoch: which utterance, chosen by the host
  Cursor cursor;
  uint32_t after;
};
void publish(Queue& q, Published* slot, const Cursor* cursor, const uint32_t* epoch);

}  // namespace tts::cuda
