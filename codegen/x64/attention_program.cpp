#include "codegen/x64/attention_program.h"

#include <algorithm>
#include <bit>
#include <cstddef>

#include "codegen/x64/emit/bitwise.h"
#include "runtime/rounding.h"

namespace bitnetc::x64 {
namespace {

constexpr int kElementsAtOnce = 4;  // of the loop over d
constexpr int kKeys = static_cast<int>(KvLayout::kKeyBlock);
constexpr int kPageBlocks = static_cast<int>(KvLayout::kPagePositions) / kKeys;

}  // namespace

AttentionProgram::AttentionProgram(const AttentionTier& tier, const AttentionSpec& spec)
    : X64Code(tier.vectors),
      spec_(spec),
      scratch_{.head_dim = spec.head_dim, .heads = spec.q_per_kv},
      head_dim_(static_cast<int>(spec.head_dim)),
      cell_bytes_(static_cast<int>(spec.layout().cell_bytes())),
      heads_(static_cast<int>(spec.q_per_kv)),
      most_queries_(tier.most_queries),
      rows_together_(static_cast<int>(std::bit_floor(static_cast<unsigned>(
          std::clamp(most_queries_ / heads_, 1, static_cast<int>(kMostAttentionRows)))))),
      constants_(tier.vectors) {}

void AttentionProgram::generate() {
  const int groups = rows_together_ > 1 ? 2 : 1;
  for (int i = 2 - groups; i < 2; ++i) {
    const int rows = i == 0 ? rows_together_ : 1;
    entries_.scores[i] = begin_part();
    emit_scores(rows);
    finish();
    entries_.values[i] = begin_part();
    emit_values(rows);
    finish();
  }
  if (groups == 1) {
    entries_.scores[0] = entries_.scores[1];
    entries_.values[0] = entries_.values[1];
  }
  entries_.largest = begin_part();
  emit_largest();
  finish();
  entries_.weights = begin_part();
  emit_weights();
  finish();
  entries_.output = begin_part();
  emit_output();
  finish();
}

size_t AttentionProgram::begin_part() {
  align(kLoopAlignment);
  const size_t at = getSize();
  prologue(0);
  return at;
}

std::vector<AttentionProgram::Lot> AttentionProgram::lots(int rows) const {
  const int queries = rows * heads_;
  const int count = ceil_div(queries, most_queries_);
  std::vector<Lot> lots;
  for (int i = 0, first = 0; i < count; ++i) {
    const int size = ceil_div(queries - first, count - i);
    lots.push_back({.first = first, .count = size});
    first += size;
  }
  return lots;
}

int AttentionProgram::query_bytes(int i, int64_t of_head_0, int64_t between_heads) const {
  return record_bytes(i / heads_ * scratch_.record_elements() + of_head_0 +
                      i % heads_ * between_heads);
}

template <typename LoadSingle, typename LoadWide>
void AttentionProgram::multiply(const Lot& lot, int wides, LoadSingle load_single,
                                LoadWide load_wide) {
  const int sums = lot.count * wides;
  const Xbyak::Xmm passing = vec(sums + std::min(lot.count, wides));
  if (lot.count <= wides) {
    for (int i = 0; i < lot.count; ++i) load_single(vec(sums + i), i);
    for (int wide = 0; wide < wides; ++wide) {
      load_wide(passing, wide);
      for (int i = 0; i < lot.count; ++i) vfmadd231ps(sum(i, wide, wides), passing, vec(sums + i));
    }
    return;
  }
  for (int wide = 0; wide < wides; ++wide) load_wide(vec(sums + wide), wide);
  for (int i = 0; i < lot.count; ++i) {
    load_single(passing, i);
    for (int wide = 0; wide < wides; ++wide)
      vfmadd231ps(sum(i, wide, wides), passing, vec(sums + wide));
  }
}

void AttentionProgram::widen(const Xbyak::Xmm& to, const Xbyak::Address& cells) {
  switch (spec_.kv_type) {
    case KvType::kF16: vcvtph2ps(to, cells); break;
    case KvType::kF32: vmovups(to, cells); break;
    case KvType::kI8:
      vpmovsxbd(to, cells);
      vcvtdq2ps(to, to);
      break;
  }
}

// ---- scores

void AttentionProgram::emit_scores(int rows) {
  for (const Lot& lot : lots(rows)) score_lot(lot);
}

// As many blocks as fit at once, then single ones.
void AttentionProgram::score_lot(const Lot& lot) {
  mov(cache_, argument(offsetof(AttentionPiece, cache)));
  mov(ahead_, argument(offsetof(AttentionPiece, ahead_bytes)));
  mov(scores_, argument(offsetof(AttentionPiece, scores)));
  mov(count_, argument(offsetof(AttentionPiece, count)));
  if (has_scales()) mov(scales_, argument(offsetof(AttentionPiece, scales)));
  const int most = blocks_at_once(lot);
  for (const int blocks : {most, 1}) {
    Xbyak::Label next, done;
    L(next);
    cmp(count_, blocks);
    jl(done, T_NEAR);
    score_blocks(lot, blocks, blocks == most && lot.first == 0);
    add(cache_, blocks * head_dim_ * kKeys * cell_bytes_);
    if (has_scales()) add(scales_, blocks * kKeys * 4);
    add(scores_, blocks * kKeys * 4);
    sub(count_, blocks);
    jmp(next, T_NEAR);
    L(done);
    if (most == 1) return;
  }
}

int AttentionProgram::blocks_at_once(const Lot& lot) const {
  for (int blocks = kPageBlocks; blocks > 1; blocks /= 2) {
    const int wides = blocks * vectors_per_block();
    if (lot.count * wides + std::min(lot.count, wides) + 1 <= vectors_.count) return blocks;
  }
  return 1;
}

void AttentionProgram::score_blocks(const Lot& lot, int blocks, bool prefetches) {
  const int block_bytes = head_dim_ * kKeys * cell_bytes_;
  const int vector_bytes = lanes() * cell_bytes_, element_bytes = kKeys * cell_bytes_;
  const int wides = blocks * vectors_per_block();
  for (int i = 0; i < lot.count * wides; ++i) set_zero(*this, vec(i));
  mov(keys_, cache_);
  mov(q_, argument(offsetof(AttentionPiece, q)));
  repeat(inner_, head_dim_ / kElementsAtOnce, [&] {
    for (int d = 0; d < kElementsAtOnce; ++d) {
      multiply(
          lot, wides,
          [&](const Xbyak::Xmm& to, int i) {
            vbroadcastss(to, ptr[q_ + (query_bytes(lot.first + i, 0, head_dim_) + d * 4)]);
          },
          [&](const Xbyak::Xmm& to, int wide) {
            const int block = wide / vectors_per_block(), part = wide % vectors_per_block();
            widen(to, ptr[keys_ + (block * block_bytes + d * element_bytes + part * vector_bytes)]);
          });
    }
    if (prefetches) {
      for (int block = 0; block < blocks; ++block)
        for (int line = 0; line < kElementsAtOnce * element_bytes; line += kLineBytes)
          prefetcht0(ptr[keys_ + ahead_ + (block * block_bytes + line)]);
    }
    add(keys_, kElementsAtOnce * element_bytes);
    add(q_, kElementsAtOnce * 4);
  });
  for (int i = 0; i < lot.count; ++i) {
    for (int wide = 0; wide < wides; ++wide) {
      const int at = query_bytes(lot.first + i, 0, kAttentionChunk) + wide * vectors_.bytes;
      if (has_scales())
        vmulps(sum(i, wide, wides), sum(i, wide, wides), ptr[scales_ + wide * vectors_.bytes]);
      vmulps(sum(i, wide, wides), sum(i, wide, wides), constants_.floats(spec_.scale));
      vmovups(ptr[scores_ + at], sum(i, wide, wides));
    }
  }
}

// ---- softmax

// A last vector that is not full overlaps the one before it: a maximum may count a score twice.
void AttentionProgram::emit_largest() {
  const Xbyak::Xmm most = vec(0), low(0), high(1);
  Xbyak::Label next, rest, one_by_one, next_one, done;
  mov(scores_, argument(offsetof(AttentionPiece, scores)));
  mov(count_, argument(offsetof(AttentionPiece, count)));
  mov(to_, argument(offsetof(AttentionPiece, to)));
  cmp(count_, lanes());
  jl(one_by_one, T_NEAR);
  vmovups(most, ptr[scores_]);
  L(next);
  add(scores_, vectors_.bytes);
  sub(count_, lanes());
  cmp(count_, lanes());
  jl(rest);
  vmaxps(most, most, ptr[scores_]);
  jmp(next);
  L(rest);
  vmaxps(most, most, ptr[scores_ + count_ * 4 - vectors_.bytes]);
  if (vectors_.bytes == 64) {
    vextractf64x4(Xbyak::Ymm(1), Xbyak::Zmm(0), 1);
    vmaxps(Xbyak::Ymm(0), Xbyak::Ymm(0), Xbyak::Ymm(1));
  }
  vextractf128(high, Xbyak::Ymm(0), 1);
  vmaxps(low, low, high);
  vmovhlps(high, high, low);
  vmaxps(low, low, high);
  vmovshdup(high, low);
  vmaxss(low, low, high);
  jmp(done);
  L(one_by_one);
  vmovss(low, ptr[scores_]);
  L(next_one);
  vmaxss(low, low, ptr[scores_]);
  add(scores_, 4);
  dec(count_);
  jnz(next_one);
  L(done);
  vmovss(ptr[to_], low);
}

void AttentionProgram::emit_weights() {
  mov(scores_, argument(offsetof(AttentionPiece, scores)));
  mov(count_, argument(offsetof(AttentionPiece, count)));
  vbroadcastss(vec(0), argument(offsetof(AttentionPiece, largest)));
  vmovups(vec(1), constants_.floats(-64.0f));
  Xbyak::Label next;
  align(kLoopAlignment);
  L(next);
  weigh_vector();
  add(scores_, vectors_.bytes);
  dec(count_);
  jnz(next, T_NEAR);
}

// math::softmax_weight of scores minus the largest, in place.
void AttentionProgram::weigh_vector() {
  constexpr uint8_t kNotLess = 0x15;  // unordered is not less: NaN stays
  constexpr uint8_t kToNearestEven = 0b1000;
  constexpr uint8_t kMantissaBits = 23;
  const Xbyak::Xmm largest = vec(0), least = vec(1), x = vec(2), n = vec(3), p = vec(4),
                   counts = vec(5);
  const bool is_wide = vectors_.bytes == 64;
  vmovups(x, ptr[scores_]);
  vsubps(x, x, largest);
  if (is_wide) {
    vcmpps(k1, x, least, kNotLess);
  } else {
    vcmpps(counts, x, least, kNotLess);
  }
  vmaxps(x, least, x);
  vmulps(n, x, constants_.floats(0x1.715476p+0f));  // log2(e)
  if (is_wide) {
    vrndscaleps(n, n, kToNearestEven);
  } else {
    vroundps(n, n, kToNearestEven);
  }
  vfmadd231ps(x, n, constants_.floats(-0x1.62e430p-1f));  // ln 2 in two parts
  vfmadd231ps(x, n, constants_.floats(0x1.05c610p-29f));
  vmovups(p, constants_.floats(0x1.6fef60p-10f));
  for (const float coefficient : {0x1.1257d8p-7f, 0x1.555300p-5f, 0x1.555466p-3f, 0.5f, 1.0f, 1.0f})
    vfmadd213ps(p, x, constants_.floats(coefficient));
  if (is_wide) {
    vscalefps(p | k1 | T_z, p, n);
  } else {
    vcvtps2dq(n, n);
    vpslld(n, n, kMantissaBits);
    vpaddd(p, p, n);
    vandps(p, p, counts);
  }
  vmovups(ptr[scores_], p);
}

// ---- values

void AttentionProgram::emit_values(int rows) {
  mov(record_, argument(offsetof(AttentionPiece, record)));
  mov(ahead_, argument(offsetof(AttentionPiece, ahead_bytes)));
  for (const Lot& lot : lots(rows)) {
    int column = 0;
    for (const int wides : column_passes(lot)) {
      add_values(lot, column, wides, column == 0);
      column += wides;
    }
  }
}

// Vectors of columns of each pass over the positions, about equal.
std::vector<int> AttentionProgram::column_passes(const Lot& lot) const {
  const auto fits = [&](int wides, int weight_sums) {
    return lot.count * wides + std::min(lot.count, wides) + 1 + weight_sums <= vectors_.count;
  };
  const auto most = [&](int weight_sums) {
    int wides = 1;
    while (fits(wides + 1, weight_sums)) ++wides;
    return wides;
  };
  const int first_most = std::min(most(lot.count), columns()), most_later = most(0);
  const int passes = 1 + ceil_div(columns() - first_most, most_later);
  std::vector<int> each{std::min(first_most, ceil_div(columns(), passes))};
  for (int left = columns() - each[0]; left > 0; left -= each.back())
    each.push_back(ceil_div(left, ceil_div(left, most_later)));
  return each;
}

void AttentionProgram::add_values(const Lot& lot, int column, int wides, bool sums_weights) {
  const auto at = [&](int i, int wide) {
    return ptr[record_ + (query_bytes(lot.first + i, scratch_.values(0), head_dim_) +
                          (column + wide) * vectors_.bytes)];
  };
  const auto weight_sum_at = [&](int i) {
    return ptr[record_ + query_bytes(lot.first + i, scratch_.sum(0), 1)];
  };
  const int used = lot.count * wides + std::min(lot.count, wides) + 1;
  const auto weight_sum = [&](int i) { return Xbyak::Xmm(used + i); };

  for (int i = 0; i < lot.count; ++i) {
    for (int wide = 0; wide < wides; ++wide) vmovups(sum(i, wide, wides), at(i, wide));
    if (sums_weights) vmovss(weight_sum(i), weight_sum_at(i));
  }
  mov(cache_, argument(offsetof(AttentionPiece, cache)));
  mov(scores_, argument(offsetof(AttentionPiece, scores)));
  mov(count_, argument(offsetof(AttentionPiece, count)));
  const bool reads_scales = has_scales() && sums_weights;
  if (reads_scales) mov(scales_, argument(offsetof(AttentionPiece, scales)));
  Xbyak::Label next;
  align(kLoopAlignment);
  L(next);
  multiply(
      lot, wides,
      [&](const Xbyak::Xmm& to, int i) {
        const auto weight = ptr[scores_ + query_bytes(lot.first + i, 0, kAttentionChunk)];
        const Xbyak::Xmm low(to.getIdx());
        vbroadcastss(to, weight);
        if (!sums_weights) return;
        vaddss(weight_sum(i), weight_sum(i), low);
        if (!reads_scales) return;
        scale_weight(to);
        vmovss(weight, low);  // later passes find it scaled
      },
      [&](const Xbyak::Xmm& to, int wide) {
        const int offset = (column + wide) * lanes() * cell_bytes_;
        widen(to, ptr[cache_ + offset]);
        if (lot.first == 0 && offset % kLineBytes == 0) prefetcht0(ptr[cache_ + ahead_ + offset]);
      });
  add(cache_, head_dim_ * cell_bytes_);
  if (reads_scales) add(scales_, 4);
  add(scores_, 4);
  dec(count_);
  jnz(next, T_NEAR);
  for (int i = 0; i < lot.count; ++i) {
    for (int wide = 0; wide < wides; ++wide) vmovups(at(i, wide), sum(i, wide, wides));
    if (sums_weights) vmovss(weight_sum_at(i), weight_sum(i));
  }
}

// All lanes of `weight` times the scale of the position's value.
void AttentionProgram::scale_weight(const Xbyak::Xmm& weight) {
  if (vectors_.bytes == 64) {
    vmulps(weight, weight, ptr_b[scales_]);
    return;
  }
  const Xbyak::Xmm low(weight.getIdx());
  vmulss(low, low, ptr[scales_]);
  vbroadcastss(weight, low);
}

// ---- output

void AttentionProgram::emit_output() {
  constexpr int kMostAtOnce = 8;
  const Xbyak::Xmm weights(kMostAtOnce), divisor = vec(kMostAtOnce);
  mov(to_, argument(offsetof(AttentionPiece, to)));
  for (int head = 0; head < heads_; ++head) {
    for (int column = 0; column < columns(); column += kMostAtOnce) {
      const int count = std::min(kMostAtOnce, columns() - column);
      for (int i = 0; i < count; ++i) set_zero(*this, vec(i));
      if (column == 0) set_zero(*this, divisor);
      mov(record_, argument(offsetof(AttentionPiece, record)));
      mov(count_, argument(offsetof(AttentionPiece, count)));
      Xbyak::Label next;
      L(next);
      for (int i = 0; i < count; ++i)
        vaddps(
            vec(i), vec(i),
            ptr[record_ + (record_bytes(scratch_.values(head)) + (column + i) * vectors_.bytes)]);
      if (column == 0) vaddss(weights, weights, ptr[record_ + record_bytes(scratch_.sum(head))]);
      add(record_, record_bytes(scratch_.chunk_elements()));
      dec(count_);
      jnz(next, T_NEAR);
      if (column == 0) vbroadcastss(divisor, weights);
      for (int i = 0; i < count; ++i) {
        vdivps(vec(i), vec(i), divisor);
        vmovups(ptr[to_ + (head * head_dim_ * 4 + (column + i) * vectors_.bytes)], vec(i));
      }
    }
  }
}

}  // namespace bitnetc::x64
