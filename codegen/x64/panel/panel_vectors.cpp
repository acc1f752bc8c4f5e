#include "codegen/x64/panel/panel_vectors.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace bitnetc::x64 {
namespace {

// One register addresses four rows of x: 0, 1, 2 and 3 strides on.
constexpr int kTokensPerBase = 4;

}  // namespace

PanelPass choose_panel_pass(VectorFile vectors, int temporaries, int group_tiles, int tokens) {
  const int vectors_per_tile = kTileOutputBytes / vectors.bytes;
  for (int tiles = group_tiles; tiles >= 1; tiles /= 2) {
    const PanelPass pass{
        .tokens = tokens, .tiles = tiles, .vectors = tiles * vectors_per_tile, .first_tile = 0};
    if (pass.registers() + temporaries <= vectors.count) return pass;
  }
  return {.tokens = tokens, .tiles = 0, .vectors = 0, .first_tile = 0};
}

int most_batch_tokens(VectorFile vectors, int temporaries, int group_tiles, const PanelPlan& plan) {
  const auto accumulators = [&](int tokens) {
    return choose_panel_pass(vectors, temporaries, group_tiles, tokens).accumulators();
  };
  const int limit = plan.tokens > 0 ? plan.tokens : kMaxBatchTokens;
  int best = 1;
  for (int tokens = 2; tokens <= limit; ++tokens)
    if (accumulators(tokens) > accumulators(best)) best = tokens;
  return best;
}

MatmulWork panel_vector_work(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan,
                             const PanelLimits& limits, int temporaries, int64_t tokens) {
  const PanelPlan panel = PanelPlan::from(plan);
  const int group_tiles = tile_group_size(spec, panel.tiles_per_step);
  const int most = most_batch_tokens(vectors, temporaries, group_tiles, panel);
  const PanelPass pass = choose_panel_pass(vectors, temporaries, group_tiles,
                                           static_cast<int>(std::min<int64_t>(most, tokens)));
  MatmulWork work = panel_work(vectors, spec, plan, limits, tokens);
  work.independent_sums = pass.accumulators();
  work.loads_per_product = static_cast<double>(pass.vectors + pass.tokens) / pass.accumulators();
  return work;
}

PanelVectorMatmul::PanelVectorMatmul(VectorFile vectors, const MatmulSpec& spec,
                                     const KernelPlan& plan, const PanelLimits& limits,
                                     int temporaries)
    : PanelMatmul(vectors, spec, plan, limits), temporaries_(temporaries) {}

// ---- register map

Xbyak::Address PanelVectorMatmul::codes(int vector, int group) const {
  const int tile = vector / vectors_per_tile(), part = vector % vectors_per_tile();
  return ptr[r_.panel +
             (tile * panel_tile_bytes() + group * kDotGroupBytes + part * vectors_.bytes)];
}

Xbyak::Address PanelVectorMatmul::activations(int token, int group) const {
  const Xbyak::RegExp base = r_.x[token / kTokensPerBase] + group * kDotGroupColumns;
  switch (token % kTokensPerBase) {
    case 0: return ptr[base];
    case 1: return ptr[base + r_.x_stride];
    case 2: return ptr[base + r_.x_stride * 2];
    default: return ptr[base + r_.x_stride3];
  }
}

Xbyak::Address PanelVectorMatmul::sums_of(const PanelPass& pass, int token, int vector) const {
  return ptr[r_.sums +
             (token * sums_stride() + pass.first_tile * kDotGroupBytes + vector * vectors_.bytes)];
}

// ---- tokens

void PanelVectorMatmul::multiply() {
  const int most = most_batch_tokens(vectors_, temporaries_, group_tiles(), plan_);
  std::vector<Xbyak::Label> batch(static_cast<size_t>(most) + 1);
  Xbyak::Label next, done;
  mov(r_.x_stride, argument(offsetof(MatmulArgs, x_stride)));
  lea(r_.x_stride3, ptr[r_.x_stride + r_.x_stride * 2]);
  mov(r_.tokens_left, argument(offsetof(MatmulArgs, m)));
  mov(r_.x_batch, regs_.x_chunk);
  lea(r_.sums, ptr[sums(0)]);
  L(next);
  choose_batch(most);
  for (int tokens = most; tokens > 1; --tokens) {
    cmp(r_.tokens.cvt32(), tokens);
    je(batch[static_cast<size_t>(tokens)], T_NEAR);
  }
  for (int tokens = 1; tokens <= most; ++tokens) {
    L(batch[static_cast<size_t>(tokens)]);
    multiply_batch(tokens);
    imul(rax, r_.x_stride, tokens);
    add(r_.x_batch, rax);
    add(r_.sums, tokens * sums_stride());
    sub(r_.tokens_left, tokens);
    jnz(next, T_NEAR);
    if (tokens < most) jmp(done, T_NEAR);
  }
  L(done);
}

