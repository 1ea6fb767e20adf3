// Operations of the encoders of reference audio. They run once per clip: plain kernels, f32, fixed order of
// summation.
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/reduce.h"

#include <cmath>

namespace tts::cuda {

namespace {

constexpr int kThreads{128};

__global__ void __launch_bounds__(kThreads)
unfold_kernel(float* y, const float* x, const float* add, Neighbours n, int rows, int64_t count) {
  const int64_t item = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (item >= count) return;
  const Columns& c = n.columns;
  const int i = static_cast<int>(item % c.count), k = static_cast<int>(item / c.count % n.taps);
  int64_t from = item / c.count / n.taps + (k - n.taps / 2) * n.dilation;
  from = from < 0 ? -from : from;
  if (from >= rows) from = 2 * (static_cast<int64_t>(rows) - 1) - from;
  y[item] = x[from * c.width + c.first + i] + (add ? add[from * c.count + i] : 0.0f);
}

__global__ void __launch_bounds__(kThreads)
    insert_kernel(float* y, const float* x, Columns c, int64_t count) {
  const int64_t item = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (item < count) y[item / c.count * c.width + c.first + item % c.count] = x[item];
}

// One thread per channel, three passes over its rows.
__global__ void __launch_bounds__(kThreads)
    pool_kernel(float* y, const float* x, const float* scores, int C, int rows) {
  const int c = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (c >= C) return;
  float largest = -INFINITY;
  for (int64_t r = 0; scores && r < rows; ++r) largest = fmaxf(largest, scores[r * C + c]);
  const auto weight = [&](int64_t r) {
    return scores ? exp(static_cast<double>(scores[r * C + c]) - largest) : 1.0;
  };
  double weights = 0, mean = 0, variance = 0;
  for (int64_t r = 0; r < rows; ++r) {
    weights += weight(r);
    mean += weight(r) * x[r * C + c];
  }
  mean /= weights;
  for (int64_t r = 0; r < rows; ++r) {
    const double distance = x[r * C + c] - mean;
    variance += weight(r) * distance * distance;
  }
  variance /= weights;
  y[c] = static_cast<float>(mean);
  y[C + c] = static_cast<float>(sqrt(variance < 1e-12 ? 1e-12 : variance));  // NaN stays NaN
}

__global__ void __launch_bounds__(kThreads)
add_scaled_kernel(float* y, const float* x, const float* scale, int C, int64_t count) {
  const int64_t item = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (item < count) y[item] = fmaf(scale[item % C], x[item], y[item]);
}

// A block per row. Distances are summed in f64 as differences, not expanded: near neighbours keep their
// order.
__global__ void __launch_bounds__(kThreads)
nearest_kernel(int32_t* codes, float* x, const float* table, int2 table_shape, int groups, int group) {
  const int V = table_shape.x, W = table_shape.y, thread = static_cast<int>(threadIdx.x);
  float* row = x + static_cast<int64_t>(blockIdx.x) * W;
  double nearest = INFINITY;
  int code = -1;
  for (int v = thread; v < V; v += kThreads) {
    double distance = 0;
    for (int i = 0; i < W; ++i) {
      const double difference = static_cast<double>(row[i]) - table[static_cast<int64_t>(v) * W + i];
      distance += difference * difference;
    }
    if (distance < nearest) {
      nearest = distance;
      code = v;
    }
  }
  Shared<double> distances = shared<double>();
  Shared<int> found = shared_cast<int>(distances + kThreads);
  distances[thread] = nearest;
  found[thread] = code;
  __syncthreads();
  for (int t = 0; t < kThreads; ++t) {  // the lowest code of equals
    const double distance = distances[t];
    const int other = found[t];
    if (other >= 0 && (code < 0 || distance < nearest || (distance == nearest && other < code))) {
      nearest = distance;
      code = other;
    }
  }
  if (thread == 0) codes[static_cast<int64_t>(blockIdx.x) * groups + group] = code;
  for (int i = thread; code >= 0 && i < W; i += kThreads) row[i] -= table[static_cast<int64_t>(code) * W + i];
}

}  // namespace

void unfold(Queue& q, float* y, const float* x, const float* add, const Neighbours& neighbours, int rows) {
  check(neighbours.taps / 2 * neighbours.dilation < rows, Exit::internal,
        "unfold: {} rows are too few to reflect {} of them", rows, neighbours.taps / 2 * neighbours.dilation);
  const int64_t count = int64_t{rows} * neighbours.taps * neighbours.columns.count;
  launch(q, "unfold", unfold_kernel, {.blocks = blocks_for(count, kThreads), .threads = kThreads}, y, x, add,
         neighbours, rows, count);
}

void insert(Queue& q, float* y, const float* x, const Columns& columns, int rows) {
  const int64_t count = int64_t{rows} * columns.count;
  if (count == 0) return;
  launch(q, "insert", insert_kernel, {.blocks = blocks_for(count, kThreads), .threads = kThreads}, y, x,
         columns, count);
}

void pool(Queue& q, float* y, const float* x, const float* scores, int C, int rows) {
  launch(q, "pool", pool_kernel, {.blocks = blocks_for(C, kThreads), .threads = kThreads}, y, x, scores, C,
         rows);
}

void add_scaled(Queue& q, float* y, const float* x, const float* scale, int C, int rows) {
  const int64_t count = int64_t{rows} * C;
  if (count == 0) return;
  launch(q, "add_scaled", add_scaled_kernel, {.blocks = blocks_for(count, kThreads), .threads = kThreads}, y,
         x, scale, C, count);
}

void nearest_code(Queue& q, int32_t* codes, float* x, const Tensor& table, int groups, int group, int rows) {
  if (rows == 0) return;
  launch(q, "nearest_code", nearest_kernel,
         {.blocks = static_cast<unsigned>(rows),
          .threads = kThreads,
          .shared_bytes = kThreads * (sizeof(double) + sizeof(int))},
         codes, x, table.f32(), int2{static_cast<int>(table.rows()), static_cast<int>(table.columns())},
         groups, group);
}

}  // namespace tts::cuda
