// Norms, embeddings and their sums, counters. Embedding sums add in the order of the list, so their bits are
// the reference's.
#include "kernels/cuda/format.h"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/reduce.h"

#include "base/limits.h"

namespace tts::cuda {

namespace {

constexpr int kThreads{128};
constexpr int kTables{64};
static_assert(kTables >= limits::kCodeGroups.value);


struct Tables {  // one row of codes picks one row of each table
  Matrix table[kTables];
  DType format[kTables] = {};
  int count = 0, width = 0;
};

__global__ void __launch_bounds__(kThreads) norm_kernel(float* y, const float* x, NormArguments norm, int H) {
  release_successor();
  await_inputs();
  const int64_t row = static_cast<int64_t>(blockIdx.x) * H;
  normalize_rows<1>(y + row, x + row, 1, norm, H, shared<float>());
}

__global__ void __launch_bounds__(kThreads)
    embed_kernel(float* y, const int32_t* ids, Matrix table, DType dtype, bool add) {
  const int id = ids[blockIdx.x], H = table.columns;
  float* row = y + static_cast<int64_t>(blockIdx.x) * H;
  for (int i = static_cast<int>(threadIdx.x); i < H; i += static_cast<int>(blockDim.x)) {
    const float v = id < 0 ? 0.0f : weight_at(table, dtype, id, i);
    if (!add) row[i] = v;
    else if (id >= 0) row[i] += v;
  }
}

__device__ inline float sum_of_codes(const Tables& t, const int32_t* codes, int i) {
  float sum = 0;
  for (int g = 0; g < t.count; ++g) {
    if (t.table[g].data != nullptr && codes[g] >= 0) sum += weight_at(t.table[g], t.format[g], codes[g], i);
  }
  return sum;
}

__global__ void __launch_bounds__(kThreads)
    sum_codes_kernel(float* y, const int32_t* codes, const __grid_constant__ Tables t) {
  const int i = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x);
  if (i < t.width) {
    y[static_cast<int64_t>(blockIdx.x) * t.width + i] =
        sum_of_codes(t, codes + static_cast<int64_t>(blockIdx.x) * t.count, i);
  }
}

__global__ void __launch_bounds__(kThreads)
    embed_code_kernel(float* y, SampleState state, int group, Matrix table, DType dtype) {
  release_successor();
  await_inputs();
  const int id = state.codes[static_cast<int64_t>(state.cursor->frame) * state.groups + group];
  for (int i = static_cast<int>(threadIdx.x); i < table.columns; i += static_cast<int>(blockDim.x)) {
    y[i] = id < 0 ? 0.0f : weight_at(table, dtype, id, i);
  }
}

__global__ void __launch_bounds__(kThreads)
    next_row_kernel(float* y, SampleState state, const __grid_constant__ Tables t, const float* text,
                    int text_rows) {
  release_successor();
  await_inputs();
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= t.width) return;
  const int frame = state.cursor->frame;
  const float sum = sum_of_codes(t, state.codes + static_cast<int64_t>(frame) * state.groups, i);
  y[i] = sum + text[static_cast<int64_t>(min(frame, text_rows - 1)) * t.width + i];
}

__global__ void __launch_bounds__(kThreads) clamp_kernel(float* y, const float* x, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) y[i] = x[i] < -1 ? -1.0f : x[i] > 1 ? 1.0f : x[i];  // NaN stays NaN
}

__global__ void advance_kernel(int32_t* counter, int n) {
  if (threadIdx.x == 0) *counter += n;
}

// Order on the host's side: `before` and `after` are equal only when everything between is whole.
__global__ void publish_kernel(Published* slot, const Cursor* cursor, const uint32_t* epoch) {
  if (threadIdx.x != 0) return;
  const uint32_t number = slot->after + 1;
  store_to_host(&slot->before, number);
  __threadfence_system();
  store_to_host(&slot->epoch, *epoch);
  store_to_host(&slot->cursor.position, cursor->position);
  store_to_host(&slot->cursor.frame, cursor->frame);
  store_to_host(&slot->cursor.tokens, cursor->tokens);
  store_to_host(&slot->cursor.finish, cursor->finish);
  store_to_host(&slot->cursor.fault, cursor->fault);
  __threadfence_system();
  store_to_host(&slot->after, number);
}

Tables tables_of(const Tensor* tables, int groups) {
  check(groups <= kTables, Exit::internal, "sum of codes: expected at most {} groups, got {}", kTables,
        groups);
  Tables t;
  t.count = groups;
  for (int g = 0; g < groups; ++g) {
    if (!tables[g]) continue;
    t.table[g] = matrix_of(tables[g]);
    t.format[g] = tables[g].dtype;
    t.width = t.table[g].columns;
  }
  return t;
}

}  // namespace

void norm(Queue& q, float* y, const float* x, const Norm& norm, int rows) {
  if (rows == 0) return;
  launch(q, "norm", norm_kernel,
         {.blocks = static_cast<unsigned>(rows),
          .threads = kThreads,
          .shared_bytes = kThreads / kWarp * sizeof(float),
          .early = true},
         y, x, arguments_of(norm), static_cast<int>(norm.weight.shape[0]));
}

static void launch_embed(Queue& q, float* y, const int32_t* ids, const Tensor& table, int rows, bool add) {
  if (rows == 0) return;
  launch(q, "embed", embed_kernel, {.blocks = static_cast<unsigned>(rows), .threads = kThreads}, y, ids,
         matrix_of(table), table.dtype, add);
}

void embed(Queue& q, float* y, const int32_t* ids, const Tensor& table, int rows) {
  launch_embed(q, y, ids, table, rows, false);
}

void embed_add(Queue& q, float* y, const int32_t* ids, const Tensor& table, int rows) {
  launch_embed(q, y, ids, table, rows, true);
}

void sum_codes(Queue& q, float* y, const int32_t* codes, const Tensor* tables, int groups, int rows) {
  if (rows == 0) return;
  const Tables t = tables_of(tables, groups);
  launch(q, "sum_codes", sum_codes_kernel,
         {.blocks = {static_cast<unsigned>(rows), blocks_for(t.width, kThreads)}, .threads = kThreads}, y,
         codes, t);
}

void embed_code(Queue& q, float* y, const SampleState& state, int group, const Tensor& table) {
  launch(q, "embed_code", embed_code_kernel, {.threads = kThreads, .early = true}, y, state, group,
         matrix_of(table), table.dtype);
}

void next_row(Queue& q, float* y, const SampleState& state, const Tensor* tables, const float* text,
              int text_rows) {
  const Tables t = tables_of(tables, state.groups);
  launch(q, "next_row", next_row_kernel,
         {.blocks = blocks_for(t.width, kThreads), .threads = kThreads, .early = true}, y, state, t, text,
         text_rows);
}

void clamp(Queue& q, float* y, const float* x, int n) {
  if (n > 0)
    launch(q, "clamp", clamp_kernel, {.blocks = blocks_for(n, kThreads), .threads = kThreads}, y, x, n);
}

void advance(Queue& q, int32_t* counter, int n) { launch(q, "advance", advance_kernel, {}, counter, n); }

cudaError_t find_code() {
  cudaFuncAttributes attributes{};
  return cuda_status(cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(&advance_kernel)));
}

void publish(Queue& q, Published* slot, const Cursor* cursor, const uint32_t* epoch) {
  launch(q, "publish", publish_kernel, {}, slot, cursor, epoch);
}

}  // namespace tts::cuda
