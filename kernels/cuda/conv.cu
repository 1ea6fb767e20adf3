// Causal convolutions as implicit matrix products: y[t][o] = sum over j = (tap, in) of e[t * stride + tap *
// dilation][in] * w[j][o], where e is the history followed by the activated new rows. e is written once (the
// sines of snake are expensive and would be repeated by every tap and output block), then read by the
// product, and its end becomes the new history.
//
//   product block: 4 warps x 32 lanes, R rows per thread
//     lanes: outputs (weights [j][out] are read coalesced)
//     warp w: the w-th quarter of j, through a tile [R rows][32 j] of e in shared memory
//
// An output is the sum of its quarters in ascending order, each summed in ascending order of j: the same for
// every number of rows, so streamed and one-shot samples are equal. R only decides how often a weight is
// read. With tf32 a quarter is a chain of tensor core products of eight j each, in the same order.
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/reduce.h"

namespace tts::cuda {

namespace {

constexpr int kThreads{128};
constexpr int kQuarters{4};
constexpr int kTile{32};  // j per tile
constexpr int kFragment{16}, kDepth{8}, kColumns{8};  // rows, j and outputs of a tensor core product
constexpr int kPadded{kTile + 4};  // floats between rows of a tile whose fragments are read without conflicts

struct Geometry {
  const float* weight;
  const float* bias;
  int in, out, taps, dilation, stride;
  int rows;     // outputs
  int quarter;  // of taps * in, a multiple of kTile
  bool add, tf32;
};

struct Entry {  // what happens to an input value on its way in
  Conv::Input input;
  const float *alpha, *beta;
  int channels;
  int64_t old;  // values of the history
};

__global__ void __launch_bounds__(kThreads)
extend_kernel(float* extended, const float* x, const float* history, Entry entry, int64_t count) {
  const int64_t item = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (item >= count) return;
  if (item < entry.old) {
    extended[item] = history[item];
    return;
  }
  float v = x[item - entry.old];
  const int channel = static_cast<int>(item % entry.channels);
  if (entry.input == Conv::Input::elu) v = v > 0 ? v : expm1f(v);
  if (entry.input == Conv::Input::snake) {
    const float s = sinf(v * expf(entry.alpha[channel]));
    v += s * s / (expf(entry.beta[channel]) + 1e-9f);
  }
  extended[item] = v;
}

__global__ void __launch_bounds__(kThreads) keep_kernel(float* history, const float* end, int count) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) history[i] = end[i];
}

// Tile [R][kStride] of this warp; lane l loads j = j0 + l of every row. Rows past the last one are zero.
template <int R, int kStride = kTile>
__device__ void load_tile(Shared<float> tile, const float* e, const Geometry& g, int row0, int j) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int tap = j / g.in, rows = j < g.taps * g.in ? g.rows - row0 : 0;
  const int64_t step = static_cast<int64_t>(g.stride) * g.in;
  const float* from = e + row0 * step + static_cast<int64_t>(tap) * (g.dilation - 1) * g.in + j;
  for (int r = 0; r < R; ++r) tile[r * kStride + lane] = r < rows ? from[r * step] : 0.0f;
}

// The sums of the quarters [4][R][32] of this block -> y
template <int R>
__device__ void add_quarters(float* y, Shared<float> sums, const Geometry& g, int row0, int o) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  for (int r = warp; r < R; r += kQuarters) {
    if (row0 + r >= g.rows || o >= g.out) continue;
    float value = g.bias ? g.bias[o] : 0.0f;
    for (int quarter = 0; quarter < kQuarters; ++quarter) value += sums[(quarter * R + r) * kWarp + lane];
    float& to = y[static_cast<int64_t>(row0 + r) * g.out + o];
    to = g.add ? to + value : value;
  }
}

template <int R>
__global__ void __launch_bounds__(kThreads) conv_kernel(float* y, const float* e, Geometry g) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int row0 = static_cast<int>(blockIdx.x) * R, o = static_cast<int>(blockIdx.y) * kWarp + lane;
  const int j_begin = warp * g.quarter, total = g.taps * g.in;
  const int j_end = min(j_begin + g.quarter, total);
  // shared:  tiles [4][R][kTile], later the sums of the quarters [4][R][32]
  Shared<float> tile = shared<float>() + warp * R * kTile;
  float sum[R] = {};
  for (int j0 = j_begin; j0 < j_end; j0 += kTile) {
    if (j0 > j_begin) __syncwarp();
    load_tile<R>(tile, e, g, row0, j0 + lane);
    __syncwarp();
    if (o >= g.out) continue;
    const float* w = g.weight + static_cast<int64_t>(j0) * g.out + o;
    const int filled = min(kTile, total - j0);
#pragma unroll 2
    for (int i = 0; i < filled; i += 4) {
      float v[4];
#pragma unroll
      for (int k = 0; k < 4; ++k) v[k] = i + k < filled ? w[static_cast<int64_t>(i + k) * g.out] : 0.0f;
#pragma unroll
      for (int r = 0; r < R; ++r) {
        const float4 xv = load4(tile + (r * kTile + i));
        sum[r] = fmaf(v[0], xv.x, sum[r]);
        sum[r] = fmaf(v[1], xv.y, sum[r]);
        sum[r] = fmaf(v[2], xv.z, sum[r]);
        sum[r] = fmaf(v[3], xv.w, sum[r]);
      }
    }
  }
  __syncthreads();
  Shared<float> sums = shared<float>();
  for (int r = 0; r < R; ++r) sums[(warp * R + r) * kWarp + lane] = sum[r];
  __syncthreads();
  add_quarters<R>(y, sums, g, row0, o);
}

