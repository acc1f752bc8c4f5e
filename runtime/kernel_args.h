// The argument structs of all operations: what crosses the border between the runtime and a kernel.
// Generated code reads the fields by their offsets.
//
// Shapes (N, K, M, widths) are baked into a kernel and part of its name; the structs carry only
// what changes from call to call. What a pointer points to (element type, extent, who reads and who
// writes it) is declared once per operation, in codegen/operations/. Layouts of all buffers:
// row-major, [M][columns], strides in elements.
#pragma once

#include <cstdint>

namespace bitnetc {

// Every layout tiles weights by this many output rows; a fused matmul's parts, its epilogues and
// its thread partition all work in whole tiles.
inline constexpr int kTileRows = 16;
// Rows of int8 activations are padded with zeros to a multiple of this many columns: what one AMX
// tile row takes.
inline constexpr int64_t kQuantPad = 64;

// Y[m][n] = epilogue( float(sum_k X[m][k] * T[n][k]) * (x_scale[m] * tile_scale[n / kTileRows]) )
// for the row tiles [tile_begin, tile_end).
//   x           i8 [M][x_stride], zero from K up to a multiple of kQuantPad
//   tables      what the tables operation left for the one token; null unless the kernel is a LUT
//               kernel
//   w           packed ternary weights of the whole matrix (first tile at w)
//   y           f32 [M][y_stride]
//   x_sum       i32[M], sum over k of x[m][k]
//   residual    f32 [M][y_stride], same indexing as y; only with Epilogue::kResidual; may equal y
//   m           tokens of this call, 1..kMaxTokensPerCall; kernels made for one M do not read it
//   row_absmax  f32[M], private to the calling thread; only with MatmulSpec::row_absmax: every
//               |y[m][n]| stored that is greater than row_absmax[m] takes its place. row_absmax[m]
//               must not be NaN.
struct MatmulArgs {
  const int8_t* x;
  const uint8_t* tables;
  const uint8_t* w;
  float* y;
  const float* x_scale;
  const int32_t* x_sum;
  const float* tile_scale;
  const float* residual;
  int64_t x_stride;
  int64_t y_stride;
  int64_t tile_begin;
  int64_t tile_end;
  int64_t m;
  float* row_absmax = nullptr;
};
inline constexpr int kMaxTokensPerCall = 256;

// One token: for every group of columns whose weights share an index in the layout, the sums its
// weights can make (TableForm in codegen/operations/tables.h), for the blocks of columns
// [block_begin, block_end).
//   x           i8[K], as MatmulArgs::x
//   tables      the whole table of the token, 64-byte aligned (TablesSpec::table_bytes)
struct BuildTablesArgs {
  const int8_t* x;
  uint8_t* tables;
  int64_t block_begin;
  int64_t block_end;
};

// One token: RMS norm with weight, then absmax quantisation to int8 (docs/numerics.md).
//   x, weight   f32[K]
//   q           i8[K padded], the pad is written as zero
//   scale       f32[1], absmax / 127
//   sum         i32[1], sum of q
//   normed      f32[K] or null: where to leave the normed values before quantisation (debug taps)
struct NormQuantizeArgs {
  const float* x;
  const float* weight;
  int8_t* q;
  float* scale;
  int32_t* sum;
  float* normed;
};

// One token: absmax quantisation to int8 of a row (docs/numerics.md).
//   x           f32[K]
//   absmax      the greatest of them is the largest magnitude in x: absmax[i * absmax_stride],
//               i < absmax_count; not read by kernels that find it themselves
//   q           i8[K padded], the pad is written as zero
//   scale       f32[1], absmax / 127
//   sum         i32[1], sum of q
struct QuantizeArgs {
  const float* x;
  const float* absmax;
  int64_t absmax_count;
  int64_t absmax_stride;
  int8_t* q;
  float* scale;
  int32_t* sum;
};

// One token: y = RMS norm of x, or residual + that.           x, weight, residual, y  f32[K]
//   residual   only with RmsNormSpec::residual; y may equal it
struct RmsNormArgs {
  const float* x;
  const float* weight;
  float* y;
  const float* residual = nullptr;
};

// One token: y = activation(gate) * up.                        gate, up, y  f32[N]
struct GluArgs {
  const float* gate;
  const float* up;
  float* y;
};

// One token, the up projection of the row tiles [tile_begin, tile_end):
//   y[n] = gate[n]^2 * up[n] where gate[n] > 0, else +0; up as MatmulArgs has y
//   x, x_scale, x_sum, tile_scale   as in MatmulArgs
//   gate, y        f32[N]
//   w              the neurons' rows (codegen/layout/neuron_rows.h, NeuronOrder::kPlanes)
//   neurons_read   i32[1] or null: how many gates were positive
struct SparseUpArgs {
  const int8_t* x;
  const float* x_scale;
  const int32_t* x_sum;
  const float* gate;
  const uint8_t* w;
  const float* tile_scale;
  float* y;
  int32_t* neurons_read;
  int64_t tile_begin;
  int64_t tile_end;
};

// One token, as MatmulArgs: the outputs of [chunk_begin, chunk_end), 256 each.
//   x              i8[K], one per neuron
//   w              the neurons' rows (codegen/layout/neuron_rows.h, NeuronOrder::kTiles)
//   residual, y    f32[N]; residual only with SparseDownSpec::residual, may equal y
//   neurons_read   i32[1] or null: how many activations were not zero
struct SparseDownArgs {
  const int8_t* x;
  const float* x_scale;
  const int32_t* x_sum;
  const uint8_t* w;
  const float* tile_scale;
  float* y;
  const float* residual;
  int32_t* neurons_read;
  int64_t chunk_begin;
  int64_t chunk_end;
};

// One token: each head h of x becomes its RMS norm.   x  f32[heads*d], in place; weight  f32[d]
struct HeadNormArgs {
  float* x;
  const float* weight;
};

// One token: rotates q and k heads of a fused qkv row in place and appends k, v of those kv heads
// to a page of the cache.
//   qkv        f32[q_heads*d + kv_heads*d + kv_heads*d], each part starting at a multiple of
//              kTileRows
//   cos, sin   f32[d/2], of the token's position in its sequence
//   k_cache, v_cache   the layer's keys and values in the page, from its first kv head on, of the
//                      spec's KvType (runtime/kv_cache.h)
//   position   within the page
//   q_begin .. kv_end   the heads, from the first on; others are not touched
struct RopeAppendArgs {
  float* qkv;
  const float* cos;
  const float* sin;
  uint16_t* k_cache;
  uint16_t* v_cache;
  int64_t position;
  int64_t head_stride;  // words between kv heads, KvLayout::head_words()
  int64_t q_begin, q_end;
  int64_t kv_begin, kv_end;
};

// `rows` tokens of one sequence, at positions from `position` on, and the query heads of one kv
// head: out = softmax(q k^T * scale) v over the positions up to each token's own. A call does
// `parts` of that, for those chunks of kAttentionChunk positions in [chunk_begin, chunk_end) that a
// token sees: one call all of it, or several calls one part after the other, the chunks of a part
// in any order.
//   q, out     f32 [rows][stride], head h of a row at h * d
//   pages      of the sequence, by position / KvLayout::kPagePositions
//   k_offset, v_offset   words from the start of a page to the keys and values of the layer and kv
//                        head
//   scores     scratch: what a part leaves for the next (runtime/attention_scratch.h)
struct AttentionArgs {
  enum Part : int64_t {
    kScores = 1,  // scores of the chunks, and the largest of each chunk
    kValues = 2,  // their weights, below the largest of all; sums of weights and weighted values
    kOutput = 4,  // the sums of all chunks that the row sees, whatever the range, to out
    kAll = kScores | kValues | kOutput,
  };

