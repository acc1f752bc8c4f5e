// Attention of the query heads that share a kv head over the positions of their sequence, in pages.
// Page: docs/operations/attention.md
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/operations/call_case.h"
#include "codegen/operations/operation.h"
#include "runtime/kv_cache.h"

namespace bitnetc {

struct AttentionSpec {
  int64_t head_dim = 0;
  int64_t q_per_kv = 1;  // query heads that share a kv head
  int64_t window = 0;    // positions a token sees, its own included; 0: all
  float scale = 0;
  KvType kv_type = KvType::kF16;
  KvLayout layout() const;  // of one kv head and layer
  auto operator<=>(const AttentionSpec&) const = default;
};

namespace reference {
void attention(const AttentionSpec& spec, const AttentionArgs& args);
}

template <>
struct Operation<AttentionSpec> {
  using Args = AttentionArgs;
  static constexpr std::string_view kName = "attention";
  static constexpr auto kReference = &reference::attention;
  static std::vector<Operand> operands(const AttentionSpec& spec);
  static Status validate(const AttentionSpec& spec);
  static std::string name(const AttentionSpec& spec);
  static AttentionSpec parse(NameReader& reader);
  static Work work(const AttentionSpec& spec, int64_t rows, int64_t positions);
  static std::vector<AttentionSpec> samples();
  static std::vector<proof::CallCase> cases(const AttentionSpec& spec);
  static void prepare(const AttentionSpec& spec, const proof::CallCase& call_case, Random& random,
                      proof::OperandBuffers& buffers, Args& args);
};

}  // namespace bitnetc
