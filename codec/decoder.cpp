// Speech codec, decoder side (spec/codec-decoder.md): one function per section, each on one screen.
//
//   codes [n][groups] -> dequantise -> pre_conv -> transformer -> latent stages -> waveform blocks -> samples
//
// Everything is causal. A stage takes rows of the new frames only and keeps what it must look back at (spec/
// codec-streaming.md section 3) in its history. All memory is one arena:
//
//   position | histories | attention rings | activations of frames_per_call frames
//   '------- zeroed by reset() -'
#include "codec/decoder_model.h"

#include <algorithm>
#include <utility>

namespace tts {

// ---- memory ------------------------------------------------------------------------------------

namespace {

constexpr int kOfficialChunk{300};  // frames
constexpr int kOfficialContext{25};
const Tensor kNone{};

struct Memory {
  int32_t* position = nullptr;
  float* pre_conv = nullptr;
  std::vector<float*> latent;
  float* wave_in = nullptr;
  struct Block {
    float* up;
    float* units[WaveBlock::kUnits];
  };
  std::vector<Block> blocks;
  float* wave_out = nullptr;
  int64_t zeroed_bytes = 0;

  std::vector<KvCache> caches;

  float *hidden = nullptr, *qkv = nullptr, *attention = nullptr, *mlp = nullptr;
  float *x = nullptr, *y = nullptr, *inner = nullptr;  // of the convolutional stages: in, out, within a stage
  int32_t* codes = nullptr;
  float* samples = nullptr;
};

// The largest activations of one frame: what enters or leaves a stage, and what a stage holds inside.
struct Widths {
  int64_t outer = 0, inner = 0;
};
Widths widths(const CodecDecoderConfig& c) {
  Widths w;
  const auto grow = [](int64_t& width, int64_t rows, int64_t channels) {
    width = std::max(width, checked_mul(rows, channels, "codec activations"));
  };
  grow(w.outer, 1, 2 * int64_t{c.codebook_width});
  grow(w.outer, 1, c.latent);
  grow(w.inner, 1, c.codebook_width);
  int64_t rows = 1;
  for (const int ratio : c.upsampling_ratios) {
    rows = checked_mul(rows, ratio, "codec rows");
    grow(w.outer, rows, c.latent);
    grow(w.inner, rows,
         5 * int64_t{c.latent});  // the depthwise rows, and four times their width between the linears
  }
  grow(w.outer, rows, c.decoder_dim);
  for (size_t b = 0; b < c.upsample_rates.size(); ++b) {
    rows = checked_mul(rows, c.upsample_rates[b], "codec rows");
    grow(w.outer, rows, c.block_channels(b + 1));
    grow(w.inner, rows, c.block_channels(b + 1));
  }
  return w;
}

Memory lay_out(Arena& a, const CodecDecoderConfig& c, int frames) {
  const Dims& m = c.transformer;
  const int64_t n = frames, head = m.d, narrow = m.nkv * head, wide = m.nq * head;
  Memory s;
  s.position = a.take<int32_t>("codec position", 1);
  s.pre_conv = a.take<float>("codec history", 2 * 2 * int64_t{c.codebook_width});
  for (size_t u = 0; u < c.upsampling_ratios.size(); ++u) {
    s.latent.push_back(a.take<float>("codec history", 6 * int64_t{c.latent}));
  }
  s.wave_in = a.take<float>("codec history", 6 * int64_t{c.latent});
  for (size_t b = 0; b < c.upsample_rates.size(); ++b) {
    Memory::Block block{a.take<float>("codec history", c.block_channels(b)), {}};
    for (int u = 0; u < WaveBlock::kUnits; ++u) {
      block.units[u] = a.take<float>("codec history", 6 * int64_t{kDilations[u]} * c.block_channels(b + 1));
    }
    s.blocks.push_back(block);
  }
  s.wave_out = a.take<float>("codec history", 6 * int64_t{c.block_channels(c.upsample_rates.size())});
  s.zeroed_bytes = a.bytes();

  const int capacity = m.window - 1 + frames;
  for (int l = 0; l < m.L; ++l) {
    float* k = a.take<float>("codec attention ring", capacity * narrow);
    float* v = a.take<float>("codec attention ring", capacity * narrow);
    s.caches.push_back({.k = k, .v = v, .dtype = DType::f32, .capacity = capacity});
  }

  s.hidden = a.take<float>("codec activations", n * m.H);
  s.qkv = a.take<float>("codec activations", n * (wide + 2 * narrow));
  s.attention = a.take<float>("codec activations", n * wide);
  s.mlp = a.take<float>("codec activations", n * m.I);
  const Widths w = widths(c);
  s.x = a.take<float>("codec activations", checked_mul(n, w.outer, "codec activations"));
  s.y = a.take<float>("codec activations", checked_mul(n, w.outer, "codec activations"));
  s.inner = a.take<float>("codec activations", checked_mul(n, w.inner, "codec activations"));
  s.codes = a.take<int32_t>("codec codes", n * c.groups);
  s.samples = a.take<float>("codec samples", checked_mul(n, c.samples_per_frame, "codec samples"));
  return s;
}

// Frames that the waveform part must have seen before a frame so that zero state earlier makes no difference
// (spec/ codec-streaming.md section 2, there in samples: 18 009, hence 10 frames).
int look_back_frames(const CodecDecoderConfig& c) {
  int64_t samples = 6, row_samples = 1;  // the last convolution
  for (size_t b = c.upsample_rates.size(); b-- > 0;) {
    for (const int dilation : kDilations) samples += 6 * dilation * row_samples;
    row_samples *= c.upsample_rates[b];
    samples += row_samples;  // the second tap of the transposed convolution
  }
  samples += 6 * row_samples;
  for (size_t u = c.upsampling_ratios.size(); u-- > 0;) {
    samples += 6 * row_samples;
    row_samples *= c.upsampling_ratios[u];
  }
  return static_cast<int>((samples + row_samples - 1) / row_samples);
}

}  // namespace

// ---- forward pass ------------------------------------------------------------------------------

template <class D>
struct Decoder<D>::State {
  D& d;
  std::shared_ptr<const DecoderModel<D>> model;
  int frames_per_call;
  DeviceMemory<D> memory;
  Memory s;
  int64_t host_frames = 0;  // since reset(), of the calls on host memory
  std::vector<CodecStage>* record = nullptr;

