// matmul_amx.cpp     matrix products of many tokens by AMX tiles, any layout
//
// Shapes     MatmulArgs; any N % 16 == 0, any K < 2^19, any M; M <= 8 runs the AVX-512 kernels: a tile
//            instruction takes as long for one token as for sixteen
// Tile       2 blocks of up to 16 tokens x 2 tiles of 16 rows: 4 tile registers of sums, 2 of activations,
//            2 of codes. The tokens are cut into blocks of equal height, so that one configuration serves
//            all: the last block starts early and repeats tokens of the one before, which it does not write.
// Panel      that of panel.h with one tile: 16 groups of 4 columns are the 16 rows of a tile register
// Work       16 x 16 x 64 products an instruction, 16 cycles; a stretch of columns is decoded once
// Exactness  tdpbsud multiplies i8 by u8 and adds in int32 without saturation: 2 * 128 * K < 2^31. Columns
//            from K up meet zeros of x.
// Reference  codegen/reference/matmul.cpp
#include "codegen/static/matmul/decode_zmm.h"
#include "codegen/static/matmul/matmul_kernels.h"
#include "codegen/static/matmul/panel.h"
#include "codegen/static/vectors_zmm.h"

namespace bitnetc {
namespace {

constexpr int kBlockTokens = 16;
constexpr int kStepColumns = 64;  // of one tile instruction
constexpr int kStepGroups = kStepColumns / kGroupColumns;
constexpr int kStepBytes = kStepGroups * kGroupBytes;
static_assert(kStepColumns == kQuantPad);

constexpr int kTiles = 2;
constexpr int kMostBlocks = kMaxTokensPerCall / kBlockTokens;

// What ldtilecfg reads.
struct alignas(64) TileConfiguration {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  // Registers 0-3 sums, 4-5 activations, 6-7 codes.
  explicit TileConfiguration(int64_t tokens) {
    for (int i = 0; i < 8; ++i) {
      row_bytes[i] = kStepColumns;
      rows[i] = static_cast<uint8_t>(i < 6 ? tokens : kStepGroups);
    }
  }
};
static_assert(sizeof(TileConfiguration) == 64);

// Tile instructions are written without saying which memory they touch.
void order_memory() {
  asm volatile("" ::: "memory");
}

// A row of x holds the columns of a step together; stretches are whole steps.
template <class Decoder>
constexpr int stretch_groups() {
  constexpr int kMostGroups = 160;  // 20 KiB with 2 tiles
  int whole = Decoder::kGroups;
  while (whole % kStepGroups != 0) whole += Decoder::kGroups;
  return kMostGroups / whole * whole;
}

// The tokens in blocks of equal height.
struct TokenBlocks {
  int64_t tokens, count, height;