// T fragments of 16 rows; four fragments of 8 outputs.
template <int T>
__global__ void __launch_bounds__(kThreads) conv_tf32_kernel(float* y, const float* e, Geometry g) {
  constexpr int R{T * kFragment}, kAcross{kWarp / kColumns};
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int group = lane / 4, member = lane % 4;  // of the fragments, as ptx.h draws them
  const int row0 = static_cast<int>(blockIdx.x) * R, o0 = static_cast<int>(blockIdx.y) * kWarp;
  const int j_begin = warp * g.quarter, total = g.taps * g.in;
  const int j_end = min(j_begin + g.quarter, total);
  // shared:  tiles [4][R][kPadded], later the sums of the quarters [4][R][32]
  Shared<float> tile = shared<float>() + warp * R * kPadded;
  float sum[T][kAcross][4] = {};
  for (int j0 = j_begin; j0 < j_end; j0 += kTile) {
    if (j0 > j_begin) __syncwarp();
    load_tile<R, kPadded>(tile, e, g, row0, j0 + lane);
    __syncwarp();
    for (int k = member; k < kTile; k += kDepth) {
      float b[kAcross][2];
#pragma unroll
      for (int n = 0; n < kAcross * 2; ++n) {
        const int j = j0 + k + n % 2 * 4, o = o0 + n / 2 * kColumns + group;
        b[n / 2][n % 2] = j < total && o < g.out ? g.weight[static_cast<int64_t>(j) * g.out + o] : 0.0f;
      }
#pragma unroll
      for (int t = 0; t < T; ++t) {
        Shared<float> row = tile + ((t * kFragment + group) * kPadded + k), below = row + 8 * kPadded;
        const float a[4] = {row[0], below[0], row[4], below[4]};
#pragma unroll
        for (int n = 0; n < kAcross; ++n) mma_tf32(sum[t][n], a, b[n]);
      }
    }
  }
  __syncthreads();
  Shared<float> sums = shared<float>();
#pragma unroll
  for (int i = 0; i < T * kAcross * 4; ++i) {
    const int t = i / (kAcross * 4), n = i / 4 % kAcross, d = i % 4;
    const int row = warp * R + t * kFragment + d / 2 * 8 + group;
    sums[row * kWarp + n * kColumns + 2 * member + d % 2] = sum[t][n][d];
  }
  __syncthreads();
  add_quarters<R>(y, sums, g, row0, o0 + lane);
}

__global__ void __launch_bounds__(kThreads)
    depthwise_kernel(float* y, const float* x, const float* weight, const float* bias, const float* history,
                     int C, int taps, int64_t count) {
  const int64_t item = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (item >= count) return;
  const int channel = static_cast<int>(item % C);
  float sum = bias ? bias[channel] : 0.0f;
  for (int k = 0; k < taps; ++k) {
    const int64_t from = item - static_cast<int64_t>(taps - 1 - k) * C;
    sum = fmaf(weight[static_cast<int64_t>(k) * C + channel],
               from < 0 ? history[from + static_cast<int64_t>(taps - 1) * C] : x[from], sum);
  }
  y[item] = sum;
}

// One thread per channel, oldest row first: what it overwrites nobody else reads.
__global__ void __launch_bounds__(kThreads)
    shift_kernel(float* history, const float* x, int C, int old_rows, int rows) {
  const int channel = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (channel >= C) return;
  for (int r = 0; r < old_rows; ++r) {
    const int from = r + rows;  // in history, then in x
    history[static_cast<int64_t>(r) * C + channel] =
        from < old_rows ? history[static_cast<int64_t>(from) * C + channel]
                        : x[static_cast<int64_t>(from - old_rows) * C + channel];
  }
}

