// The table of cases. Odd shapes find edges of tiles and vectors; the timed ones are those of the published
// 0.6B model and its codec at one frame per call, which tts-bench measures.
#include "kernels/cases.h"

#include <array>

namespace tts {

namespace {

using In = Conv::Input;
constexpr DType kFormats[] = {DType::f32, DType::bf16, DType::int8_rows, DType::int4_blocks};

void add_matrices(std::vector<Recipe>& list) {
  for (const DType dtype : kFormats) {
    const bool blocks = dtype == DType::int4_blocks;
    const auto odd = [&](int K) { return blocks ? (K + 31) / 32 * 32 : K; };
    list.push_back({.op = Op::linear, .dtype = dtype, .in = odd(1), .out = 1});
    list.push_back({.op = Op::linear, .dtype = dtype, .in = odd(33), .out = 7, .bias = true});
    list.push_back({.op = Op::linear, .dtype = dtype, .rows = 5, .in = odd(24), .out = 80, .act = Act::silu});
    list.push_back({.op = Op::linear,
                    .dtype = dtype,
                    .rows = 13,
                    .in = odd(127),
                    .out = 65,
                    .act = Act::gelu,
                    .bias = true});
    list.push_back({.op = Op::linear_add, .dtype = dtype, .rows = 3, .in = odd(72), .out = 31, .bias = true});
    list.push_back({.op = Op::linear_add, .dtype = dtype, .rows = 9, .in = odd(200), .out = 24});
    list.push_back({.op = Op::qkv, .dtype = dtype, .rows = 4, .in = odd(24), .nq = 4, .nkv = 2, .d = 16});
    list.push_back(
        {.op = Op::qkv, .dtype = dtype, .rows = 1, .in = odd(100), .bias = true, .nq = 3, .nkv = 1, .d = 8});
    list.push_back({.op = Op::gated, .dtype = dtype, .rows = 7, .in = odd(40), .out = 56});
    list.push_back({.op = Op::gated, .dtype = dtype, .rows = 1, .in = odd(129), .out = 33});
    list.push_back({.op = Op::linear, .dtype = dtype, .rows = 3, .in = odd(671), .out = 9});
    list.push_back({.op = Op::linear, .dtype = dtype, .rows = 1, .in = 1024, .out = 640});
    list.push_back({.op = Op::linear, .dtype = dtype, .rows = 17, .in = 2048, .out = 96});
  }
  for (const Act act : {Act::relu, Act::tanh, Act::sigmoid, Act::relu_tanh}) {
    list.push_back({.op = Op::linear, .rows = 2, .in = 50, .out = 41, .act = act, .bias = true});
  }
  for (const bool bias : {false, true}) {
    list.push_back({.op = Op::norm, .rows = 1, .in = 1, .out = 1, .bias = bias});
    list.push_back({.op = Op::norm, .rows = 3, .in = 37, .out = 37, .bias = bias});
    list.push_back({.op = Op::norm, .rows = 2, .in = 1024, .out = 1024, .bias = bias});
  }
  for (const DType dtype : {DType::f32, DType::bf16}) {
    list.push_back({.op = Op::embed, .dtype = dtype, .rows = 5, .in = 11, .out = 67});
    list.push_back({.op = Op::sum_codes, .dtype = dtype, .rows = 3, .in = 11, .out = 67});
  }
  list.push_back({.op = Op::clamp, .rows = 7, .in = 33, .out = 33});
}

void add_attention(std::vector<Recipe>& list) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    list.push_back({.op = Op::attend, .dtype = dtype, .rows = 1, .nq = 1, .nkv = 1, .d = 2});
    list.push_back({.op = Op::attend, .dtype = dtype, .rows = 11, .bias = true, .nq = 4, .nkv = 2, .d = 16});
    list.push_back({.op = Op::attend,
                    .dtype = dtype,
                    .rows = 9,
                    .nq = 6,
                    .nkv = 3,
                    .d = 24,
                    .window = 4,
                    .position = 3});
    list.push_back({.op = Op::attend,
                    .dtype = dtype,
                    .rows = 5,
                    .bias = true,
                    .nq = 5,
                    .nkv = 1,
                    .d = 10,
                    .position = 40});
    list.push_back({.op = Op::attend,
                    .dtype = dtype,
                    .rows = 3,
                    .nq = 2,
                    .nkv = 2,
                    .d = 64,
                    .window = 72,
                    .position = 90});
    list.push_back({.op = Op::attend,
                    .dtype = dtype,
                    .rows = 2,
                    .bias = true,
                    .nq = 4,
                    .nkv = 2,
                    .d = 128,
                    .position = 333});
  }
}

// Filters with a period: groups of four outputs end with it and do not; narrow and wide; snake, elu, nothing.
void add_filters(std::vector<Recipe>& list) {
  for (const auto& [period, in, out, dilation] :
       {std::array{4, 3, 5, 1}, {20, 24, 40, 3}, {30, 20, 100, 9}, {75, 96, 96, 1}, {5, 300, 30, 9}}) {
    list.push_back({.op = Op::conv,
                    .rows = 3 * period,
                    .in = in,
                    .out = out,
                    .bias = in != 24,
                    .taps = 7,
                    .dilation = dilation,
                    .period = period,
                    .input = in == 3 ? In::plain : In::snake});
  }
  list.push_back({.op = Op::conv_add, .rows = 72, .in = 32, .out = 64, .bias = true, .taps = 7, .dilation = 3,
                  .period = 36, .input = In::elu});
}

