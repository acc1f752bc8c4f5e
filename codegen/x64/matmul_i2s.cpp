#include "codegen/x64/matmul_i2s.h"

#include <algorithm>
#include <cstddef>

#include "runtime/buffer.h"

namespace bitnetc::x64 {
namespace {

constexpr int kCellColumns = static_cast<int>(i2s::kCellColumns);
constexpr int kCellBytes = static_cast<int>(i2s::kCellBytes);

}  // namespace

MatmulI2s::MatmulI2s(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan,
                     int parts_per_pass, int tier_scratch_bytes)
    : MatmulProgram(vectors, spec, plan, SumsOf::kCodes),
      parts_per_pass_(parts_per_pass),
      tier_scratch_bytes_(tier_scratch_bytes) {}

// ---- tile loop

void MatmulI2s::generate() {
  const int sums_bytes = tiles_per_step(plan_.tiles_per_step) * spec_.m * kCellBytes;
  prologue(sums_bytes + tier_scratch_bytes_);
  load_arguments();
  load_constants();
  run_steps(plan_.tiles_per_step);
  const int remainder_tiles = gated() ? std::min(plan_.tiles_per_step, 2) : 1;
  if (remainder_tiles != plan_.tiles_per_step) run_steps(remainder_tiles);
  finish();
}

// With relu2mul the gate and the up tile of a pair are always in the same step.
int MatmulI2s::tiles_per_step(int tiles_per_pass) const {
  return gated() ? std::max(tiles_per_pass, 2) : tiles_per_pass;
}

void MatmulI2s::load_arguments() {
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

void MatmulI2s::run_steps(int tiles_per_pass) {
  step_tiles_ = tiles_per_step(tiles_per_pass);
  Xbyak::Label next, done;
  L(next);
  cmp(regs_.tiles_left, step_tiles_);
  jl(done, T_NEAR);
  run_step(tiles_per_pass);
  epilogue();
  sub(regs_.tiles_left, step_tiles_);
  jmp(next, T_NEAR);
  L(done);
}

void MatmulI2s::run_step(int tiles_per_pass) {
  for (int tile = 0; tile < step_tiles_; tile += tiles_per_pass) {
    for (int part = 0; part < vectors_per_tile(); part += parts_per_pass_) {
      // A pass over other rows reads the same cells again, from L1.
      const bool last = part + parts_per_pass_ >= vectors_per_tile();
      const int64_t advance_bytes = last ? tiles_per_pass * tile_bytes() : 0;
      accumulate_k({.tiles = tiles_per_pass,
                    .parts = parts_per_pass_,
                    .first_tile = tile,
                    .first_part = part},
                   advance_bytes);
    }
  }
}

// ---- K loop

void MatmulI2s::accumulate_k(const Pass& pass, int64_t w_advance_bytes) {
  const int64_t cell_count = spec_.weight_layout().padded_k() / kCellColumns;
  const int64_t iterations = cell_count / plan_.k_unroll;
  const bool more_than_4_tokens = spec_.m > 4;
  mov(regs_.x, argument(offsetof(MatmulArgs, x)));
  if (more_than_4_tokens) lea(regs_.x_token4, ptr[regs_.x + regs_.x_stride * 4]);
  begin(pass);
  repeat(regs_.k_iterations, iterations, [&] {
    cells(pass, plan_.k_unroll);
    add(regs_.w, plan_.k_unroll * kCellBytes);
    add(regs_.x, plan_.k_unroll * kCellColumns);
    if (more_than_4_tokens) add(regs_.x_token4, plan_.k_unroll * kCellColumns);
  });
  const int remainder = static_cast<int>(cell_count % plan_.k_unroll);
  if (remainder > 0) cells(pass, remainder);
  end(pass);
  const int64_t advanced_bytes = iterations * plan_.k_unroll * kCellBytes;
  if (w_advance_bytes != advanced_bytes)
    add(regs_.w, static_cast<int>(w_advance_bytes - advanced_bytes));
}

Xbyak::Address MatmulI2s::codes(const Pass& pass, int tile, int part, int cell) const {
  const int64_t offset =
      tile * tile_bytes() + cell * kCellBytes + (pass.first_part + part) * vectors_.bytes;
  return ptr[regs_.w + static_cast<int>(offset)];
}

Xbyak::RegExp MatmulI2s::activations(int token, int cell, int plane) const {
  const int column = cell * kCellColumns + plane * static_cast<int>(i2s::kPlaneColumns);
  const Xbyak::RegExp base = (token < 4 ? regs_.x : regs_.x_token4) + column;
  switch (token % 4) {
    case 0: return base;
    case 1: return base + regs_.x_stride;
    case 2: return base + regs_.x_stride * 2;
    default: return base + regs_.x_stride3;
  }
}

Xbyak::Address MatmulI2s::step_sums(int tile, int token, int part) const {
  return ptr[regs_.scratch + ((tile * spec_.m + token) * kCellBytes + part * vectors_.bytes)];
}

Xbyak::Address MatmulI2s::sums(const Pass& pass, int tile, int token, int part) const {
  return step_sums(pass.first_tile + tile, token, pass.first_part + part);
}

Xbyak::RegExp MatmulI2s::tier_scratch() const {
  return regs_.scratch + tiles_per_step(plan_.tiles_per_step) * spec_.m * kCellBytes;
}

void MatmulI2s::prefetch(const Pass& pass, int cell) {
  if (plan_.prefetch_bytes == 0 || pass.first_part > 0) return;
  for (int tile = 0; tile < pass.tiles; ++tile) {
    const int64_t offset = tile * tile_bytes() + cell * kCellBytes + plan_.prefetch_bytes;
    prefetcht0(ptr[regs_.w + static_cast<int>(offset)]);
  }
}

// ---- epilogue

void MatmulI2s::epilogue() {
  const int outputs = gated() ? step_tiles_ / 2 : step_tiles_;
  const OutputRegs output_regs{.y = regs_.y_token,
                               .residual_delta = regs_.residual_delta,
                               .x_step = regs_.x_step,
                               .x_sum = regs_.x_sum,
                               .tile_scale = regs_.tile_scale,
                               .row_max = regs_.row_max};
  mov(regs_.y_token, regs_.y);
  mov(regs_.x_step, argument(offsetof(MatmulArgs, x_step)));
  mov(regs_.x_sum, argument(offsetof(MatmulArgs, x_sum)));
  if (spec_.row_max) mov(regs_.row_max, argument(offsetof(MatmulArgs, row_max)));
  for (int token = 0; token < spec_.m; ++token) {
    for (int output = 0; output < outputs; ++output) {
      for (int part = 0; part < vectors_per_tile(); ++part) {
        store_output(
            output_regs, [&](int tile) { return step_sums(tile, token, part); }, output, token,
            part);
      }
    }
    if (token + 1 < spec_.m) add(regs_.y_token, regs_.y_stride);
  }
  add(regs_.tile_scale, step_tiles_ * static_cast<int>(sizeof(float)));
  add(regs_.y, outputs * kTileOutputBytes);
}

}  // namespace bitnetc::x64
