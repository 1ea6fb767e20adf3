// The innermost product of the convolutions: tiles of rows x a panel of output channels, held in registers.
// Included inside the namespace of a level after simd.h, hence without a guard and without headers.

constexpr int kTileRows{TTS_LANES == 16 ? 9 : 4};  // x kVectors: 27 of 32, 12 of 16 registers accumulate
constexpr int kVectors{3};
constexpr int kBlock{256};  // input channels at a time

struct Block {       // of one tap or point: `depth` input channels
  const float* x;    // of the first output row
  int64_t x_stride;  // floats between output rows
  const float* w;    // [depth][NV vectors]
  float* y;
  int64_t y_stride, depth;
  int64_t last;        // output channels in the last vector
  bool fresh = false;  // y = instead of y +=
};

// y[MR][NV vectors] += x . w
template <int MR, int NV>
void tile(const Block& b) {
  F sums[MR][NV]{};
  if (!b.fresh) {
    for (int r = 0; r < MR; ++r) {
      const float* y = b.y + r * b.y_stride;
      for (int v = 0; v + 1 < NV; ++v) sums[r][v] = load(y + v * kLanes);
      const float* end = y + (NV - 1) * kLanes;
      sums[r][NV - 1] = b.last == kLanes ? load(end) : load_part(end, b.last);
    }
  }
  const float* w = b.w;
  for (int64_t i = 0; i < b.depth; ++i, w += NV * kLanes) {
    F weight[NV];
    for (int v = 0; v < NV; ++v) weight[v] = load(w + v * kLanes);
    for (int r = 0; r < MR; ++r) {
      const F value = broadcast(b.x[r * b.x_stride + i]);
      for (int v = 0; v < NV; ++v) sums[r][v] = fma(value, weight[v], sums[r][v]);
    }
  }
  for (int r = 0; r < MR; ++r) {
    float* y = b.y + r * b.y_stride;
    for (int v = 0; v + 1 < NV; ++v) store(y + v * kLanes, sums[r][v]);
    float* end = y + (NV - 1) * kLanes;
    if (b.last == kLanes)
      store(end, sums[r][NV - 1]);
    else
      store_part(end, sums[r][NV - 1], b.last);
  }
}

template <int MR, int NV>
void tile_of(const Block& b, int64_t rows) {
  if (rows == MR) return tile<MR, NV>(b);
  if constexpr (MR > 1) tile_of<MR - 1, NV>(b, rows);
}

// Tiles of nearly equal height: 10 rows as 5 and 5 keep more of the registers busy than 9 and 1.
template <int NV>
void multiply(Block b, int64_t rows) {
  for (int64_t tiles = (rows + kTileRows - 1) / kTileRows; tiles > 0; --tiles) {
    const int64_t height = (rows + tiles - 1) / tiles;
    tile_of<kTileRows, NV>(b, height);
    b.y += height * b.y_stride, b.x += height * b.x_stride;
    rows -= height;
  }
}
