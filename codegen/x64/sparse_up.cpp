// sparse_up.cpp     y = gate^2 * up for the neurons with a positive gate, AVX-512 VNNI
//
// Shapes     SparseUpArgs; any N % 16 == 0, any K < 2^17
// Tile       the active ones of 16 neurons, one after the other: 4 sums (a plane of codes each) +
//            codes + 4 masked planes + 4 masks; the rows of different neurons overlap in the
//            processor, so that four chains of vpdpbusd hide its latency
// Work       per 64 bytes of codes: 1 load, 4 and, 4 vpdpbusd with activations from L1; 4 cycles on
//            two ports, less than memory takes
// Exactness  A plane stays where it is in its byte: codes times 4^p, at most 128, so a sum of plane
//            p is 4^p times the one wanted. |i32| <= 128 * 128 * K < 2^31 for K < 2^17.
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

constexpr int64_t kUpKLimit = int64_t{1} << 17;
constexpr int kUpPlanes = I2sPlanes::kCount;
constexpr int kUpPlaneColumns = 64;
// The rows of the tile that comes this many tiles later are prefetched.
constexpr int kUpTilesAhead = 1;
constexpr uint8_t kLessQuiet = 17;  // vcmpps: a < b, false for NaNs, no exception

class SparseUpProgram final : public X64Code {
 public:
  explicit SparseUpProgram(const SparseUpSpec& spec)
      : X64Code(kZmmFile),
        spec_(spec),
        row_bytes_(static_cast<int>(spec.weights().row_bytes())),
        tile_bytes_(kTileRows * row_bytes_) {}

 private:
  void generate() override;
  void load_arguments();
  void prefetch_rows();
  void dot_row();
  void dot_block(int block, int planes);
  void fold();
  void store_tile();
  Xbyak::Address argument(size_t offset) const { return ptr[args_ + static_cast<int>(offset)]; }

  static Zmm sum(int plane) { return Zmm(plane); }
  static Zmm masked(int plane) { return Zmm(kUpPlanes + plane); }
  static Zmm mask(int plane) { return Zmm(2 * kUpPlanes + plane); }
  const Zmm codes_ = Zmm(12), zero_ = Zmm(13), x_sum_ = Zmm(14), x_scale_ = Zmm(15);
  const Zmm value_ = Zmm(16), factor_ = Zmm(17);
  const Xbyak::Opmask active_ = Xbyak::Opmask(1), later_ = Xbyak::Opmask(2);

  const SparseUpSpec spec_;
  const int row_bytes_, tile_bytes_;

  const Reg64 args_ = Xbyak::util::rdi;
  const Reg64 tile_ = Xbyak::util::rsi;  // its first row
  const Reg64 x_ = Xbyak::util::rdx;
  const Reg64 gate_ = Xbyak::util::rcx;  // of the tile, as the next two
  const Reg64 y_ = Xbyak::util::r8;
  const Reg64 tile_scale_ = Xbyak::util::r9;
  const Reg64 tiles_left_ = Xbyak::util::r10;
  const Reg64 row_ = Xbyak::util::r11;        // codes of the neuron at hand
  const Reg64 rows_left_ = Xbyak::util::r12;  // a bit per neuron of the tile
  const Reg64 column_ = Xbyak::util::r13;     // of x
  const Reg64 neurons_read_ = Xbyak::util::r14;
  const Reg64 iterations_ = Xbyak::util::r15;
};

void SparseUpProgram::generate() {
  prologue(kTileRows * static_cast<int>(sizeof(int32_t)));
  load_arguments();
  Xbyak::Label next_tile, next_row, tile_done, done;
  L(next_tile);
  test(tiles_left_, tiles_left_);
  jz(done, T_NEAR);
  vmovups(value_, ptr[gate_]);
  vcmpps(active_, zero_, value_, kLessQuiet);
  kmovw(rows_left_.cvt32(), active_);
  popcnt(rax, rows_left_);
  add(neurons_read_, rax);
  prefetch_rows();
  test(rows_left_, rows_left_);
  jz(tile_done, T_NEAR);
  L(next_row);
  tzcnt(rax, rows_left_);
  imul(row_, rax, row_bytes_);
  add(row_, tile_);
  dot_row();
  vmovd(ptr[rsp + rax * 4], Xmm(0));
  lea(rax, ptr[rows_left_ - 1]);
  and_(rows_left_, rax);
  jnz(next_row, T_NEAR);
  L(tile_done);
  store_tile();
  add(tile_, tile_bytes_);
  add(gate_, kTileRows * 4);
  add(y_, kTileRows * 4);
  add(tile_scale_, 4);
  dec(tiles_left_);
  jmp(next_tile, T_NEAR);
  L(done);
  Xbyak::Label no_count;
  mov(rax, argument(offsetof(SparseUpArgs, neurons_read)));
  test(rax, rax);
  jz(no_count);
  mov(ptr[rax], neurons_read_.cvt32());
  L(no_count);
  finish();
}

