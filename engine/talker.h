// The language model on a device: talker (spec/talker.md sections 2-6, 8) and code predictor (section 7).
//
//   prompt rows ──► prefill ──► hidden, logits ──► sample c0 ──┐
//                                                              ▼
//       ┌───────────────► predict_codes: c1 .. c15 ──► next_row ──► talker_step ──► sample the next c0 ──┐
//       └────────────────────────────────────────────────────────────────────────────────────────────────┘
//
// One utterance's memory is one arena (Memory); the weights are placed once (LanguageModel). Start reading at
// next_frame.
#pragma once

#include "engine/model.h"
#include "engine/prompt.h"
#include "engine/quantize.h"
#include "engine/stage.h"
#include "kernels/arena.h"
#include "kernels/devices.h"

#include <map>
#include <vector>

namespace tts {

constexpr int kPrefillRows{256};  // rows of one prefill block: bounds the scratch, not the prompt
constexpr int kTextRows{4096};    // text ids whose vectors are kept: 16 MB of the smaller published model

// ---- weights ----------------------------------------------------------------------------------------------

// T(id) of the text ids asked for so far: the projection depends on the id only, so a row is computed once.
// A table that is full starts over: a book has more ids than should stay in memory.
struct TextTable {
  float* rows = nullptr;  // device, [capacity][H]
  int capacity = 0;
  int most = kTextRows;   // capacity it grows to; one call with more ids makes it larger
  std::map<int32_t, int32_t> slot_of;  // id -> row
  // scratch of one block of ids, [kPrefillRows] and [kPrefillRows][text width]
  int32_t* ids = nullptr;
  float *embedded = nullptr, *inner = nullptr;
};

template <class D>
struct LanguageModel {
  LanguageModel(D& device, const Model& model, Quant quant = Quant::none);

  D& d;
  const ModelConfig& config;
  TalkerWeights talker;                // placed on the device
  PredictorWeights predictor;
  std::vector<Tensor> code_tables;     // [K] E0, E1 .. E15, width H: the sum of section 8
  std::vector<Tensor> predictor_rows;  // [K-1] what enters predictor passes: E0 .. E14, through the adapter
                                       // where there is one
  TextTable text;
  HostMemory quantised;                // of what was quantised at load
};

// Room in the text table, and the scratch of its projection.
template <class D>
void reserve_text(LanguageModel<D>& lm, int rows);

// Rows of the text table that hold T(id) for these ids, until the next call; missing ones are computed.
template <class D>
std::vector<int32_t> text_slots(LanguageModel<D>& lm, std::span<const int32_t> ids);

// ---- memory of one utterance ------------------------------------------------------------------------------

struct MemoryShape {  // with the configuration, all that the layout depends on
  int positions = 0;  // prompt rows + frames
  int trailing = 0;   // text rows fed after the prompt, the pad included
  int reference = 0;  // reference frames of an in-context prompt
  DType cache = DType::f32;
  bool operator==(const MemoryShape&) const = default;
};

struct Stack {  // one transformer's caches and scratch
  std::vector<KvCache> caches;
  Heads heads;
  float* rope = nullptr;
  float *qkv = nullptr, *attended = nullptr, *mlp = nullptr;
};

struct PredictorPace {  // of one utterance: frames so far, and what frames cost either way
  int frames = 0;
  double at_once_ms = 0, in_turn_ms = 0;
};

struct Memory {
  Stack talker, predictor;
  float* x = nullptr;  // [kPrefillRows][H] rows entering the talker; row 0 is the next row of the frame loop
  float* hidden = nullptr;      // [H] after the final norm, of the last row
  float* logits = nullptr;      // [V]
  float* pass_x = nullptr;      // [K][h] rows of one pass
  float* pass_hidden = nullptr; // [K][h]
  float* pass_logits = nullptr; // [Vp]
  float* trailing = nullptr;    // [trailing][H]; what is behind the text is the pad
  int trailing_rows = 0;
  float* reference = nullptr;   // [reference][H] sums of the reference codes
  float* speaker = nullptr;     // [H]
  int32_t* ids = nullptr;       // [kPrefillRows] scratch for gathers
  int32_t* reference_codes = nullptr;  // [reference][K]
  int32_t* fixed = nullptr;     // [K] 0, 1, 2, ...: positions of the predictor
  int32_t* prefill_position = nullptr;
  int64_t predictor_passes = 0; // of this utterance, counted on the host when it runs all rows at once
  // of this utterance, counted by a device that runs all passes by itself
  int32_t* predictor_rounds = nullptr;
  bool predictor_fused = false;         // that is what it does
  PredictorPace pace;
  SampleState state;            // cursor, codes [positions + 1][K], seen, rules, scores, forced
};

Memory lay_out(Arena& arena, const ModelConfig& config, const MemoryShape& shape);

// ---- the graph, written once for all devices --------------------------------------------------------------

template <class D>
void decoder_layer(D& d, const LayerWeights& w, const KvCache& cache, const Stack& s, const Dims& m, float* x,
                   const int32_t* position, int rows);

// Rotary tables and positions, which no utterance changes: written once per layout.
template <class D>
void write_constants(D& d, Memory& m, const ModelConfig& config, const MemoryShape& shape);

// Zeroes the state of the last utterance; the rules are one per code group.
template <class D>
void begin_utterance(LanguageModel<D>& lm, Memory& m, std::span<const SampleRule> rules);

// Writes rows [begin, begin + rows) of the prompt to m.x.
template <class D>
void write_prompt_rows(LanguageModel<D>& lm, Memory& m, const Prompt& prompt, int begin, int rows);

// Everything a prompt needs beside its rows: trailing text, reference sums, speaker vector.
template <class D>
void upload_prompt(LanguageModel<D>& lm, Memory& m, const Prompt& prompt);

// All prompt rows -> hidden and logits of the last one.
template <class D>
void prefill(LanguageModel<D>& lm, Memory& m, const Prompt& prompt);

// One row m.x at the cursor's position -> hidden, logits.
template <class D>
void talker_step(LanguageModel<D>& lm, Memory& m);

// One of the K-1 passes: leaves its logits in m.pass_logits and draws the code of group g + 1.
template <class D>
void predictor_pass(LanguageModel<D>& lm, Memory& m, int g);

// Codes 1 .. K-1 of the cursor's frame, from hidden and c0.
template <class D>
void predict_codes(LanguageModel<D>& lm, Memory& m);

// One frame: its remaining codes, the next row, the next talker step and the next c0. Host time per stage
// goes to `times`.
template <class D>
void next_frame(LanguageModel<D>& lm, Memory& m, StageTimes& times);

}  // namespace tts
