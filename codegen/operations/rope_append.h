// Rotate-half RoPE on q and k in place, then k and v are appended to the cache.
// Page: docs/operations/rope_append.md
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

struct RopeAppendSpec {
  int64_t q_heads = 0, kv_heads = 0, head_dim = 0;
  KvType kv_type = KvType::kF16;
  KvLayout layout() const;  // of one layer
  // Column where the k and v parts of the fused qkv row start: parts begin at whole tiles.
  int64_t k_offset() const;
  int64_t v_offset() const;
  int64_t qkv_columns() const;
  auto operator<=>(const RopeAppendSpec&) const = default;
};

namespace reference {
void rope_append(const RopeAppendSpec& spec, const RopeAppendArgs& args);
}

template <>
struct Operation<RopeAppendSpec> {
  using Args = RopeAppendArgs;
  static constexpr std::string_view kName = "ropeappend";
  static constexpr auto kReference = &reference::rope_append;
  static std::vector<Operand> operands(const RopeAppendSpec& spec);
  static Status validate(const RopeAppendSpec& spec);
  static std::string name(const RopeAppendSpec& spec);
  static RopeAppendSpec parse(NameReader& reader);
  static Work work(const RopeAppendSpec& spec, int64_t rows, int64_t positions);
  static std::vector<RopeAppendSpec> samples();
  static std::vector<proof::CallCase> cases(const RopeAppendSpec& spec);
  static void prepare(const RopeAppendSpec& spec, const proof::CallCase& call_case, Random& random,
                      proof::OperandBuffers& buffers, Args& args);
};

}  // namespace bitnetc