// Full batches, then two equal ones: a last batch of few tokens would wait for its own sums.
void PanelVectorMatmul::choose_batch(int most) {
  Xbyak::Label chosen;
  mov(r_.tokens.cvt32(), most);
  cmp(r_.tokens_left, 2 * most);
  jge(chosen);
  mov(r_.tokens, r_.tokens_left);
  cmp(r_.tokens, most);
  jle(chosen);
  inc(r_.tokens);
  shr(r_.tokens, 1);
  L(chosen);
}

void PanelVectorMatmul::multiply_batch(int tokens) {
  PanelPass pass = pass_for(tokens);
  for (; pass.first_tile < group_tiles(); pass.first_tile += pass.tiles) multiply_pass(pass);
}

// ---- microkernel

void PanelVectorMatmul::multiply_pass(const PanelPass& pass) {
  lea(r_.panel, ptr[panel(pass.first_tile)]);
  mov(r_.x[0], r_.x_batch);
  for (int base = 1; base * kTokensPerBase < pass.tokens; ++base)
    lea(r_.x[base], ptr[r_.x[base - 1] + r_.x_stride * kTokensPerBase]);
  start(pass);
  Xbyak::Label several, single, last, done;
  mov(r_.groups_left, local(kChunkGroups));
  sub(r_.groups_left, plan_.k_unroll);
  jl(last, T_NEAR);
  align(kLoopAlignment);
  L(several);
  groups(pass, plan_.k_unroll);
  sub(r_.groups_left, plan_.k_unroll);
  jge(several, T_NEAR);
  L(last);
  if (plan_.k_unroll > 1) {
    add(r_.groups_left, plan_.k_unroll);
    jz(done, T_NEAR);
    L(single);
    groups(pass, 1);
    dec(r_.groups_left);
    jnz(single, T_NEAR);
    L(done);
  }
  finish(pass);
}

void PanelVectorMatmul::groups(const PanelPass& pass, int count) {
  for (int i = 0; i < count; ++i) group(pass, i);
  add(r_.panel, count * kDotGroupBytes);
  for (int base = 0; base * kTokensPerBase < pass.tokens; ++base)
    add(r_.x[base], count * kDotGroupColumns);
}

void PanelVectorMatmul::group(const PanelPass& pass, int index) {
  const auto kept = [&](int i) { return vec(pass.accumulators() + i); };
  const Xbyak::Xmm passing = vec(pass.accumulators() + pass.kept());
  if (pass.tokens < pass.vectors) {
    for (int token = 0; token < pass.tokens; ++token)
      vpbroadcastd(kept(token), activations(token, index));
    for (int vector = 0; vector < pass.vectors; ++vector) {
      vmovups(passing, codes(vector, index));
      for (int token = 0; token < pass.tokens; ++token)
        dot(acc(pass, token, vector), passing, kept(token));
    }
  } else {
    for (int vector = 0; vector < pass.vectors; ++vector)
      vmovups(kept(vector), codes(vector, index));
    for (int token = 0; token < pass.tokens; ++token) {
      vpbroadcastd(passing, activations(token, index));
      for (int vector = 0; vector < pass.vectors; ++vector)
        dot(acc(pass, token, vector), kept(vector), passing);
    }
  }
}

// Sums stay in int32 lanes from chunk to chunk.
void PanelVectorMatmul::start(const PanelPass& pass) {
  if_first_chunk(
      [&] {
        for_each_accumulator(pass, [&](int token, int vector) { zero(acc(pass, token, vector)); });
      },
      [&] {
        for_each_accumulator(pass, [&](int token, int vector) {
          vmovups(acc(pass, token, vector), sums_of(pass, token, vector));
        });
      });
}

void PanelVectorMatmul::finish(const PanelPass& pass) {
  for_each_accumulator(pass, [&](int token, int vector) {
    vmovups(sums_of(pass, token, vector), acc(pass, token, vector));
  });
}

}  // namespace bitnetc::x64
