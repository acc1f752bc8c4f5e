// What every matmul program for any number of tokens shares: the walk over row tiles and columns,
// the panel that weights are decoded into, and the epilogue. A tier adds the product of a panel
// with the tokens.
//
//   for each group of T row tiles           T = tiles_per_step, then T/2, T/4 ... for the rest
//     for each chunk of columns             K in parts of at most block_k columns
//       decode                              packed blocks -> panel in the scratch
//       multiply                            panel x all tokens -> i32 sums in the scratch
//     epilogue for all tokens               sums -> y
//
// With a gated epilogue a group is a whole number of (gate tile, up tile) pairs.
//
// The scratch is on the stack:
//   locals   what the inner loops have no registers for
//   sums     i32 [kMaxTokensPerCall][tile of the group][16], of codes w + 1 times x
//   panel    [tile of the group][chunk columns / 4][64 bytes] (decode/panel_decoder.h)
//
// Reads    x up to K rounded up to whole groups; w of the tile range; x_scale, x_sum, tile_scale,
//          residual
// Writes   y inside the tile range's columns; row_absmax, if wanted
#pragma once

#include "codegen/matmul_plans.h"
#include "codegen/x64/decode/panel_decoder.h"
#include "codegen/x64/matmul_program.h"
#include "codegen/x64/x64_generator.h"

namespace bitnetc::x64 {

// The general registers of a panel program. multiply() may change all but the first four.
struct PanelRegs {
  using Reg64 = Xbyak::Reg64;
  Reg64 args = Xbyak::util::rdi;
  Reg64 scratch = Xbyak::util::rsp;
  Reg64 w = Xbyak::util::r14;        // first block of the chunk, first tile of the group
  Reg64 x_chunk = Xbyak::util::r15;  // first column of the chunk, token 0
  // Decoding.
  Reg64 w_block = Xbyak::util::rdx;
  Reg64 panel_block = Xbyak::util::rsi;
  Reg64 blocks_left = Xbyak::util::r10;
  // Epilogue.
  Reg64 y = Xbyak::util::rdx;  // first output column of the group, of the token at hand
  Reg64 y_stride = Xbyak::util::rsi;
  Reg64 residual_delta = Xbyak::util::rcx;
  Reg64 x_scale = Xbyak::util::r8;
  Reg64 x_sum = Xbyak::util::r9;
  Reg64 tile_scale = Xbyak::util::r10;
  Reg64 tokens_left = Xbyak::util::r11;
  Reg64 sums = Xbyak::util::r12;
  Reg64 row_absmax = Xbyak::util::r13;
};

// How K is cut: all chunks but the last have `columns`, a multiple of the unit asked for.
struct PanelChunks {
  // Chunks of at most `most_columns`, but of one unit at least.
  PanelChunks(int64_t k, int64_t unit, int64_t most_columns);

