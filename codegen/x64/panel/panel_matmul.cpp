#include "codegen/x64/panel/panel_matmul.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "codegen/layout/word_columns.h"
#include "runtime/rounding.h"

namespace bitnetc::x64 {
namespace {

constexpr int kCacheLine = 64;
// With 2048 columns a scratch of 192 KiB.
constexpr int kMaxGroupTiles = 4;

int as_int(int64_t value) {
  return static_cast<int>(value);
}

}  // namespace

PanelChunks::PanelChunks(int64_t k, int64_t unit, int64_t most_columns) {
  const int64_t most = std::max(most_columns / unit, int64_t{1}) * unit;
  const int64_t fair_share = ceil_div(k, ceil_div(k, most));
  columns = round_up(fair_share, unit);
  count = ceil_div(k, columns);
  last_columns = k - (count - 1) * columns;
}

Status check_panel_plan(const PanelPlan& plan, const PanelLimits& limits) {
  if (plan.tiles_per_step > kMaxGroupTiles) {
    return make_error(StatusCode::kUnsupported, "tiles_per_step = {}, the scratch is for {}",
                      plan.tiles_per_step, kMaxGroupTiles);
  }
  if (plan.block_k < 0 || plan.block_k > limits.max_block_k) {
    return make_error(StatusCode::kUnsupported, "block_k = {}, expected 0..{}", plan.block_k,
                      limits.max_block_k);
  }
  if (plan.tokens < 0 || plan.tokens > limits.max_tokens) {
    return make_error(StatusCode::kUnsupported, "tokens = {}, expected 0..{}", plan.tokens,
                      limits.max_tokens);
  }
  return {};
}

PanelChunks panel_chunks(const MatmulSpec& spec, const PanelPlan& plan, const PanelLimits& limits) {
  int columns = std::min(plan.block_k > 0 ? plan.block_k : limits.own_block_k, limits.most_columns);
  if (limits.cached_bytes > 0) {
    const int rows = as_int(kTileRows) * tile_group_size(spec, plan.tiles_per_step);
    columns = std::min(columns, limits.cached_bytes / (rows + limits.cached_tokens));
  }
  return {spec.k, std::lcm(spec.weight_layout().block_columns(), limits.column_unit), columns};
}

KernelPlan effective_panel_plan(const MatmulSpec& spec, const KernelPlan& plan,
                                const PanelLimits& limits) {
  PanelPlan effective = PanelPlan::from(plan);
  effective.tiles_per_step = tile_group_size(spec, effective.tiles_per_step);
  effective.block_k = as_int(panel_chunks(spec, effective, limits).columns);
  return effective;
}

MatmulWork panel_work(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan,
                      const PanelLimits& limits, int64_t tokens) {
  const PanelPlan panel = PanelPlan::from(plan);
  const PanelChunks chunks = panel_chunks(spec, panel, limits);
  const double outputs = static_cast<double>(spec.n) * static_cast<double>(tokens);
  const auto decoder = make_panel_decoder(spec.layout, vectors);
  // Every byte of a panel is the code of a weight.
  return {.strategy = MatmulWork::Strategy::kPanel,
          .streams = tile_group_size(spec, panel.tiles_per_step),
          .prefetch_bytes = panel.prefetch_bytes,
          .decode_operations = decoder->operations_per_weight(),
          .decode_stores = 1.0 / vectors.bytes,
          .multiply_operations = int8_operations(spec, tokens),
          .panel_bytes = tile_group_size(spec, panel.tiles_per_step) * kTileRows *
                         std::min<int64_t>(chunks.columns, spec.k),
          .sums_bytes = 2.0 * sizeof(int32_t) * outputs * static_cast<double>(chunks.count)};
}

PanelMatmul::PanelMatmul(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan,
                         const PanelLimits& limits)
    : MatmulProgram(vectors, spec, SumsOf::kCodes),
      plan_(PanelPlan::from(plan)),
      decoder_(make_panel_decoder(spec.layout, vectors)),
      chunks_(panel_chunks(spec, plan_, limits)) {}

// ---- scratch

int PanelMatmul::most_group_tiles() const {
  return tile_group_size(spec_, plan_.tiles_per_step);
}

int PanelMatmul::panel_tile_bytes() const {
  return as_int(chunks_.columns) / kDotGroupColumns * kDotGroupBytes;
}

Xbyak::RegExp PanelMatmul::sums(int tile) const {
  static_assert(8 * kLocals <= kCacheLine);
  return regs_.scratch + (kCacheLine + tile * kDotGroupBytes);
}

Xbyak::RegExp PanelMatmul::panel(int tile) const {
  return sums(0) + (kMaxTokensPerCall * sums_stride() + tile * panel_tile_bytes());
}

int PanelMatmul::scratch_bytes() const {
  return kCacheLine +
         most_group_tiles() * (kMaxTokensPerCall * kDotGroupBytes + panel_tile_bytes());
}

// ---- walk

void PanelMatmul::generate() {
  prologue(scratch_bytes());
  load_arguments();
  load_constants();
  for (int tiles = most_group_tiles(); tiles >= spec_.tiles_per_unit(); tiles /= 2)
    run_tile_groups(tiles);
  release();
  finish();
}

void PanelMatmul::emit_data() {
  MatmulProgram::emit_data();
  decoder_->emit_data(*this);
}

void PanelMatmul::load_arguments() {
  mov(rax, argument(offsetof(MatmulArgs, tile_begin)));
  mov(rdx, argument(offsetof(MatmulArgs, tile_end)));
  sub(rdx, rax);
  mov(local(kTilesLeft), rdx);

  imul(regs_.w, rax, as_int(tile_bytes()));
  add(regs_.w, argument(offsetof(MatmulArgs, w)));
  mov(rdx, argument(offsetof(MatmulArgs, tile_scale)));
  lea(rdx, ptr[rdx + rax * 4]);
  mov(local(kGroupTileScale), rdx);

  imul(rax, rax, output_bytes_per_tile());
  add(rax, argument(offsetof(MatmulArgs, y)));
  mov(local(kGroupY), rax);
}

void PanelMatmul::run_tile_groups(int tiles) {
  group_tiles_ = tiles;
  Xbyak::Label next, done;
  L(next);
  cmp(local(kTilesLeft), tiles);
  jl(done, T_NEAR);
  run_chunks();
  epilogue();
  sub(local(kTilesLeft), tiles);
  jmp(next, T_NEAR);
  L(done);
}

void PanelMatmul::run_chunks() {
  const int64_t chunk_bytes = chunks_.columns / decoder_->block_columns() * decoder_->block_bytes();
  Xbyak::Label next, last, ready;
  mov(regs_.x_chunk, argument(offsetof(MatmulArgs, x)));
  mov(local(kChunksLeft), as_int(chunks_.count));
  L(next);
  if (chunks_.count > 1) {
    cmp(local(kChunksLeft), 1);
    je(last, T_NEAR);
    set_chunk(chunks_.columns);
    jmp(ready, T_NEAR);
  }
  L(last);
  set_chunk(chunks_.last_columns);
  L(ready);
  decode();
  multiply();
  add(regs_.w, as_int(chunk_bytes));
  add(regs_.x_chunk, as_int(chunks_.columns));
  dec(local(kChunksLeft));
  jnz(next, T_NEAR);
  add(regs_.w, as_int(group_tiles_ * tile_bytes() - chunks_.count * chunk_bytes));
}

void PanelMatmul::set_chunk(int64_t columns) {
  mov(local(kChunkBlocks), as_int(ceil_div(columns, decoder_->block_columns())));
  mov(local(kChunkGroups), as_int(ceil_div(columns, kDotGroupColumns)));
}

void PanelMatmul::decode() {
  const int panel_block_bytes = decoder_->block_columns() / kDotGroupColumns * kDotGroupBytes;
  decoder_->load_constants(*this);
  mov(regs_.w_block, regs_.w);
  lea(regs_.panel_block, ptr[panel(0)]);
  mov(regs_.blocks_left, local(kChunkBlocks));
  Xbyak::Label next;
  L(next);
  for (int tile = 0; tile < group_tiles_; ++tile) {
    const Xbyak::RegExp block = regs_.w_block + as_int(tile * tile_bytes());
    for (int line = 0; plan_.prefetch_bytes > 0 && line < decoder_->block_bytes();
         line += kCacheLine)
      prefetcht0(ptr[block + (plan_.prefetch_bytes + line)]);
    decoder_->decode_block(*this, block, regs_.panel_block + tile * panel_tile_bytes());
  }
  add(regs_.w_block, decoder_->block_bytes());
  add(regs_.panel_block, panel_block_bytes);
  dec(regs_.blocks_left);
  jnz(next, T_NEAR);
}

// ---- epilogue

void PanelMatmul::epilogue() {
  const int outputs = group_tiles_ / spec_.tiles_per_unit();
  const OutputRegs output_regs{.y = regs_.y,
                               .residual_delta = regs_.residual_delta,
                               .x_scale = regs_.x_scale,
                               .x_sum = regs_.x_sum,
                               .tile_scale = regs_.tile_scale,
                               .row_absmax = regs_.row_absmax};
  mov(regs_.y, local(kGroupY));
  mov(regs_.tile_scale, local(kGroupTileScale));
  mov(regs_.x_scale, argument(offsetof(MatmulArgs, x_scale)));
  mov(regs_.x_sum, argument(offsetof(MatmulArgs, x_sum)));
  if (spec_.row_absmax) mov(regs_.row_absmax, argument(offsetof(MatmulArgs, row_absmax)));
  mov(regs_.y_stride, argument(offsetof(MatmulArgs, y_stride)));
  shl(regs_.y_stride, 2);
  if (spec_.epilogue == Epilogue::kResidual) {
    mov(regs_.residual_delta, argument(offsetof(MatmulArgs, residual)));
    sub(regs_.residual_delta, argument(offsetof(MatmulArgs, y)));
  }
  mov(regs_.tokens_left, argument(offsetof(MatmulArgs, m)));
  lea(regs_.sums, ptr[sums(0)]);
  Xbyak::Label next;
  L(next);
  for (int output = 0; output < outputs; ++output) {
    for (int part = 0; part < vectors_per_tile(); ++part) {
      const auto tile_sums = [&](int tile) {
        return ptr[regs_.sums + (tile * kDotGroupBytes + part * vectors_.bytes)];
      };
      store_output(output_regs, tile_sums, output, 0, part);
    }
  }
  add(regs_.sums, sums_stride());
  add(regs_.y, regs_.y_stride);
  add(regs_.x_scale, as_int(sizeof(float)));
  add(regs_.x_sum, as_int(sizeof(int32_t)));
  if (spec_.row_absmax) add(regs_.row_absmax, as_int(sizeof(float)));
  dec(regs_.tokens_left);
  jnz(next, T_NEAR);
  add(local(kGroupY), outputs * kTileOutputBytes);
  add(local(kGroupTileScale), group_tiles_ * as_int(sizeof(float)));
}

}  // namespace bitnetc::x64