void add_convolutions(std::vector<Recipe>& list) {
  list.push_back({.op = Op::conv, .rows = 1, .in = 1, .out = 1});
  list.push_back(
      {.op = Op::conv, .rows = 19, .in = 5, .out = 1, .bias = true, .taps = 7, .input = In::snake});
  list.push_back({.op = Op::conv,
                  .rows = 13,
                  .in = 24,
                  .out = 24,
                  .bias = true,
                  .taps = 7,
                  .dilation = 9,
                  .input = In::snake});
  list.push_back({.op = Op::conv, .rows = 7, .in = 33, .out = 70, .bias = true, .taps = 3});
  list.push_back({.op = Op::conv, .rows = 12, .in = 9, .out = 21, .taps = 4, .stride = 2});
  list.push_back({.op = Op::conv,
                  .rows = 20,
                  .in = 6,
                  .out = 18,
                  .bias = true,
                  .taps = 8,
                  .stride = 4,
                  .input = In::elu});
  list.push_back(
      {.op = Op::conv, .rows = 5, .in = 48, .out = 120, .bias = true, .taps = 2, .input = In::snake});
  list.push_back({.op = Op::conv,
                  .rows = 70,
                  .in = 96,
                  .out = 96,
                  .bias = true,
                  .taps = 7,
                  .dilation = 3,
                  .input = In::snake});
  list.push_back({.op = Op::conv_add, .rows = 9, .in = 17, .out = 49, .bias = true, .input = In::snake});
  list.push_back({.op = Op::conv_add, .rows = 33, .in = 64, .out = 96, .bias = true, .input = In::elu});
  for (Recipe r : {Recipe{.op = Op::conv, .rows = 1, .in = 3, .out = 9},
                   Recipe{.op = Op::conv, .rows = 21, .in = 24, .out = 24, .bias = true, .taps = 7,
                          .dilation = 9, .input = In::snake},
                   Recipe{.op = Op::conv, .rows = 12, .in = 9, .out = 21, .taps = 4, .stride = 2},
                   Recipe{.op = Op::conv, .rows = 40, .in = 40, .out = 128, .taps = 2},
                   Recipe{.op = Op::conv_add, .rows = 33, .in = 64, .out = 96, .bias = true}}) {
    r.tf32 = true;
    list.push_back(r);
  }
  list.push_back({.op = Op::depthwise, .rows = 1, .in = 1, .out = 1, .taps = 7});
  list.push_back({.op = Op::depthwise, .rows = 10, .in = 37, .out = 37, .bias = true, .taps = 7});
}

// 0.6B: talker and predictor layers, heads; the codec decoder's own shapes at one frame.
void add_timed(std::vector<Recipe>& list) {
  for (const DType dtype : kFormats) {
    list.push_back({.op = Op::qkv, .dtype = dtype, .in = 1024, .nq = 16, .nkv = 8, .d = 128, .timed = true});
    list.push_back({.op = Op::linear_add, .dtype = dtype, .in = 2048, .out = 1024, .timed = true});
    list.push_back({.op = Op::gated, .dtype = dtype, .in = 1024, .out = 3072, .timed = true});
    list.push_back({.op = Op::linear_add, .dtype = dtype, .in = 3072, .out = 1024, .timed = true});
    list.push_back({.op = Op::gated, .dtype = dtype, .rows = 2, .in = 1024, .out = 3072, .timed = true});
    list.push_back({.op = Op::gated, .dtype = dtype, .rows = 16, .in = 1024, .out = 3072, .timed = true});
    list.push_back({.op = Op::gated, .dtype = dtype, .rows = 64, .in = 1024, .out = 3072, .timed = true});
  }
  for (const int position : {100, 2000}) {
    list.push_back({.op = Op::attend,
                    .dtype = DType::bf16,
                    .bias = true,
                    .nq = 16,
                    .nkv = 8,
                    .d = 128,
                    .position = position,
                    .timed = true});
  }
  // Of one frame; the filters of the residual units know that.
  const auto conv = [&](int rows, int in, int out, int taps, int dilation, In input, Op op = Op::conv) {
    list.push_back({.op = op,
                    .rows = rows,
                    .in = in,
                    .out = out,
                    .bias = true,
                    .taps = taps,
                    .dilation = dilation,
                    .period = taps == 7 && in == out ? rows : 0,
                    .input = input,
                    .timed = true});
  };
  conv(1, 512, 1024, 3, 1, In::plain);
  conv(4, 1024, 1536, 7, 1, In::plain);
  conv(4, 1536, 8 * 768, 2, 1, In::snake);
  conv(32, 768, 768, 7, 9, In::snake);
  conv(32, 768, 768, 1, 1, In::snake, Op::conv_add);
  conv(32, 768, 5 * 384, 2, 1, In::snake);
  conv(160, 384, 384, 7, 3, In::snake);
  conv(160, 384, 4 * 192, 2, 1, In::snake);
  conv(640, 192, 192, 7, 9, In::snake);
  conv(640, 192, 3 * 96, 2, 1, In::snake);
  conv(1920, 96, 96, 7, 9, In::snake);
  conv(1920, 96, 96, 1, 1, In::snake, Op::conv_add);
  conv(1920, 96, 1, 7, 1, In::snake);
  list.push_back(
      {.op = Op::linear, .rows = 4, .in = 1024, .out = 4096, .act = Act::gelu, .bias = true, .timed = true});
  list.push_back({.op = Op::linear_add, .rows = 4, .in = 4096, .out = 1024, .bias = true, .timed = true});
  list.push_back(
      {.op = Op::depthwise, .rows = 4, .in = 1024, .out = 1024, .bias = true, .taps = 7, .timed = true});
}

}  // namespace

std::vector<Recipe> recipes() {
  std::vector<Recipe> list;
  add_matrices(list);
  add_attention(list);
  add_convolutions(list);
  add_filters(list);
  add_timed(list);
  return list;
}

}  // namespace tts