  explicit TokenBlocks(int64_t all)
      : tokens(all),
        count(ceiling_quotient(all, kBlockTokens)),
        height(ceiling_quotient(all, count)) {}
  int64_t begin(int64_t block) const { return lesser(block * height, tokens - height); }
};

struct TileProduct {
  const uint8_t* panel;
  int64_t panel_stride;  // from tile to tile
  int64_t steps;
  const int8_t* x[2];
  int64_t x_stride;
  int32_t* sums[2];
  int64_t sums_stride;  // bytes, from token to token
  bool first;           // whether sums hold nothing yet
};

template <int kBlocks, int kColumns>
void multiply(const TileProduct& product) {
  int32_t *const sums0 = product.sums[0], *const sums1 = product.sums[1];
  const auto sums_stride = static_cast<size_t>(product.sums_stride);
  if (product.first) {
    _tile_zero(0);
    if constexpr (kColumns == 2) _tile_zero(1);
    if constexpr (kBlocks == 2) _tile_zero(2);
    if constexpr (kBlocks == 2 && kColumns == 2) _tile_zero(3);
  } else {
    _tile_loadd(0, sums0, sums_stride);
    if constexpr (kColumns == 2) _tile_loadd(1, sums0 + kTileRows, sums_stride);
    if constexpr (kBlocks == 2) _tile_loadd(2, sums1, sums_stride);
    if constexpr (kBlocks == 2 && kColumns == 2) _tile_loadd(3, sums1 + kTileRows, sums_stride);
  }
  const uint8_t *codes0 = product.panel, *codes1 = product.panel + product.panel_stride;
  const int8_t *x0 = product.x[0], *x1 = product.x[1];
  const auto x_stride = static_cast<size_t>(product.x_stride);
  for (int64_t step = 0; step < product.steps; ++step) {
    _tile_loadd(6, codes0, kGroupBytes);
    if constexpr (kColumns == 2) _tile_loadd(7, codes1, kGroupBytes);
    _tile_loadd(4, x0, x_stride);
    _tile_dpbsud(0, 4, 6);
    if constexpr (kColumns == 2) _tile_dpbsud(1, 4, 7);
    if constexpr (kBlocks == 2) {
      _tile_loadd(5, x1, x_stride);
      _tile_dpbsud(2, 5, 6);
      if constexpr (kColumns == 2) _tile_dpbsud(3, 5, 7);
    }
    codes0 += kStepBytes;
    codes1 += kStepBytes;
    x0 += kStepColumns;
    x1 += kStepColumns;
  }
  _tile_stored(0, sums0, sums_stride);
  if constexpr (kColumns == 2) _tile_stored(1, sums0 + kTileRows, sums_stride);
  if constexpr (kBlocks == 2) _tile_stored(2, sums1, sums_stride);
  if constexpr (kBlocks == 2 && kColumns == 2) _tile_stored(3, sums1 + kTileRows, sums_stride);
}

// All blocks of tokens with a stretch of columns from `column` on; sums [block][height][kRows].
template <int kStepTiles>
void multiply_blocks(const MatmulArgs& args, const TokenBlocks& blocks, int64_t column,
                     TileProduct product, int32_t* sums) {
  constexpr int64_t kRows = kStepTiles * kTileRows;
  const auto place = [&](int64_t block, int i) {
    product.x[i] = args.x + blocks.begin(block) * args.x_stride + column;
    product.sums[i] = sums + block * blocks.height * kRows;
  };
  int64_t block = 0;
  for (; block + 2 <= blocks.count; block += 2) {
    place(block, 0);
    place(block + 1, 1);
    multiply<2, kStepTiles>(product);
  }
  if (block == blocks.count) return;
  place(block, 0);
  multiply<1, kStepTiles>(product);
}

// Outputs; a block leaves to its predecessor what they share.
template <int kStepTiles, class Decoder>
void finish_blocks(const Problem<Decoder>& problem, const TokenBlocks& blocks, int64_t tile,
                   const int32_t* sums) {
  constexpr int64_t kRows = kStepTiles * kTileRows;
  for (int64_t block = 0; block < blocks.count; ++block) {
    const int64_t shared = block * blocks.height - blocks.begin(block);
    finish<Zmm, false>(problem.epilogue, problem.args,
                       {.sums = sums + (block * blocks.height + shared) * kRows,
                        .token_stride = kRows,
                        .token_begin = block * blocks.height,
                        .token_end = blocks.begin(block) + blocks.height,
                        .tile_begin = tile,
                        .tiles = kStepTiles,
                        .row_absmax = problem.row_absmax});
  }
}

template <class Decoder, int kStepTiles>
void tile_step(const Problem<Decoder>& problem, const TokenBlocks& blocks, int64_t tile) {
  using Shape = PanelShape<Decoder, kStepTiles, 1, stretch_groups<Decoder>()>;
  static_assert(Shape::kGroups % kStepGroups == 0);
  alignas(64) uint8_t panel[Shape::kBytes] = {};  // what is not decoded meets zeros
  alignas(64) int32_t sums[kMostBlocks * kBlockTokens * kStepTiles * kTileRows];
  for (int64_t block = 0; block < problem.blocks; block += Shape::kBlocks) {
    decode_panel<Zmm, Decoder, Shape, kStepTiles, 1>(
        problem, tile, block, lesser(Shape::kBlocks, problem.blocks - block), panel);
    order_memory();
    const int64_t column = block * Decoder::kColumns;
    const int64_t columns = lesser(Shape::kGroups * kGroupColumns, problem.x_columns - column);
    multiply_blocks<kStepTiles>(problem.args, blocks, column,
                                {.panel = panel,
                                 .panel_stride = Shape::kMicroBytes,
                                 .steps = columns / kStepColumns,
                                 .x = {},
                                 .x_stride = problem.args.x_stride,
                                 .sums = {},
                                 .sums_stride = kStepTiles * kTileRows * int64_t{sizeof(int32_t)},
                                 .first = block == 0},
                                sums);
    order_memory();
  }
  finish_blocks<kStepTiles>(problem, blocks, tile, sums);
}

using FewTokens = void (*)(const MatmulSpec&, const MatmulArgs&);

template <class Decoder>
void run_tiles(const MatmulSpec& spec, const MatmulArgs& args, FewTokens few_tokens) {
  const Problem<Decoder> problem(spec, args);
  if (problem.tokens <= kMaxSmallM) return few_tokens(spec, args);
  const TokenBlocks blocks(problem.tokens);
  const TileConfiguration configuration(blocks.height);
  order_memory();
  _tile_loadconfig(&configuration);
  for_each_step<kTiles>(args.tile_begin, args.tile_end, [&](auto tiles, int64_t tile) {
    tile_step<Decoder, tiles.value>(problem, blocks, tile);
  });
  _tile_release();
}

}  // namespace

void matmul_i2s_amx(const MatmulSpec& spec, const MatmulArgs& args) {
  run_tiles<I2sZmm>(spec, args, matmul_i2s_avx512vnni);
}
void matmul_tl1_amx(const MatmulSpec& spec, const MatmulArgs& args) {
  run_tiles<Tl1Zmm>(spec, args, matmul_tl1_avx512vnni);
}
void matmul_tl2_amx(const MatmulSpec& spec, const MatmulArgs& args) {
  run_tiles<Tl2Zmm>(spec, args, matmul_tl2_avx512vbmi);
}
void matmul_b3_amx(const MatmulSpec& spec, const MatmulArgs& args) {
  run_tiles<B3Zmm>(spec, args, matmul_b3_avx512vbmi);
}

}  // namespace bitnetc
