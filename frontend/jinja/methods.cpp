#include "frontend/jinja/methods.h"

#include <algorithm>
#include <array>

#include "frontend/jinja/call_arguments.h"
#include "frontend/jinja/formatting.h"
#include "frontend/jinja/operations.h"
#include "frontend/jinja/string_functions.h"
#include "frontend/unicode/characters.h"

namespace bitnetc::jinja {
namespace {

// What a method is called with.
struct Call {
  Context& context;
  const Value& receiver;
  std::string_view name;
  const Arguments& arguments;

  const Text& text() const { return *receiver.text(); }
  Result<BoundArguments> bind(std::initializer_list<std::string_view> parameters,
                              size_t required = 0) const {
    return BoundArguments::bind(name, arguments, parameters, required);
  }
  Result<Value> string(Text result) const { return context.string(std::move(result)); }
};

using MethodFunction = Result<Value> (*)(const Call&);
struct NamedMethod {
  std::string_view name;
  MethodFunction function;
};

template <Text (*Function)(TextView)>
Result<Value> map_text(const Call& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  return call.string(Function(call.text()));
}

template <bool (*Property)(TextView)>
Result<Value> text_property(const Call& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  return Value::boolean(Property(call.text()));
}

bool is_alphabetic_text(TextView text) {
  return all_of(text, [](char32_t c) { return is_letter(code_point(c)); });
}
bool is_alphanumeric_text(TextView text) {
  return all_of(text,
                [](char32_t c) { return is_letter(code_point(c)) || is_number(code_point(c)); });
}
bool is_space_text(TextView text) {
  return all_of(text, is_python_space);
}
bool is_numeric_text(TextView text) {
  return all_of(text, [](char32_t c) { return is_number(code_point(c)); });
}
bool is_decimal_text(TextView text) {
  return all_of(text, [](char32_t c) { return is_decimal_digit(code_point(c)); });
}
// Decimal digits, and the raised, lowered and circled ones.
bool is_digit_text(TextView text) {
  return all_of(text, [](char32_t character) {
    const char32_t c = code_point(character);
    const bool is_raised = c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 ||
                           (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089);
    const bool is_circled = (c >= 0x2460 && c <= 0x2468) || (c >= 0x2474 && c <= 0x247C) ||
                            (c >= 0x2488 && c <= 0x2490) || (c >= 0x2776 && c <= 0x277E);
    return is_decimal_digit(c) || is_raised || is_circled;
  });
}

template <Side side>
Result<Value> strip_method(const Call& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"chars"}));
  std::optional<Text> characters;
  if (bound.get(0) != nullptr && !bound.get(0)->is_none()) {
    BITNETC_ASSIGN_OR_RETURN(characters, bound.text(0, U""));
    const auto cost = static_cast<int64_t>(characters->size() * call.text().size());
    BITNETC_RETURN_IF_ERROR(call.context.charge_walk(cost));
  }
  return call.string(Text(strip(call.text(), side, characters)));
}

template <bool from_right>
Result<Value> split_method(const Call& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"sep", "maxsplit"}));
  std::optional<Text> separator;
  if (bound.get(0) != nullptr && !bound.get(0)->is_none()) {
    BITNETC_ASSIGN_OR_RETURN(separator, bound.text(0, U""));
    if (separator->empty())
      return make_error(StatusCode::kDataCorrupt, "{}: the separator is empty", call.name);
  }
  BITNETC_ASSIGN_OR_RETURN(const int64_t most, bound.integer(1, -1));
  BITNETC_RETURN_IF_ERROR(call.context.charge_walk(4 * call.receiver.weight()));
  std::vector<Value> parts;
  for (Text& part : split(call.text(), separator, most, from_right))
    parts.push_back(Value::string(std::move(part)));
  return call.context.made(Value::list(std::move(parts)));
}

Result<Value> split_lines_method(const Call& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"keepends"}));
  BITNETC_RETURN_IF_ERROR(call.context.charge_walk(4 * call.receiver.weight()));
  std::vector<Value> lines;
  for (Text& line : split_lines(call.text(), bound.flag(0)))
    lines.push_back(Value::string(std::move(line)));
  return call.context.made(Value::list(std::move(lines)));
}

// The part of the text that [start, stop) names, and where it begins.
struct Part {
  TextView text;
  size_t begin = 0;
  bool is_inside = true;  // start is not beyond the end
};

