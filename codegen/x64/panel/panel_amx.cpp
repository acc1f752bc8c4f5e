// panel_amx.cpp     matrix products for any number of tokens, AMX: tdpbsud
//
// Shapes     MatmulArgs, m = 1..256; any N % 16 == 0, any K < 2^23
// Tile       32 tokens x 2 tiles of 16 rows: 4 C + 2 A + 2 B = all 8 tile registers
//            16 tokens x 2 tiles for what remains; the last 1..15 tokens with tile registers of as
//            many rows
//            C    i32 16 tokens x 16 rows, from and to the sums
//            A    i8  16 tokens x 64 columns of x, as it lies in memory
//            B    u8  16 groups of a panel: 64 columns x 16 rows in exactly the order tdpbsud wants
// Work       64 columns of 32 tokens and 2 tiles: 4 tdpbsud of 16 cycles each, 4 loads of 16 lines.
//            At two lines per cycle the loads take half the time of the products. The panel
//            (2 tiles x 512 columns, 16 KiB) and the columns of 32 tokens (16 KiB) stay in L1;
//            chunks that do not take twice the time with 16 tokens. x comes from L2, 32 lines per
//            64 cycles. At 256 tokens a decoded KiB feeds 16 products, and C is loaded and stored
//            once per 8.
// Exactness  tdpbsud does not saturate. Codes are at most 2, so an int32 sum is within 2*128*K:
//            K < 2^23. What the panel holds between the last decoded group and the end of a tile
//            meets x = 0: rows of x are zero up to a multiple of 64, and every other chunk is a
//            multiple of 64 columns.
// Tiles      configured on entry, released before the return: runtime/amx.h
// Layout     any with a panel decoder
// Reference  codegen/reference/matmul.cpp
#include <algorithm>
#include <cstddef>

#include "codegen/x64/emit/amx_tiles.h"
#include "codegen/x64/panel/panel_matmul.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64::panel_amx {
namespace {

using Xbyak::Reg64;
using Xbyak::Tmm;

constexpr int kFirstB = 6;
constexpr int kLog2BatchTokens = 4;
constexpr int kBatchTokens = 1 << kLog2BatchTokens;  // rows of a tile register: the most
constexpr int kLog2ProductGroups = 4;
constexpr int kProductGroups = 1 << kLog2ProductGroups;  // rows of B
constexpr int kProductColumns = kProductGroups * kDotGroupColumns;
constexpr int kProductPanelBytes = kProductGroups * kDotGroupBytes;
static_assert(kProductColumns == kQuantPad);

class PanelAmx final : public PanelMatmul {
 public:
  static constexpr PanelLimits kLimits{.max_block_k = 2048,
                                       .max_tokens = 0,
                                       .own_block_k = 512,
                                       .column_unit = kProductColumns,
                                       .cached_tokens = 2 * kBatchTokens,
                                       .cached_bytes = 32 << 10};
  static constexpr PlanField kFields[] = {tiles_field(kPanelTiles), unroll_field(),
                                          prefetch_field(kPanelPrefetches),
                                          block_field(kPanelBlocks), tokens_field()};

  static MatmulWork work(const MatmulSpec& spec, const KernelPlan& plan, int64_t tokens) {
    return panel_work(kZmmFile, spec, plan, kLimits, tokens);
  }

  PanelAmx(const MatmulSpec& spec, const KernelPlan& plan)
      : PanelMatmul(kZmmFile, spec, plan, kLimits) {}

 private:
  // One run over the columns of a chunk: `batches` of up to 16 tokens times `tiles` row tiles.
  struct Pass {
    int batches, tiles;
    int first_tile;  // of the group
  };

  // Register map.
  static Tmm c(int batch, int tile) { return Tmm(2 * batch + tile); }
  static Tmm a(int batch) { return Tmm(4 + batch); }
  static Tmm b(int tile) { return Tmm(kFirstB + tile); }
  struct Regs {
    Reg64 x[2] = {Xbyak::util::rdx, Xbyak::util::rsi};  // current columns of both batches
    Reg64 panel = Xbyak::util::rcx;                     // current group
    Reg64 products_left = Xbyak::util::rbx;
    Reg64 x_stride = Xbyak::util::r8;     // bytes
    Reg64 sums_stride = Xbyak::util::r9;  // bytes
    Reg64 b_stride = Xbyak::util::r10;    // bytes
    Reg64 tokens_left = Xbyak::util::r11;
    Reg64 sums = Xbyak::util::r12;     // of the batch, first tile of the group
    Reg64 x_batch = Xbyak::util::r13;  // first columns of the chunk, first token of the batch
  };

  // ---- tile registers

  void load_constants() override {
    mov(rax, argument(offsetof(MatmulArgs, m)));
    mov(edx, kBatchTokens);
    cmp(rax, rdx);
    cmovg(rax, rdx);
    configure();
  }
  void release() override { tilerelease(); }

  // Tile registers of C and A get rax rows, 1..16; what they hold is lost. Changes rax and rdx.
  void configure() {
    static_assert(sizeof(TileConfig) == 1 << 6);
    shl(rax, 6);
    lea(rdx, ptr[rip + configs_]);
    ldtilecfg(ptr[rdx + rax - static_cast<int>(sizeof(TileConfig))]);
  }

