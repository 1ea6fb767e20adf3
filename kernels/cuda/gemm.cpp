#include "kernels/cuda/gemm.h"
#include "kernels/cuda/kernels.h"

#if !defined(TTS_EMULATOR)
#include <cublasLt.h>
#include <dlfcn.h>
#endif

#include <algorithm>
#include <map>
#include <tuple>

namespace tts::cuda {

// ---- the library --------------------------------------------------------------------------------

#if defined(TTS_EMULATOR)

struct Library {};
std::shared_ptr<Library> open_library() { return std::make_shared<Library>(); }

static void multiply(Gemm&, Queue& q, const MatrixProduct& p) { plain_product(q, p); }

#else

namespace {

// It is 500 MB large and comes with the toolkit, so it is looked for when it is needed and not linked.
constexpr int kMajor{CUDART_VERSION / 1000};

struct Functions {
  decltype(&cublasLtCreate) create;
  decltype(&cublasLtDestroy) destroy;
  decltype(&cublasLtMatmulDescCreate) create_product;
  decltype(&cublasLtMatmulDescSetAttribute) set_product;
  decltype(&cublasLtMatmulDescDestroy) destroy_product;
  decltype(&cublasLtMatrixLayoutCreate) create_layout;
  decltype(&cublasLtMatrixLayoutDestroy) destroy_layout;
  decltype(&cublasLtMatmulPreferenceCreate) create_preference;
  decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference;
  decltype(&cublasLtMatmulPreferenceDestroy) destroy_preference;
  decltype(&cublasLtMatmulAlgoGetHeuristic) choose;
  decltype(&cublasLtMatmul) multiply;
  decltype(&cublasLtGetStatusName) status_name;
};

template <class F>
void find(void* file, const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(file, name));
  check(function != nullptr, Exit::device, "cuda: libcublasLt.so.{}: expected the function {}, found none",
        kMajor, name);
}

using Key = std::tuple<int, int, int, int64_t, bool, bool>;  // rows, n, k, stride, rounded, add

struct Chosen {  // of one shape
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t w = nullptr, x = nullptr, d = nullptr;
  cublasLtMatmulAlgo_t algorithm{};
};

// bytes, of every operand: rows of a matrix begin at any of its 16-byte pieces
constexpr uint32_t kAligned{16};
constexpr size_t kShapes{512};  // a prompt has four; forgotten together

}  // namespace

struct Library {
  void* file = nullptr;
  Functions call{};
  cublasLtHandle_t handle = nullptr;
  std::map<Key, Chosen> chosen;

  Library() = default;
  Library(const Library&) = delete;
  ~Library() {
    forget();
    if (handle) call.destroy(handle);
    if (file) dlclose(file);
  }
  void forget() {
    for (auto& [key, c] : chosen) {
      for (cublasLtMatrixLayout_t layout : {c.w, c.x, c.d}) {
        if (layout) call.destroy_layout(layout);
      }
      if (c.product) call.destroy_product(c.product);
    }
    chosen.clear();
  }
  void check_call(cublasStatus_t status, const char* what) const {
    check(status == CUBLAS_STATUS_SUCCESS, Exit::device, "cuda: libcublasLt: {}: {}", what,
          call.status_name ? call.status_name(status) : "failed");
  }
};

std::shared_ptr<Library> open_library() {
  auto library = std::make_shared<Library>();
  const std::string name = format("libcublasLt.so.{}", kMajor), beside = "/usr/local/cuda/lib64/" + name;
  for (const std::string& path : {name, beside}) {
    if (library->file == nullptr) library->file = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  }
  check(library->file != nullptr, Exit::device,
        "cuda: {}: expected the library of CUDA {} for the prefill, found none; install it, name its "
        "directory in "
        "LD_LIBRARY_PATH, or do without: --ablate library_prefill",
        name, kMajor);
  Functions& f = library->call;
  find(library->file, "cublasLtGetStatusName", f.status_name);
  find(library->file, "cublasLtCreate", f.create);
  find(library->file, "cublasLtDestroy", f.destroy);
  find(library->file, "cublasLtMatmulDescCreate", f.create_product);
  find(library->file, "cublasLtMatmulDescSetAttribute", f.set_product);
  find(library->file, "cublasLtMatmulDescDestroy", f.destroy_product);
  find(library->file, "cublasLtMatrixLayoutCreate", f.create_layout);
  find(library->file, "cublasLtMatrixLayoutDestroy", f.destroy_layout);
  find(library->file, "cublasLtMatmulPreferenceCreate", f.create_preference);
  find(library->file, "cublasLtMatmulPreferenceSetAttribute", f.set_preference);
  find(library->file, "cublasLtMatmulPreferenceDestroy", f.destroy_preference);
  find(library->file, "cublasLtMatmulAlgoGetHeuristic", f.choose);
  find(library->file, "cublasLtMatmul", f.multiply);
  library->check_call(f.create(&library->handle), "cublasLtCreate");
  return library;
}

