// The list of what a device can do. One operation per line, shapes above it; a device that lacks one does not
// compile.
//
// Conventions
//   - order of arguments: outputs, inputs, weights, sizes, options;
//   - float* and int32_t* point into device memory; Tensors hold it once `place` has been called on them;
//   - activations are row-major f32 [rows][channels], time first; norms and biases (rank 1) are f32; matrices
//     are [out][in] in f32, bf16, int8_rows or int4_blocks. int8: scales[M]. int4: 16 bytes per 32 weights of
//     a row, byte j holds weight j in its low and weight j + 16 in its high nibble, each stored plus 8;
//     scales[M][K/32], K a multiple of 32;
//   - the arithmetic of one row never depends on how many rows share the call: streamed = one-shot;
//   - the readable version of every operation is in kernels/reference/, its cases in kernels/cases.h.
#pragma once

#include "base/types.h"
#include "kernels/switches.h"

#include <concepts>
#include <cstdint>
#include <vector>
#include <string>
#include <string_view>

namespace tts {

// ---- weights of fused operations --------------------------------------------------------------------------

struct Norm {       // y = weight * x / sqrt(mean(x^2) + eps)                       without bias (RMSNorm)
  Tensor weight;    // y = weight * (x - mean(x)) / sqrt(var(x) + eps) + bias       with bias (LayerNorm)
  Tensor bias;
  float eps = 0;
};

struct QkvWeights {
  Tensor q, k, v;   // [nq*d, H], [nkv*d, H], [nkv*d, H]
};

enum class Act : uint8_t { none, relu, silu, gelu /* erf */, tanh, sigmoid, relu_tanh /* tanh(relu) */ };

// A causal convolution, packed by pack_conv() or pack_transposed() below. A transposed convolution with
// kernel s or 2s and stride s is a convolution with 1 or 2 taps and s*out channels: row t holds the s output
// rows of input row t.
struct Conv {
  enum class Input : uint8_t { plain, snake, elu };  // applied to the input rows before the history
  Tensor weight;    // [taps][in][out]; the last tap multiplies the newest row
  Tensor bias;      // [out]; may be empty
  // snake: exp(alpha), exp(beta) as the file stores them: y = x + sin(x e^alpha)^2 / (e^beta + 1e-9)
  Tensor alpha;
  Tensor beta;
  Input input = Input::plain;
  int in = 0, out = 0, taps = 1, dilation = 1, stride = 1;
  // Calls have whole multiples of so many rows, those of a codec frame: a device may compute them together
  // with a weight from place_periodic (below); 0: no promise.
  int period = 0;
  bool tf32 = false;  // a device with tensor cores may round weights and inputs to 11 significant bits
  // Rows of history: what stride and dilation leave to look back at.
  int history_rows() const { return (taps - 1) * dilation + 1 - stride; }
};

// ---- encoders of reference audio --------------------------------------------------------------------------

struct Columns {              // columns [first, first + count) of rows of `width`
  int width = 0, first = 0, count = 0;
};

// Of a row: `taps` (odd) rows around it, `dilation` apart. Beyond the ends rows are reflected:
struct Neighbours {
  Columns columns;            // row -i is row i, row rows-1+i is row rows-1-i
  int taps = 1, dilation = 1;
};

// ---- attention --------------------------------------------------------------------------------------------

struct KvCache {            // of one layer: [nkv][capacity][d], position p in slot p % capacity
  void* k = nullptr;        // after norm and rotation
  void* v = nullptr;
  DType dtype = DType::f32; // f32 or bf16
  int capacity = 0;         // window: at least window - 1 + rows of a call
};

struct Heads {
  int nq = 0, nkv = 0, d = 0;
  int window = 0;               // positions visible to a query, itself included; 0: all
  float eps = 0;                // of q_norm and k_norm
  const float* rope = nullptr;  // [positions][d]: d/2 cosines, then d/2 sines (fill_rope)
};

// ---- sampling ---------------------------------------------------------------------------------------------

// Progress of one utterance, in device memory; only the device changes it. An utterance starts with a cursor
// (and `seen`) of zeros except position = P - 1, the position of the last prompt row. The draw of group 0
// after the prefill makes it {position P, frame 0, tokens 1} and writes codes[0][0]; every later draw of
// group 0 adds one to all three.
struct Cursor {
  int32_t position;  // of the row that enters the talker next
  int32_t frame;     // the frame whose codes are being made; = tokens - 1
  int32_t tokens;    // group-0 tokens chosen so far
  int32_t finish;    // Finish
  int32_t fault;     // 0, 1 + code group whose logits were not finite, or kGaveUp
};
constexpr int32_t kGaveUp{-1};  // a kernel whose blocks wait for each other waited too long
enum class Finish : int32_t { running = 0, eos = 1, length = 2, fault = 3 };

// spec/sampling.md sections 2 and 3; the same for every frame of an utterance. In device memory, one per code
// group, so that recorded work does not depend on it.
struct SampleRule {
  uint64_t seed = 0;
  float temperature = 1;    // > 0
  float top_p = 1;          // >= 1: off
  float penalty = 1;        // 1: off; group 0 only
  int top_k = 0;            // 0: off
  bool greedy = false;
  // group 0, the talker's, only:
  int eos = 0;              // allowed inside the suppressed range, blocked for the first min_tokens tokens
  int first_suppressed = 0; // ids in [first_suppressed, V) except eos are never drawn
  int min_tokens = 0;
  int max_tokens = 0;       // the token that reaches this number ends the item (Finish::length), discarded
};

struct SampleState {        // all device memory
  Cursor* cursor = nullptr;
  int32_t* codes = nullptr;         // [max_frames + 1][groups]
  int groups = 0;
  uint32_t* seen = nullptr;         // bitmap of group-0 tokens chosen so far, [ceil(V/32)]
  SampleRule* rules = nullptr;      // [groups]
  float* scores = nullptr;          // [V] scratch; holds the processed scores (-inf where dropped) afterwards
  // Teacher forcing: [frames + 1][groups] codes that are taken instead of the drawn ones.
  const int32_t* forced = nullptr;
};

// ---- the code predictor as one operation (optional) -------------------------------------------------------

struct PredictorLayer {
  Tensor input_norm, q, k, v, o, q_norm, k_norm, post_norm, gate, up, down;
  KvCache cache;
};
struct PredictorFrame {               // spec/talker.md section 7, K = output.size() + 1 groups
  std::vector<PredictorLayer> layers;
  Heads heads;
  Tensor norm;
  const float* hidden = nullptr;      // [H], through the adapter already
  const int32_t* positions = nullptr; // 0 .. K-1
  std::vector<Tensor> tables;         // [K-1] of [V, H], through the adapter already
  std::vector<Tensor> output;         // [K-1] of [V, H], the heads
  SampleState state;
  int32_t* rounds = nullptr;          // device memory, += passes over the layers
  bool at_once = false;               // all open rows per pass, from a guess; the same codes
};

// ---- the list ---------------------------------------------------------------------------------------------

template <class D>
concept Device = requires(D d, float* y, const float* x, const float* z, float* history, const Tensor& w,
                          const Norm& norm, const QkvWeights& qkv, const KvCache& cache, const Heads& heads,
                          const Conv& conv, const Neighbours& neighbours, const Columns& columns,
                          const SampleState& state, const Cursor* cursor,
                          const int32_t* ids, int32_t* codes, const Tensor* tables, int rows, int n, Act act,
                          void* to, const void* from, int64_t bytes, const char* name) {
  // --- matrices
  // y[rows,M]  = act( x[rows,K] . w[M,K]^T + bias[M] )                     bias may be empty
  { d.linear(y, x, w, w, rows, act) } -> std::same_as<void>;
  // y[rows,M] += scale[M] * ( x[rows,K] . w[M,K]^T + bias[M] )       residual; bias and scale may be empty
  { d.linear_add(y, x, w, w, w, rows) } -> std::same_as<void>;
  // y[rows,(nq+2nkv)d] = norm(x[rows,H]) . (q | k | v)^T
  { d.qkv(y, x, norm, qkv, rows) } -> std::same_as<void>;
  // y[rows,I] = silu( n . gate[I,H]^T ) * ( n . up[I,H]^T ),  n = norm(x[rows,H])
  { d.gated(y, x, norm, w, w, rows) } -> std::same_as<void>;
  // y[rows,H] = norm(x[rows,H])                                            y may be x
  { d.norm(y, x, norm, rows) } -> std::same_as<void>;

  // --- attention
  // y[rows,nq*d] = attention of x[rows,(nq+2nkv)d] (q | k | v per row) over the cache and these rows.
  // Per-head RMSNorm of q and k first when the weights [d] are not empty, then rotation, then the rows are
  // appended to the cache, from *position on; softmax over positions in ascending order; scale 1/sqrt(d).
  { d.attend(y, x, w, w, cache, heads, ids, rows) } -> std::same_as<void>;

  // --- embeddings
  // y[rows,H]  = table[ids[rows]]                                          a negative id gives a zero row
  { d.embed(y, ids, w, rows) } -> std::same_as<void>;
  // y[rows,H] += table[ids[rows]]                                          a negative id adds nothing
  { d.embed_add(y, ids, w, rows) } -> std::same_as<void>;
  // y[rows,H]  = sum over groups g, in order, of tables[g][codes[rows,groups]]; `tables`: host; an empty
  //              table adds nothing (the codec sums its semantic and its acoustic groups apart)
  { d.sum_codes(y, codes, tables, n, rows) } -> std::same_as<void>;
  // y[1,H]     = table[ codes[cursor.frame][group] ]                       input of a predictor pass
  { d.embed_code(y, state, n, w) } -> std::same_as<void>;
  // y[1,H]     = sum over groups of tables[g][ codes[cursor.frame][g] ] + text[cursor.frame][H]
  //              (row count-1 of text[count][H], the pad, for every later frame)
  { d.next_row(y, state, tables, x, n) } -> std::same_as<void>;

  // --- sampling (spec/sampling.md); nothing travels to the host
  // Draws the code of a group from logits[V] into codes by rules[group]; group, V: n. Group 0 belongs to the
  // next frame: it advances the cursor, keeps the penalty bitmap and sets `finish`. Once `finish` is set,
  // sampling does nothing.
  { d.sample(state, x, n, n) } -> std::same_as<void>;

  // --- convolutions (spec/codec-decoder.md section 3); history[history_rows()][in] in and out, first zero
  // y[rows/stride,out]  = conv(input(x[rows,in]))
  { d.conv(y, x, conv, history, rows) } -> std::same_as<void>;
  // y[rows/stride,out] += conv(input(x[rows,in]))
  { d.conv_add(y, x, conv, history, rows) } -> std::same_as<void>;
  // y[rows,C] = per-channel causal conv, weight[taps][C]; history[taps-1][C]
  { d.depthwise(y, x, w, w, history, rows) } -> std::same_as<void>;
  // y[n] = clamp(x[n], -1, 1)
  { d.clamp(y, x, n) } -> std::same_as<void>;

  // --- encoders of reference audio (spec/speaker-encoder.md section 5, spec/codec-encoder.md section 4.5)
  // y[rows,taps*count] = the neighbours of each row, oldest first, of columns of x plus z[rows,count] or 0
  { d.unfold(y, x, z, neighbours, rows) } -> std::same_as<void>;
  // columns of y[rows,width] = x[rows,count]
  { d.insert(y, x, columns, rows) } -> std::same_as<void>;
  // y[2C] = per channel of x[rows,C]: mean over the rows, then sqrt(max(variance, 1e-12)); the rows weighted
  // by the softmax over the rows of z[rows,C], or equally when z is null
  { d.pool(y, x, z, n, rows) } -> std::same_as<void>;
  // y[rows,C] += scale[C] * x[rows,C]                                      scale: z
  { d.add_scaled(y, x, z, n, rows) } -> std::same_as<void>;
  // codes[rows,groups] column `group` = the row of table[V,W] nearest to x[rows,W], the lowest of equals, and
  // x -= that row; -1 when no distance is finite                       groups, group: n; x: y
  { d.nearest_code(codes, y, w, n, n, rows) } -> std::same_as<void>;

  // *counter += n
  { d.advance(codes, n) } -> std::same_as<void>;

  // --- memory. `place` makes a host tensor usable by the operations: the CPU packs convolution weights
  // (rank 3) and returns the rest as it is, a GPU uploads it. What was placed lives as long as the device.
  { d.place(w) } -> std::same_as<Tensor>;
  { d.allocate(bytes) } -> std::same_as<void*>;   // zeroed; released by hand or with the device
  { d.release(to) } -> std::same_as<void>;
  { d.zero(to, bytes) } -> std::same_as<void>;
  { d.upload(to, from, bytes) } -> std::same_as<void>;
  { d.copy(to, from, bytes) } -> std::same_as<void>;
  { d.download(to, from, bytes) } -> std::same_as<void>;  // waits: the only operation that does

  // --- progress. The host learns that a frame is done without waiting for it: publish() stands at the end of
  // a frame's work and makes the cursor of that moment visible; peek() returns the newest visible one. On the
  // CPU both are plain memory.
  { d.publish(cursor) } -> std::same_as<void>;
  { d.peek(cursor) } -> std::same_as<Cursor>;
  // --- what a device says about itself. Constructed as D(const DeviceOptions&); Exit::device with what was
  // found and what is needed when it cannot run here.
  { D::kind() } -> std::convertible_to<std::string_view>;  // what --device takes
  { d.name() } -> std::same_as<std::string>;               // of the processor, with what it uses of it
  { d.threads() } -> std::same_as<int>;                    // host threads that compute
  { d.memory_bytes() } -> std::same_as<int64_t>;           // allocated on the device now
  { d.counters() } -> std::same_as<Counters>;
  { d.switches() } -> std::convertible_to<const Switches&>;
  // --- optional: D::kHostMemory = true says that device memory is host memory and work is done when a call
  // returns; then the host may read codes between operations. D::rows_at_once(dtype) beside it: many rows in
  // a call cost clearly more than one; up to so many, with weights of this format, cost little more.
  // --- optional: a device that can do two things at once offers d.beside(), a second device on the same
  // memory (or itself, when it cannot after all), and d.start(job, argument): job(argument) runs on the
  // second one beside what is called next; d.job_runs(); d.finish() waits for it and throws what it threw.
  // What job hands to d.fetch(from, bytes) at its end is on the host after that: d.fetched(to, bytes), up to
  // d.reserve_fetch(bytes).
  // --- optional: d.predict(frame) draws codes 1 .. K-1 of the cursor's frame with the bits of the composed
  // operations; false when the shapes are not for it. Without it the engine composes.
  // --- optional: a device that can record the work of `body` and repeat it offers d.replay(key, body);
  // body's operations then depend on nothing but device memory and what is in the key. Without it the engine
  // calls body().
  // --- optional: d.place_periodic(weight) places the weight of a convolution with a period, in a form of the
  // device's own, for d.conv and d.conv_add.
  // --- optional: d.reserve(bytes) takes the memory of a whole plan at once; Exit::device with need and free.
  // --- optional: d.in_bulk(body) lifts the promise that a row's arithmetic does not depend on the rows that
  // share its call, for the products in `body`: the prefill, whose rows always come together. Without it the
  // engine calls body().
};

template <class D>
Tensor place_periodic(D& d, const Tensor& weight) {
  if constexpr (requires { d.place_periodic(weight); })
    return d.place_periodic(weight);
  else
    return d.place(weight);
}

// ---- helpers that prepare weights on the host -------------------------------------------------------------

// [out][in][taps] as stored -> [taps][in][out]
void pack_conv(float* packed, const Tensor& weight);
// transposed, [in][out][kernel] as stored, kernel = stride or 2*stride -> [kernel/stride][in][stride*out]
void pack_transposed(float* packed, const Tensor& weight, int stride);
// table [positions][d]; frequencies and angles in f32 as the official implementation computes them
void fill_rope(float* table, int positions, int d, double theta);
// Names recorded work (replay) by what it depends on beside the contents of device memory.
template <class... Values>
uint64_t replay_key(std::string_view what, const Values&... values) {
  uint64_t hash = 0xcbf29ce484222325ull;  // FNV-1a
  const auto mix = [&](const void* data, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i)
      hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3ull;
  };
  mix(what.data(), what.size());
  (mix(&values, sizeof values), ...);
  return hash;
}
// One element of a matrix in any stored format, exactly, as f32 (or converted rows)
void widen_row(float* out, const Tensor& matrix, int64_t row);

}  // namespace tts