  void emit_data() override {
    PanelMatmul::emit_data();
    align(sizeof(TileConfig));
    L(configs_);
    for (int tokens = 1; tokens <= kBatchTokens; ++tokens) {
      TileConfig config;
      for (int i = 0; i < kTileRegisters; ++i) {
        config.row_bytes[i] = kTileRegisterRowBytes;
        config.rows[i] = static_cast<uint8_t>(i < kFirstB ? tokens : kProductGroups);
      }
      db(reinterpret_cast<const uint8_t*>(&config), sizeof config);
    }
  }

  // ---- tokens

  void multiply() override {
    Xbyak::Label two, one, full, done;
    mov(r_.x_stride, argument(offsetof(MatmulArgs, x_stride)));
    mov(r_.sums_stride.cvt32(), sums_stride());
    mov(r_.b_stride.cvt32(), kDotGroupBytes);
    mov(r_.tokens_left, argument(offsetof(MatmulArgs, m)));
    mov(r_.x_batch, regs_.x_chunk);
    lea(r_.sums, ptr[sums(0)]);
    L(two);
    cmp(r_.tokens_left, 2 * kBatchTokens);
    jl(one, T_NEAR);
    multiply_batches(2);
    jnz(two, T_NEAR);
    jmp(done, T_NEAR);
    L(one);
    cmp(r_.tokens_left, kBatchTokens);
    jge(full, T_NEAR);
    mov(rax, r_.tokens_left);
    reconfigure();
    L(full);
    multiply_batches(1);
    jg(one, T_NEAR);
    jz(done, T_NEAR);
    mov(eax, kBatchTokens);
    reconfigure();
    L(done);
  }

  // For a last batch of fewer tokens than the others, and back. With fewer than 16 tokens there are
  // no others: load_constants() has done it.
  void reconfigure() {
    Xbyak::Label done;
    cmp(qword[regs_.args + offsetof(MatmulArgs, m)], kBatchTokens);
    jle(done);
    configure();
    L(done);
  }

  // Leaves the flags of the tokens that are left: zero, or negative after a batch that was not
  // full.
  void multiply_batches(int batches) {
    const int tiles = std::min(group_tiles(), 2);
    for (int tile = 0; tile < group_tiles(); tile += tiles)
      multiply_pass({.batches = batches, .tiles = tiles, .first_tile = tile});
    imul(rax, r_.x_stride, batches * kBatchTokens);
    add(r_.x_batch, rax);
    add(r_.sums, batches * kBatchTokens * sums_stride());
    sub(r_.tokens_left, batches * kBatchTokens);
  }

  // ---- microkernel

  void multiply_pass(const Pass& pass) {
    start(pass);
    mov(r_.x[0], r_.x_batch);
    if (pass.batches == 2) {
      mov(r_.x[1], r_.x_stride);
      shl(r_.x[1], kLog2BatchTokens);
      add(r_.x[1], r_.x_batch);
    }
    lea(r_.panel, ptr[panel(pass.first_tile)]);
    mov(r_.products_left, local(kChunkGroups));
    add(r_.products_left, kProductGroups - 1);
    shr(r_.products_left, kLog2ProductGroups);
    Xbyak::Label next;
    align(kLoopAlignment);
    L(next);
    product(pass);
    dec(r_.products_left);
    jnz(next, T_NEAR);
    finish(pass);
  }

  // Each product follows the load that it waited for.
  void product(const Pass& pass) {
    for (int batch = 0; batch < pass.batches; ++batch) {
      tileloadd(a(batch), ptr[r_.x[batch] + r_.x_stride]);
      for (int tile = 0; tile < pass.tiles; ++tile) {
        if (batch == 0) tileloadd(b(tile), ptr[r_.panel + r_.b_stride + tile * panel_tile_bytes()]);
        tdpbsud(c(batch, tile), a(batch), b(tile));
      }
      add(r_.x[batch], kProductColumns);
    }
    add(r_.panel, kProductPanelBytes);
  }

  void start(const Pass& pass) {
    if_first_chunk(
        [&] { for_each_c(pass, [&](const Tmm& tmm, const Xbyak::Address&) { tilezero(tmm); }); },
        [&] { for_each_c(pass, [&](const Tmm& tmm, const auto& at) { tileloadd(tmm, at); }); });
  }
  void finish(const Pass& pass) {
    for_each_c(pass, [&](const Tmm& tmm, const auto& at) { tilestored(at, tmm); });
  }

  template <typename Body>
  void for_each_c(const Pass& pass, Body body) {
    for (int batch = 0; batch < pass.batches; ++batch) {
      for (int tile = 0; tile < pass.tiles; ++tile) {
        const int offset =
            batch * kBatchTokens * sums_stride() + (pass.first_tile + tile) * kDotGroupBytes;
        body(c(batch, tile), ptr[r_.sums + r_.sums_stride + offset]);
      }
    }
  }

  const Regs r_;
  Xbyak::Label configs_;
};

constexpr MatmulFamily kFamily = panel_family<PanelAmx>("x64_panel_amx", "panel_amx", Isa::kAmx);

}  // namespace
}  // namespace x64::panel_amx

std::unique_ptr<Generator> make_x64_panel_amx() {
  return x64::make_matmul_generator(x64::panel_amx::kFamily);
}

}  // namespace bitnetc