namespace {

// The library counts columns first: d^T[n][rows] = w^T(k x n)^T . x^T(k x rows).
void describe(const Library& l, const MatrixProduct& p, Chosen& c) {
  const cudaDataType_t type = p.rounded ? CUDA_R_16BF : CUDA_R_32F;
  l.check_call(l.call.create_product(&c.product, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescCreate");
  const cublasOperation_t transposed = CUBLAS_OP_T;
  l.check_call(l.call.set_product(c.product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed),
               "cublasLtMatmulDescSetAttribute");
  const auto layout = [&](cublasLtMatrixLayout_t& to, cudaDataType_t of, int rows, int columns,
                          int64_t stride) {
    l.check_call(
        l.call.create_layout(&to, of, static_cast<uint64_t>(rows), static_cast<uint64_t>(columns), stride),
        "cublasLtMatrixLayoutCreate");
  };
  layout(c.w, type, p.k, p.n, p.k);
  layout(c.x, type, p.k, p.rows, p.k);
  layout(c.d, CUDA_R_32F, p.n, p.rows, p.stride);
}

void choose(const Gemm& g, const Library& l, Chosen& c) {
  cublasLtMatmulPreference_t preference = nullptr;
  l.check_call(l.call.create_preference(&preference), "cublasLtMatmulPreferenceCreate");
  const auto workspace = static_cast<size_t>(g.workspace_bytes);
  // Partial sums are added in one order or not at all: the same seed gives the same codes every time.
  const uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  cublasLtMatmulHeuristicResult_t result{};
  int found = 0;
  cublasStatus_t status = l.call.set_preference(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                &workspace, sizeof workspace);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = l.call.set_preference(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions,
                                   sizeof reductions);
  for (const cublasLtMatmulPreferenceAttributes_t operand :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    if (status == CUBLAS_STATUS_SUCCESS)
      status = l.call.set_preference(preference, operand, &kAligned, sizeof kAligned);
  }
  if (status == CUBLAS_STATUS_SUCCESS)
    status = l.call.choose(l.handle, c.product, c.w, c.x, c.d, c.d, preference, 1, &result, &found);
  l.call.destroy_preference(preference);
  l.check_call(status, "cublasLtMatmulAlgoGetHeuristic");
  check(found == 1, Exit::device, "cuda: libcublasLt: expected an algorithm, found none");
  c.algorithm = result.algo;
}

void multiply(Gemm& g, Queue& q, const MatrixProduct& p) {
  Library& l = *g.library;
  const Key key{p.rows, p.n, p.k, p.stride, p.rounded, p.add};
  auto at = l.chosen.find(key);
  if (at == l.chosen.end()) {
    if (l.chosen.size() >= kShapes) l.forget();
    at = l.chosen.emplace(key, Chosen{}).first;
    describe(l, p, at->second);
    choose(g, l, at->second);
  }
  const Chosen& c = at->second;
  const float one = 1, before = p.add ? 1.0f : 0.0f;
  if (q.counters) ++q.counters->launches;
  l.check_call(l.call.multiply(l.handle, c.product, &one, p.w, c.w, p.x, c.x, &before, p.d, c.d, p.d, c.d,
                               &c.algorithm, g.workspace, static_cast<size_t>(g.workspace_bytes), q.stream),
               "cublasLtMatmul");
}

}  // namespace

#endif

// ---- operations ---------------------------------------------------------------------------------

namespace {

// All in one format, f32 or bf16, and every row at a multiple of 16 bytes.
bool suits(const Gemm& g, const void* y, const void* x, std::initializer_list<const Tensor*> weights) {
  const auto aligned = [](const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; };
  const DType first = (*weights.begin())->dtype;
  return g.library && (first == DType::f32 || first == DType::bf16) && aligned(y) && aligned(x) &&
         std::all_of(weights.begin(), weights.end(), [&](const Tensor* w) {
           return w->dtype == first && aligned(w->data) && w->columns() % 8 == 0 && w->rows() % 4 == 0;
         });
}

struct Parts {  // of the room, for at most `rows` rows at once
  bool rounded = false;
  int rows = 0;
  std::byte* in = nullptr;
  float* outputs = nullptr;
  float* widened = nullptr;
  int64_t widened_count = 0;
};

// K floats go in per row, `outputs` more wait in the room; half of it is for a widened slice of a matrix
// where one is needed.
Parts divide(const Gemm& g, const Tensor& w, int64_t outputs) {
  Parts parts;
  const int64_t K = w.columns();
  parts.rounded = g.rounded && w.dtype == DType::bf16;
  const bool widens = !parts.rounded && w.dtype == DType::bf16;
  const int64_t room = widens ? g.room_bytes / 2 : g.room_bytes;
  parts.rows = static_cast<int>(std::min<int64_t>(room / ((K + outputs) * 4), 1 << 20));
  parts.in = g.room;
  parts.outputs = reinterpret_cast<float*>(g.room) + int64_t{parts.rows} * K;
  parts.widened = reinterpret_cast<float*>(g.room + g.room_bytes / 2);
  parts.widened_count = widens ? g.room_bytes / 2 / 4 : 0;
  if (widens && parts.widened_count < K) parts.rows = 0;
  return parts;
}

void multiply_with(Gemm& g, Queue& q, const Parts& parts, MatrixProduct p, const Tensor& w) {
  p.rounded = parts.rounded;
  p.k = static_cast<int>(w.columns());
  const int64_t M = w.rows();
  if (parts.rounded || w.dtype == DType::f32) {
    p.w = w.data;
    p.n = static_cast<int>(M);
    return multiply(g, q, p);
  }
  const int64_t step = parts.widened_count / p.k;
  float* const d = p.d;
  for (int64_t first = 0; first < M; first += step) {
    const int64_t n = std::min(step, M - first);
    widen(q, parts.widened, static_cast<const uint16_t*>(w.data) + first * p.k, n * p.k);
    p.w = parts.widened;
    p.n = static_cast<int>(n);
    p.d = d + first;
    multiply(g, q, p);
  }
}

// The normalized rows in the form that the product takes.
const void* enter_normalized(Queue& q, const Parts& parts, const float* x, const Norm& n, int rows) {
  if (parts.rounded) normalize_rounded(q, reinterpret_cast<uint16_t*>(parts.in), x, n, rows);
  else norm(q, reinterpret_cast<float*>(parts.in), x, n, rows);
  return parts.in;
}

}  // namespace

bool qkv_in_bulk(Gemm& g, Queue& q, float* y, const float* x, const Norm& n, const QkvWeights& w, int rows) {
  if (!suits(g, y, x, {&w.q, &w.k, &w.v})) return false;
  const Parts parts = divide(g, w.q, 0);
  if (parts.rows == 0) return false;
  const int64_t K = w.q.columns(), width = w.q.rows() + w.k.rows() + w.v.rows();
  for (int first = 0; first < rows; first += parts.rows) {
    MatrixProduct p;
    p.rows = std::min(parts.rows, rows - first);
    p.stride = width;
    p.x = enter_normalized(q, parts, x + first * K, n, p.rows);
    p.d = y + first * width;
    for (const Tensor* matrix : {&w.q, &w.k, &w.v}) {
      multiply_with(g, q, parts, p, *matrix);
      p.d += matrix->rows();
    }
  }
  return true;
}

bool linear_add_in_bulk(Gemm& g, Queue& q, float* y, const float* x, const Tensor& w, int rows) {
  if (!suits(g, y, x, {&w})) return false;
  const Parts parts = divide(g, w, 0);
  if (parts.rows == 0) return false;
  const int64_t K = w.columns();
  for (int first = 0; first < rows; first += parts.rows) {
    MatrixProduct p;
    p.rows = std::min(parts.rows, rows - first);
    p.stride = w.rows();
    p.add = true;
    p.d = y + first * p.stride;
    p.x = x + first * K;
    if (parts.rounded) {
      round_rows(q, reinterpret_cast<uint16_t*>(parts.in), x + first * K, p.rows * K);
      p.x = parts.in;
    }
    multiply_with(g, q, parts, p, w);
  }
  return true;
}

bool gated_in_bulk(Gemm& g, Queue& q, float* y, const float* x, const Norm& n, const Tensor& gate,
                   const Tensor& up, int rows) {
  if (!suits(g, y, x, {&gate, &up})) return false;
  const Parts parts = divide(g, gate, 2 * gate.rows());
  if (parts.rows == 0) return false;
  const int64_t K = gate.columns(), I = gate.rows();
  for (int first = 0; first < rows; first += parts.rows) {
    MatrixProduct p;
    p.rows = std::min(parts.rows, rows - first);
    p.stride = I;
    p.x = enter_normalized(q, parts, x + first * K, n, p.rows);
    p.d = parts.outputs;
    multiply_with(g, q, parts, p, gate);
    p.d = parts.outputs + p.rows * I;
    multiply_with(g, q, parts, p, up);
    combine(q, y + first * I, parts.outputs, parts.outputs + p.rows * I, p.rows * I);
  }
  return true;
}

}  // namespace tts::cuda
