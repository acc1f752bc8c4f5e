// screen_amx.cpp     estimates of logits for several hidden rows, AMX: tdpbusd
//
// Shapes     ScreenArgs; any N, K <= 8192, 4 to 16 hidden rows. Fewer hidden rows, and the last
//            rows of the head that are no 32, go by way of screen_program.cpp.
// Tile       32 rows of the head x 16 hidden rows, a sum over `high` and one over `low` each:
//            4 C + 2 A + 2 B = all 8 tile registers
//            A    u8  16 rows of the head x 64 codes, widened into the scratch
//            B    i8  64 columns x 16 hidden rows, four columns side by side, made once per call
//            C    i32 16 rows of the head x 16 hidden rows
// Work       256 columns of 32 rows: 16 tdpbusd of 16 cycles. 128 stores of widened codes (and 192
//            or 224 operations for them) take half the time of the products; B comes from L2,
//            128 lines. Per 32 rows 4 C become floats and change rows with columns.
// Exactness  tdpbusd does not saturate; |i32| < 2^31 for K <= 2^17. The floats at the end are
//            single operations in the order of the reference.
// Tiles      configured on entry, released before the return: runtime/amx.h
// Layout     docs/operations/screen.md          Reference  codegen/reference/tables.cpp
#include "codegen/x64/emit/amx_tiles.h"
#include "codegen/x64/screen_program.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64 {
namespace {

using Xbyak::Reg64;
using Xbyak::Tmm;
using Xbyak::Xmm;
using Xbyak::Zmm;

constexpr int kLeastHiddenRows = 4;
constexpr int64_t kMostColumns = 8192;  // two copies of 16 hidden rows lie on the stack
constexpr int kLanes = 16;              // hidden rows, and rows of the head of a tile register
constexpr int kStepRows = 2 * kLanes;   // rows of the head
constexpr int kProductColumns = 64;     // of one tdpbusd
constexpr int kBlockColumns = static_cast<int>(kScreenBlock);
constexpr int kTileBytes = kTileRegisterRows * kTileRegisterRowBytes;
static_assert(kMaxHeadRows == kLanes);

class ScreenAmx final : public ScreenProgram {
 public:
  explicit ScreenAmx(const ScreenSpec& spec) : ScreenProgram(kScreenAvx512, spec) {}

 private:
  // The scratch on the stack.
  static constexpr int kHiddenRows = 0;                      // address of each hidden row's `high`
  static constexpr int kOffsets = kHiddenRows + 8 * kLanes;  // i32 [half][hidden row]
  static constexpr int kScales = kOffsets + 2 * 4 * kLanes;  // f32 [hidden row]
  static constexpr int kA = kScales + 4 * kLanes;            // u8 [32][256]
  static constexpr int kC = kA + kStepRows * kBlockColumns;  // i32 [half][32][hidden row]
  static constexpr int kB = kC + 4 * kTileBytes;             // i8 [half][K / 4][hidden row][4]
  static constexpr int half_of_c() { return 2 * kTileBytes; }
  int half_of_b() const { return static_cast<int>(spec_.padded_k()) * kLanes; }
  int scratch_bytes() const { return kB + 2 * half_of_b(); }

  // Register map.
  static Tmm c(int tile, Half half) { return Tmm(2 * tile + half); }
  static Tmm a(int tile) { return Tmm(4 + tile); }
  static Tmm b(Half half) { return Tmm(6 + half); }
  // Of transpose(): 16 bytes of four rows each.
  static Zmm quad(int i, int j) { return Zmm(4 * j + i); }

  void generate() override;
  void emit_data() override;
  void note_hidden_rows();
  void note_lanes();
  void make_b(Half half);
  void multiply();
  void widen_block();
  void widen_row(int row, int at);
  void multiply_block();
  void finish_tile(int tile);
  void finish_row(int row);
  template <typename Load>
  void gather_quads(int i, const Load& load);
  void transpose_quads(int j);

  Xbyak::RegExp scratch(int offset) const { return rsp + offset; }