  State(D& device, std::shared_ptr<const DecoderModel<D>> shared, int frames)
      : d(device),
        model(std::move(shared)),
        frames_per_call(frames),
        memory(device, Decoder<D>::plan(model->config, frames).bytes()) {
    Arena arena(memory.data);
    s = lay_out(arena, model->config, frames);
  }

  void reset() {
    d.zero(s.position, s.zeroed_bytes);
    host_frames = 0;
  }

  void seen(std::string name, const float* values, int64_t rows, int64_t channels) {
    if (!record) return;
    CodecStage stage{std::move(name), rows, channels,
                     std::vector<float>(static_cast<size_t>(rows * channels))};
    d.download(stage.values.data(), values, rows * channels * static_cast<int64_t>(sizeof(float)));
    record->push_back(std::move(stage));
  }

  // 4.1  x[n][2 width] = P_first E_0[c_0] + P_rest sum of E_q[c_q]
  void dequantise(const int32_t* codes, int n) {
    const DecoderModel<D>& w = *model;
    d.sum_codes(s.inner, codes, w.semantic.data(), w.config.groups, n);
    d.linear(s.x, s.inner, w.project_semantic, kNone, n, Act::none);
    d.sum_codes(s.inner, codes, w.acoustic.data(), w.config.groups, n);
    d.linear_add(s.x, s.inner, w.project_acoustic, kNone, kNone, n);
    seen("dequantised", s.x, n, 2 * w.config.codebook_width);
  }

