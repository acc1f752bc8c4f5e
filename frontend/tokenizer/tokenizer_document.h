// A tokenizer.json as read, before anything is understood: a tree of values for the components, and
// the two big members, model.vocab (with ids or with scores) and model.merges, in compact form.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/tokenizer/vocabulary.h"
#include "runtime/status.h"

namespace bitnetc {

struct JsonValue {
  enum class Kind { kNull, kBoolean, kInteger, kReal, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  bool boolean = false;
  int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<std::string> keys;  // objects only: keys[i] names items[i]
  std::vector<JsonValue> items;

  const JsonValue* find(std::string_view key) const;  // null: no such member
};

// The value in a message: "Metaspace", true, 3, an array of 2, an object.
std::string describe(const JsonValue& value);

// The pairs of model.merges in rank order.
class MergeList {
 public:
  struct Pair {
    std::string_view left;
    std::string_view right;
  };
  void add(std::string_view left, std::string_view right);
  size_t size() const { return spans_.size(); }
  Pair operator[](size_t rank) const;

 private:
  struct Span {
    uint32_t offset;
    uint32_t left_bytes;
    uint32_t right_bytes;
  };
  std::string texts_;
  std::vector<Span> spans_;
};

struct TokenizerDocument {
  JsonValue root;  // model.vocab and model.merges are there, empty
  Vocabulary vocabulary;
  MergeList merges;
  std::vector<double> scores;  // by id, of a vocabulary that is a list of tokens with scores
};

// Error: kDataCorrupt for what is not JSON, a duplicate key, nesting deeper than 64, a token whose
// id is not an integer in [0, kMaxTokenId] or is taken, a merge that is not two strings;
// kUnsupported above 1 GiB.
Result<TokenizerDocument> parse_tokenizer_document(std::string_view json);

}  // namespace bitnetc
