#include "codegen/x64/matmul_direct.h"

#include <algorithm>
#include <cstddef>

#include "runtime/rounding.h"

namespace bitnetc::x64 {

MatmulWork direct_work(const MatmulSpec& spec, const KernelPlan& plan, int64_t tokens,
                       double decode_operations_per_weight, int independent_sums) {
  const DirectPlan direct = DirectPlan::from(plan);
  return {.strategy = MatmulWork::Strategy::kDirect,
          .streams = direct.tiles_per_step,
          .prefetch_bytes = direct.prefetch_bytes,
          .decode_operations = decode_operations_per_weight,
          .multiply_operations = int8_operations(spec, tokens),
          .independent_sums = independent_sums};
}

MatmulDirect::MatmulDirect(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan,
                           int parts_per_pass, int tier_scratch_bytes)
    : MatmulProgram(vectors, spec, SumsOf::kCodes),
      plan_(DirectPlan::from(plan)),
      block_columns_(static_cast<int>(spec.weight_layout().block_columns())),
      block_bytes_(static_cast<int>(spec.weight_layout().block_bytes())),
      parts_per_pass_(parts_per_pass),
      tier_scratch_bytes_(tier_scratch_bytes) {}

// ---- tile loop

void MatmulDirect::generate() {
  const int sums_bytes = tiles_per_group(plan_.tiles_per_step) * spec_.m * kTileOutputBytes;
  prologue(sums_bytes + tier_scratch_bytes_);
  load_arguments();
  load_constants();
  run_tile_groups(plan_.tiles_per_step);
  const int remainder_tiles = std::min(plan_.tiles_per_step, spec_.tiles_per_unit());
  if (remainder_tiles != plan_.tiles_per_step) run_tile_groups(remainder_tiles);
  finish();
}

// With a gated epilogue the gate and the up tile of a pair are always in the same group.
int MatmulDirect::tiles_per_group(int tiles_per_pass) const {
  return std::max(tiles_per_pass, spec_.tiles_per_unit());
}

void MatmulDirect::load_arguments() {
  mov(rax, argument(offsetof(MatmulArgs, tile_begin)));
  mov(regs_.tiles_left, argument(offsetof(MatmulArgs, tile_end)));
  sub(regs_.tiles_left, rax);

  imul(regs_.w, rax, static_cast<int>(tile_bytes()));
  add(regs_.w, argument(offsetof(MatmulArgs, w)));
  mov(regs_.tile_scale, argument(offsetof(MatmulArgs, tile_scale)));
  lea(regs_.tile_scale, ptr[regs_.tile_scale + rax * 4]);

  imul(rax, rax, output_bytes_per_tile());
  mov(regs_.y, argument(offsetof(MatmulArgs, y)));
  if (spec_.epilogue == Epilogue::kResidual) {
    mov(regs_.residual_delta, argument(offsetof(MatmulArgs, residual)));
    sub(regs_.residual_delta, regs_.y);
  }
  add(regs_.y, rax);
  if (spec_.m > 1) {
    mov(regs_.y_stride, argument(offsetof(MatmulArgs, y_stride)));
    shl(regs_.y_stride, 2);
    mov(regs_.x_stride, argument(offsetof(MatmulArgs, x_stride)));
    lea(regs_.x_stride3, ptr[regs_.x_stride + regs_.x_stride * 2]);
  }
}

void MatmulDirect::run_tile_groups(int tiles_per_pass) {
  group_tiles_ = tiles_per_group(tiles_per_pass);
  pass_tiles_ = tiles_per_pass;
  Xbyak::Label next, done;
  L(next);
  cmp(regs_.tiles_left, group_tiles_);
  jl(done, T_NEAR);
  run_tile_group(tiles_per_pass);
  epilogue();
  sub(regs_.tiles_left, group_tiles_);
  jmp(next, T_NEAR);
  L(done);
}

void MatmulDirect::run_tile_group(int tiles_per_pass) {
  if (!takes_turns()) return run_passes(tiles_per_pass);
  // While the up tile is worked on the number of tiles that are left is odd.
  Xbyak::Label again, both;
  L(again);
  run_passes(tiles_per_pass);
  xor_(regs_.tiles_left, 1);
  test(regs_.tiles_left, 1);
  jz(both, T_NEAR);
  const Xbyak::Xmm gate_sums = vec(vectors_.count - 1);
  for (int token = 0; token < spec_.m; ++token) {
    for (int part = 0; part < vectors_per_tile(); ++part) {
      vmovups(gate_sums, pass_sums(0, token, part));
      vmovups(pass_sums(1, token, part), gate_sums);
    }
  }
  jmp(again, T_NEAR);
  L(both);
}

void MatmulDirect::run_passes(int tiles_per_pass) {
  for (int part = 0; part < vectors_per_tile(); part += parts_per_pass_) {
    // A pass over other rows reads the same blocks again, from L1.
    const bool last = part + parts_per_pass_ >= vectors_per_tile();
    const int64_t advance_bytes = last ? tiles_per_pass * tile_bytes() : 0;
    accumulate_k({.tiles = tiles_per_pass, .parts = parts_per_pass_, .first_part = part},
                 advance_bytes);
  }
}

// ---- K loop

void MatmulDirect::accumulate_k(const Pass& pass, int64_t w_advance_bytes) {
  const int64_t readable_columns = spec_.padded_k();
  const int64_t whole_blocks =
      std::min(spec_.weight_layout().padded_k(), readable_columns) / block_columns_;
  const int unroll = blocks_per_iteration();
  const int64_t iterations = whole_blocks / unroll;
  const bool more_than_4_tokens = spec_.m > 4;
  mov(regs_.x, argument(offsetof(MatmulArgs, x)));
  if (more_than_4_tokens) lea(regs_.x_token4, ptr[regs_.x + regs_.x_stride * 4]);
  begin(pass);
  // A prefetch that leaves its tile goes on in the same tile of a later group: `groups` behind.
  const auto run = [&](int64_t count, int64_t groups) {
    prefetch_ahead_bytes_ = plan_.prefetch_bytes + groups * (pass.tiles - 1) * tile_bytes();
    repeat(regs_.k_iterations, count, [&] {
      blocks(pass, unroll);
      add(regs_.w, unroll * block_bytes_);
      add(regs_.x, unroll * block_columns_);
      if (more_than_4_tokens) add(regs_.x_token4, unroll * block_columns_);
    });
  };
  const int64_t groups = plan_.prefetch_bytes / tile_bytes();
  const int64_t staying =
      ((groups + 1) * tile_bytes() - plan_.prefetch_bytes) / (unroll * block_bytes_);
  const bool is_one_stream = !prefetches(pass) || pass.tiles == 1;
  run(is_one_stream ? iterations : std::min(staying, iterations), groups);
  if (!is_one_stream) run(std::max(iterations - staying, int64_t{0}), groups + 1);
  const int remainder = static_cast<int>(whole_blocks % unroll);
  if (remainder > 0) blocks(pass, remainder);
  const auto columns_left = static_cast<int>(spec_.k - whole_blocks * block_columns_);
  if (columns_left > 0) cut_block(pass, remainder, ceil_div(columns_left, kDotGroupColumns));
  end(pass);
  const int64_t advanced_bytes = iterations * unroll * block_bytes_;
  if (w_advance_bytes != advanced_bytes)
    add(regs_.w, static_cast<int>(w_advance_bytes - advanced_bytes));
}

int MatmulDirect::blocks_per_iteration() const {
  return x64::blocks_per_iteration(block_columns_, plan_.k_unroll);
}

void MatmulDirect::cut_block(const Pass&, int, int) {
  BITNETC_CHECK(false, "{}: blocks of {} columns are never cut", layout_name(spec_.layout),
                block_columns_);
}

Xbyak::RegExp MatmulDirect::codes(const Pass& pass, int tile, int part, int block) const {
  const int64_t offset =
      tile * tile_bytes() + block * block_bytes_ + (pass.first_part + part) * vectors_.bytes;
  return regs_.w + static_cast<int>(offset);
}

Xbyak::RegExp MatmulDirect::activations(int token, int block, int group) const {
  const int column = block * block_columns_ + group * kDotGroupColumns;
  const Xbyak::RegExp base = (token < 4 ? regs_.x : regs_.x_token4) + column;
  switch (token % 4) {
    case 0: return base;
    case 1: return base + regs_.x_stride;
    case 2: return base + regs_.x_stride * 2;
    default: return base + regs_.x_stride3;
  }
}

Xbyak::Address MatmulDirect::pass_sums(int tile, int token, int part) const {
  return ptr[regs_.scratch + ((tile * spec_.m + token) * kTileOutputBytes + part * vectors_.bytes)];
}

Xbyak::Address MatmulDirect::sums(const Pass& pass, int tile, int token, int part) const {
  return pass_sums(tile, token, pass.first_part + part);
}

Xbyak::RegExp MatmulDirect::tier_scratch() const {
  return regs_.scratch + tiles_per_group(plan_.tiles_per_step) * spec_.m * kTileOutputBytes;
}

bool MatmulDirect::prefetches(const Pass& pass) const {
  return plan_.prefetch_bytes > 0 && pass.first_part == 0;
}

void MatmulDirect::prefetch(const Pass& pass, int block) {
  if (!prefetches(pass)) return;
  for (int tile = 0; tile < pass.tiles; ++tile) {
    const int64_t offset = tile * tile_bytes() + block * block_bytes_ + prefetch_ahead_bytes_;
    for (int line = 0; line < block_bytes_; line += kLineBytes)
      prefetcht0(ptr[regs_.w + static_cast<int>(offset + line)]);
  }
}

// ---- epilogue

void MatmulDirect::epilogue() {
  const int outputs = group_tiles_ / spec_.tiles_per_unit();
  const OutputRegs output_regs{.y = regs_.y_token,
                               .residual_delta = regs_.residual_delta,
                               .x_scale = regs_.x_scale,
                               .x_sum = regs_.x_sum,
                               .tile_scale = regs_.tile_scale,
                               .row_absmax = regs_.row_absmax};
  mov(regs_.y_token, regs_.y);
  mov(regs_.x_scale, argument(offsetof(MatmulArgs, x_scale)));
  mov(regs_.x_sum, argument(offsetof(MatmulArgs, x_sum)));
  if (spec_.row_absmax) mov(regs_.row_absmax, argument(offsetof(MatmulArgs, row_absmax)));
  for (int token = 0; token < spec_.m; ++token) {
    for (int output = 0; output < outputs; ++output) {
      for (int part = 0; part < vectors_per_tile(); ++part) {
        store_output(
            output_regs,
            [&](int tile) { return pass_sums(takes_turns() ? 1 - tile : tile, token, part); },
            output, token, part);
      }
    }
    if (token + 1 < spec_.m) add(regs_.y_token, regs_.y_stride);
  }
  add(regs_.tile_scale, group_tiles_ * static_cast<int>(sizeof(float)));
  add(regs_.y, outputs * kTileOutputBytes);
}

}  // namespace bitnetc::x64