  // 4.2  y[n][latent]
  void pre_conv(int n) {
    d.conv(s.y, s.x, model->pre_conv, s.pre_conv, n);
    seen("pre_conv", s.y, n, model->config.latent);
  }

  // 4.3  x[n][latent]; nothing of y is added to it
  void transformer(int n) {
    const DecoderModel<D>& w = *model;
    const Dims& m = w.config.transformer;
    const Heads heads{.nq = m.nq, .nkv = m.nkv, .d = m.d, .window = m.window, .rope = w.rope.f32()};
    d.linear(s.hidden, s.y, w.input_proj, w.input_proj_bias, n, Act::none);
    for (size_t l = 0; l < w.layers.size(); ++l) {
      const auto& layer = w.layers[l];
      d.qkv(s.qkv, s.hidden, layer.input_norm, layer.qkv, n);
      d.attend(s.attention, s.qkv, kNone, kNone, s.caches[l], heads, s.position, n);
      d.linear_add(s.hidden, s.attention, layer.o, kNone, layer.attention_scale, n);
      d.gated(s.mlp, s.hidden, layer.post_norm, layer.gate, layer.up, n);
      d.linear_add(s.hidden, s.mlp, layer.down, kNone, layer.mlp_scale, n);
      seen(format("transformer_layer{}", l), s.hidden, n, m.H);
    }
    d.norm(s.hidden, s.hidden, w.norm, n);
    d.linear(s.x, s.hidden, w.output_proj, w.output_proj_bias, n, Act::none);
    d.advance(s.position, n);
    seen("transformer", s.x, n, w.config.latent);
  }

  // 4.4  x[rows][latent] -> x[rows * ratio][latent]
  int64_t latent_stage(size_t u, int64_t in_rows) {
    const auto& w = model->latent[u];
    const int64_t channels = model->config.latent, out_rows = in_rows * model->config.upsampling_ratios[u];
    const int rows = static_cast<int>(out_rows);
    float* mixed = s.inner;
    float* wide = s.inner + out_rows * channels;
    d.conv(s.y, s.x, w.up, nullptr, static_cast<int>(in_rows));
    seen(format("upsample{}_conv", u), s.y, out_rows, channels);
    d.depthwise(mixed, s.y, w.depthwise, w.depthwise_bias, s.latent[u], rows);
    d.norm(mixed, mixed, w.norm, rows);
    d.linear(wide, mixed, w.pointwise1, w.pointwise1_bias, rows, Act::gelu);
    d.linear_add(s.y, wide, w.pointwise2, w.pointwise2_bias, w.gamma, rows);
    std::swap(s.x, s.y);
    seen(format("upsample{}", u), s.x, out_rows, channels);
    return out_rows;
  }

  // 4.5, one block  x[rows][in] -> x[rows * rate][out]
  int64_t wave_block(size_t b, int64_t in_rows) {
    const auto& w = model->blocks[b];
    const int64_t out_rows = in_rows * model->config.upsample_rates[b];
    const int rows = static_cast<int>(out_rows);
    d.conv(s.y, s.x, w.up, s.blocks[b].up, static_cast<int>(in_rows));
    for (int u = 0; u < WaveBlock::kUnits; ++u) {
      d.conv(s.inner, s.y, w.units[u].conv1, s.blocks[b].units[u], rows);
      d.conv_add(s.y, s.inner, w.units[u].conv2, nullptr, rows);
    }
    std::swap(s.x, s.y);
    seen(format("decoder{}", b + 1), s.x, out_rows, model->config.block_channels(b + 1));
    return out_rows;
  }

  // codes -> latent rows in x
  void front(const int32_t* codes, int n) {
    dequantise(codes, n);
    pre_conv(n);
    transformer(n);
  }

