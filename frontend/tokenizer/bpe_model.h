// Byte-pair encoding: a piece becomes characters, then the neighbouring pair with the lowest rank
// is merged (the leftmost among equals) until none is left. Immutable once made; a BpeScratch
// belongs to one thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "frontend/tokenizer/byte_symbols.h"
#include "frontend/tokenizer/token_model.h"
#include "frontend/tokenizer/tokenizer_document.h"
#include "frontend/tokenizer/vocabulary.h"
#include "runtime/status.h"

namespace bitnetc {

struct BpeOptions {
  bool ignore_merges = false;     // a piece that is itself in the vocabulary is taken whole
  bool byte_fallback = false;     // a character without a token becomes its bytes, <0x00> to <0xFF>
  bool fuse_unk = false;          // neighbouring unknown characters share one unknown token
  std::optional<int32_t> unk_id;  // none: a character without a token is an error
  bool is_byte_level = false;     // characters are byte symbols; only for messages
};

// What a pair merges into. Rank kNever: the pair does not merge.
struct BpeMerge {
  static constexpr uint32_t kNever = UINT32_MAX;
  uint32_t rank = kNever;
  int32_t id = -1;
};

// Pair of ids to merge: open addressing with linear probing.
class BpeMergeTable {
 public:
  explicit BpeMergeTable(size_t pair_count);
  void set(int32_t left, int32_t right, BpeMerge merge);  // the last one wins
  BpeMerge find(int32_t left, int32_t right) const;

 private:
  struct Slot {
    uint64_t pair = UINT64_MAX;  // free
    BpeMerge merge;
  };
  size_t slot_of(uint64_t pair) const;

  std::vector<Slot> slots_;
  int shift_;  // 64 − log2 of the number of slots
};

// A set of pairs of ids, in open addressing.
class BpePairSet {
 public:
  void insert(int32_t left, int32_t right);  // a negative one is no id: nothing is inserted
  bool contains(int32_t left, int32_t right) const;

 private:
  static constexpr uint64_t kFree = UINT64_MAX;
  size_t slot_of(uint64_t pair) const;
  void grow();

  std::vector<uint64_t> slots_ = std::vector<uint64_t>(64, kFree);
  int shift_ = 64 - 6;  // 64 − log2 of the number of slots
  size_t count_ = 0;
};

class BpeScratch final : public ModelScratch {
 private:
  friend class BpeModel;
  struct Symbol {
    int32_t id;  // -1: merged into the symbol before it
    int32_t previous;
    int32_t next;
  };
  struct Candidate {
    uint64_t rank_and_position;  // the order of merging
    int32_t id;
  };
  std::vector<int32_t> characters_;  // the ids of a piece before any merge
  std::vector<int32_t> ids_;         // of the part that is merged
  std::vector<BpeMerge> merges_;
  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
};

class BpeModel final : public TokenModel {
 public:
  // `vocabulary` outlives the model. Error: kDataCorrupt naming the first merge of which a part or
  // the result is not in the vocabulary.
  static Result<BpeModel> create(const Vocabulary& vocabulary, const MergeList& merges,
                                 const BpeOptions& options);

  // Without merges: two neighbours merge whenever a token is spelled by both together, the token
  // with the greatest score first. `scores` and `merges_into` (whether a merge may give the token)
  // are by id. Characters without a token of their own merge, too.
  static BpeModel create_by_score(const Vocabulary& vocabulary, std::span<const float> scores,
                                  const std::vector<bool>& merges_into, const BpeOptions& options);

  std::unique_ptr<ModelScratch> make_scratch() const override;
  // Time O(n log n).
  Status encode(std::string_view piece, ModelScratch& scratch,
                std::vector<int32_t>& ids) const override;
  std::optional<int32_t> unk_id() const override { return options_.unk_id; }

 private:
  BpeModel(const Vocabulary& vocabulary, size_t merge_count, const BpeOptions& options);
  int32_t character_id(uint32_t code_point, std::string_view character) const;  // -1: none
  Status split_characters(std::string_view piece, std::vector<int32_t>& ids) const;
  bool append_byte_tokens(std::string_view character, std::vector<int32_t>& ids) const;
  int32_t part_id(std::string_view text) const;
  int32_t add_stand_in(uint32_t code_point);
  Status append_known(std::span<const int32_t> merged, std::vector<int32_t>& ids) const;
  Status no_token(uint32_t code_point) const;
  void add_joints(std::string_view left, std::string_view right);
  Status merge_part(std::span<const int32_t> characters, BpeScratch& scratch,
                    std::vector<int32_t>& ids) const;
  void merge_short(BpeScratch& scratch) const;
  void merge_long(BpeScratch& scratch) const;
  void push_candidate(BpeScratch& scratch, int32_t position) const;

  const Vocabulary* vocabulary_;
  BpeOptions options_;
  BpeMergeTable table_;
  BpePairSet joints_;  // characters between which some merge joins; between others none ever does
  // Characters that have no token but are part of one, with ids of their own from id_end() on.
  std::unordered_map<uint32_t, int32_t> stand_ins_;
  std::vector<uint32_t> stand_in_characters_;
  std::array<int32_t, kByteSymbolEnd> low_ids_{};  // by code point; -1: none
  std::array<int32_t, 256> byte_ids_{};            // of <0xHH>; -1: none
};

}  // namespace bitnetc
