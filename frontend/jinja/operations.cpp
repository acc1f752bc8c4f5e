#include "frontend/jinja/operations.h"

#include <algorithm>
#include <cmath>

#include "frontend/jinja/formatting.h"
#include "frontend/jinja/methods.h"
#include "frontend/jinja/string_functions.h"

namespace bitnetc::jinja {
namespace {

Status wrong_types(std::string_view operation, const Value& a, const Value& b) {
  return make_error(StatusCode::kDataCorrupt, "'{}' of values of type '{}' and '{}' is not defined",
                    operation, a.type_name(), b.type_name());
}

Status too_large(std::string_view operation) {
  return make_error(StatusCode::kUnsupported, "the result of '{}' does not fit 64 bits", operation);
}

Status no_zero(std::string_view operation) {
  return make_error(StatusCode::kDataCorrupt, "'{}': division by zero", operation);
}

Result<int64_t> integer_power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 != 0 && __builtin_mul_overflow(result, base, &result)) return too_large("**");
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return too_large("**");
  }
  return result;
}

int64_t floor_divide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

double floor_modulo(double a, double b) {
  const double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

Result<Value> integers(std::string_view operation, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflows = false;
  if (operation == "+") {
    overflows = __builtin_add_overflow(a, b, &result);
  } else if (operation == "-") {
    overflows = __builtin_sub_overflow(a, b, &result);
  } else if (operation == "*") {
    overflows = __builtin_mul_overflow(a, b, &result);
  } else if (operation == "//" || operation == "%") {
    if (b == 0) return no_zero(operation);
    if (b == -1) {
      overflows = operation == "//" && __builtin_sub_overflow(0, a, &result);
    } else {
      const int64_t quotient = floor_divide(a, b);
      result = operation == "//" ? quotient : a - quotient * b;
    }
  } else {
    BITNETC_ASSIGN_OR_RETURN(result, integer_power(a, b));
  }
  if (overflows) return too_large(operation);
  return Value::integer(result);
}

Result<Value> reals(std::string_view operation, double a, double b) {
  if (operation == "+") return Value::real(a + b);
  if (operation == "-") return Value::real(a - b);
  if (operation == "*") return Value::real(a * b);
  if (operation == "**") {
    if (a == 0 && b < 0) return no_zero(operation);
    if (a < 0 && b != std::floor(b)) return too_large("**, a complex number,");
    return Value::real(std::pow(a, b));
  }
  if (b == 0) return no_zero(operation);
  if (operation == "/") return Value::real(a / b);
  const double rest = floor_modulo(a, b);
  if (operation == "%") return Value::real(rest);
  const double quotient = (a - rest) / b;
  return Value::real(quotient == 0 ? std::copysign(0.0, a / b) : std::round(quotient));
}

Result<Value> repeat(Context& context, const Value& sequence, int64_t times) {
  const int64_t count = std::max<int64_t>(0, times);
  const Text* text = sequence.text();
  const auto* items = sequence.items();
  const auto size = static_cast<int64_t>(text != nullptr ? text->size() : items->size());
  int64_t total = 0;
  if (__builtin_mul_overflow(size, count, &total)) total = INT64_MAX;
  BITNETC_RETURN_IF_ERROR(context.check_size(total));
  BITNETC_RETURN_IF_ERROR(context.charge_walk(total));
  if (text != nullptr) {
    Text repeated;
    for (int64_t i = 0; i < count && size > 0; ++i) repeated += *text;
    return context.string(std::move(repeated));
  }
  std::vector<Value> repeated;
  for (int64_t i = 0; i < count && size > 0; ++i)
    repeated.insert(repeated.end(), items->begin(), items->end());
  return context.made(sequence.get<List>() != nullptr ? Value::list(std::move(repeated))
                                                      : Value::tuple(std::move(repeated)));
}

Result<Value> add_sequences(Context& context, const Value& a, const Value& b) {
  if (a.text() != nullptr && b.text() != nullptr) {
    const bool escapes = a.get<String>()->is_markup || b.get<String>()->is_markup;
    const auto part = [&](const Value& each) {
      return escapes && !each.get<String>()->is_markup ? escape_html(*each.text()) : *each.text();
    };
    return context.string(part(a) + part(b), escapes);
  }
  const bool are_lists = a.get<List>() != nullptr && b.get<List>() != nullptr;
  const bool are_tuples = a.get<Tuple>() != nullptr && b.get<Tuple>() != nullptr;
  if (!are_lists && !are_tuples) return wrong_types("+", a, b);
  std::vector<Value> items = *a.items();
  items.insert(items.end(), b.items()->begin(), b.items()->end());
  return context.made(are_lists ? Value::list(std::move(items)) : Value::tuple(std::move(items)));
}

Status first_undefined(const Value& a, const Value& b) {
  for (const Value* each : {&a, &b})
    if (const Undefined* undefined = each->get<Undefined>()) return undefined_error(*undefined);
  return {};
}

Value character(char32_t c) {
  return Value::string(Text(1, c));
}

Result<Value> no_attribute(const Value& value, std::string_view name) {
  if (value.is_none()) return Value::undefined(fmt::format("'None' has no attribute '{}'", name));
  return Value::undefined(
      fmt::format("'{} object' has no attribute '{}'", value.type_name(), name));
}

// An index into something of `size` items; nullopt: outside.
std::optional<size_t> index_in(int64_t index, size_t size) {
  const auto count = static_cast<int64_t>(size);
  if (index < 0) index += count;
  if (index < 0 || index >= count) return std::nullopt;
  return static_cast<size_t>(index);
}

std::optional<Value> item_by_index(const Value& value, int64_t index) {
  if (const auto* items = value.items())
    if (const auto at = index_in(index, items->size())) return (*items)[*at];
  if (const Text* text = value.text())
    if (const auto at = index_in(index, text->size())) return character((*text)[*at]);
  if (const Range* range = value.get<Range>())
    if (const auto at = index_in(index, static_cast<size_t>(range->count)))
      return Value::integer(range->start + range->step * static_cast<int64_t>(*at));
  return std::nullopt;
}

// The indices a slice takes, as Python's slice.indices().
struct SliceBounds {
  int64_t start, stop, step;
};

Result<std::optional<int64_t>> slice_part(const Value& part) {
  if (part.is_none()) return std::optional<int64_t>();
  if (const auto integer = part.as_integer()) return integer;
  if (const Undefined* undefined = part.get<Undefined>()) return undefined_error(*undefined);
  return make_error(StatusCode::kDataCorrupt,
                    "a slice from a value of type '{}': expected integers", part.type_name());
}

Result<SliceBounds> bounds_of(int64_t size, const Value& start, const Value& stop,
                              const Value& step) {
  BITNETC_ASSIGN_OR_RETURN(const auto from, slice_part(start));
  BITNETC_ASSIGN_OR_RETURN(const auto to, slice_part(stop));
  BITNETC_ASSIGN_OR_RETURN(const auto by, slice_part(step));
  SliceBounds bounds{0, 0, by.value_or(1)};
  if (bounds.step == 0)
    return Status(StatusCode::kDataCorrupt, "a slice with step 0: expected another number");
  const bool forward = bounds.step > 0;
  const int64_t lowest = forward ? 0 : -1, highest = forward ? size : size - 1;
  const auto clamp = [&](int64_t index) {
    return std::clamp(index < 0 ? index + size : index, lowest, highest);
  };
  bounds.start = from ? clamp(*from) : (forward ? lowest : highest);
  bounds.stop = to ? clamp(*to) : (forward ? highest : lowest);
  return bounds;
}

std::vector<size_t> slice_indices(const SliceBounds& bounds, int64_t size) {
  std::vector<size_t> indices;
  const int64_t step = std::clamp(bounds.step, -size - 1, size + 1);
  for (int64_t i = bounds.start; step > 0 ? i < bounds.stop : i > bounds.stop; i += step)
    indices.push_back(static_cast<size_t>(i));
  return indices;
}

Value slice_range(const Range& range, const SliceBounds& bounds,
                  const std::vector<size_t>& indices) {
  if (indices.empty()) return Value(Value::Data(Range{}));
  const auto at = [&](size_t i) { return range.start + range.step * static_cast<int64_t>(i); };
  Range part{.start = at(indices.front()), .count = static_cast<int64_t>(indices.size())};
  if (indices.size() > 1) part.step = range.step * bounds.step;
  part.stop = at(indices.back()) + (part.step > 0 ? 1 : -1);
  return Value(Value::Data(part));
}

}  // namespace

