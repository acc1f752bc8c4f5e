#include "frontend/jinja/context.h"

namespace bitnetc::jinja {

Status Context::out_of_steps() {
  return Status(StatusCode::kUnsupported, "the template takes more steps than are allowed");
}

Status Context::check_size(int64_t count) {
  if (count <= kMaxValueWeight) return {};
  return make_error(StatusCode::kUnsupported,
                    "a value of {} characters or items: at most {} are "
                    "allowed",
                    count, kMaxValueWeight);
}

Result<Value> Context::string(Text text, bool is_markup) {
  BITNETC_RETURN_IF_ERROR(check_size(static_cast<int64_t>(text.size())));
  BITNETC_RETURN_IF_ERROR(charge_walk(static_cast<int64_t>(text.size())));
  return Value::string(std::move(text), is_markup);
}

Result<Value> Context::made(Value value) {
  BITNETC_RETURN_IF_ERROR(check_extent(value));
  const auto* items = value.items();
  BITNETC_RETURN_IF_ERROR(charge_walk(items == nullptr ? 1 : static_cast<int64_t>(items->size())));
  return value;
}

}  // namespace bitnetc::jinja