  // 4.4 and 4.5: n latent rows in x -> samples
  void tail(float* samples, int n) {
    const DecoderModel<D>& w = *model;
    float *const x = s.x, *const y = s.y;
    int64_t rows = n;
    for (size_t u = 0; u < w.latent.size(); ++u) rows = latent_stage(u, rows);
    d.conv(s.y, s.x, w.wave_in, s.wave_in, static_cast<int>(rows));
    std::swap(s.x, s.y);
    seen("decoder0", s.x, rows, w.config.decoder_dim);
    for (size_t b = 0; b < w.blocks.size(); ++b) rows = wave_block(b, rows);
    d.conv(samples, s.x, w.wave_out, s.wave_out, static_cast<int>(rows));
    seen("final", samples, rows, 1);
    d.clamp(samples, samples, static_cast<int>(rows));
    s.x = x,
    s.y = y;  // the same call finds the same memory, whatever the number of stages: recorded work repeats
  }

  void decode(float* samples, const int32_t* codes, int frames) {
    const CodecDecoderConfig& c = model->config;
    for (int begin = 0; begin < frames; begin += frames_per_call) {
      const int n = std::min(frames_per_call, frames - begin);
      decode_call(samples + int64_t{begin} * c.samples_per_frame, codes + int64_t{begin} * c.groups, n);
    }
  }

  // One recorded graph per number of frames, where the device records: the codes move to one place first.
  void decode_call(float* samples, const int32_t* codes, int n) {
    const auto work = [&] {
      front(codes, n);
      tail(samples, n);
    };
    if constexpr (requires { d.replay(uint64_t{}, work); }) {
      if (d.switches().on(Ablate::cuda_graphs) && !record) {
        if (codes != s.codes) d.copy(s.codes, codes, int64_t{n} * model->config.groups * 4);
        codes = s.codes;
        return d.replay(replay_key("codec", s.codes, samples, n), work);
      }
    }
    work();
  }