Result<Value> binary(Context& context, std::string_view operation, const Value& a, const Value& b) {
  if (operation == "%" && a.text() != nullptr) return format_percent(context, *a.text(), b);
  BITNETC_RETURN_IF_ERROR(first_undefined(a, b));
  const auto x = a.as_integer(), y = b.as_integer();
  const bool gives_real = operation == "/" || (operation == "**" && y && *y < 0);
  if (x && y && !gives_real) return integers(operation, *x, *y);
  if (a.as_number() && b.as_number()) return reals(operation, *a.as_number(), *b.as_number());
  const auto is_sequence = [](const Value& value) {
    return value.text() != nullptr || value.items() != nullptr;
  };
  if (operation == "+" && is_sequence(a)) return add_sequences(context, a, b);
  if (operation == "*" && is_sequence(a) && y) return repeat(context, a, *y);
  if (operation == "*" && is_sequence(b) && x) return repeat(context, b, *x);
  return wrong_types(operation, a, b);
}

Result<Value> negate(const Value& value, std::string_view sign) {
  if (const Undefined* undefined = value.get<Undefined>()) return undefined_error(*undefined);
  if (const auto integer = value.as_integer())
    return sign == "-" ? integers("-", 0, *integer) : Value::integer(*integer);
  if (const auto real = value.as_number()) return Value::real(sign == "-" ? -*real : *real);
  return make_error(StatusCode::kDataCorrupt, "the sign {} before a value of type '{}'", sign,
                    value.type_name());
}

