// A kernel as the runtime sees it: a name, an entry point and a shared owner of the code behind it. How
// the code was made is not its business.
//
// Every kernel of an operation takes the Args struct of that operation, below. Shapes (N, K, M, widths) are
// baked into the code and part of the name; the structs carry only what changes from call to call. Kernels
// keep no state: any thread may call any kernel.
// Layouts of all buffers: row-major, [M][columns], strides in elements.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace bitnetc {

// Weights are tiled by this many output rows in every layout; a fused matmul's parts, its epilogues and
// its thread partition all work in whole tiles.
inline constexpr int kTileRows = 16;

// Y[m][n] = epilogue( float(sum_k X[m][k] * T[n][k]) * (x_step[m] * tile_scale[n / kTileRows]) )
// for the row tiles [tile_begin, tile_end).
//   x          i8 [M][x_stride], zero from K up to a multiple of kQuantPad (codegen/kernel_spec.h)
//   tables     what BuildTablesArgs left for the one token, for kernels that look sums up; else null
//   w          packed ternary weights of the whole matrix (first tile at w)
//   y          f32 [M][y_stride]
//   x_sum      i32[M], sum over k of x[m][k]
//   residual   f32 [M][y_stride], same indexing as y; only with Epilogue::kResidual; may equal y
//   m          tokens of this call, 1..kMaxTokensPerCall; kernels made for one M do not look at it
//   row_max    f32[M], private to the calling thread; only with MatmulSpec::row_max: every |y[m][n]| stored that
//              is greater than row_max[m] takes its place. row_max[m] must not be NaN.
struct MatmulArgs {
  const int8_t* x;
  const uint8_t* tables;
  const uint8_t* w;
  float* y;
  const float* x_step;
  const int32_t* x_sum;
  const float* tile_scale;
  const float* residual;
  int64_t x_stride;
  int64_t y_stride;
  int64_t tile_begin;
  int64_t tile_end;
  int64_t m;
  float* row_max = nullptr;
};
inline constexpr int kMaxTokensPerCall = 256;

// One token: for every group of columns whose weights share an index in the layout, the sums its weights can
// make (TableForm in codegen/kernel_spec.h), for the blocks of columns [block_begin, block_end).
//   x          i8[K], as MatmulArgs::x
//   tables     the whole table of the token, 64-byte aligned (TablesSpec::table_bytes)
struct BuildTablesArgs {
  const int8_t* x;
  uint8_t* tables;
  int64_t block_begin;
  int64_t block_end;
};

// One token: RMS norm with weight, then absmax quantisation to int8 (docs/numerics.md).
//   x, weight  f32[K]
//   q          i8[K padded], the pad is written as zero
//   step       f32[1], absmax / 127
//   sum        i32[1], sum of q
//   normed     f32[K] or null: where to leave the normed values before quantisation (debug taps)
struct NormQuantizeArgs {
  const float* x;
  const float* weight;
  int8_t* q;
  float* step;
  int32_t* sum;
  float* normed;
};

// One token: absmax quantisation to int8 of a row whose largest magnitude is known (docs/numerics.md).
//   x          f32[K]
//   maxima     the greatest of them is the largest magnitude in x: maxima[i * maxima_stride], i < maxima_count
//   q          i8[K padded], the pad is written as zero
//   step       f32[1], absmax / 127
//   sum        i32[1], sum of q
struct QuantizeArgs {
  const float* x;
  const float* maxima;
  int64_t maxima_count;
  int64_t maxima_stride;
  int8_t* q;
  float* step;
  int32_t* sum;
};

// One token: y = RMS norm of x.                     x, weight, y  f32[K]
struct RmsNormArgs {
  const float* x;
  const float* weight;
  float* y;
};

// One token: rotates the q and k heads of a fused qkv row in place and appends k, v to the cache.
//   qkv        f32[q_heads*d + kv_heads*d + kv_heads*d], each part starting at a multiple of kTileRows
//   cos, sin   f32[d/2], the row of the RoPE table for `position`
//   k_cache, v_cache   this layer's caches, all kv heads (KvLayout in runtime/kv_cache.h)
struct RopeAppendArgs {
  float* qkv;
  const float* cos;
  const float* sin;
  uint16_t* k_cache;
  uint16_t* v_cache;
  int64_t position;
  int64_t head_stride;  // KvLayout::head_stride()
};

// One token, one query head: out = softmax(q k^T * scale) v over positions 0..position.
//   q          f32[d]       out  f32[d]
//   k_cache, v_cache   this kv head's slice of this layer's caches
//   scratch    f32[round_up(position + 1, 256)] scores, private to the calling thread
struct AttentionArgs {
  const float* q;
  const uint16_t* k_cache;
  const uint16_t* v_cache;
  float* out;
  float* scratch;
  int64_t position;
};

// h[K] = widened row `token` of the embedding table.
struct EmbedArgs {
  const void* table;
  float* h;
  int64_t token;
};

// logits[n] = lanes64 dot of hidden[K] with row n, for rows [row_begin, row_end).
struct HeadArgs {
  const float* hidden;
  const void* table;
  float* logits;
  int64_t row_begin;
  int64_t row_end;
};

class Kernel {
 public:
  // `args` is the operation's struct. `context` is what the kernel was made with: kernels compiled ahead of
  // time find their shapes there; generated code ignores it.
  using Entry = void (*)(const void* args, const void* context);

  Kernel() = default;
  // `owner` keeps the code and the context alive.
  Kernel(std::string name, Entry function, const void* context, std::shared_ptr<const void> owner)
      : name_(std::move(name)), entry_(function), context_(context), owner_(std::move(owner)) {}

  const std::string& name() const { return name_; }
  explicit operator bool() const { return entry_ != nullptr; }
  Entry entry() const { return entry_; }
  const void* context() const { return context_; }

  template <typename Args>
  void operator()(const Args& args) const {
    entry_(&args, context_);
  }

 private:
  std::string name_;
  Entry entry_ = nullptr;
  const void* context_ = nullptr;
  std::shared_ptr<const void> owner_;
};

}  // namespace bitnetc
