#include "codegen/operations/attention.h"

#include <algorithm>
#include <cmath>

#include "codegen/operations/spec_name.h"
#include "runtime/attention_scratch.h"
#include "runtime/random.h"

namespace bitnetc {

KvLayout AttentionSpec::layout() const {
  return {.kv_heads = 1, .head_dim = head_dim, .type = kv_type};
}

using Attention = Operation<AttentionSpec>;

std::vector<Operand> Attention::operands(const AttentionSpec& spec) {
  const int64_t columns = spec.q_per_kv * spec.head_dim;
  const AttentionScratch scratch{.head_dim = spec.head_dim, .heads = spec.q_per_kv};
  return {{.name = "q",
           .role = Role::kInput,
           .type = ElementType::kF32,
           .per_row = columns,
           .args_offset = offsetof(AttentionArgs, q)},
          {.name = "out",
           .role = Role::kOutput,
           .type = ElementType::kF32,
           .per_row = columns,
           .args_offset = offsetof(AttentionArgs, out)},
          // Keys and values of the kv head.
          {.name = "pages",
           .role = Role::kCache,
           .type = kv_cell_type(spec.kv_type),
           .per_position = spec.layout().position_bytes() / spec.layout().cell_bytes(),
           .args_offset = offsetof(AttentionArgs, pages)},
          {.name = "scores",
           .role = Role::kScratch,
           .type = ElementType::kF32,
           .per_worker = true,
           .per_position = scratch.elements_per_position(),
           .args_offset = offsetof(AttentionArgs, scores)}};
}

Status Attention::validate(const AttentionSpec& spec) {
  BITNETC_RETURN_IF_ERROR(check_dimension(name(spec), "d", spec.head_dim));
  BITNETC_RETURN_IF_ERROR(check_dimension(name(spec), "g", spec.q_per_kv));
  return spec.window == 0 ? Status() : check_dimension(name(spec), "w", spec.window);
}

std::string Attention::name(const AttentionSpec& spec) {
  const std::string window = spec.window == 0 ? "all" : fmt::to_string(spec.window);
  return fmt::format("attention_f32_d{}_g{}_w{}_scale{}{}", spec.head_dim, spec.q_per_kv, window,
                     spec.scale, kv_type_suffix(spec.kv_type));
}

AttentionSpec Attention::parse(NameReader& reader) {
  AttentionSpec spec;
  reader.expect("f32");
  spec.head_dim = reader.number<int64_t>("d");
  spec.q_per_kv = reader.number<int64_t>("g");
  spec.window = reader.number_or<int64_t>("w", "all", 0);
  spec.scale = reader.number<float>("scale");
  spec.kv_type = reader.kv_type();
  return spec;
}

Work Attention::work(const AttentionSpec& spec, int64_t rows, int64_t positions) {
  const int64_t seen = spec.window == 0 ? positions : std::min(positions, spec.window);
  return {.bytes_read = bytes_read(operands(spec), rows, seen),
          .macs = 2 * rows * seen * spec.q_per_kv * spec.head_dim};
}

std::vector<AttentionSpec> Attention::samples() {
  constexpr float kScale = 0.088388346f;
  std::vector<AttentionSpec> specs;
  for (const int64_t head_dim : {1, 2, 7, 8, 16, 33, 64, 80, 96, 100, 128, 256})
    specs.push_back({.head_dim = head_dim, .scale = kScale});
  for (const int64_t q_per_kv : {2, 3, 4, 5, 7, 8, 13})
    specs.push_back({.head_dim = 32, .q_per_kv = q_per_kv, .scale = kScale});
  for (const int64_t q_per_kv : {4, 5})
    specs.push_back({.head_dim = 128, .q_per_kv = q_per_kv, .scale = kScale});
  for (const int64_t window : {1, 3, 16, 100, 300, 512})
    specs.push_back({.head_dim = 32, .q_per_kv = 2, .window = window, .scale = kScale});
  specs.push_back({.head_dim = 48, .q_per_kv = 8, .window = 70, .scale = kScale});
  for (const KvType type : {KvType::kF32, KvType::kI8}) {
    for (const int64_t head_dim : {1, 7, 8, 16, 33, 64, 80, 100, 128, 256})
      specs.push_back({.head_dim = head_dim, .scale = kScale, .kv_type = type});
    for (const int64_t q_per_kv : {2, 3, 4, 5, 8, 13})
      specs.push_back({.head_dim = 64, .q_per_kv = q_per_kv, .scale = kScale, .kv_type = type});
    for (const int64_t window : {1, 16, 100, 300})
      specs.push_back(
          {.head_dim = 32, .q_per_kv = 2, .window = window, .scale = kScale, .kv_type = type});
  }
  return specs;
}

// One key, the edges of a block of keys, of a page and of a chunk of 256 positions; one row,
// several, and as many as a call takes. At start: one key, a row in the second chunk, and rows in
// two pages.
std::vector<proof::CallCase> Attention::cases(const AttentionSpec&) {
  std::vector<proof::CallCase> cases;
  for (const int64_t position : {0, 15, 16, 60, 63, 64, 250, 255, 300, 508}) {
    for (const int64_t rows : {int64_t{1}, int64_t{3}, kMostAttentionRows}) {
      const bool alone = rows == 1 && (position == 0 || position == 300);
      cases.push_back({.name = fmt::format("{} rows from position {}", rows, position),
                       .rows = rows,
                       .first = position,
                       .positions = 768,
                       .magnitude = 4,
                       .at_start = alone || (rows == kMostAttentionRows && position == 60)});
    }
  }
  return cases;
}

namespace {

// Random bits are no scales: positive ones of very different sizes, of keys and of values.
void fill_scales(const KvLayout& layout, Random& random, std::span<uint16_t> words) {
  const int64_t offsets[] = {layout.k_offset(0, 0), layout.v_offset(0, 0)};
  for (int64_t page = 0; page < std::ssize(words); page += layout.page_words()) {
    for (const int64_t offset : offsets) {
      auto* const scales = reinterpret_cast<float*>(
          &words[static_cast<size_t>(page + offset + layout.scales_offset())]);
      for (int64_t p = 0; p < KvLayout::kPagePositions; ++p)
        scales[p] = std::ldexp(random.uniform(1, 2), -static_cast<int>(random.next() % 16));
    }
  }
}

}  // namespace

void Attention::prepare(const AttentionSpec& spec, const proof::CallCase& call_case, Random& random,
                        proof::OperandBuffers& buffers, Args& args) {
  const KvLayout layout = spec.layout();
  if (layout.scale_bytes() > 0) fill_scales(layout, random, buffers.get<uint16_t>("pages"));
  args.pages =
      reinterpret_cast<const uint16_t* const*>(buffers.pages("pages", layout.page_bytes()));
  args.k_offset = layout.k_offset(0, 0);
  args.v_offset = layout.v_offset(0, 0);
  args.position = call_case.first;
  args.rows = call_case.rows;
  args.q_stride = args.out_stride = spec.q_per_kv * spec.head_dim;
}

}  // namespace bitnetc