Result<bool> compare(Context& context, std::string_view comparison, const Value& a,
                     const Value& b) {
  BITNETC_RETURN_IF_ERROR(context.charge_walk(std::min(a.weight(), b.weight())));
  if (comparison == "==") return equal(a, b);
  if (comparison == "!=") return !equal(a, b);
  if (comparison == "in") return contains(context, b, a);
  if (comparison == "not in") {
    BITNETC_ASSIGN_OR_RETURN(const bool found, contains(context, b, a));
    return !found;
  }
  const bool swaps = comparison == ">" || comparison == "<=";
  BITNETC_ASSIGN_OR_RETURN(const bool is_less,
                           swaps ? less(b, a, comparison) : less(a, b, comparison));
  const bool negates = comparison == "<=" || comparison == ">=";
  const auto is_nan = [](const Value& value) {
    const double* real = value.get<double>();
    return real != nullptr && std::isnan(*real);
  };
  if (negates && (is_nan(a) || is_nan(b))) return false;
  return is_less != negates;
}

Result<bool> contains(Context& context, const Value& container, const Value& item) {
  if (container.is_undefined()) return false;
  if (const Text* text = container.text()) {
    const Text* needle = item.text();
    if (needle == nullptr)
      return make_error(StatusCode::kDataCorrupt,
                        "'in' a string looks for a string, found a value of type '{}'",
                        item.type_name());
    BITNETC_RETURN_IF_ERROR(context.charge_walk(static_cast<int64_t>(text->size())));
    return find(*text, *needle) != TextView::npos;
  }
  if (const DictTable* table = container.table()) {
    if (!is_hashable(item))
      return make_error(StatusCode::kDataCorrupt,
                        "'in' a dict looks for a key, which a value of type '{}' cannot be",
                        item.type_name());
    return table->find(item) != nullptr;
  }
  BITNETC_ASSIGN_OR_RETURN(const std::vector<Value> items, iterate(context, container));
  BITNETC_RETURN_IF_ERROR(context.charge_walk(container.weight()));
  return std::any_of(items.begin(), items.end(),
                     [&](const Value& each) { return equal(each, item); });
}

Result<std::vector<Value>> iterate(Context& context, const Value& value) {
  std::vector<Value> items;
  BITNETC_ASSIGN_OR_RETURN(const int64_t count, length(value));
  BITNETC_RETURN_IF_ERROR(context.charge_walk(count));
  items.reserve(static_cast<size_t>(count));
  if (const auto* sequence = value.items()) {
    items = *sequence;
  } else if (const Text* text = value.text()) {
    for (const char32_t c : *text) items.push_back(character(c));
  } else if (const Range* range = value.get<Range>()) {
    for (int64_t i = 0; i < range->count; ++i)
      items.push_back(Value::integer(range->start + range->step * i));
  } else if (const DictTable* table = value.table()) {
    for (const auto& [key, entry] : table->entries()) items.push_back(key);
  } else if (const DictView* view = value.get<DictView>()) {
    for (const auto& [key, entry] : view->table->entries())
      items.push_back(view->part == DictPart::kItems    ? Value::tuple({key, entry})
                      : view->part == DictPart::kValues ? entry
                                                        : key);
  }
  return items;
}

Result<int64_t> length(const Value& value) {
  if (value.is_undefined()) return int64_t{0};
  if (const auto* items = value.items()) return static_cast<int64_t>(items->size());
  if (const Text* text = value.text()) return static_cast<int64_t>(text->size());
  if (const DictTable* table = value.table()) return static_cast<int64_t>(table->entries().size());
  if (const Range* range = value.get<Range>()) return range->count;
  if (const DictView* view = value.get<DictView>())
    return static_cast<int64_t>(view->table->entries().size());
  return make_error(StatusCode::kDataCorrupt,
                    "a value of type '{}' has no items: expected a list, a dict or a string",
                    value.type_name());
}

