#include "codegen/x64/matmul_lut.h"

#include <algorithm>
#include <cstddef>

#include "codegen/x64/x64_generator.h"
#include "runtime/rounding.h"

namespace bitnetc::x64 {
namespace {

constexpr int kAskAgainBytes = 2048;
constexpr int kMaxLaneSum = 32767;
constexpr int kMaxActivation = 128;  // in magnitude

// Blocks whose looked-up sums an i16 lane can take; see the header.
int blocks_per_flush(const WordFormat& format, int accumulators) {
  const int block_sum = kMaxActivation * format.columns / accumulators;
  return kMaxLaneSum / block_sum;
}

int unrolled_blocks(const WordFormat& format, const DirectPlan& plan, int accumulators) {
  return std::min(blocks_per_iteration(format.columns, plan.k_unroll),
                  blocks_per_flush(format, accumulators));
}

}  // namespace

KernelPlan effective_lut_plan(const MatmulSpec& spec, const KernelPlan& plan) {
  DirectPlan effective = DirectPlan::from(with_least_unroll(spec, plan));
  effective.tiles_per_step = tile_group_size(spec, effective.tiles_per_step);
  return effective;
}

MatmulWork lut_work(const MatmulSpec& spec, const KernelPlan& plan, TableForm form,
                    double operations, double weights) {
  const DirectPlan direct = DirectPlan::from(plan);
  const TablesSpec tables{.k = spec.k, .layout = spec.layout, .form = form};
  const double groups = static_cast<double>(spec.weight_layout().tiles()) /
                        tile_group_size(spec, direct.tiles_per_step);
  return {.strategy = MatmulWork::Strategy::kLookUp,
          .streams = tile_group_size(spec, direct.tiles_per_step),
          .prefetch_bytes = direct.prefetch_bytes,
          .decode_operations = operations / weights,
          .tables_read = static_cast<double>(tables.table_bytes()) * std::max(groups, 1.0),
          .tables_written = tables.table_bytes()};
}

MatmulLut::MatmulLut(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan,
                     TableForm form, int accumulators)
    : MatmulProgram(vectors, spec, SumsOf::kWeights),
      plan_(DirectPlan::from(plan)),
      format_(word_format(spec.layout)),
      tables_spec_{.k = spec.k, .layout = spec.layout, .form = form},
      blocks_per_iteration_(unrolled_blocks(format_, plan_, accumulators)),
      iterations_per_flush_(blocks_per_flush(format_, accumulators) / blocks_per_iteration_) {}

// ---- tile loop

int MatmulLut::group_tiles() const {
  return tile_group_size(spec_, plan_.tiles_per_step);
}

void MatmulLut::generate() {
  prologue(group_tiles() * kTileOutputBytes);
  load_arguments();
  load_constants();
  if (plan_.prefetch_bytes > 0) read_up_to_prefetch();
  for (int tiles = group_tiles(); tiles >= spec_.tiles_per_unit(); tiles /= 2)
    run_tile_groups(tiles);
  finish();
}

void MatmulLut::load_arguments() {
  mov(rax, argument(offsetof(MatmulArgs, tile_begin)));
  mov(tiles_left_, argument(offsetof(MatmulArgs, tile_end)));
  sub(tiles_left_, rax);
  imul(w_, rax, static_cast<int>(tile_bytes()));
  add(w_, argument(offsetof(MatmulArgs, w)));
  const int64_t last_tile = (group_tiles() - 1) * tile_bytes();
  if (plan_.prefetch_bytes > 0)
    lea(ahead_, ptr[w_ + static_cast<int>(last_tile + plan_.prefetch_bytes)]);
  mov(tile_scale_, argument(offsetof(MatmulArgs, tile_scale)));
  lea(tile_scale_, ptr[tile_scale_ + rax * 4]);
  mov(x_scale_, argument(offsetof(MatmulArgs, x_scale)));
  if (spec_.row_absmax) mov(row_absmax_, argument(offsetof(MatmulArgs, row_absmax)));
  imul(rax, rax, output_bytes_per_tile());
  mov(y_, argument(offsetof(MatmulArgs, y)));
  if (spec_.epilogue == Epilogue::kResidual) {
    mov(residual_delta_, argument(offsetof(MatmulArgs, residual)));
    sub(residual_delta_, y_);
  }
  add(y_, rax);
}

// The first tile group's weights, which nobody prefetched: loads alone read at the limit of memory,
// lookups that wait for each line of several tiles at a fifth of it.
void MatmulLut::read_up_to_prefetch() {
  const Xbyak::Reg64 line = tables_, end = iterations_;
  imul(end, tiles_left_, static_cast<int>(tile_bytes()));
  add(end, w_);
  cmp(end, ahead_);
  cmova(end, ahead_);
  mov(line, w_);
  Xbyak::Label next, done;
  L(next);
  cmp(line, end);
  jae(done);
  mov(rax, ptr[line]);
  add(line, kLineBytes);
  jmp(next);
  L(done);
}

void MatmulLut::run_tile_groups(int tiles) {
  Xbyak::Label next, done;
  L(next);
  cmp(tiles_left_, tiles);
  jl(done, T_NEAR);
  run_tile_group(tiles);
  epilogue(tiles);
  sub(tiles_left_, tiles);
  jmp(next, T_NEAR);
  L(done);
}

void MatmulLut::run_tile_group(int tiles) {
  mov(tables_, argument(offsetof(MatmulArgs, tables)));
  const Xbyak::Xmm zero = vec(0);
  vpxor(Xbyak::Xmm(0), Xbyak::Xmm(0), Xbyak::Xmm(0));
  for (int tile = 0; tile < tiles; ++tile)
    for (int part = 0; part < vectors_per_tile(); ++part) vmovups(sums(tile, part), zero);
  zero_accumulators(tiles);

  const int64_t blocks = format_.blocks(spec_.k);
  const int run = iterations_per_flush_ * blocks_per_iteration_;
  repeat(runs_, blocks / run, [&] { run_blocks(tiles, run); });
  if (blocks % run > 0) run_blocks(tiles, blocks % run);
  // w_ is past the group's first tile.
  if (tiles > 1) add(w_, static_cast<int>((tiles - 1) * tile_bytes()));
}

// ---- K loop

void MatmulLut::run_blocks(int tiles, int64_t count) {
  repeat(iterations_, count / blocks_per_iteration_,
         [&] { iteration(tiles, blocks_per_iteration_); });
  if (const auto rest = static_cast<int>(count % blocks_per_iteration_); rest > 0)
    iteration(tiles, rest);
  flush(tiles);
  zero_accumulators(tiles);
}

void MatmulLut::iteration(int tiles, int blocks) {
  for (int i = 0; i < blocks; ++i) {
    for (int w = 0; w < format_.words; ++w) {
      prefetch(tiles, i, w);
      word(tiles, i, w);
    }
  }
  const int bytes = static_cast<int>(format_.block_bytes());
  add(w_, blocks * bytes);
  add(tables_, blocks * static_cast<int>(tables_spec_.block_bytes()));
  if (plan_.prefetch_bytes > 0) add(ahead_, blocks * tiles * bytes);
}

// As many bytes as the word takes, in the order of memory whatever the number of tiles read at a
// time. Some prefetches are dropped while the tables' lines come from L2 (decision 0005), so each
// line is asked for at prefetch_bytes, at kAskAgainBytes less, and so on down to its tile.
void MatmulLut::prefetch(int tiles, int block, int w) {
  if (plan_.prefetch_bytes == 0) return;
  const int bytes = tiles * static_cast<int>(kWordColumnBytes);
  const int begin = (block * format_.words + w) * bytes;
  for (int at = round_up(begin, kLineBytes); at < begin + bytes; at += kLineBytes) {
    for (int nearer = 0; nearer <= plan_.prefetch_bytes; nearer += kAskAgainBytes)
      prefetcht0(ptr[ahead_ + (at - nearer)]);
  }
}

Xbyak::RegExp MatmulLut::word_column(int tile, int block, int w) const {
  const int64_t at = tile * tile_bytes() + block * format_.block_bytes() + w * kWordColumnBytes;
  return w_ + static_cast<int>(at);
}

Xbyak::RegExp MatmulLut::table(int block, int w, int field) const {
  const int64_t at =
      block * tables_spec_.block_bytes() + (w * fields() + field) * tables_spec_.field_bytes();
  return tables_ + static_cast<int>(at);
}

// ---- epilogue

Xbyak::Address MatmulLut::sums(int tile, int part) const {
  return ptr[scratch_ + (tile * kTileOutputBytes + part * vectors_.bytes)];
}

void MatmulLut::epilogue(int tiles) {
  const int outputs = tiles / spec_.tiles_per_unit();
  // There is one token, and sums of weights need no x_sum.
  const OutputRegs output_regs{.y = y_,
                               .residual_delta = residual_delta_,
                               .x_scale = x_scale_,
                               .x_sum = x_scale_,
                               .tile_scale = tile_scale_,
                               .row_absmax = row_absmax_};
  for (int output = 0; output < outputs; ++output)
    for (int part = 0; part < vectors_per_tile(); ++part)
      store_output(output_regs, [&](int tile) { return sums(tile, part); }, output, 0, part);
  add(tile_scale_, tiles * static_cast<int>(sizeof(float)));
  add(y_, outputs * kTileOutputBytes);
}

}  // namespace bitnetc::x64