  void prime(float* last_frame, const int32_t* codes, int frames) {
    const CodecDecoderConfig& c = model->config;
    // One more frame than the next one needs: then the last frame's own samples are right, too.
    const int first_heard = std::max(0, frames - look_back_frames(c) - 1);
    for (int begin = 0; begin < frames; begin += frames_per_call) {
      const int n = std::min(frames_per_call, frames - begin),
                skipped = std::clamp(first_heard - begin, 0, n);
      front(codes + int64_t{begin} * c.groups, n);
      if (skipped == n) continue;
      float* const x = s.x;
      s.x += int64_t{skipped} * c.latent;
      tail(s.samples, n - skipped);
      s.x = x;
      if (last_frame && begin + n == frames) {
        d.copy(last_frame, s.samples + int64_t{n - skipped - 1} * c.samples_per_frame,
               c.samples_per_frame * static_cast<int64_t>(sizeof(float)));
      }
    }
  }
};

// ---- interface ---------------------------------------------------------------------------------

template <class D>
Decoder<D>::Decoder(D& device, const CodecDecoderConfig& c, const CodecDecoderWeights& w, int frames_per_call)
    : Decoder(device, pack_decoder(device, c, w), frames_per_call) {}

template <class D>
Decoder<D>::Decoder(D& device, std::shared_ptr<const DecoderModel<D>> model, int frames_per_call)
    : state_(std::make_unique<State>(device, std::move(model), frames_per_call)) {
  reset();
}

template <class D>
Decoder<D>::Decoder(Decoder&&) noexcept = default;
template <class D>
Decoder<D>::~Decoder() = default;

template <class D>
Arena Decoder<D>::plan(const CodecDecoderConfig& config, int frames_per_call) {
  check(frames_per_call > 0, Exit::internal, "codec decoder: frames per call: expected at least 1, got {}",
        frames_per_call);
  Arena arena;
  lay_out(arena, config, frames_per_call);
  return arena;
}

template <class D>
int Decoder<D>::max_frames(const CodecDecoderConfig& c) {
  const int64_t clip = longest_clip_samples(c.sample_rate);
  return static_cast<int>(limits::kFrames + (clip + c.samples_per_frame - 1) / c.samples_per_frame);
}

template <class D>
const CodecDecoderConfig& Decoder<D>::config() const {
  return state_->model->config;
}

template <class D>
void Decoder<D>::reset() {
  state_->reset();
}

template <class D>
void Decoder<D>::decode(float* samples, const int32_t* codes, int frames) {
  state_->decode(samples, codes, frames);
}

template <class D>
void Decoder<D>::prime(float* last_frame, const int32_t* codes, int frames) {
  state_->prime(last_frame, codes, frames);
}

template <class D>
std::vector<float> Decoder<D>::decode(std::span<const int32_t> codes) {
  State& state = *state_;
  const CodecDecoderConfig& c = config();
  const size_t groups = static_cast<size_t>(c.groups);
  check(codes.size() % groups == 0, Exit::bad_input, "codes: expected rows of {} groups, got {} codes",
        c.groups, codes.size());
  const int64_t frames = static_cast<int64_t>(codes.size() / groups);
  check(state.host_frames + frames <= max_frames(c), Exit::bad_input,
        "codes: expected at most {} frames, got {}", max_frames(c), state.host_frames + frames);
  for (size_t i = 0; i < codes.size(); ++i) {
    check(codes[i] >= 0 && codes[i] < c.codebook_size, Exit::bad_input,
          "codes: frame {}, group {}: expected 0 ... {}, got {}", i / groups, i % groups, c.codebook_size - 1,
          codes[i]);
  }
  state.host_frames += frames;
  std::vector<float> samples(static_cast<size_t>(frames * c.samples_per_frame));
  for (int64_t begin = 0; begin < frames; begin += state.frames_per_call) {
    const int n = static_cast<int>(std::min<int64_t>(state.frames_per_call, frames - begin));
    state.d.upload(state.s.codes, codes.data() + begin * c.groups, n * c.groups * int64_t{sizeof(int32_t)});
    state.decode(state.s.samples, state.s.codes, n);
    state.d.download(samples.data() + begin * c.samples_per_frame, state.s.samples,
                     n * c.samples_per_frame * int64_t{sizeof(float)});
  }
  return samples;
}

template <class D>
std::vector<CodecStage> Decoder<D>::decode_stages(std::span<const int32_t> codes,
                                                  std::vector<float>& samples) {
  check(static_cast<int64_t>(codes.size()) <= int64_t{state_->frames_per_call} * config().groups,
        Exit::internal, "codec decoder: stages of at most {} frames are recorded, got {} codes",
        state_->frames_per_call, codes.size());
  std::vector<CodecStage> stages;
  state_->record = &stages;
  samples = decode(codes);
  state_->record = nullptr;
  return stages;
}

template <class D>
std::vector<float> decode_official_chunks(Decoder<D>& decoder, std::span<const int32_t> codes) {
  const CodecDecoderConfig& c = decoder.config();
  const size_t groups = static_cast<size_t>(c.groups), frames = codes.size() / groups;
  std::vector<float> all;
  all.reserve(frames * static_cast<size_t>(c.samples_per_frame));
  for (size_t begin = 0; begin < frames; begin += kOfficialChunk) {
    const size_t end = std::min(begin + kOfficialChunk, frames);
    const size_t context = std::min<size_t>(begin, kOfficialContext);
    decoder.reset();
    const auto chunk =
        decoder.decode(codes.subspan((begin - context) * groups, (end - begin + context) * groups));
    all.insert(all.end(), chunk.begin() + static_cast<ptrdiff_t>(context) * c.samples_per_frame, chunk.end());
  }
  return all;
}

#define TTS_INSTANTIATE(D)   \
  template class Decoder<D>; \
  template std::vector<float> decode_official_chunks(Decoder<D>&, std::span<const int32_t>);
TTS_DEVICES(TTS_INSTANTIATE)

}  // namespace tts
