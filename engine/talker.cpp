#include "engine/talker.h"

#include "base/limits.h"
#include "base/trace.h"
#include "engine/stage.h"

#include <algorithm>
#include <numeric>
#include <set>

namespace tts {

// ---- weights ----------------------------------------------------------------------------------------------

namespace {

// Rows of a code table through the adapter, P(E[c]) of spec/talker.md section 7: computed once, because a
// row's arithmetic does not depend on how many rows share the call.
template <class D>
Tensor adapt_table(D& d, const Tensor& table, const PredictorWeights& w) {
  const int rows = static_cast<int>(table.rows()), from = static_cast<int>(table.columns());
  const int to = static_cast<int>(w.adapter.rows());
  auto* out = static_cast<float*>(d.allocate(checked_mul(rows, int64_t{to} * 4, "adapter table")));
  auto* wide = static_cast<float*>(d.allocate(int64_t{kPrefillRows} * from * 4));
  auto* ids = static_cast<int32_t*>(d.allocate(kPrefillRows * 4));
  std::vector<int32_t> block(kPrefillRows);
  for (int begin = 0; begin < rows; begin += kPrefillRows) {
    const int n = std::min(kPrefillRows, rows - begin);
    std::iota(block.begin(), block.begin() + n, begin);
    d.upload(ids, block.data(), int64_t{n} * 4);
    d.embed(wide, ids, table, n);
    d.linear(out + int64_t{begin} * to, wide, w.adapter, w.adapter_bias, n, Act::none);
  }
  d.release(wide);
  d.release(ids);
  return {.data = out, .dtype = DType::f32, .shape = {rows, to}};
}

}  // namespace

template <class D>
LanguageModel<D>::LanguageModel(D& device, const Model& model, Quant quant)
    : d(device), config(model.config), talker(model.talker), predictor(model.predictor) {
  const Trace trace("place weights");
  quantise_model(config, talker, predictor, quant, quantised);
  const auto place = [&](Tensor& tensor, std::string_view, const Shape&) { tensor = d.place(tensor); };
  talker.each(config.talker, place);
  predictor.each(config, place);
  code_tables = {talker.codec_embedding};
  code_tables.insert(code_tables.end(), predictor.embedding.begin(), predictor.embedding.end());
  for (size_t j = 0; j + 1 < code_tables.size(); ++j) {
    predictor_rows.push_back(config.adapter ? adapt_table(d, code_tables[j], predictor) : code_tables[j]);
  }
}

template <class D>
void reserve_text(LanguageModel<D>& lm, int rows) {
  D& d = lm.d;
  TextTable& t = lm.text;
  const int64_t H = lm.config.talker.dims.H, wide = lm.config.talker.text_width;
  if (!t.ids) {
    t.ids = static_cast<int32_t*>(d.allocate(kPrefillRows * 4));
    t.embedded = static_cast<float*>(d.allocate(kPrefillRows * wide * 4));
    t.inner = static_cast<float*>(d.allocate(kPrefillRows * wide * 4));
  }
  if (rows <= t.capacity) return;
  auto* grown = static_cast<float*>(d.allocate(rows * H * 4));
  if (t.rows) {
    d.copy(grown, t.rows, static_cast<int64_t>(t.slot_of.size()) * H * 4);
    d.release(t.rows);
  }
  t.rows = grown;
  t.capacity = rows;
}

// T(id) = W2 · silu(W1 · Et[id] + b1) + b2                                        spec/talker.md section 2
template <class D>
static void project_text(LanguageModel<D>& lm, float* rows, const std::vector<int32_t>& ids) {
  D& d = lm.d;
  const int n = static_cast<int>(ids.size());
  TextTable& t = lm.text;
  d.upload(t.ids, ids.data(), int64_t{n} * 4);
  d.embed(t.embedded, t.ids, lm.talker.text_embedding, n);
  d.linear(t.inner, t.embedded, lm.talker.fc1, lm.talker.fc1_bias, n, Act::silu);
  d.linear(rows, t.inner, lm.talker.fc2, lm.talker.fc2_bias, n, Act::none);
}

static std::vector<int32_t> missing_ids(const TextTable& table, std::span<const int32_t> ids) {
  std::set<int32_t> seen;
  std::vector<int32_t> missing;
  for (const int32_t id : ids) {
    if (!table.slot_of.contains(id) && seen.insert(id).second) missing.push_back(id);
  }
  return missing;
}

template <class D>
std::vector<int32_t> text_slots(LanguageModel<D>& lm, std::span<const int32_t> ids) {
  TextTable& table = lm.text;
  const int H = lm.config.talker.dims.H;
  for (const int32_t id : ids) {
    check(id >= 0 && id < lm.config.talker.text_vocabulary, Exit::bad_input,
          "text id: expected 0..{}, got {}", lm.config.talker.text_vocabulary - 1, id);
  }
  std::vector<int32_t> missing = missing_ids(table, ids);
  if (static_cast<int>(table.slot_of.size() + missing.size()) > table.capacity &&
      table.capacity >= table.most) {
    table.slot_of.clear();
    missing = missing_ids(table, ids);
  }
  const auto used = static_cast<int>(table.slot_of.size()), more = static_cast<int>(missing.size());
  if (used + more > table.capacity)
    reserve_text(lm, std::max(std::min(2 * table.capacity, table.most), (used + more + 255) / 256 * 256));
  for (int begin = 0; begin < more; begin += kPrefillRows) {
    const int n = std::min(kPrefillRows, more - begin);
    const std::vector<int32_t> block(missing.begin() + begin, missing.begin() + begin + n);
    project_text(lm, table.rows + int64_t{used + begin} * H, block);
    for (int i = 0; i < n; ++i) table.slot_of.emplace(block[static_cast<size_t>(i)], used + begin + i);
  }
  std::vector<int32_t> slots;
  for (const int32_t id : ids) slots.push_back(table.slot_of.at(id));
  return slots;
}

// ---- memory -----------------------------------------------------------------------------------------------

static Stack lay_out_stack(Arena& arena, const Dims& m, int positions, int rows, DType cache) {
  Stack s;
  s.heads = {.nq = m.nq, .nkv = m.nkv, .d = m.d, .window = m.window, .eps = m.eps};
  s.rope = arena.take<float>("rotary table", int64_t{positions} * m.d);
  s.heads.rope = s.rope;
  const int64_t slot = checked_mul(positions, int64_t{m.nkv} * m.d, "KV cache");
  const auto take_cache = [&](const char* name) -> void* {
    return cache == DType::bf16 ? static_cast<void*>(arena.take<bf16>(name, slot))
                                : arena.take<float>(name, slot);
  };
  for (int l = 0; l < m.L; ++l) {
    s.caches.push_back(
        {.k = take_cache("keys"), .v = take_cache("values"), .dtype = cache, .capacity = positions});
  }
  s.qkv = arena.take<float>("q k v", int64_t{rows} * (m.nq + 2 * m.nkv) * m.d);
  s.attended = arena.take<float>("attended", int64_t{rows} * m.nq * m.d);
  s.mlp = arena.take<float>("MLP", int64_t{rows} * m.I);
  return s;
}

Memory lay_out(Arena& arena, const ModelConfig& config, const MemoryShape& shape) {
  const Dims &t = config.talker.dims, &p = config.predictor;
  const int K = config.talker.groups;
  Memory m;
  m.talker = lay_out_stack(arena, t, shape.positions, kPrefillRows, shape.cache);
  m.predictor = lay_out_stack(arena, p, K, K, DType::f32);
  m.x = arena.take<float>("talker rows", int64_t{kPrefillRows} * t.H);
  m.hidden = arena.take<float>("hidden", t.H);
  m.logits = arena.take<float>("logits", t.V);
  m.pass_x = arena.take<float>("predictor rows", int64_t{K} * p.H);
  m.pass_hidden = arena.take<float>("predictor hidden", int64_t{K} * p.H);
  m.pass_logits = arena.take<float>("predictor logits", p.V);
  m.trailing = arena.take<float>("trailing text", int64_t{shape.trailing} * t.H);
  m.trailing_rows = shape.trailing;
  m.reference = arena.take<float>("reference rows", int64_t{shape.reference} * t.H);
  m.reference_codes = arena.take<int32_t>("reference codes", int64_t{shape.reference} * K);
  m.speaker = arena.take<float>("speaker vector", t.H);
  m.ids = arena.take<int32_t>("row ids", kPrefillRows);
  m.fixed = arena.take<int32_t>("predictor positions", K);
  m.prefill_position = arena.take<int32_t>("prefill position", 1);
  m.predictor_rounds = arena.take<int32_t>("predictor rounds", 1);
  m.state.groups = K;
  m.state.cursor = arena.take<Cursor>("cursor", 1);
  m.state.codes = arena.take<int32_t>("codes", (int64_t{shape.positions} + 1) * K);
  m.state.seen = arena.take<uint32_t>("chosen codes", (t.V + 31) / 32);
  m.state.rules = arena.take<SampleRule>("sampling rules", K);
  m.state.scores = arena.take<float>("scores", std::max(t.V, p.V));
  return m;
}

// ---- the graph --------------------------------------------------------------------------------------------

// spec/talker.md section 4.  x [rows][H] is the residual stream, changed in place. Unfused text:
// kernels/reference/.
template <class D>
void decoder_layer(D& d, const LayerWeights& w, const KvCache& cache, const Stack& s, const Dims& m, float* x,
                   const int32_t* position, int rows) {
  d.qkv(s.qkv, x, {.weight = w.input_norm, .bias = {}, .eps = m.eps}, {w.q, w.k, w.v}, rows);
  d.attend(s.attended, s.qkv, w.q_norm, w.k_norm, cache, s.heads, position, rows);
  d.linear_add(x, s.attended, w.o, {}, {}, rows);  // residual
  d.gated(s.mlp, x, {.weight = w.post_norm, .bias = {}, .eps = m.eps}, w.gate, w.up, rows);
  d.linear_add(x, s.mlp, w.down, {}, {}, rows);  // residual
}

template <class D>
static void run_layers(LanguageModel<D>& lm, Memory& m, const int32_t* position, int rows) {
  const Dims& dims = lm.config.talker.dims;
  for (size_t l = 0; l < lm.talker.layers.size(); ++l) {
    decoder_layer(lm.d, lm.talker.layers[l], m.talker.caches[l], m.talker, dims, m.x, position, rows);
  }
}

// Final norm and head of one row.
template <class D>
static void finish_row(LanguageModel<D>& lm, Memory& m, const float* row) {
  lm.d.norm(m.hidden, row, {.weight = lm.talker.norm, .bias = {}, .eps = lm.config.talker.dims.eps}, 1);
  lm.d.linear(m.logits, m.hidden, lm.talker.codec_head, {}, 1, Act::none);
}

template <class D>
void write_constants(D& d, Memory& m, const ModelConfig& config, const MemoryShape& shape) {
  const auto upload_rope = [&](float* to, int positions, const Dims& dims) {
    std::vector<float> table(static_cast<size_t>(positions) * static_cast<size_t>(dims.d));
    fill_rope(table.data(), positions, dims.d, dims.theta);
    d.upload(to, table.data(), static_cast<int64_t>(table.size()) * 4);
  };
  const int K = config.talker.groups;
  upload_rope(m.talker.rope, shape.positions, config.talker.dims);
  upload_rope(m.predictor.rope, K, config.predictor);
  std::vector<int32_t> fixed(static_cast<size_t>(K));
  std::iota(fixed.begin(), fixed.end(), 0);
  d.upload(m.fixed, fixed.data(), int64_t{K} * 4);
}

template <class D>
void begin_utterance(LanguageModel<D>& lm, Memory& m, std::span<const SampleRule> rules) {
  const int K = lm.config.talker.groups, V = lm.config.talker.dims.V;
  check(static_cast<int>(rules.size()) == K, Exit::internal, "sampling: expected {} rules, got {}", K,
        rules.size());
  lm.d.upload(m.state.rules, rules.data(), static_cast<int64_t>(rules.size_bytes()));
  m.predictor_passes = 0;
  lm.d.zero(m.predictor_rounds, 4);
  m.pace = {};
  lm.d.zero(m.prefill_position, 4);
  lm.d.zero(m.state.cursor, sizeof(Cursor));
  lm.d.zero(m.state.seen, int64_t{(V + 31) / 32} * 4);
}

template <class D>
void upload_prompt(LanguageModel<D>& lm, Memory& m, const Prompt& prompt) {
  D& d = lm.d;
  const int H = lm.config.talker.dims.H, K = lm.config.talker.groups;
  std::vector<int32_t> text = prompt.trailing;
  text.resize(static_cast<size_t>(m.trailing_rows), lm.config.tts_pad);
  const std::vector<int32_t> slots = text_slots(lm, text);
  const Tensor table{.data = lm.text.rows, .dtype = DType::f32, .shape = {lm.text.capacity, H}};
  for (size_t begin = 0; begin < slots.size(); begin += kPrefillRows) {
    const int n = static_cast<int>(std::min<size_t>(kPrefillRows, slots.size() - begin));
    d.upload(m.ids, slots.data() + begin, int64_t{n} * 4);
    d.embed(m.trailing + static_cast<int64_t>(begin) * H, m.ids, table, n);
  }
  if (!prompt.voice) return;
  d.upload(m.speaker, prompt.voice->speaker_vector.data(), int64_t{H} * 4);
  const int frames = static_cast<int>(prompt.voice->codes.size()) / K;
  if (frames == 0) return;
  d.upload(m.reference_codes, prompt.voice->codes.data(), int64_t{frames} * K * 4);
  d.sum_codes(m.reference, m.reference_codes, lm.code_tables.data(), K, frames);
}

template <class D>
void write_prompt_rows(LanguageModel<D>& lm, Memory& m, const Prompt& prompt, int begin, int rows) {
  D& d = lm.d;
  const int H = lm.config.talker.dims.H;
  std::vector<int32_t> text, codec, speaker, reference;
  for (int r = begin; r < begin + rows; ++r) {
    const PromptRow& row = prompt.rows[static_cast<size_t>(r)];
    text.push_back(row.text);
    codec.push_back(row.codec);
    speaker.push_back(row.speaker ? 0 : -1);
    reference.push_back(row.reference);
  }
  const auto gather = [&](const std::vector<int32_t>& ids, const Tensor& table) {
    if (std::all_of(ids.begin(), ids.end(), [](int32_t id) { return id < 0; })) return;
    d.upload(m.ids, ids.data(), int64_t{rows} * 4);
    d.embed_add(m.x, m.ids, table, rows);
  };
  const auto view = [&](const float* data, int64_t count) {
    return Tensor{data, DType::f32, {count, H}, nullptr};
  };
  const std::vector<int32_t> slots = text_slots(lm, text);  // every row of a prompt has a text id
  d.upload(m.ids, slots.data(), int64_t{rows} * 4);
  d.embed(m.x, m.ids, view(lm.text.rows, lm.text.capacity), rows);
  gather(codec, lm.talker.codec_embedding);
  gather(speaker, view(m.speaker, 1));
  gather(reference, view(m.reference, 1 + *std::max_element(reference.begin(), reference.end())));
}

template <class D>
void prefill(LanguageModel<D>& lm, Memory& m, const Prompt& prompt) {
  const Trace trace("prefill");
  const int total = static_cast<int>(prompt.rows.size()), H = lm.config.talker.dims.H;
  int rows = 0;
  for (int begin = 0; begin < total; begin += rows) {
    rows = std::min(kPrefillRows, total - begin);
    write_prompt_rows(lm, m, prompt, begin, rows);
    const auto layers = [&] { run_layers(lm, m, m.prefill_position, rows); };
    if constexpr (requires { lm.d.in_bulk(layers); }) lm.d.in_bulk(layers);
    else layers();
    lm.d.advance(m.prefill_position, rows);
  }
  finish_row(lm, m, m.x + int64_t{rows - 1} * H);
  // The first draw moves the cursor to frame 0 at the position behind the prompt.
  const Cursor start{.position = total - 1, .frame = 0, .tokens = 0, .finish = 0, .fault = 0};
  lm.d.upload(m.state.cursor, &start, sizeof start);
}

template <class D>
void talker_step(LanguageModel<D>& lm, Memory& m) {
  run_layers(lm, m, &m.state.cursor->position, 1);
  finish_row(lm, m, m.x);
}

// spec/talker.md section 8 and 9: the order inside a frame is strict.
template <class D>
static void enqueue_frame(LanguageModel<D>& lm, Memory& m, StageTimes& times) {
  {
    const Stage stage("predictor", times.predictor);
    predict_codes(lm, m);
  }
  const Stage stage("talker", times.talker);
  lm.d.next_row(m.x, m.state, lm.code_tables.data(), m.trailing, m.trailing_rows);
  talker_step(lm, m);
  const Trace sampling("sample");
  lm.d.sample(m.state, m.logits, 0, lm.config.talker.dims.V);
  lm.d.publish(m.state.cursor);
}

template <class D>
void next_frame(LanguageModel<D>& lm, Memory& m, StageTimes& times) {
  const Trace frame("frame");
  const auto enqueue = [&] { enqueue_frame(lm, m, times); };
  if constexpr (requires { lm.d.replay(uint64_t{}, enqueue); }) {
    if (lm.d.switches().on(Ablate::cuda_graphs)) {
      // All that a frame depends on beside the contents of device memory: one layout, one graph.
      lm.d.replay(replay_key("frame", m.x, m.state.cursor, m.state.forced, m.trailing_rows), enqueue);
      return;
    }
  }
  enqueue();
}

#define TTS_INSTANTIATE(D)                                                                                \
  template struct LanguageModel<D>;                                                                       \
  template void reserve_text(LanguageModel<D>&, int);                                                     \
  template std::vector<int32_t> text_slots(LanguageModel<D>&, std::span<const int32_t>);                  \
  template void decoder_layer(D&, const LayerWeights&, const KvCache&, const Stack&, const Dims&, float*, \
                              const int32_t*, int);                                                       \
  template void write_constants(D&, Memory&, const ModelConfig&, const MemoryShape&);                     \
  template void begin_utterance(LanguageModel<D>&, Memory&, std::span<const SampleRule>);                 \
  template void write_prompt_rows(LanguageModel<D>&, Memory&, const Prompt&, int, int);                   \
  template void upload_prompt(LanguageModel<D>&, Memory&, const Prompt&);                                 \
  template void prefill(LanguageModel<D>&, Memory&, const Prompt&);                                       \
  template void talker_step(LanguageModel<D>&, Memory&);                                                  \
  template void next_frame(LanguageModel<D>&, Memory&, StageTimes&);
TTS_DEVICES(TTS_INSTANTIATE)
#undef TTS_INSTANTIATE

}  // namespace tts
