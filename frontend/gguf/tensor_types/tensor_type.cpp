#include "frontend/gguf/tensor_types/tensor_type.h"

#include <algorithm>

#include "frontend/gguf/tensor_types/decoders.h"

namespace bitnetc::gguf {
namespace {

constexpr std::string_view kNotRead = "is not read";
constexpr std::string_view kTiles =
    "is cut into tiles of sizes that stand in the kernel_config.ini it was built with, not in the "
    "file, so it cannot be read; convert the original checkpoint instead";

// Packings of one number are next to each other. Those without a reader are here to be named.
constexpr TensorType kTypes[] = {
    {.name = "F32", .id = 0, .block_bytes = 4, .widen = widen_f32},
    {.name = "F16", .id = 1, .block_bytes = 2, .widen = widen_f16},
    {.name = "Q4_0", .id = 2, .block_elements = 32, .block_bytes = 18, .widen = widen_q4_0},
    {.name = "Q4_1", .id = 3, .block_elements = 32, .block_bytes = 20, .why_not = kNotRead},
    {.name = "Q5_0", .id = 6, .block_elements = 32, .block_bytes = 22, .why_not = kNotRead},
    {.name = "Q5_1", .id = 7, .block_elements = 32, .block_bytes = 24, .why_not = kNotRead},
    {.name = "Q8_0", .id = 8, .block_elements = 32, .block_bytes = 34, .widen = widen_q8_0},
    {.name = "Q2_K", .id = 10, .block_elements = 256, .block_bytes = 84, .why_not = kNotRead},
    {.name = "Q3_K", .id = 11, .block_elements = 256, .block_bytes = 110, .why_not = kNotRead},
    {.name = "Q4_K", .id = 12, .block_elements = 256, .block_bytes = 144, .widen = widen_q4_k},
    {.name = "Q5_K", .id = 13, .block_elements = 256, .block_bytes = 176, .why_not = kNotRead},
    {.name = "Q6_K", .id = 14, .block_elements = 256, .block_bytes = 210, .widen = widen_q6_k},
    {.name = "BF16", .id = 30, .block_bytes = 2, .widen = widen_bf16},
    {.name = "TQ1_0",
     .id = 34,
     .block_elements = 256,
     .block_bytes = 54,
     .decode = decode_tq1_0,
     .factors = FactorSpan::kBlock},
    {.name = "TQ2_0",
     .id = 35,
     .block_elements = 256,
     .block_bytes = 66,
     .decode = decode_tq2_0,
     .factors = FactorSpan::kBlock},
    {.name = "I2_S",
     .id = 36,
     .block_elements = 128,
     .block_bytes = 32,
     .tail_bytes = 32,
     .crosses_rows = true,
     .decode = decode_i2_s},
    {.name = "IQ4_NL_4_4", .id = 36, .block_elements = 32, .block_bytes = 18, .why_not = kNotRead},
    {.name = "I8_S", .id = 37, .block_bytes = 1, .tail_bytes = 32, .why_not = kNotRead},
    {.name = "TL1",
     .id = 38,
     .block_elements = 4,
     .block_bytes = 1,
     .tail_bytes = 32,
     .crosses_rows = true,
     .why_not = kTiles},
    {.name = "MXFP4", .id = 39, .block_elements = 32, .block_bytes = 17, .why_not = kNotRead},
    {.name = "NVFP4", .id = 40, .block_elements = 64, .block_bytes = 36, .why_not = kNotRead},
    {.name = "Q1_0", .id = 41, .block_elements = 128, .block_bytes = 18, .why_not = kNotRead},
    {.name = "Q2_0",
     .id = 42,
     .block_elements = 64,
     .block_bytes = 18,
     .decode = decode_q2_0_g64,
     .factors = FactorSpan::kBlock},
    {.name = "Q2_0 with groups of 128",
     .id = 42,
     .block_elements = 128,
     .block_bytes = 34,
     .decode = decode_q2_0_g128,
     .factors = FactorSpan::kBlock},
    {.name = "STQ1_0", .id = 42, .block_elements = 256, .block_bytes = 42, .why_not = kNotRead},
    {.name = "I2_V_4", .id = 42, .block_elements = 4, .block_bytes = 1, .why_not = kNotRead},
    {.name = "Q2_0_G128",
     .id = 43,
     .block_elements = 128,
     .block_bytes = 34,
     .decode = decode_q2_0_g128,
     .factors = FactorSpan::kBlock},
    {.name = "T5B", .id = 43, .block_elements = 160, .block_bytes = 32, .why_not = kNotRead},
    {.name = "I2_V_8", .id = 43, .block_elements = 4, .block_bytes = 1, .why_not = kNotRead},
    {.name = "IQ1_BN",
     .id = 134,
     .block_elements = 64,
     .block_bytes = 13,
     .row_bytes = 2,
     .decode = decode_iq1_bn,
     .factors = FactorSpan::kRow},
    {.name = "IQ2_BN",
     .id = 135,
     .block_elements = 64,
     .block_bytes = 16,
     .row_bytes = 4,
     .decode = decode_iq2_bn,
     .factors = FactorSpan::kRow},
    {.name = "PQ2_0",
     .id = 142,
     .block_elements = 128,
     .block_bytes = 34,
     .decode = decode_q2_0_g128,
     .factors = FactorSpan::kBlock},
    {.name = "PTQ1_0",
     .id = 143,
     .block_elements = 128,
     .block_bytes = 28,
     .decode = decode_ptq1_0,
     .factors = FactorSpan::kBlock},
    {.name = "G8_0", .id = 143, .block_elements = 32, .block_bytes = 34, .why_not = kNotRead},
    {.name = "IQ2_BN_R4",
     .id = 335,
     .block_elements = 64,
     .block_bytes = 16,
     .row_bytes = 4,
     .why_not = kNotRead},
};

// TL2 has no size of its own: it depends on the tiles.
constexpr uint32_t kTl2Id = 39;

// "Q2_0 (14112 bytes), STQ1_0 (10,752)": what a number may be, with the size that each would have.
std::string choices(const GgufTensor& tensor) {
  std::string text;
  for (const TensorType& type : kTypes) {
    if (type.id != tensor.type_id) continue;
    const auto bytes = type.stored_bytes(tensor.extents);
    text +=
        fmt::format("{}{}{}", text.empty() ? "" : ", ", type.name,
                    bytes ? fmt::format(" of {} bytes", *bytes)
                          : fmt::format(", whose blocks of {} do not fit", type.block_elements));
  }
  return text;
}

// What a number can mean here.
struct Meanings {
  int known = 0;                    // packings of this number
  int fitting = 0;                  // those whose size fills the room up to padding
  const TensorType* one = nullptr;  // of which this one
};

// Behind the last tensor there may be anything more, which only a number with one meaning allows
// for.
Meanings meanings_of(const GgufTensor& tensor) {
  Meanings found;
  const TensorType* contained = nullptr;
  for (const TensorType& type : kTypes) {
    if (type.id != tensor.type_id) continue;
    ++found.known;
    const auto bytes = type.stored_bytes(tensor.extents);
    if (!bytes || *bytes > tensor.room.size()) continue;
    contained = &type;
    if (tensor.room.size() - *bytes >= tensor.alignment) continue;
    ++found.fitting;
    found.one = &type;
  }
  if (found.fitting == 0 && tensor.is_last && found.known == 1 && contained != nullptr) {
    found.fitting = 1;
    found.one = contained;
  }
  return found;
}

Status wrong_size(const GgufTensor& tensor, const Meanings& meanings) {
  const std::string opening = fmt::format("{} {}: type number {}", tensor.label(),
                                          extents_text(tensor.extents), tensor.type_id);
  const std::string end =
      fmt::format("{} after {} bytes", tensor.is_last ? "the file ends" : "the next tensor begins",
                  tensor.room.size());
  if (meanings.known == 0) return make_error(StatusCode::kUnsupported, "{} is not known", opening);
  if (tensor.type_id == kTl2Id)
    return make_error(StatusCode::kUnsupported, "{} may be MXFP4 or TL2; neither is read", opening);
  if (meanings.fitting > 1)
    return make_error(StatusCode::kUnsupported,
                      "{} may be {}, and that {} does not tell them apart", opening,
                      choices(tensor), end);
  if (meanings.known > 1)
    return make_error(StatusCode::kUnsupported, "{} may be {}, but {}", opening, choices(tensor),
                      end);
  return make_error(StatusCode::kDataCorrupt, "{} is {}, but {}{}", opening, choices(tensor), end,
                    tensor.is_last ? " (truncated?)" : "");
}

}  // namespace

std::optional<uint64_t> TensorType::stored_bytes(std::span<const int64_t> extents) const {
  int64_t elements = 1, blocks_bytes = 0, rows_bytes = 0, total = 0;
  for (const int64_t extent : extents)
    if (__builtin_mul_overflow(elements, extent, &elements)) return std::nullopt;
  if ((crosses_rows ? elements : extents[0]) % block_elements != 0) return std::nullopt;
  const bool overflows =
      __builtin_mul_overflow(elements / block_elements, block_bytes, &blocks_bytes) ||
      __builtin_mul_overflow(elements / extents[0], row_bytes, &rows_bytes) ||
      __builtin_add_overflow(blocks_bytes, rows_bytes, &total) ||
      __builtin_add_overflow(total, tail_bytes, &total);
  return overflows ? std::nullopt : std::optional(static_cast<uint64_t>(total));
}

Result<TypedTensor> identify(const GgufTensor& tensor) {
  const Meanings meanings = meanings_of(tensor);
  if (meanings.fitting != 1) return wrong_size(tensor, meanings);
  const TensorType* type = meanings.one;
  if (type->widen == nullptr && type->decode == nullptr)
    return make_error(StatusCode::kUnsupported, "{}: type {} (number {}) {}", tensor.label(),
                      type->name, type->id, type->why_not);
  return TypedTensor{&tensor, type, tensor.room.first(*type->stored_bytes(tensor.extents))};
}

const TensorType& tensor_type(std::string_view name) {
  const auto* type = std::ranges::find(kTypes, name, &TensorType::name);
  BITNETC_CHECK(type != std::end(kTypes), "no tensor type {}", name);
  return *type;
}

}  // namespace bitnetc::gguf
