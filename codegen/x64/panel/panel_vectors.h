// What the AVX2 and VNNI tiers share: the product of a panel with tokens in vector registers, one
// int32 lane per output row. A tier adds its dot product.
//
//   for each batch of tokens               at most most_tokens(); the last two share the rest
//     for each pass of row tiles           as many as the registers hold for that many tokens
//       start                              sums -> accumulators, or zero
//       for each k_unroll groups           an emitted loop, then one group at a time
//       finish                             accumulators -> sums
//
// There is a microkernel per number of tokens, so no padding is multiplied. In a dot group every
// vector of codes is multiplied with every broadcast of activations. The fewer of the two stay in
// registers; the others are loaded one after the other.
//
// Registers  accumulators from 0 up, then the operands that stay, then the one that passes; a
//            tier's temporaries are the last
#pragma once

#include "codegen/x64/panel/panel_matmul.h"

namespace bitnetc::x64 {

// The tokens of the largest batch a plan may ask for.
inline constexpr int kMaxBatchTokens = 12;

// One run over the groups of a panel.
struct PanelPass {
  int tokens, tiles;
  int vectors;     // of codes: tiles * vectors per tile
  int first_tile;  // of the group

  int accumulators() const { return tokens * vectors; }
  int kept() const { return tokens < vectors ? tokens : vectors; }
  int registers() const { return accumulators() + kept() + 1; }
};

// As many tiles of a tile group of `group_tiles` as the registers hold for that many tokens;
// `tiles` is 0 if not even one.
PanelPass choose_panel_pass(VectorFile vectors, int temporaries, int group_tiles, int tokens);
// The batch that keeps most accumulators busy; among equals the one with fewest tokens, whose pass
// has most tiles.
int most_batch_tokens(VectorFile vectors, int temporaries, int group_tiles, const PanelPlan& plan);
// MatmulFamily::work where products of `tokens` tokens take turns on accumulators as
// PanelVectorMatmul has them do.
MatmulWork panel_vector_work(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan,
                             const PanelLimits& limits, int temporaries, int64_t tokens);

class PanelVectorMatmul : public PanelMatmul {
 protected:
  // `temporaries`: vector registers that dot() needs.
  PanelVectorMatmul(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan,
                    const PanelLimits& limits, int temporaries);

  // sum += codes · x, lane by lane; codes u8, x i8
  virtual void dot(const Xbyak::Xmm& sum, const Xbyak::Xmm& codes, const Xbyak::Xmm& x) = 0;
  // Accumulators for the groups of a chunk, and their way to the sums.
  virtual void start(const PanelPass& pass);
  virtual void finish(const PanelPass& pass);

  void zero(const Xbyak::Xmm& to) { vxorps(to, to, to); }
  Xbyak::Xmm acc(const PanelPass& pass, int token, int vector) const {
    return vec(token * pass.vectors + vector);
  }
  // Where the sums of an accumulator are.
  Xbyak::Address sums_of(const PanelPass& pass, int token, int vector) const;

  template <typename Body>
  void for_each_accumulator(const PanelPass& pass, Body body) {
    for (int token = 0; token < pass.tokens; ++token)
      for (int vector = 0; vector < pass.vectors; ++vector) body(token, vector);
  }

 private:
  // The general registers of multiply().
  struct Regs {
    using Reg64 = Xbyak::Reg64;
    Reg64 panel = Xbyak::util::rsi;  // current group
    Reg64 x[3] = {Xbyak::util::rdx, Xbyak::util::rcx,
                  Xbyak::util::rbx};    // current columns of tokens 0, 4 and 8 of the batch
    Reg64 x_stride = Xbyak::util::r8;   // bytes
    Reg64 x_stride3 = Xbyak::util::r9;  // 3 * x_stride
    Reg64 groups_left = Xbyak::util::r10;
    Reg64 tokens_left = Xbyak::util::r11;
    Reg64 sums = Xbyak::util::r12;     // of the batch
    Reg64 x_batch = Xbyak::util::r13;  // first columns of the chunk, token 0 of the batch
    Reg64 tokens = Xbyak::util::rax;   // of the batch
  };

  void multiply() final;
  void choose_batch(int most);
  void multiply_batch(int tokens);
  void multiply_pass(const PanelPass& pass);
  void groups(const PanelPass& pass, int count);
  void group(const PanelPass& pass, int index);

  PanelPass pass_for(int tokens) const {
    return choose_panel_pass(vectors_, temporaries_, group_tiles(), tokens);
  }
  Xbyak::Address codes(int vector, int group) const;
  Xbyak::Address activations(int token, int group) const;

  const Regs r_;
  const int temporaries_;
};

}  // namespace bitnetc::x64