void SparseUpProgram::load_arguments() {
  mov(rax, argument(offsetof(SparseUpArgs, tile_begin)));
  mov(tiles_left_, argument(offsetof(SparseUpArgs, tile_end)));
  sub(tiles_left_, rax);
  imul(tile_, rax, tile_bytes_);
  add(tile_, argument(offsetof(SparseUpArgs, w)));
  mov(tile_scale_, argument(offsetof(SparseUpArgs, tile_scale)));
  lea(tile_scale_, ptr[tile_scale_ + rax * 4]);
  shl(rax, 6);
  mov(gate_, argument(offsetof(SparseUpArgs, gate)));
  add(gate_, rax);
  mov(y_, argument(offsetof(SparseUpArgs, y)));
  add(y_, rax);
  mov(x_, argument(offsetof(SparseUpArgs, x)));
  mov(rax, argument(offsetof(SparseUpArgs, x_scale)));
  vbroadcastss(x_scale_, ptr[rax]);
  mov(rax, argument(offsetof(SparseUpArgs, x_sum)));
  vpbroadcastd(x_sum_, ptr[rax]);
  vpxord(zero_, zero_, zero_);
  for (int plane = 0; plane < kUpPlanes; ++plane) broadcast(mask(plane), I2sPlanes::mask(plane));
  vmovdqu32(ptr[rsp], zero_);
  xor_(neurons_read_, neurons_read_);
}

// The active rows of a later tile.
void SparseUpProgram::prefetch_rows() {
  Xbyak::Label next, none;
  cmp(tiles_left_, kUpTilesAhead);
  jle(none, T_NEAR);
  vcmpps(later_, zero_, ptr[gate_ + kUpTilesAhead * kTileRows * 4], kLessQuiet);
  kmovw(r13d, later_);
  test(r13, r13);
  jz(none, T_NEAR);
  L(next);
  tzcnt(rax, r13);
  imul(row_, rax, row_bytes_);
  add(row_, tile_);
  for (int line = 0; line < row_bytes_; line += static_cast<int>(kNeuronBlockBytes))
    prefetcht0(ptr[row_ + (kUpTilesAhead * tile_bytes_ + line)]);
  lea(rax, ptr[r13 - 1]);
  and_(r13, rax);
  jnz(next, T_NEAR);
  L(none);
}

// The sum of the neuron's codes times x to the first lane of sum(0).
void SparseUpProgram::dot_row() {
  constexpr int kBlocksPerIteration = 5;
  const auto whole = static_cast<int>(spec_.padded_k() / kNeuronBlock);
  const auto planes_left = static_cast<int>(spec_.padded_k() % kNeuronBlock) / kUpPlaneColumns;
  for (int plane = 0; plane < kUpPlanes; ++plane) vpxord(sum(plane), sum(plane), sum(plane));
  mov(column_, x_);
  const int iterations = whole / kBlocksPerIteration, rest = whole % kBlocksPerIteration;
  repeat(iterations_, iterations, [&] {
    for (int block = 0; block < kBlocksPerIteration; ++block) dot_block(block, kUpPlanes);
    add(row_, kBlocksPerIteration * static_cast<int>(kNeuronBlockBytes));
    add(column_, kBlocksPerIteration * static_cast<int>(kNeuronBlock));
  });
  for (int block = 0; block < rest; ++block) dot_block(block, kUpPlanes);
  if (planes_left > 0) dot_block(rest, planes_left);
  fold();
}

void SparseUpProgram::dot_block(int block, int planes) {
  vmovdqu64(codes_, ptr[row_ + block * static_cast<int>(kNeuronBlockBytes)]);
  for (int plane = 0; plane < planes; ++plane) {
    vpandd(masked(plane), codes_, mask(plane));
    vpdpbusd(sum(plane), masked(plane),
             ptr[column_ + (block * static_cast<int>(kNeuronBlock) + plane * kUpPlaneColumns)],
             Xbyak::EvexEncoding);
  }
}

void SparseUpProgram::fold() {
  for (int plane = 1; plane < kUpPlanes; ++plane) {
    vpsrad(sum(plane), sum(plane), static_cast<uint8_t>(2 * plane));
    vpaddd(sum(0), sum(0), sum(plane));
  }
  const Ymm half(1);
  vextracti64x4(half, sum(0), 1);
  vpaddd(Ymm(0), Ymm(0), half);
  vextracti128(Xmm(1), Ymm(0), 1);
  vpaddd(Xmm(0), Xmm(0), Xmm(1));
  vpshufd(Xmm(1), Xmm(0), 0b01001110);
  vpaddd(Xmm(0), Xmm(0), Xmm(1));
  vpshufd(Xmm(1), Xmm(0), 0b10110001);
  vpaddd(Xmm(0), Xmm(0), Xmm(1));
}

void SparseUpProgram::store_tile() {
  vmovdqu32(value_, ptr[rsp]);
  vpsubd(value_, value_, x_sum_);
  vcvtdq2ps(value_, value_);
  vbroadcastss(factor_, ptr[tile_scale_]);
  vmulps(factor_, x_scale_, factor_);
  vmulps(value_, value_, factor_);
  vmovups(factor_, ptr[gate_]);
  vmulps(factor_, factor_, factor_);
  vmulps(value_ | active_ | T_z, factor_, value_);
  vmovups(ptr[y_], value_);
}

}  // namespace
}  // namespace x64

std::unique_ptr<Generator> make_x64_sparse_up_avx512vnni() {
  return x64::make_operation_generator<SparseUpSpec>(
      {.name = "x64_sparse_up_avx512vnni",
       .suffix = "avx512vnni",
       .isa = Isa::kAvx512Vnni,
       .revision = 1,
       .program = [](const SparseUpSpec& spec) -> std::unique_ptr<x64::X64Code> {
         return std::make_unique<x64::SparseUpProgram>(spec);
       },
       .accepts =
           [](const SparseUpSpec& spec) {
             if (spec.k < x64::kUpKLimit) return Status();
             return make_error(StatusCode::kUnsupported, "k = {}, expected less than {}", spec.k,
                               x64::kUpKLimit);
           }});
}

}  // namespace bitnetc
