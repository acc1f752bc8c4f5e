// The parts of attention as machine code, for one head_dim, number of query heads to a kv head and
// tier. What calls them, page by page, is attention_walk.h.
//
//   scores   of `blocks` blocks of 16 keys, for the queries of a group of rows
//   largest  of a run of scores of one query
//   weights  of a run of scores of one query, in place
//   values   weighted values of positions in one page, added to the chunk's sums of a group of rows
//   output   the sums of all chunks of one row, added and divided
//
// Rows       a group is rows_together() rows, or one: a query is a row and a head, a group has as
//            many as keep the registers busy. Where the heads of one row are more than that, they
//            go in several equal lots, each of which reads the page again, from L1.
// Scores     lanes are keys. A page (64 keys), half or a quarter of it, for all queries of a lot:
//            vectors: queries * keys / lanes sums + the fewer of the two, held + 1 that passes
//            AVX-512: 4 queries 16 + 4 + 1 of 32, 8 queries 16 + 2 + 1
//            AVX2: 1 query 8 + 1 + 1 of 16, 4 queries 8 + 2 + 1, 5 queries 10 + 2 + 1
// Values     lanes are columns. Passes over the positions, each with as many columns as fit:
//            vectors: queries * columns / lanes sums + the fewer of the two, held + 1 that passes
//            + in the first pass a sum of weights per query; of i8 this pass also leaves weights
//            times the scales of the values in their place
//            AVX-512: 4 queries 16 + 4 + 1 + 4 of 32, 8 queries 16 + 2 + 1 + 8
//            AVX2: 4 queries 8 + 2 + 1 + 4 of 16, then 12 + 3 + 1
// Work       per 16 keys (columns) one vcvtph2ps, which is 2 operations, and a fused product per
//            query: for 4 queries and AVX-512, 6 operations per 32 bytes of the cache. f32: a load
//            instead, i8: 2 operations also; its scales are multiplied with scores and weights
// Prefetch   what is at the same place of the following page, while this one is in L1
// Exactness  docs/numerics.md section 11: d, positions, chunks ascending, fused where it says so.
//            A score minus the largest is in [-64, 0] where exp is wanted, so exp needs no clamps
//            and p * 2^n is normal and exact: vscalefps, or n added to the exponent of p
// Reference  codegen/reference/attention.cpp
#pragma once

#include <cstdint>
#include <vector>

#include "codegen/kernel_spec.h"
#include "codegen/x64/emit/constant_pool.h"
#include "codegen/x64/x64_code.h"
#include "runtime/attention_scratch.h"
#include "runtime/kv_cache.h"

namespace bitnetc::x64 {

// What the parts are called with.
struct AttentionPiece {
  const void* cache = nullptr;    // the first block's keys, or the first position's values
  const float* scales = nullptr;  // of the same positions; of i8 alone
  int64_t ahead_bytes = 0;   // to the same place of the page that is read next; 0: there is none
  const float* q = nullptr;  // of the group's first row; further rows are a record apart
  float* record = nullptr;   // of the group's first row in this chunk, or of the row's first chunk
  float* scores = nullptr;   // of the first position: of the group's first query, or of the query
  int64_t count = 0;         // blocks, scores, vectors, positions or chunks
  float* to = nullptr;       // largest, output
  float largest = 0;
};

struct AttentionTier {
  VectorFile vectors;
  int most_queries;  // of a group of rows, and of a lot
};
inline constexpr AttentionTier kAvx2Attention{.vectors = kYmmFile, .most_queries = 5};
inline constexpr AttentionTier kAvx512Attention{.vectors = kZmmFile, .most_queries = 8};

class AttentionProgram final : public X64Code {
 public:
  AttentionProgram(const AttentionTier& tier, const AttentionSpec& spec);

  // Rows of a group, a power of 2.
  int rows_together() const { return rows_together_; }
  int lanes() const { return vectors_.bytes / 4; }
  // Bytes from the start of the code to each part, once it is emitted. [0]: of a group, [1]: of one
  // row.
  struct Entries {
    size_t scores[2], values[2], largest, weights, output;
  };
  const Entries& entries() const { return entries_; }

 private:
  // Queries [first, first + count) of a group: query i is head i % heads of row i / heads.
  struct Lot {
    int first, count;
  };

  void generate() override;
  void emit_data() override { constants_.emit(*this); }
  size_t begin_part();
  std::vector<Lot> lots(int rows) const;

  bool has_scales() const { return spec_.kv_type == KvType::kI8; }
  // A vector of cells of the cache as f32; of i8 without their scale.
  void widen(const Xbyak::Xmm& to, const Xbyak::Address& cells);

  void emit_scores(int rows);
  void score_lot(const Lot& lot);
  void score_blocks(const Lot& lot, int blocks, bool prefetches);
  int blocks_at_once(const Lot& lot) const;

  void emit_values(int rows);
  void add_values(const Lot& lot, int column, int wides, bool sums_weights);
  void scale_weight(const Xbyak::Xmm& weight);
  std::vector<int> column_passes(const Lot& lot) const;

  void emit_largest();
  void emit_weights();
  void weigh_vector();
  void emit_output();

  // sum(single, wide) += single * wide for all of both: the fewer are held, the others pass through
  // one register. `sees_single` is called with each single that was loaded.
  template <typename LoadSingle, typename LoadWide>
  void multiply(const Lot& lot, int wides, LoadSingle load_single, LoadWide load_wide);

  Xbyak::Xmm sum(int single, int wide, int wides) const { return vec(single * wides + wide); }
  int vectors_per_block() const { return static_cast<int>(KvLayout::kKeyBlock) / lanes(); }
  int columns() const { return head_dim_ / lanes(); }  // vectors of a row of values
  int record_bytes(int64_t elements) const { return static_cast<int>(elements * 4); }
  // From the first row's of the group to that of query i, in bytes.
  int query_bytes(int i, int64_t of_head_0, int64_t between_heads) const;
  Xbyak::Address argument(size_t offset) const {
    return Xbyak::util::ptr[args_ + static_cast<int>(offset)];
  }

  const AttentionSpec spec_;
  const AttentionScratch scratch_;
  const int head_dim_, cell_bytes_, heads_, most_queries_, rows_together_;
  Entries entries_{};
  ConstantPool constants_;

  const Xbyak::Reg64 args_ = Xbyak::util::rdi;
  const Xbyak::Reg64 count_ = Xbyak::util::rcx;
  const Xbyak::Reg64 inner_ = Xbyak::util::rbx;   // counts down inside
  const Xbyak::Reg64 cache_ = Xbyak::util::rsi;   // block or position
  const Xbyak::Reg64 ahead_ = Xbyak::util::r8;    // AttentionPiece::ahead_bytes
  const Xbyak::Reg64 q_ = Xbyak::util::r9;        // element d of the first row's head 0
  const Xbyak::Reg64 keys_ = Xbyak::util::r10;    // element d of the first block
  const Xbyak::Reg64 scores_ = Xbyak::util::r11;  // of the block or position, or a query's
  const Xbyak::Reg64 record_ = Xbyak::util::rdx;
  const Xbyak::Reg64 to_ = Xbyak::util::r12;
  const Xbyak::Reg64 scales_ = Xbyak::util::r13;  // of the block's keys or the position's value
};

}  // namespace bitnetc::x64