Result<Value> attribute(Context& context, const Value& value, std::string_view name) {
  if (const Undefined* undefined = value.get<Undefined>()) return undefined_error(*undefined);
  if (name.starts_with('_') || is_mutating_method(value, name)) {
    const DictTable* table = value.table();
    const Value* entry = table == nullptr ? nullptr : table->find(from_utf8(name));
    if (entry != nullptr) return *entry;
    return Value::undefined(fmt::format("attribute '{}' of a value of type '{}' is not allowed",
                                        name, value.type_name()));
  }
  if (Object* const* object = value.get<Object*>()) {
    if (std::optional<Value> found = (*object)->attribute(name)) return *std::move(found);
    return no_attribute(value, name);
  }
  if (has_method(value, name)) {
    BITNETC_ASSIGN_OR_RETURN(Method* const method, context.make<Method>(value, std::string(name)));
    return Value::object(method);
  }
  if (const Tuple* tuple = value.get<Tuple>(); tuple != nullptr && tuple->is_group) {
    if (name == "grouper") return tuple->sequence->items[0];
    if (name == "list") return tuple->sequence->items[1];
  }
  if (const DictTable* table = value.table())
    if (const Value* entry = table->find(from_utf8(name))) return *entry;
  return no_attribute(value, name);
}

Result<Value> item(Context& context, const Value& value, const Value& key) {
  if (const Undefined* undefined = value.get<Undefined>()) return undefined_error(*undefined);
  if (const DictTable* table = value.table(); table != nullptr && is_hashable(key))
    if (const Value* entry = table->find(key)) return *entry;
  if (const auto index = key.as_integer())
    if (std::optional<Value> found = item_by_index(value, *index)) return *std::move(found);
  if (const Text* name = key.text()) {
    if (Object* const* object = value.get<Object*>())
      if (std::optional<Value> found = (*object)->attribute(to_utf8(*name)))
        return *std::move(found);
    return attribute(context, value, to_utf8(*name));
  }
  BITNETC_RETURN_IF_ERROR(context.charge_walk(key.weight()));
  return Value::undefined(
      fmt::format("{} object has no element {}", value.type_name(), to_utf8(to_repr(key))));
}

Result<Value> item_at_path(Context& context, const Value& value, const Value& path) {
  const Text* text = path.text();
  if (text == nullptr) return item(context, value, path);
  Value current = value;
  for (size_t at = 0; at <= text->size();) {
    const size_t dot = std::min(find(*text, U".", at), text->size());
    const Text part = text->substr(at, dot - at);
    const bool is_number = !part.empty() && std::all_of(part.begin(), part.end(), [](char32_t c) {
      return code_point(c) >= '0' && code_point(c) <= '9';
    });
    const Value key = is_number && part.size() < 10
                          ? Value::integer(std::atoi(to_utf8(part).c_str()))
                          : Value::string(part);
    BITNETC_ASSIGN_OR_RETURN(current, item(context, current, key));
    at = dot + 1;
  }
  return current;
}

Result<Value> slice(Context& context, const Value& value, const Value& start, const Value& stop,
                    const Value& step) {
  if (const Undefined* undefined = value.get<Undefined>()) return undefined_error(*undefined);
  const bool is_sliceable =
      value.text() != nullptr || value.items() != nullptr || value.get<Range>() != nullptr;
  if (!is_sliceable)
    return make_error(StatusCode::kDataCorrupt, "a slice of a value of type '{}'",
                      value.type_name());
  BITNETC_ASSIGN_OR_RETURN(const int64_t size, length(value));
  BITNETC_ASSIGN_OR_RETURN(const SliceBounds bounds, bounds_of(size, start, stop, step));
  const std::vector<size_t> indices = slice_indices(bounds, size);
  if (const Text* text = value.text()) {
    Text part;
    part.reserve(indices.size());
    for (const size_t i : indices) part.push_back((*text)[i]);
    return context.string(std::move(part));
  }
  if (const Range* range = value.get<Range>()) return slice_range(*range, bounds, indices);
  std::vector<Value> items;
  items.reserve(indices.size());
  for (const size_t i : indices) items.push_back((*value.items())[i]);
  return context.made(value.get<List>() != nullptr ? Value::list(std::move(items))
                                                   : Value::tuple(std::move(items)));
}

}  // namespace bitnetc::jinja