Result<Part> part_of(const Call& call, const BoundArguments& bound, size_t start_parameter) {
  const auto size = static_cast<int64_t>(call.text().size());
  BITNETC_ASSIGN_OR_RETURN(int64_t start, bound.integer(start_parameter, 0));
  BITNETC_ASSIGN_OR_RETURN(int64_t stop, bound.integer(start_parameter + 1, size));
  if (start < 0) start = std::max<int64_t>(0, start + size);
  if (stop < 0) stop += size;
  stop = std::clamp<int64_t>(stop, 0, size);
  if (start > stop) return Part{{}, 0, false};
  return Part{
      TextView(call.text()).substr(static_cast<size_t>(start), static_cast<size_t>(stop - start)),
      static_cast<size_t>(start)};
}

template <bool at_end>
Result<Value> affix_method(const Call& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"affix", "start", "end"}, 1));
  BITNETC_ASSIGN_OR_RETURN(const Part part, part_of(call, bound, 1));
  const auto has = [&](const Text& affix) {
    return part.is_inside && (at_end ? ends_with(part.text, affix) : starts_with(part.text, affix));
  };
  const Tuple* choices = bound.get(0)->get<Tuple>();
  if (choices == nullptr) {
    BITNETC_ASSIGN_OR_RETURN(const Text affix, bound.text(0, U""));
    return Value::boolean(has(affix));
  }
  for (const Value& choice : choices->sequence->items) {
    if (choice.text() == nullptr)
      return make_error(StatusCode::kDataCorrupt, "{}: expected a string or a tuple of strings",
                        call.name);
    if (has(*choice.text())) return Value::boolean(true);
  }
  return Value::boolean(false);
}

enum class Search { kFirst, kLast, kCount };

template <Search search, bool must_exist>
Result<Value> find_method(const Call& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"sub", "start", "end"}, 1));
  BITNETC_ASSIGN_OR_RETURN(const Text needle, bound.text(0, U""));
  BITNETC_ASSIGN_OR_RETURN(const Part part, part_of(call, bound, 1));
  BITNETC_RETURN_IF_ERROR(call.context.charge_walk(call.receiver.weight()));
  if (search == Search::kCount) {
    const size_t count = part.is_inside ? find_all(part.text, needle, SIZE_MAX).size() : 0;
    return Value::integer(static_cast<int64_t>(count));
  }
  size_t found = TextView::npos;
  if (part.is_inside) {
    for (size_t at = find(part.text, needle); at != TextView::npos;
         at = find(part.text, needle, at + 1)) {
      found = at;
      if (search == Search::kFirst) break;
      BITNETC_RETURN_IF_ERROR(call.context.charge_walk(static_cast<int64_t>(needle.size())));
    }
  }
  if (found != TextView::npos) return Value::integer(static_cast<int64_t>(part.begin + found));
  if (must_exist)
    return make_error(StatusCode::kDataCorrupt, "{}: the substring is not there", call.name);
  return Value::integer(-1);
}

Result<Value> replace_method(const Call& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"old", "new", "count"}, 2));
  BITNETC_ASSIGN_OR_RETURN(const Text old_text, bound.text(0, U""));
  BITNETC_ASSIGN_OR_RETURN(const Text new_text, bound.text(1, U""));
  BITNETC_ASSIGN_OR_RETURN(const int64_t count, bound.integer(2, -1));
  return replace_text(call.context, call.text(), old_text, new_text, count);
}

Result<Value> join_method(const Call& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"iterable"}, 1));
  BITNETC_ASSIGN_OR_RETURN(const auto items, iterate(call.context, *bound.get(0)));
  Text joined;
  for (size_t i = 0; i < items.size(); ++i) {
    const Text* text = items[i].text();
    if (text == nullptr)
      return make_error(StatusCode::kDataCorrupt,
                        "join: item {} is of type '{}', expected a string", i,
                        items[i].type_name());
    if (i > 0) joined += call.text();
    joined += *text;
    BITNETC_RETURN_IF_ERROR(call.context.check_size(static_cast<int64_t>(joined.size())));
  }
  return call.string(std::move(joined));
}

template <bool from_right>
Result<Value> partition_method(const Call& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"sep"}, 1));
  BITNETC_ASSIGN_OR_RETURN(const Text separator, bound.text(0, U""));
  if (separator.empty())
    return make_error(StatusCode::kDataCorrupt, "{}: the separator is empty", call.name);
  const std::vector<Text> parts = split(call.text(), separator, 1, from_right);
  std::array<Text, 3> three;
  if (parts.size() == 2) {
    three = {parts[0], separator, parts[1]};
  } else {
    three[from_right ? 2 : 0] = parts[0];
  }
  return call.context.made(
      Value::tuple({Value::string(three[0]), Value::string(three[1]), Value::string(three[2])}));
}

