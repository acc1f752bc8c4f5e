#include "codegen/operations/spec_name.h"

namespace bitnetc {

std::string_view NameReader::next() {
  const size_t end = rest_.find('_');
  const std::string_view part = rest_.substr(0, end);
  rest_ = end == std::string_view::npos ? std::string_view() : rest_.substr(end + 1);
  last_ = part;
  return part;
}

void NameReader::expect(std::string_view word) {
  if (next() != word) fail(word);
}

bool NameReader::take(std::string_view word) {
  if (rest_.substr(0, rest_.find('_')) != word) return false;
  next();
  return true;
}

void NameReader::fail(std::string_view expected) {
  if (failed_.empty()) failed_ = fmt::format("'{}' where '{}...' was expected", last_, expected);
}

FloatType NameReader::float_type() {
  const auto type = parse_float_type(next());
  if (!type) fail("f32, f16 or bf16");
  return type.value_or(FloatType::kF32);
}

LayoutId NameReader::layout() {
  const auto layout = parse_layout(next());
  if (!layout) fail("a layout such as i2s");
  return layout.value_or(LayoutId::kI2S);
}

KvType NameReader::kv_type() {
  if (at_end()) return KvType::kF16;
  const std::string_view part = next();
  for (const KvType type : {KvType::kF32, KvType::kI8})
    if (part == kv_type_suffix(type).substr(1)) return type;
  fail("the end of the name, kvf32 or kvi8");
  return KvType::kF16;
}

std::string kv_type_suffix(KvType type) {
  return type == KvType::kF16 ? std::string() : fmt::format("_kv{}", kv_type_name(type));
}

Status check_dimension(const std::string& name, const char* field, int64_t value) {
  constexpr int64_t kMaxDimension = int64_t{1} << 31;
  if (value > 0 && value < kMaxDimension) return {};
  return make_error(StatusCode::kInvalidArgument, "{}: {} = {}, expected 1..{}", name, field, value,
                    kMaxDimension - 1);
}

}  // namespace bitnetc