  int64_t columns, count;
  int64_t last_columns;  // up to K
};

// What a plan may ask of a panel kernel of a tier.
struct PanelLimits {
  int max_block_k;
  int max_tokens;                      // 0: the tier takes no choice
  int own_block_k;                     // where the plan leaves the choice
  int most_columns = max_block_k;      // of a chunk, whatever the plan asks
  int column_unit = kDotGroupColumns;  // chunks but the last are multiples
  // Of a chunk the panel and the columns of so many tokens take at most so many bytes, whatever the
  // plan asks; 0: any.
  int cached_tokens = 0, cached_bytes = 0;
};
Status check_panel_plan(const PanelPlan& plan, const PanelLimits& limits);
PanelChunks panel_chunks(const MatmulSpec& spec, const PanelPlan& plan, const PanelLimits& limits);
// MatmulFamily::effective_plan: block_k is what the chunks come to; a gated group of one tile is
// one of two.
KernelPlan effective_panel_plan(const MatmulSpec& spec, const KernelPlan& plan,
                                const PanelLimits& limits);

// MatmulFamily::work but for the multiplier's counts.
MatmulWork panel_work(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan,
                      const PanelLimits& limits, int64_t tokens);

// Plans worth trying. A dot group is twelve products or more, so unrolling beyond 4 gains nothing.
inline constexpr int kPanelTiles[] = {1, 2, 4};
inline constexpr int kPanelUnrolls[] = {1, 4};
inline constexpr int kPanelPrefetches[] = {0, 2048, 4096};
inline constexpr int kPanelBlocks[] = {256, 384, 512, 1024, 2048};
inline constexpr int kPanelTokens[] = {0, 4};

// Sums of K products of a code, at most 2, and an i8 stay within int32.
inline constexpr int64_t kPanelKLimit = int64_t{1} << 23;

// The family of a panel program: every layout, any number of tokens. Program::kLimits and kFields
// describe its plans.
template <class Program>
constexpr MatmulFamily panel_family(std::string_view name, std::string_view suffix, Isa isa,
                                    LayoutSet vbmi_layouts = {}) {
  return {.name = name,
          .suffix = suffix,
          .isa = isa,
          .revision = 2,
          .layouts = {LayoutId::kI2S, LayoutId::kTl1, LayoutId::kTl2, LayoutId::kB3},
          .vbmi_layouts = vbmi_layouts,
          .min_m = kAnyM,
          .max_m = kAnyM,
          .k_limit = kPanelKLimit,
          .accepts =
              [](const MatmulSpec&, const KernelPlan& plan) {
                return check_panel_plan(PanelPlan::from(plan), Program::kLimits);
              },
          .program = make_program<Program>,
          .work = Program::work,
          .fields = Program::kFields,
          .effective_plan =
              [](const MatmulSpec& spec, const KernelPlan& plan) {
                return effective_panel_plan(spec, plan, Program::kLimits);
              }};
}

class PanelMatmul : public MatmulProgram {
 protected:
  PanelMatmul(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan,
              const PanelLimits& limits);

  // Loads what multiply() keeps outside the general registers, before the first tile group.
  virtual void load_constants() {}
  // Adds the products of the panel with the columns of the chunk to the sums of all tokens; the
  // first chunk of a tile group sets them. May use all vector registers.
  virtual void multiply() = 0;
  // After the last tile group, before the frame goes.
  virtual void release() {}
  void emit_data() override;

  // The scratch, while a tile group is being emitted.
  int group_tiles() const { return group_tiles_; }
  int sums_stride() const { return group_tiles_ * kDotGroupBytes; }  // from token to token
  Xbyak::RegExp sums(int tile) const;                                // of token 0
  Xbyak::RegExp panel(int tile) const;
  int panel_tile_bytes() const;

  // Local variables, 8 bytes each.
  enum Local {
    kTilesLeft,
    kGroupY,          // first output column of the group, token 0
    kGroupTileScale,  // of the group's first tile
    kChunksLeft,
    kChunkBlocks,
    kChunkGroups,  // to be multiplied; the last block may hold more
    kLocals
  };
  Xbyak::Address local(Local which) const { return qword[regs_.scratch + 8 * which]; }

  // Code that runs in the first chunk of a tile group, and code that runs in the others.
  template <typename First, typename Later>
  void if_first_chunk(First first, Later later) {
    if (chunks_.count == 1) return first();
    Xbyak::Label not_first, done;
    cmp(local(kChunksLeft), static_cast<int>(chunks_.count));
    jne(not_first, T_NEAR);
    first();
    jmp(done, T_NEAR);
    L(not_first);
    later();
    L(done);
  }

  const PanelRegs regs_;
  const PanelPlan plan_;

 private:
  void generate() final;
  void load_arguments();
  void run_tile_groups(int tiles);
  void run_chunks();
  void set_chunk(int64_t columns);
  void decode();
  void epilogue();

  int64_t tile_bytes() const { return spec_.weight_layout().tile_bytes(); }
  int most_group_tiles() const;
  int scratch_bytes() const;

  const std::unique_ptr<PanelDecoder> decoder_;
  const PanelChunks chunks_;
  int group_tiles_ = 0;  // of the group being emitted
};

}  // namespace bitnetc::x64