  // Beyond those of the base.
  const Reg64 block_codes_ = Xbyak::util::rcx;
  const Reg64 block_b_ = Xbyak::util::r8;
  const Reg64 left_ = Xbyak::util::r9;
  const Reg64 next_codes_ = Xbyak::util::r12;
  const Reg64 a_stride_ = Xbyak::util::r13;  // bytes
  const Reg64 stride_ = Xbyak::util::r14;    // bytes of a row of B and C
  Xbyak::Label config_;
};

void ScreenAmx::generate() {
  Xbyak::Label several, next, rest;
  cmp(qword[args_ + field(offsetof(ScreenArgs, rows))], kLeastHiddenRows);
  jge(several, T_NEAR);
  ScreenProgram::generate();
  L(several);
  prologue(scratch_bytes());
  load_arguments();
  ldtilecfg(ptr[rip + config_]);
  note_hidden_rows();
  note_lanes();
  for (const Half half : kHalves) make_b(half);
  L(next);
  lea(rax, ptr[row_ + kStepRows]);
  cmp(rax, end_);
  jg(rest, T_NEAR);
  multiply();
  for (int tile = 0; tile < 2; ++tile) finish_tile(tile);
  add(row_, kStepRows);
  add(codes_, kStepRows * row_bytes());
  jmp(next, T_NEAR);
  L(rest);
  tilerelease();
  run_all_rows();
  finish();
}

void ScreenAmx::emit_data() {
  ScreenProgram::emit_data();
  TileConfig config;
  for (int i = 0; i < kTileRegisters; ++i) {
    config.row_bytes[i] = kTileRegisterRowBytes;
    config.rows[i] = kTileRegisterRows;
  }
  align(sizeof(TileConfig));
  L(config_);
  db(reinterpret_cast<const uint8_t*>(&config), sizeof config);
}

// ---- hidden rows

// Where there are fewer than 16, the last stands for the others, whose estimates are not stored.
void ScreenAmx::note_hidden_rows() {
  mov(rax, ptr[args_ + field(offsetof(ScreenArgs, rows))]);
  dec(rax);
  for (int row = 0; row < kLanes; ++row) {
    mov(ecx, row);
    cmp(rcx, rax);
    cmovg(rcx, rax);
    imul(rcx, q_stride_);
    add(rcx, ptr[args_ + field(offsetof(ScreenArgs, high))]);
    mov(ptr[scratch(kHiddenRows + 8 * row)], rcx);
  }
}

// What is subtracted from the sums of a hidden row, and its scale.
void ScreenAmx::note_lanes() {
  mov(rcx, ptr[args_ + field(offsetof(ScreenArgs, rows))]);
  mov(eax, 1);
  shl(eax, cl);
  dec(eax);
  kmovw(k1, eax);
  const Zmm lanes(0);
  for (const Half half : kHalves) {
    const size_t sums =
        half == kHigh ? offsetof(ScreenArgs, high_sum) : offsetof(ScreenArgs, low_sum);
    mov(rax, ptr[args_ + field(sums)]);
    vmovdqu32(lanes | k1 | T_z, ptr[rax]);
    vpmulld(lanes, lanes, ptr_b[rip + offset_]);
    vmovdqa64(ptr[scratch(kOffsets + half * 4 * kLanes)], lanes);
  }
  mov(rax, ptr[args_ + field(offsetof(ScreenArgs, scale))]);
  vmovups(lanes | k1 | T_z, ptr[rax]);
  vmovaps(ptr[scratch(kScales)], lanes);
}

// 64 columns at a time: 16 rows of 16 groups of four columns become 16 groups of 16 rows.
void ScreenAmx::make_b(Half half) {
  const Reg64 column = r8, to = r12;  // the former from `high` of a row on
  const Reg64 rows[] = {rax, rcx, r13, r14};
  xor_(column, column);
  if (half == kLow) {
    mov(column, ptr[args_ + field(offsetof(ScreenArgs, low))]);
    sub(column, ptr[args_ + field(offsetof(ScreenArgs, high))]);
  }
  lea(to, ptr[scratch(kB + half * half_of_b())]);
  repeat(left_, spec_.padded_k() / kProductColumns, [&] {
    for (int i = 0; i < 4; ++i) {
      for (int lane = 0; lane < 4; ++lane) {
        mov(rows[lane], ptr[scratch(kHiddenRows + 8 * (4 * lane + i))]);
        add(rows[lane], column);
      }
      gather_quads(i, [&](int lane, int j) { return ptr[rows[lane] + 16 * j]; });
    }
    for (int j = 0; j < 4; ++j) {
      transpose_quads(j);
      for (int i = 0; i < 4; ++i)
        vmovdqa64(ptr[to + (4 * j + i) * kTileRegisterRowBytes], quad(i, j));
    }
    add(column, kProductColumns);
    add(to, kTileBytes);
  });
}

// quad(i, j): 16 bytes, the j-th, of rows i, 4 + i, 8 + i and 12 + i; load(lane, j) says where
// those of row 4 * lane + i are.
template <typename Load>
void ScreenAmx::gather_quads(int i, const Load& load) {
  for (int j = 0; j < 4; ++j) {
    vmovups(Xmm(quad(i, j).getIdx()), load(0, j));
    for (int lane = 1; lane < 4; ++lane)
      vinserti32x4(quad(i, j), quad(i, j), load(lane, j), static_cast<uint8_t>(lane));
  }
}

// quad(i, j) becomes the dword 4 * j + i of all 16 rows.
void ScreenAmx::transpose_quads(int j) {
  const Zmm low01(16), high01(17), low23(18), high23(19);
  vunpcklps(low01, quad(0, j), quad(1, j));
  vunpckhps(high01, quad(0, j), quad(1, j));
  vunpcklps(low23, quad(2, j), quad(3, j));
  vunpckhps(high23, quad(2, j), quad(3, j));
  vunpcklpd(quad(0, j), low01, low23);
  vunpckhpd(quad(1, j), low01, low23);
  vunpcklpd(quad(2, j), high01, high23);
  vunpckhpd(quad(3, j), high01, high23);
}

// ---- sums

// Those of 32 rows of the head, into the scratch.
void ScreenAmx::multiply() {
  const auto each_c = [&](auto body) {
    for (int tile = 0; tile < 2; ++tile)
      for (const Half half : kHalves) body(tile, half);
  };
  broadcast(Zmm(3), code_mask());
  mov(block_codes_, codes_);
  lea(next_codes_, ptr[codes_ + kStepRows * row_bytes()]);
  lea(block_b_, ptr[scratch(kB)]);
  mov(a_stride_.cvt32(), kBlockColumns);
  mov(stride_.cvt32(), kTileRegisterRowBytes);
  each_c([&](int tile, Half half) { tilezero(c(tile, half)); });
  repeat(left_, spec_.padded_k() / kBlockColumns, [&] {
    widen_block();
    multiply_block();
    add(block_codes_, block_bytes());
    add(block_b_, kBlockColumns / kProductColumns * kTileBytes);
  });
  each_c([&](int tile, Half half) {
    tilestored(ptr[scratch(kC + half * half_of_c() + tile * kTileBytes) + stride_], c(tile, half));
  });
}

// Codes of a block of 32 rows, one per byte. As many of the rows behind are prefetched, in the
// order of memory, which the prefetcher of the L2 cache joins.
void ScreenAmx::widen_block() {
  int line = 0;
  for (int row = 0; row < kStepRows; ++row) {
    for (int at = 0; at < block_bytes(); at += kLineBytes) {
      prefetcht0(ptr[next_codes_ + line]);
      line += kLineBytes;
      widen_row(row, at);
    }
  }
  add(next_codes_, line);
}

void ScreenAmx::widen_row(int row, int at) {
  const Zmm codes(0), fields(1), mask(3);
  vmovdqu64(codes, ptr[block_codes_ + row * row_bytes() + at]);
  for (int i = 0; i < spec_.codes_per_byte(); ++i) {
    if (i > 0) vpsrlw(fields, codes, static_cast<uint8_t>(i * spec_.code_bits()));
    vpandd(fields, i == 0 ? codes : fields, mask);
    vmovdqa64(ptr[scratch(kA + row * kBlockColumns + i * block_bytes() + at)], fields);
  }
}

void ScreenAmx::multiply_block() {
  for (int step = 0; step < kBlockColumns / kProductColumns; ++step) {
    for (int tile = 0; tile < 2; ++tile) {
      const int from = kA + tile * kTileRegisterRows * kBlockColumns + step * kProductColumns;
      tileloadd(a(tile), ptr[scratch(from) + a_stride_]);
      for (const Half half : kHalves) {
        if (tile == 0)
          tileloadd(b(half), ptr[block_b_ + stride_ + (half * half_of_b() + step * kTileBytes)]);
        tdpbusd(c(tile, half), a(tile), b(half));
      }
    }
  }
}

// ---- estimates

// Of a tile of 16 rows of the head.
void ScreenAmx::finish_tile(int tile) {
  const int sums = kC + tile * kTileBytes;
  for (int row = 0; row < kLanes; ++row) finish_row(tile * kLanes + row);
  for (int i = 0; i < 4; ++i)
    gather_quads(i, [&](int lane, int j) {
      return ptr[scratch(sums + (4 * lane + i) * kTileRegisterRowBytes + 16 * j)];
    });
  const Reg64 to = rcx, stride = r8;
  mov(to, ptr[args_ + field(offsetof(ScreenArgs, estimates))]);
  lea(to, ptr[to + 4 * row_ + 4 * tile * kLanes]);
  mov(stride, ptr[args_ + field(offsetof(ScreenArgs, estimates_stride))]);
  shl(stride, 2);
  Xbyak::Label done;
  for (int hidden = 0; hidden < kLanes; ++hidden) {
    const int i = hidden % 4, j = hidden / 4;
    if (i == 0) transpose_quads(j);
    if (spec_.part == ScreenPart::kFine) vaddps(quad(i, j), quad(i, j), ptr[to]);
    vmovups(ptr[to], quad(i, j));
    if (hidden + 1 == kLanes) break;
    if (hidden + 1 >= kLeastHiddenRows) {
      cmp(qword[args_ + field(offsetof(ScreenArgs, rows))], hidden + 1);
      je(done, T_NEAR);
    }
    add(to, stride);
  }
  L(done);
}

// The estimates of one row of the head, in the place of its sums over `high`.
void ScreenAmx::finish_row(int row) {
  const Zmm value(0), low(1), scale(2);
  const int at = kC + row * kTileRegisterRowBytes;
  const auto load_sums = [&](const Zmm& to, Half half) {
    vpslld(to, ptr[scratch(at + half * half_of_c())], static_cast<uint8_t>(log2_factor()));
    vpsubd(to, to, ptr[scratch(kOffsets + half * 4 * kLanes)]);
    vcvtdq2ps(to, to);
  };
  load_sums(value, kHigh);
  load_sums(low, kLow);
  vfmadd132ps(value, low, ptr_b[rip + factor_256_]);
  vmovaps(scale, ptr[scratch(kScales)]);
  vmulps(scale, scale, ptr_b[step_ + 4 * row_ + 4 * row]);
  vmulps(value, value, scale);
  vmovaps(ptr[scratch(at)], value);
}

}  // namespace
}  // namespace x64

std::unique_ptr<Generator> make_x64_screen_amx() {
  return x64::make_operation_generator<ScreenSpec>(
      {.name = "x64_screen_amx",
       .suffix = "amx",
       .isa = Isa::kAmx,
       .revision = 1,
       .program = [](const ScreenSpec& spec) -> std::unique_ptr<x64::X64Code> {
         return std::make_unique<x64::ScreenAmx>(spec);
       },
       .accepts = [](const ScreenSpec& spec) -> Status {
         if (spec.padded_k() <= x64::kMostColumns) return {};
         return make_error(StatusCode::kUnsupported, "k = {}: the scratch is for {} columns",
                           spec.k, x64::kMostColumns);
       }});
}

}  // namespace bitnetc
