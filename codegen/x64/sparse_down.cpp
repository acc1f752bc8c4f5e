// sparse_down.cpp     y = sum over the neurons that are not zero, AVX-512 VNNI
//
// Shapes     SparseDownArgs; any N % 16 == 0, any K < 2^17
//   scan     x -> the offsets of the rows of active neurons, and their activations
//   for each batch of active neurons     at most kBatchNeurons; those of the next batch are
//                                        prefetched
//     for each chunk of 256 outputs      64 bytes of a row
//       load 16 sums
//       for each four neurons of the batch
//       store 16 sums
//   epilogue for every chunk
//
// Tile       256 outputs: 16 sums + 4 rows + 4 interleaved + activations + 3 planes + 4 masks = 32
// Work       per four neurons and 256 outputs: 4 loads, 8 shuffles that interleave the bytes of the
//            four rows, 16 and, 16 vpdpbusd: 20 cycles on two ports for 256 bytes; sums pass
//            through L1 once per batch and chunk
// Exactness  as sparse_up.cpp
// Layout     docs/layouts/neuron_rows.md          Reference  codegen/reference/sparse.cpp
#include <cstddef>

#include "codegen/x64/emit/i2s_planes.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64 {
namespace {

using Xbyak::Reg64;
using Xbyak::Xmm;
using Xbyak::Ymm;
using Xbyak::Zmm;

constexpr int64_t kDownKLimit = int64_t{1} << 17;
constexpr int kDownPlanes = I2sPlanes::kCount;
constexpr int kQuad = 4;  // neurons that meet in a dword
constexpr int kBatchQuads = 8;
constexpr int kBatchNeurons = kBatchQuads * kQuad;
constexpr int kSumBytes = 64;  // one vector
constexpr int kChunkSums = 16;
constexpr int kChunkSumBytes = kChunkSums * kSumBytes;

class SparseDownProgram final : public X64Code {
 public:
  explicit SparseDownProgram(const SparseDownSpec& spec)
      : X64Code(kZmmFile),
        spec_(spec),
        row_bytes_(static_cast<int>(spec.weights().row_bytes())),
        list_entries_(static_cast<int>(spec.padded_k()) + 2 * kBatchNeurons) {}

 private:
  void generate() override;
  void emit_data() override;
  void scan();
  void pad_lists();
  void clear_sums();
  void run_batches();
  void prefetch_batch();
  void multiply_quad();
  void epilogue();
  void store_tiles(int group);
  Xbyak::Address argument(size_t offset) const { return ptr[args_ + static_cast<int>(offset)]; }

  // The scratch: sums i32 [chunk][group][plane][16], offsets u32 and activations i8 of the active
  // neurons.
  int sums_bytes() const { return static_cast<int>(spec_.chunks()) * kChunkSumBytes; }
  int offsets_at() const { return sums_bytes(); }
  int activations_at() const { return offsets_at() + 4 * list_entries_; }
  int scratch_bytes() const { return activations_at() + list_entries_; }

  static Zmm sum(int group, int plane) { return Zmm(group * kDownPlanes + plane); }
  static Zmm row(int i) { return Zmm(16 + i); }
  static Zmm pair(int i) { return Zmm(20 + i); }
  static Zmm mask(int plane) { return Zmm(28 + plane); }
  static Zmm plane(int i) { return Zmm(25 + i % 3); }
  const Zmm activations_ = Zmm(24);

  const SparseDownSpec spec_;
  const int row_bytes_, list_entries_;
  Xbyak::Label lane_offsets_;

