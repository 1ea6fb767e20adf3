// Products of a few rows with a matrix that is read once: the time is the time of its bytes. A warp owns R
// output rows and reads them in pieces of 16 bytes, several loads ahead of their use; lane l takes pieces l,
// l+32, ... of every row.
//
//   block: 4 warps, R rows each          grid.x: output rows       grid.y: groups of N input rows
//
// The sum of an output is taken in one order (pieces of a lane, then lanes 16, 8, 4, 2, 1 apart) whatever R,
// N and the number of rows are. The norm in front (qkv, gated) is recomputed by every block: 4 to 8 KB from
// the caches against one launch.
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/product.h"

namespace tts::cuda {

namespace {

constexpr int kWarps{4};
constexpr int kThreads{kWarps * kWarp};
constexpr size_t kStagedBytes{48 << 10};    // of normalized rows; more rows share a block only below this

template <DType F, Kind kKind, int R, int N, bool Aligned>
__global__ void __launch_bounds__(kThreads) product_kernel(const __grid_constant__ Product p) {
  constexpr int kRows = kKind == Kind::gated ? 2 * R : R;  // matrix rows of a warp
  const int first_row = static_cast<int>(blockIdx.y) * N;
  const float* x = p.x + int64_t{first_row} * p.K;
  const int rows = min(N, p.rows - first_row);
  Shared<float> staged = shared<float>();
  const int m0 = (static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / kWarp) * R;
  const Matrix* w[kRows];
  int m[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    m[r] = min(m0 + r % R, p.M - 1);
    w[r] = kKind == Kind::gated ? &p.w[r / R] : &find_row(p, m[r]);
  }
  // The weights are on their way while the kernel before ends and the norm is made.
  release_successor();
  if constexpr (Aligned) prefetch_rows<F, kRows>(w, m, p.K);
  await_inputs();
  if constexpr (kKind != Kind::plain) {
    normalize_rows<N>(staged, x, rows, p.norm, p.K, staged + N * p.K);
    __syncthreads();
  }
  if (m0 >= p.M) return;
  float sum[kRows * N] = {};
  const auto run = [&](auto (&from)[N]) {
    if constexpr (Aligned) multiply<F, kRows, N>(sum, w, m, from, p.K);
    else multiply_unaligned<F, kRows, N>(sum, w, m, from, p.K);
  };
  if constexpr (kKind == Kind::plain) {
    const float* from[N];
    for (int n = 0; n < N; ++n) from[n] = x + int64_t{min(n, rows - 1)} * p.K;
    run(from);
  } else {
    Shared<float> from[N];
    for (int n = 0; n < N; ++n) from[n] = staged + min(n, rows - 1) * p.K;
    run(from);
  }
  warp_sum(sum);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int r = 0; r < R; ++r) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
      if (lane != r * N + n || n >= rows || m0 + r >= p.M) continue;
      float value = sum[r * N + n];
      if constexpr (kKind == Kind::gated) value = activate(value, Act::silu) * sum[(R + r) * N + n];
      store_output(p, first_row + n, m0 + r, value);
    }
  }
}

bool is_aligned(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

template <DType F, Kind kKind, int R, int N, bool Aligned>
void launch_product(Queue& q, const char* name, const Product& p) {
  const size_t staged =
      kKind == Kind::plain ? 0 : (static_cast<size_t>(N) * static_cast<size_t>(p.K + kWarps)) * sizeof(float);
  launch(q, name, product_kernel<F, kKind, R, N, Aligned>,
         {.blocks = {blocks_for(p.M, kWarps * R), blocks_for(p.rows, N)},
          .threads = kThreads,
          .shared_bytes = staged,
          .early = true},
         p);
}

template <Kind kKind>
void run_product(Queue& q, const char* name, DType dtype, const Product& p) {
  if (p.rows == 0) return;
  for_format(dtype, [&]<DType F>() {
    bool aligned = p.K % kPiece<F> == 0 && is_aligned(p.x);
    for (const Matrix& w : p.w) aligned = aligned && is_aligned(w.data);
    const bool share = kKind == Kind::plain || static_cast<size_t>(4 * p.K) * sizeof(float) <= kStagedBytes;
    if (!aligned) return launch_product<F, kKind, 1, 1, false>(q, name, p);
    if (p.rows > 1 && share) return launch_product<F, kKind, 2, 4, true>(q, name, p);
    // Two rows per warp halve the reads of x, one keeps more warps busy: 32 rows per multiprocessor are 8
    // warps of each kind.
    if (p.M >= 32 * q.multiprocessors) return launch_product<F, kKind, 2, 1, true>(q, name, p);
    launch_product<F, kKind, 1, 1, true>(q, name, p);
  });
}

Product product(float* y, const float* x, const Tensor& w, int rows) {
  Product p;
  p.w[0] = matrix_of(w);
  p.x = x;
  p.y = y;
  p.M = p.stride = p.w[0].rows;
  p.K = p.w[0].columns;
  p.rows = rows;
  return p;
}

}  // namespace

void linear(Queue& q, float* y, const float* x, const Tensor& w, const Tensor& bias, int rows, Act act) {
  Product p = product(y, x, w, rows);
  p.bias = bias.f32();
  p.act = act;
  run_product<Kind::plain>(q, "linear", w.dtype, p);
}

void linear_add(Queue& q, float* y, const float* x, const Tensor& w, const Tensor& bias, const Tensor& scale,
                int rows) {
  Product p = product(y, x, w, rows);
  p.bias = bias.f32();
  p.scale = scale.f32();
  p.add = true;
  run_product<Kind::plain>(q, "linear_add", w.dtype, p);
}

// Matrices of different formats: one launch each, the norm again.
static void qkv_apart(Queue& q, float* y, const float* x, const Norm& norm, const QkvWeights& w, int rows) {
  const int width = static_cast<int>(w.q.rows() + w.k.rows() + w.v.rows());
  for (const Tensor* matrix : {&w.q, &w.k, &w.v}) {
    Product p = product(y, x, *matrix, rows);
    p.stride = width;
    p.norm = arguments_of(norm);
    run_product<Kind::normed>(q, "qkv", matrix->dtype, p);
    y += p.M;
  }
}

void qkv(Queue& q, float* y, const float* x, const Norm& norm, const QkvWeights& w, int rows) {
  if (w.q.dtype != w.k.dtype || w.q.dtype != w.v.dtype) return qkv_apart(q, y, x, norm, w, rows);
  Product p = product(y, x, w.q, rows);
  p.w[1] = matrix_of(w.k);
  p.w[2] = matrix_of(w.v);
  p.M += p.w[1].rows + p.w[2].rows;
  p.stride = p.M;
  p.norm = arguments_of(norm);
  run_product<Kind::normed>(q, "qkv", w.q.dtype, p);
}

void gated(Queue& q, float* y, const float* x, const Norm& norm, const Tensor& gate, const Tensor& up,
           int rows) {
  Product p = product(y, x, gate, rows);
  p.norm = arguments_of(norm);
  if (gate.dtype == up.dtype) {
    p.w[1] = matrix_of(up);
    return run_product<Kind::gated>(q, "gated", gate.dtype, p);
  }
  p.act = Act::silu;
  run_product<Kind::normed>(q, "gated", gate.dtype, p);
  p.act = Act::none;
  p.w[0] = matrix_of(up);
  p.times = y;
  run_product<Kind::normed>(q, "gated", up.dtype, p);
}

}  // namespace tts::cuda