  const float* q;
  float* out;
  const uint16_t* const* pages;
  int64_t k_offset;
  int64_t v_offset;
  float* scores;
  int64_t position;
  int64_t rows;  // 1..kMostAttentionRows
  int64_t q_stride;
  int64_t out_stride;
  int64_t chunk_begin = 0;
  int64_t chunk_end = INT64_MAX;
  int64_t parts = kAll;
};
inline constexpr int64_t kMostAttentionRows = 8;
inline constexpr int64_t kAttentionChunk =
    256;  // positions whose sums are one part (docs/numerics.md)

// h[K] = widened row `token` of the embedding table, times a factor.
struct EmbedArgs {
  const void* table;
  float* h;
  int64_t token;
};

// logits[r][n] = lanes64 dot of hidden[r] with row n of the table, for hidden rows r < rows and
// table rows [row_begin, row_end).
//   hidden     f32 [rows][hidden_stride]
//   logits     f32 [rows][logits_stride]
struct HeadArgs {
  const float* hidden;
  const void* table;
  float* logits;
  int64_t hidden_stride;
  int64_t logits_stride;
  int64_t rows;  // 1..kMaxHeadRows
  int64_t row_begin;
  int64_t row_end;
};
inline constexpr int64_t kMaxHeadRows = 16;

// Estimates of logits[r][n] from codes of a few bits per weight of the head (ScreenSpec), for
// hidden rows r < rows and head rows [row_begin, row_end). A hidden row is
// scale * (256 * high + low).
//   high, low            i8 [rows][q_stride], zero beyond K up to the padded K
//   high_sum, low_sum    i32[rows]: sums of their columns
//   scale                f32[rows]
//   codes, step          of the whole head
//   estimates            f32 [rows][estimates_stride]
struct ScreenArgs {
  const int8_t* high;
  const int8_t* low;
  const int32_t* high_sum;
  const int32_t* low_sum;
  const float* scale;
  const uint8_t* codes;
  const float* step;
  float* estimates;
  int64_t q_stride;
  int64_t estimates_stride;
  int64_t rows;  // 1..kMaxHeadRows
  int64_t row_begin;
  int64_t row_end;
};

}  // namespace bitnetc