  const Reg64 args_ = Xbyak::util::rdi;
  const Reg64 w_ = Xbyak::util::rsi;       // the chunk's bytes of neuron 0
  const Reg64 offset_ = Xbyak::util::rdx;  // of the next neuron of the batch
  const Reg64 active_ = Xbyak::util::rcx;  // its activation
  const Reg64 quads_ = Xbyak::util::r8;    // left of the batch
  const Reg64 sums_ = Xbyak::util::r9;     // of the chunk
  const Reg64 chunks_ = Xbyak::util::r10;  // left
  const Reg64 batch_ = Xbyak::util::r11;   // offsets of its neurons
  const Reg64 batch_active_ = Xbyak::util::r12;
  const Reg64 quads_left_ = Xbyak::util::r13;  // of all
  const Reg64 batch_quads_ = Xbyak::util::r14;
  const Reg64 count_ = Xbyak::util::r15;  // active neurons
};

void SparseDownProgram::generate() {
  prologue(scratch_bytes());
  scan();
  pad_lists();
  clear_sums();
  run_batches();
  epilogue();
  finish();
}

void SparseDownProgram::emit_data() {
  L(lane_offsets_);
  for (int i = 0; i < 16; ++i) dd(static_cast<uint32_t>(i * row_bytes_));
}

void SparseDownProgram::scan() {
  const Zmm offsets(0), step(1), x(2), chosen(3);
  const Xbyak::Opmask active(1);
  vmovdqu32(offsets, ptr[rip + lane_offsets_]);
  broadcast(step, static_cast<uint32_t>(16 * row_bytes_));
  mov(offset_, argument(offsetof(SparseDownArgs, x)));
  xor_(count_, count_);
  repeat(chunks_, spec_.padded_k() / 16, [&] {
    vpmovsxbd(x, ptr[offset_]);
    vptestmd(active, x, x);
    vpcompressd(chosen | active | T_z, offsets);
    vmovdqu32(ptr[rsp + count_ * 4 + offsets_at()], chosen);
    vpcompressd(chosen | active | T_z, x);
    vpmovdb(ptr[rsp + count_ + activations_at()], chosen);
    kmovw(eax, active);
    popcnt(eax, eax);
    add(count_, rax);
    vpaddd(offsets, offsets, step);
    add(offset_, 16);
  });
  Xbyak::Label no_count;
  mov(rax, argument(offsetof(SparseDownArgs, neurons_read)));
  test(rax, rax);
  jz(no_count);
  mov(ptr[rax], count_.cvt32());
  L(no_count);
}

// Behind the active neurons come some whose activation is zero: those that fill the last four, and
// those that are prefetched.
void SparseDownProgram::pad_lists() {
  const Zmm zero(0);
  vpxord(zero, zero, zero);
  for (int at = 0; at < 2 * kBatchNeurons; at += 16)
    vmovdqu32(ptr[rsp + count_ * 4 + (offsets_at() + 4 * at)], zero);
  vmovdqu32(ptr[rsp + count_ + activations_at()], zero);
  lea(quads_left_, ptr[count_ + (kQuad - 1)]);
  shr(quads_left_, 2);
}

void SparseDownProgram::clear_sums() {
  const Zmm zero(0);
  mov(rax, argument(offsetof(SparseDownArgs, chunk_begin)));
  mov(w_, rax);
  shl(w_, 6);
  add(w_, argument(offsetof(SparseDownArgs, w)));
  mov(count_, argument(offsetof(SparseDownArgs, chunk_end)));  // chunks of the call, from here on
  sub(count_, rax);
  mov(chunks_, count_);
  lea(sums_, ptr[rsp]);
  Xbyak::Label next;
  L(next);
  for (int i = 0; i < kChunkSums; ++i) vmovdqu32(ptr[sums_ + i * kSumBytes], zero);
  add(sums_, kChunkSumBytes);
  dec(chunks_);
  jnz(next, T_NEAR);
  for (int i = 0; i < kDownPlanes; ++i) broadcast(mask(i), I2sPlanes::mask(i));
}

void SparseDownProgram::run_batches() {
  Xbyak::Label next_batch, next_chunk, next_quad, done;
  lea(batch_, ptr[rsp + offsets_at()]);
  lea(batch_active_, ptr[rsp + activations_at()]);
  L(next_batch);
  test(quads_left_, quads_left_);
  jz(done, T_NEAR);
  mov(batch_quads_, kBatchQuads);
  cmp(quads_left_, batch_quads_);
  cmovl(batch_quads_, quads_left_);
  mov(chunks_, count_);
  lea(sums_, ptr[rsp]);
  prefetch_batch();
  L(next_chunk);
  for (int i = 0; i < kChunkSums; ++i) vmovdqu32(Zmm(i), ptr[sums_ + i * kSumBytes]);
  mov(quads_, batch_quads_);
  mov(offset_, batch_);
  mov(active_, batch_active_);
  align(kLoopAlignment);
  L(next_quad);
  multiply_quad();
  add(offset_, 4 * kQuad);
  add(active_, kQuad);
  dec(quads_);
  jnz(next_quad, T_NEAR);
  for (int i = 0; i < kChunkSums; ++i) vmovdqu32(ptr[sums_ + i * kSumBytes], Zmm(i));
  add(sums_, kChunkSumBytes);
  add(w_, static_cast<int>(kNeuronBlockBytes));
  dec(chunks_);
  jnz(next_chunk, T_NEAR);
  imul(rax, count_, static_cast<int>(kNeuronBlockBytes));
  sub(w_, rax);
  add(batch_, 4 * kBatchNeurons);
  add(batch_active_, kBatchNeurons);
  sub(quads_left_, batch_quads_);
  jmp(next_batch, T_NEAR);
  L(done);
}

// The rows of the next batch, one after the other: line by line in the order of the chunks, with
// other rows between the lines of one, took 1.1 times as long.
void SparseDownProgram::prefetch_batch() {
  Xbyak::Label next_row, next_line;
  mov(offset_, batch_);
  mov(quads_, kBatchNeurons);
  L(next_row);
  mov(eax, ptr[offset_ + 4 * kBatchNeurons]);
  add(rax, w_);
  mov(active_, count_);
  L(next_line);
  prefetcht0(ptr[rax]);
  add(rax, static_cast<int>(kNeuronBlockBytes));
  dec(active_);
  jnz(next_line);
  add(offset_, 4);
  dec(quads_);
  jnz(next_row);
}

// Byte 4i + j of a lane of the interleaved rows is byte 4 * group + i of that lane of row j.
void SparseDownProgram::multiply_quad() {
  for (int i = 0; i < kQuad; ++i) {
    mov(eax, ptr[offset_ + 4 * i]);
    vmovdqu64(row(i), ptr[w_ + rax]);
  }
  vpbroadcastd(activations_, ptr[active_]);
  vpunpcklbw(pair(0), row(0), row(1));
  vpunpckhbw(pair(1), row(0), row(1));
  vpunpcklbw(pair(2), row(2), row(3));
  vpunpckhbw(pair(3), row(2), row(3));
  vpunpcklwd(row(0), pair(0), pair(2));
  vpunpckhwd(row(1), pair(0), pair(2));
  vpunpcklwd(row(2), pair(1), pair(3));
  vpunpckhwd(row(3), pair(1), pair(3));
  for (int group = 0; group < kQuad; ++group) {
    for (int p = 0; p < kDownPlanes; ++p) {
      const Zmm codes = plane(group * kDownPlanes + p);
      vpandd(codes, row(group), mask(p));
      vpdpbusd(sum(group, p), codes, activations_, Xbyak::EvexEncoding);
    }
  }
}

void SparseDownProgram::epilogue() {
  const Reg64 y = rdx, residual = rcx, tile_scale = r8, tiles_left = r11;
  Xbyak::Label next;
  mov(rax, argument(offsetof(SparseDownArgs, chunk_begin)));
  mov(tiles_left, spec_.tiles());
  mov(tile_scale, rax);
  shl(tile_scale, 4);
  sub(tiles_left, tile_scale);
  shl(tile_scale, 2);
  add(tile_scale, argument(offsetof(SparseDownArgs, tile_scale)));
  shl(rax, 10);
  mov(y, argument(offsetof(SparseDownArgs, y)));
  if (spec_.residual) {
    mov(residual, argument(offsetof(SparseDownArgs, residual)));
    sub(residual, y);
  }
  add(y, rax);
  mov(rax, argument(offsetof(SparseDownArgs, x_sum)));
  vpbroadcastd(Zmm(30), ptr[rax]);
  mov(rax, argument(offsetof(SparseDownArgs, x_scale)));
  vbroadcastss(Zmm(31), ptr[rax]);
  lea(sums_, ptr[rsp]);
  L(next);
  for (int group = 0; group < kQuad; ++group) store_tiles(group);
  add(sums_, kChunkSumBytes);
  add(y, static_cast<int>(kNeuronBlock * 4));
  add(tile_scale, kChunkSums * 4);
  sub(tiles_left, kChunkSums);
  dec(count_);
  jnz(next, T_NEAR);
}

// Lane L of the sums of a group holds four rows of tile 4L + group per plane.
void SparseDownProgram::store_tiles(int group) {
  const Reg64 y = rdx, residual = rcx, tile_scale = r8, tiles_left = r11;
  for (int p = 0; p < kDownPlanes; ++p) {
    vmovdqu32(Zmm(p), ptr[sums_ + (group * kDownPlanes + p) * kSumBytes]);
    if (p > 0) vpsrad(Zmm(p), Zmm(p), static_cast<uint8_t>(2 * p));
  }
  vshufi32x4(Zmm(4), Zmm(0), Zmm(1), 0x44);
  vshufi32x4(Zmm(5), Zmm(2), Zmm(3), 0x44);
  vshufi32x4(Zmm(6), Zmm(0), Zmm(1), 0xee);
  vshufi32x4(Zmm(7), Zmm(2), Zmm(3), 0xee);
  Xbyak::Label done;
  for (int lane = 0; lane < 4; ++lane) {
    const int tile = 4 * lane + group, from = lane < 2 ? 4 : 6;
    const Zmm value(0), factor(1);
    cmp(tiles_left, tile);
    jle(done, T_NEAR);
    vshufi32x4(value, Zmm(from), Zmm(from + 1), lane % 2 == 0 ? 0x88 : 0xdd);
    vpsubd(value, value, Zmm(30));
    vcvtdq2ps(value, value);
    vbroadcastss(factor, ptr[tile_scale + tile * 4]);
    vmulps(factor, Zmm(31), factor);
    vmulps(value, value, factor);
    const Xbyak::RegExp to = y + tile * kTileRows * 4;
    if (spec_.residual) vaddps(value, value, ptr[to + residual]);
    vmovups(ptr[to], value);
  }
  L(done);
}

}  // namespace
}  // namespace x64

std::unique_ptr<Generator> make_x64_sparse_down_avx512vnni() {
  return x64::make_operation_generator<SparseDownSpec>(
      {.name = "x64_sparse_down_avx512vnni",
       .suffix = "avx512vnni",
       .isa = Isa::kAvx512Vnni,
       .revision = 1,
       .program = [](const SparseDownSpec& spec) -> std::unique_ptr<x64::X64Code> {
         return std::make_unique<x64::SparseDownProgram>(spec);
       },
       .accepts =
           [](const SparseDownSpec& spec) {
             if (spec.k < x64::kDownKLimit) return Status();
             return make_error(StatusCode::kUnsupported, "k = {}, expected less than {}", spec.k,
                               x64::kDownKLimit);
           }});
}

}  // namespace bitnetc