template <Side filled>
Result<Value> pad_method(const Call& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"width", "fillchar"}, 1));
  BITNETC_ASSIGN_OR_RETURN(const int64_t width, bound.integer(0, 0));
  BITNETC_ASSIGN_OR_RETURN(const Text fill, bound.text(1, U" "));
  BITNETC_RETURN_IF_ERROR(call.context.check_size(width));
  if (fill.size() != 1)
    return make_error(StatusCode::kDataCorrupt, "{}: expected one character to fill with",
                      call.name);
  return call.string(pad(call.text(), width, fill[0], filled));
}

Result<Value> zero_fill_method(const Call& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"width"}, 1));
  BITNETC_ASSIGN_OR_RETURN(const int64_t width, bound.integer(0, 0));
  BITNETC_RETURN_IF_ERROR(call.context.check_size(width));
  return call.string(zero_fill(call.text(), width));
}

Result<Value> expand_tabs_method(const Call& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"tabsize"}));
  BITNETC_ASSIGN_OR_RETURN(const int64_t size, bound.integer(0, 8));
  const auto tabs = static_cast<int64_t>(find_all(call.text(), U"\t", SIZE_MAX).size());
  BITNETC_RETURN_IF_ERROR(call.context.check_size(size));
  BITNETC_RETURN_IF_ERROR(call.context.check_size(tabs * std::max<int64_t>(size, 1)));
  return call.string(expand_tabs(call.text(), size));
}

template <bool at_end>
Result<Value> remove_affix_method(const Call& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"affix"}, 1));
  BITNETC_ASSIGN_OR_RETURN(const Text affix, bound.text(0, U""));
  TextView text = call.text();
  if (at_end ? ends_with(text, affix) : starts_with(text, affix)) {
    if (at_end) {
      text.remove_suffix(affix.size());
    } else {
      text.remove_prefix(affix.size());
    }
  }
  return call.string(Text(text));
}

Result<Value> format_method(const Call& call) {
  return format_braces(call.context, call.text(), call.arguments);
}

// What encode() gives: it prints, and nothing else can be done with it.
class Bytes final : public Object {
 public:
  explicit Bytes(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string_view type_name() const override { return "bytes"; }
  std::string describe() const override {
    std::string out = "b'";
    for (const char c : bytes_) {
      const auto byte = static_cast<uint8_t>(c);
      if (const size_t known = std::string_view("\n\r\t").find(c); known != std::string::npos) {
        out += std::string("\\") + "nrt"[known];
        continue;
      }
      const bool is_plain = byte >= 0x20 && byte < 0x7F && c != '\'' && c != '\\';
      out += is_plain ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
    }
    return out + "'";
  }
  std::optional<Value> attribute(std::string_view) const override { return std::nullopt; }

 private:
  std::string bytes_;
};

Result<Value> encode_method(const Call& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  BITNETC_RETURN_IF_ERROR(call.context.charge_walk(call.receiver.weight()));
  BITNETC_ASSIGN_OR_RETURN(Bytes* const bytes, call.context.make<Bytes>(to_utf8(call.text())));
  return Value::object(bytes);
}

constexpr NamedMethod kStringMethods[] = {
    {"strip", strip_method<Side::kBoth>},
    {"lstrip", strip_method<Side::kLeft>},
    {"rstrip", strip_method<Side::kRight>},
    {"upper", map_text<upper>},
    {"lower", map_text<lower>},
    {"title", map_text<title>},
    {"capitalize", map_text<capitalize>},
    {"swapcase", map_text<swap_case>},
    {"casefold", map_text<case_fold>},
    {"startswith", affix_method<false>},
    {"endswith", affix_method<true>},
    {"find", find_method<Search::kFirst, false>},
    {"rfind", find_method<Search::kLast, false>},
    {"index", find_method<Search::kFirst, true>},
    {"rindex", find_method<Search::kLast, true>},
    {"count", find_method<Search::kCount, false>},
    {"split", split_method<false>},
    {"rsplit", split_method<true>},
    {"splitlines", split_lines_method},
    {"replace", replace_method},
    {"join", join_method},
    {"partition", partition_method<false>},
    {"rpartition", partition_method<true>},
    {"center", pad_method<Side::kBoth>},
    {"ljust", pad_method<Side::kRight>},
    {"rjust", pad_method<Side::kLeft>},
    {"zfill", zero_fill_method},
    {"expandtabs", expand_tabs_method},
    {"removeprefix", remove_affix_method<false>},
    {"removesuffix", remove_affix_method<true>},
    {"format", format_method},
    {"encode", encode_method},
    {"isalpha", text_property<is_alphabetic_text>},
    {"isalnum", text_property<is_alphanumeric_text>},
    {"isspace", text_property<is_space_text>},
    {"isnumeric", text_property<is_numeric_text>},
    {"isdecimal", text_property<is_decimal_text>},
    {"isdigit", text_property<is_digit_text>},
    {"isupper", text_property<is_upper_text>},
    {"islower", text_property<is_lower_text>},
    {"istitle", text_property<is_title_text>},
};

Result<Value> list_index(const Call& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"value"}, 1));
  BITNETC_RETURN_IF_ERROR(call.context.charge_walk(call.receiver.weight()));
  const auto& items = *call.receiver.items();
  const auto it = std::find_if(items.begin(), items.end(),
                               [&](const Value& each) { return equal(each, *bound.get(0)); });
  if (it == items.end())
    return Status(StatusCode::kDataCorrupt, "index: the value is not in the list");
  return Value::integer(it - items.begin());
}

