// The tests of the language: `value is name(arguments)`.
#include <algorithm>
#include <cmath>

#include "frontend/jinja/filters.h"
#include "frontend/jinja/operations.h"
#include "frontend/jinja/string_functions.h"

namespace bitnetc::jinja {
namespace {

using TestFunction = Result<bool> (*)(const FilterCall&);
struct NamedTest {
  std::string_view name;
  TestFunction function;
};

bool is_number(const Value& value) {
  return value.as_number().has_value();
}
bool is_integer(const Value& value) {
  return value.get<int64_t>() != nullptr;
}
bool is_real(const Value& value) {
  return value.get<double>() != nullptr;
}
bool is_boolean(const Value& value) {
  return value.get<bool>() != nullptr;
}
bool is_true_itself(const Value& value) {
  return is_boolean(value) && *value.get<bool>();
}
bool is_false_itself(const Value& value) {
  return is_boolean(value) && !*value.get<bool>();
}
bool is_string(const Value& value) {
  return value.text() != nullptr;
}
bool is_mapping(const Value& value) {
  return value.table() != nullptr;
}
bool is_none(const Value& value) {
  return value.is_none();
}
bool is_defined(const Value& value) {
  return !value.is_undefined();
}
bool is_undefined(const Value& value) {
  return value.is_undefined();
}
bool is_iterable(const Value& value) {
  return length(value).ok();
}
bool is_sequence(const Value& value) {
  return is_iterable(value) && value.get<DictView>() == nullptr;
}
bool is_callable(const Value& value) {
  Object* const* object = value.get<Object*>();
  return value.is_undefined() || (object != nullptr && (*object)->is_callable());
}
bool is_upper_string(const Value& value) {
  return is_upper_text(to_text(value));
}
bool is_lower_string(const Value& value) {
  return is_lower_text(to_text(value));
}
bool is_filter_name(const Value& value) {
  return value.text() != nullptr && find_filter(to_utf8(*value.text())) != nullptr;
}
bool is_test_name(const Value& value) {
  return value.text() != nullptr && is_test(to_utf8(*value.text()));
}

template <bool (*Property)(const Value&)>
Result<bool> property(const FilterCall& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  BITNETC_RETURN_IF_ERROR(call.context.charge_walk(call.value.weight()));
  return Property(call.value);
}

// value % divisor == expected
Result<bool> has_rest(const FilterCall& call, const Value& divisor, int64_t expected) {
  BITNETC_ASSIGN_OR_RETURN(const Value rest, binary(call.context, "%", call.value, divisor));
  return equal(rest, Value::integer(expected));
}

template <int64_t expected>
Result<bool> parity(const FilterCall& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  return has_rest(call, Value::integer(2), expected);
}

Result<bool> divisible_by(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"num"}, 1));
  return has_rest(call, *bound.get(0), 0);
}

enum class Relation { kEqual, kUnequal, kLess, kAtMost, kGreater, kAtLeast, kIn };

template <Relation relation>
Result<bool> related(const FilterCall& call) {
  static constexpr std::string_view kSpellings[] = {"==", "!=", "<", "<=", ">", ">=", "in"};
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"other"}, 1));
  return compare(call.context, kSpellings[static_cast<size_t>(relation)], call.value,
                 *bound.get(0));
}

// Python's identity, for what has one without an address: constants, small numbers, objects.
Result<bool> same_as(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"other"}, 1));
  const Value& other = *bound.get(0);
  if (call.value.type_name() != other.type_name()) return false;
  if (const List* list = call.value.get<List>())
    return list->sequence == other.get<List>()->sequence;
  if (const Dict* dict = call.value.get<Dict>()) return dict->table == other.get<Dict>()->table;
  return equal(call.value, other);
}

Result<bool> escaped(const FilterCall& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  const String* string = call.value.get<String>();
  return string != nullptr && string->is_markup;
}

constexpr NamedTest kTests[] = {
    {"defined", property<is_defined>},
    {"undefined", property<is_undefined>},
    {"none", property<is_none>},
    {"string", property<is_string>},
    {"mapping", property<is_mapping>},
    {"iterable", property<is_iterable>},
    {"sequence", property<is_sequence>},
    {"number", property<is_number>},
    {"integer", property<is_integer>},
    {"float", property<is_real>},
    {"boolean", property<is_boolean>},
    {"true", property<is_true_itself>},
    {"false", property<is_false_itself>},
    {"callable", property<is_callable>},
    {"upper", property<is_upper_string>},
    {"lower", property<is_lower_string>},
    {"filter", property<is_filter_name>},
    {"test", property<is_test_name>},
    {"odd", parity<1>},
    {"even", parity<0>},
    {"divisibleby", divisible_by},
    {"sameas", same_as},
    {"escaped", escaped},
    {"in", related<Relation::kIn>},
    {"eq", related<Relation::kEqual>},
    {"==", related<Relation::kEqual>},
    {"equalto", related<Relation::kEqual>},
    {"ne", related<Relation::kUnequal>},
    {"!=", related<Relation::kUnequal>},
    {"lt", related<Relation::kLess>},
    {"<", related<Relation::kLess>},
    {"lessthan", related<Relation::kLess>},
    {"le", related<Relation::kAtMost>},
    {"<=", related<Relation::kAtMost>},
    {"gt", related<Relation::kGreater>},
    {">", related<Relation::kGreater>},
    {"greaterthan", related<Relation::kGreater>},
    {"ge", related<Relation::kAtLeast>},
    {">=", related<Relation::kAtLeast>},
};

const NamedTest* find_test(std::string_view name) {
  const auto* it = std::find_if(std::begin(kTests), std::end(kTests),
                                [&](const NamedTest& test) { return test.name == name; });
  return it == std::end(kTests) ? nullptr : it;
}

}  // namespace

bool is_test(std::string_view name) {
  return find_test(name) != nullptr;
}

Result<bool> apply_test(Context& context, std::string_view name, const Value& value,
                        const Arguments& arguments) {
  const NamedTest* test = find_test(name);
  if (test == nullptr) return make_error(StatusCode::kUnsupported, "there is no test '{}'", name);
  BITNETC_RETURN_IF_ERROR(context.charge(1));
  return test->function({context, value, test->name, arguments});
}

}  // namespace bitnetc::jinja