template <int R>
void launch_conv(Queue& q, float* y, const float* e, const Geometry& g) {
  launch(q, "conv", conv_kernel<R>,
         {.blocks = {blocks_for(g.rows, R), blocks_for(g.out, kWarp)},
          .threads = kThreads,
          .shared_bytes = static_cast<size_t>(kQuarters * R * kTile) * sizeof(float)},
         y, e, g);
}

template <int T>
void launch_tf32(Queue& q, float* y, const float* e, const Geometry& g) {
  launch(q, "conv_tf32", conv_tf32_kernel<T>,
         {.blocks = {blocks_for(g.rows, T * kFragment), blocks_for(g.out, kWarp)},
          .threads = kThreads,
          .shared_bytes = static_cast<size_t>(kQuarters * T * kFragment * kPadded) * sizeof(float)},
         y, e, g);
}

// As many rows per block as leave two blocks for every multiprocessor: more rows read a weight less often.
void multiply(Queue& q, float* y, const float* e, const Geometry& g) {
  const auto blocks = [&](int R) { return int64_t{blocks_for(g.rows, R)} * blocks_for(g.out, kWarp); };
  if (g.tf32 && g.rows > 16 && blocks(32) >= 2 * q.multiprocessors) launch_tf32<2>(q, y, e, g);
  else if (g.tf32) launch_tf32<1>(q, y, e, g);
  else if (g.rows > 16 && blocks(32) >= 2 * q.multiprocessors) launch_conv<32>(q, y, e, g);
  else if (g.rows > 8 && blocks(16) >= 2 * q.multiprocessors) launch_conv<16>(q, y, e, g);
  else if (g.rows > 4 && blocks(8) >= 2 * q.multiprocessors) launch_conv<8>(q, y, e, g);
  else launch_conv<4>(q, y, e, g);
}

}  // namespace

void conv(Queue& q, float* y, const float* x, const Conv& conv, float* history, int rows, bool add) {
  const int old = conv.history_rows();
  check(old >= 0 && rows % conv.stride == 0, Exit::internal,
        "conv: {} rows with stride {}, history of {} rows", rows, conv.stride, old);
  if (rows == 0) return;
  const int products = conv.taps * conv.in;
  Geometry g{.weight = conv.weight.f32(),
             .bias = conv.bias.f32(),
             .in = conv.in,
             .out = conv.out,
             .taps = conv.taps,
             .dilation = conv.dilation,
             .stride = conv.stride,
             .rows = rows / conv.stride,
             .quarter = static_cast<int>(blocks_for(products, kQuarters * kTile)) * kTile,
             .add = add,
             .tf32 = conv.tf32 && conv.out >= kColumns};
  if (old == 0 && conv.input == Conv::Input::plain) return multiply(q, y, x, g);
  // As many rows at once as the scratch holds; the history carries over.
  const int64_t fit = q.scratch_bytes / (int64_t{conv.in} * 4) - old;
  check(fit >= conv.stride, Exit::internal,
        "conv: {} channels and {} rows of history need more than {} bytes of scratch", conv.in, old,
        q.scratch_bytes);
  const int at_once = static_cast<int>(std::min<int64_t>(fit, rows)) / conv.stride * conv.stride;
  const Entry entry{conv.input, conv.alpha.f32(), conv.beta.f32(), conv.in, int64_t{old} * conv.in};
  for (int done = 0; done < rows; done += at_once) {
    const int n = std::min(at_once, rows - done);
    const int64_t count = (int64_t{old} + n) * conv.in;
    launch(q, "extend", extend_kernel, {.blocks = blocks_for(count, kThreads), .threads = kThreads},
           q.scratch, x + int64_t{done} * conv.in, history, entry, count);
    g.rows = n / conv.stride;
    multiply(q, y + int64_t{done} / conv.stride * conv.out, q.scratch, g);
    if (old == 0) continue;
    launch(q, "keep", keep_kernel,
           {.blocks = blocks_for(int64_t{old} * conv.in, kThreads), .threads = kThreads}, history,
           q.scratch + int64_t{n} * conv.in, old * conv.in);
  }
}

void depthwise(Queue& q, float* y, const float* x, const Tensor& weight, const Tensor& bias, float* history,
               int rows) {
  if (rows == 0) return;
  const int taps = static_cast<int>(weight.rows()), C = static_cast<int>(weight.columns());
  const int64_t count = int64_t{rows} * C;
  launch(q, "depthwise", depthwise_kernel, {.blocks = blocks_for(count, kThreads), .threads = kThreads}, y, x,
         weight.f32(), bias.f32(), history, C, taps, count);
  if (taps == 1) return;
  launch(q, "shift", shift_kernel, {.blocks = blocks_for(C, kThreads), .threads = kThreads}, history, x, C,
         taps - 1, rows);
}

}  // namespace tts::cuda