Result<Value> list_count(const Call& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"value"}, 1));
  BITNETC_RETURN_IF_ERROR(call.context.charge_walk(call.receiver.weight()));
  const auto& items = *call.receiver.items();
  return Value::integer(std::count_if(
      items.begin(), items.end(), [&](const Value& each) { return equal(each, *bound.get(0)); }));
}

Result<Value> copy_method(const Call& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  return call.receiver;
}

constexpr NamedMethod kTupleMethods[] = {{"index", list_index}, {"count", list_count}};
constexpr NamedMethod kListMethods[] = {
    {"index", list_index}, {"count", list_count}, {"copy", copy_method}};
constexpr std::string_view kListMutators[] = {"append", "clear",  "extend",  "insert",
                                              "pop",    "remove", "reverse", "sort"};

template <DictPart part>
Result<Value> view_method(const Call& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  return Value(Value::Data(DictView{call.receiver.get<Dict>()->table, part}));
}

Result<Value> get_method(const Call& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"key", "default"}, 1));
  const Value* found =
      is_hashable(*bound.get(0)) ? call.receiver.table()->find(*bound.get(0)) : nullptr;
  if (found != nullptr) return *found;
  return bound.get(1) == nullptr ? Value() : *bound.get(1);
}

constexpr NamedMethod kDictMethods[] = {{"keys", view_method<DictPart::kKeys>},
                                        {"values", view_method<DictPart::kValues>},
                                        {"items", view_method<DictPart::kItems>},
                                        {"get", get_method},
                                        {"copy", copy_method}};
constexpr std::string_view kDictMutators[] = {"clear", "pop", "popitem", "setdefault", "update"};

std::span<const NamedMethod> methods_of(const Value& value) {
  if (value.text() != nullptr) return kStringMethods;
  if (value.get<List>() != nullptr) return kListMethods;
  if (value.get<Tuple>() != nullptr) return kTupleMethods;
  if (value.table() != nullptr) return kDictMethods;
  return {};
}

const NamedMethod* find_method_of(const Value& value, std::string_view name) {
  const std::span<const NamedMethod> methods = methods_of(value);
  const auto it = std::find_if(methods.begin(), methods.end(),
                               [&](const NamedMethod& method) { return method.name == name; });
  return it == methods.end() ? nullptr : &*it;
}

}  // namespace

bool has_method(const Value& value, std::string_view name) {
  return find_method_of(value, name) != nullptr;
}

bool is_mutating_method(const Value& value, std::string_view name) {
  const auto names = [&](std::span<const std::string_view> mutators) {
    return std::find(mutators.begin(), mutators.end(), name) != mutators.end();
  };
  if (value.get<List>() != nullptr) return names(kListMutators);
  return value.table() != nullptr && names(kDictMutators);
}

Result<Value> call_method(Context& context, const Value& receiver, std::string_view name,
                          const Arguments& arguments) {
  const NamedMethod* method = find_method_of(receiver, name);
  BITNETC_CHECK(method != nullptr, "no method {}", name);
  return method->function({context, receiver, name, arguments});
}

}  // namespace bitnetc::jinja
