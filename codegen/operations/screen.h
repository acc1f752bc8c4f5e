// Estimates of logits from a copy of the head in few bits: what the screened head
// (docs/screened-head.md) reads in the place of most rows of the head.
// Page: docs/operations/screen.md
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/operations/call_case.h"
#include "codegen/operations/operation.h"

namespace bitnetc {

// A row of the head is step * (2 * code - 63), with codes of six bits. The coarse part holds their
// upper four bits, the fine part their lower two.
enum class ScreenPart { kCoarse, kFine };

// Both parts store a row in blocks of this many columns: byte b of a block holds the codes of
// columns b, b + B, b + 2 B ..., the first in its lowest bits, where B is the bytes of a block.
inline constexpr int64_t kScreenBlock = 256;

struct ScreenSpec {
  int64_t n = 0, k = 0;
  ScreenPart part = ScreenPart::kCoarse;
  auto operator<=>(const ScreenSpec&) const = default;

  int code_bits() const { return part == ScreenPart::kCoarse ? 4 : 2; }
  int codes_per_byte() const { return 8 / code_bits(); }
  // A code stands for step * (factor * code - offset).
  int32_t factor() const { return part == ScreenPart::kCoarse ? 8 : 2; }
  int32_t offset() const { return part == ScreenPart::kCoarse ? 60 : 3; }
  int64_t padded_k() const;     // of a hidden row; what lies beyond k is zero
  int64_t block_bytes() const;  // of kScreenBlock columns
  int64_t row_bytes() const;    // of a row's codes
};

namespace reference {
void screen(const ScreenSpec& spec, const ScreenArgs& args);
}

template <>
struct Operation<ScreenSpec> {
  using Args = ScreenArgs;
  static constexpr std::string_view kName = "screen";
  static constexpr auto kReference = &reference::screen;
  static std::vector<Operand> operands(const ScreenSpec& spec);
  static Status validate(const ScreenSpec& spec);
  static std::string name(const ScreenSpec& spec);
  static ScreenSpec parse(NameReader& reader);
  static Work work(const ScreenSpec& spec, int64_t rows, int64_t positions);
  static std::vector<ScreenSpec> samples();
  static std::vector<proof::CallCase> cases(const ScreenSpec& spec);
  static void prepare(const ScreenSpec& spec, const proof::CallCase& call_case, Random& random,
                      proof::OperandBuffers& buffers, Args& args);
};

}  // namespace bitnetc
