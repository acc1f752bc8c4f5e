// The values of a compiled model: that every float is finite and every packed code stands for
// trits.
#include <algorithm>
#include <atomic>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "codegen/kernel_spec.h"
#include "compiler/check_program.h"
#include "compiler/passes/bindings.h"
#include "runtime/thread_pool.h"

namespace bitnetc {
namespace {

// The first element that is infinite or NaN, which has all exponent bits set; -1: none. The inner
// loop has no branch, so that the compiler checks a vector at once.
template <typename Bits>
int64_t first_not_finite(std::span<const uint8_t> bytes, Bits exponent) {
  constexpr size_t kBlock = 4096;
  const auto* values = reinterpret_cast<const Bits*>(bytes.data());
  const size_t count = bytes.size() / sizeof(Bits);
  for (size_t begin = 0; begin < count; begin += kBlock) {
    const size_t end = std::min(begin + kBlock, count);
    Bits found = 0;
    for (size_t i = begin; i < end; ++i)
      found = static_cast<Bits>(found | ((values[i] & exponent) == exponent ? 1 : 0));
    if (found == 0) continue;
    for (size_t i = begin; i < end; ++i)
      if ((values[i] & exponent) == exponent) return static_cast<int64_t>(i);
  }
  return -1;
}

int64_t first_not_finite(std::span<const uint8_t> bytes, ElementType type) {
  switch (type) {
    case ElementType::kF64: return first_not_finite<uint64_t>(bytes, 0x7ff0000000000000);
    case ElementType::kF32: return first_not_finite<uint32_t>(bytes, 0x7f800000);
    case ElementType::kF16: return first_not_finite<uint16_t>(bytes, 0x7c00);
    case ElementType::kBf16: return first_not_finite<uint16_t>(bytes, 0x7f80);
    default: return -1;
  }
}

// Bytes that one thread checks at a time, so that all threads share a large table.
constexpr size_t kPieceBytes = 16 << 20;

// The first element below zero, -1: none. There is no NaN.
int64_t first_negative(std::span<const uint8_t> bytes) {
  const auto* values = reinterpret_cast<const float*>(bytes.data());
  const auto* end = values + bytes.size() / sizeof(float);
  const auto* at = std::find_if(values, end, [](float value) { return value < 0; });
  return at == end ? -1 : at - values;
}

// Part of a section whose values one thread checks.
struct Piece {
  std::string section;
  std::span<const uint8_t> bytes;
  int64_t first = 0;                   // element of the section that `bytes` begin with
  std::optional<WeightLayout> layout;  // of packed codes, which are one piece
  bool neuron_rows = false;            // packed codes of neurons
  ElementType type = ElementType::kU8;
  bool not_negative = false;  // f32 that may not be
};

Status check_piece(const std::string& file, const Piece& piece) {
  if (piece.layout) {
    const Status codes = check_packed(*piece.layout, piece.bytes);
    if (codes.ok()) return {};
    return make_error(StatusCode::kDataCorrupt, "{}: section {}: {}", file, piece.section,
                      codes.message());
  }
  if (piece.neuron_rows) {
    const Status codes = check_neuron_rows(piece.bytes);
    if (codes.ok()) return {};
    return make_error(StatusCode::kDataCorrupt, "{}: section {}: {}", file, piece.section,
                      codes.message());
  }
  const int64_t at = first_not_finite(piece.bytes, piece.type);
  if (at < 0 && piece.not_negative) {
    if (const int64_t negative = first_negative(piece.bytes); negative >= 0)
      return make_error(StatusCode::kDataCorrupt, "{}: section {}: element {} is negative", file,
                        piece.section, negative);
  }
  if (at < 0) return {};
  return make_error(StatusCode::kDataCorrupt, "{}: section {}: element {} is not a finite {}", file,
                    piece.section, piece.first + at, element_type_name(piece.type));
}

// Adds the weights of `step` whose section is not in `seen` yet.
Status add_pieces(const CompiledModel& model, const Step& step, std::set<std::string>& seen,
                  std::vector<Piece>& pieces) {
  BITNETC_ASSIGN_OR_RETURN(const KernelSpec spec, parse_spec(step.kernel));
  for (const Operand& operand : step_operands(spec, model.description().config)) {
    if (operand.role != Role::kWeight) continue;
    const std::string& section = step.operand(operand.name)->section;
    if (!seen.insert(section).second) continue;
    BITNETC_ASSIGN_OR_RETURN(const auto bytes, model.file().section(section));
    if (operand.type == ElementType::kU8 && !std::holds_alternative<MatmulSpec>(spec)) {
      pieces.push_back({.section = section, .bytes = bytes, .neuron_rows = true});
      continue;
    }
    if (operand.type == ElementType::kU8) {
      pieces.push_back({.section = section,
                        .bytes = bytes,
                        .layout = std::get<MatmulSpec>(spec).weight_layout()});
      continue;
    }
    for (size_t begin = 0; begin < bytes.size(); begin += kPieceBytes)
      pieces.push_back({.section = section,
                        .bytes = bytes.subspan(begin, std::min(kPieceBytes, bytes.size() - begin)),
                        .first = static_cast<int64_t>(begin) / element_bytes(operand.type),
                        .type = operand.type});
  }
  return {};
}

// The floats of the head's screen. Codes may have any value.
Status add_screen(const CompiledModel& model, std::vector<Piece>& pieces) {
  const std::string& screen = model.description().program.screen;
  if (screen.empty()) return {};
  for (const std::string_view part : {kScreenParts[2], kScreenParts[3], kScreenParts[4]}) {
    const std::string section = screen + std::string(part);
    BITNETC_ASSIGN_OR_RETURN(const auto bytes, model.file().section(section));
    pieces.push_back(
        {.section = section, .bytes = bytes, .type = ElementType::kF32, .not_negative = true});
  }
  return {};
}

}  // namespace

Status check_values(const CompiledModel& model) {
  std::set<std::string> seen;  // a tied table serves two steps
  std::vector<Piece> pieces;
  for (const Step& step : model.description().program.steps)
    BITNETC_RETURN_IF_ERROR(add_pieces(model, step, seen, pieces));
  BITNETC_RETURN_IF_ERROR(add_screen(model, pieces));

  std::vector<Status> found(pieces.size());
  std::atomic<size_t> next = 0;
  const auto threads = ThreadPool::at_most(usable_cpu_count(), /*pin=*/false);
  threads->run([&](int) {
    for (size_t i = next++; i < pieces.size(); i = next++)
      found[i] = check_piece(model.file().origin(), pieces[i]);
  });
  for (Status& status : found) BITNETC_RETURN_IF_ERROR(std::move(status));
  return {};
}

}  // namespace bitnetc
