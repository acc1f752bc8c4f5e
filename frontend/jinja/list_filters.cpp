// Filters over lists and dicts. What Python gives as a generator is a list here.
#include <algorithm>

#include "frontend/jinja/filters.h"
#include "frontend/jinja/methods.h"
#include "frontend/jinja/operations.h"
#include "frontend/jinja/string_functions.h"

namespace bitnetc::jinja {
namespace {

using Values = std::vector<Value>;

Result<Value> made_list(const FilterCall& call, Values items) {
  return call.context.made(Value::list(std::move(items)));
}

Result<Value> length_filter(const FilterCall& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  BITNETC_ASSIGN_OR_RETURN(const int64_t count, length(call.value));
  return Value::integer(count);
}

Result<Value> list_filter(const FilterCall& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  BITNETC_ASSIGN_OR_RETURN(Values items, iterate(call.context, call.value));
  return made_list(call, std::move(items));
}

template <bool is_last>
Result<Value> end_filter(const FilterCall& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  BITNETC_ASSIGN_OR_RETURN(const Values items, iterate(call.context, call.value));
  if (items.empty())
    return Value::undefined(fmt::format("no {} item: the sequence is empty", call.name));
  return is_last ? items.back() : items.front();
}

Result<Value> reverse_filter(const FilterCall& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  if (const Text* text = call.value.text())
    return call.context.string(Text(text->rbegin(), text->rend()));
  BITNETC_ASSIGN_OR_RETURN(Values items, iterate(call.context, call.value));
  std::reverse(items.begin(), items.end());
  return made_list(call, std::move(items));
}

// The item, or what is at `attribute` of it if that is given; texts in lower case if case is not to
// count.
Result<Value> key_of(const FilterCall& call, const Value& item, const Value* attribute,
                     bool ignores_case) {
  Value key = item;
  if (attribute != nullptr && !attribute->is_none()) {
    BITNETC_ASSIGN_OR_RETURN(key, item_at_path(call.context, item, *attribute));
  }
  if (!ignores_case || key.text() == nullptr) return key;
  return call.context.string(lower(*key.text()));
}

Result<Value> join_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"d", "attribute"}));
  const Text between = bound.get(0) == nullptr ? Text() : to_text(*bound.get(0));
  BITNETC_ASSIGN_OR_RETURN(const Values items, iterate(call.context, call.value));
  Text joined;
  for (size_t i = 0; i < items.size(); ++i) {
    BITNETC_ASSIGN_OR_RETURN(const Value item, key_of(call, items[i], bound.get(1), false));
    BITNETC_RETURN_IF_ERROR(call.context.charge_walk(item.weight()));
    if (i > 0) joined += between;
    joined += to_text(item);
    BITNETC_RETURN_IF_ERROR(call.context.check_size(static_cast<int64_t>(joined.size())));
  }
  return call.context.string(std::move(joined));
}

struct Keyed {
  Value key;
  Value item;
};

Result<std::vector<Keyed>> with_keys(const FilterCall& call, const Values& items,
                                     const Value* attribute, bool ignores_case) {
  std::vector<Keyed> keyed;
  for (const Value& item : items) {
    BITNETC_ASSIGN_OR_RETURN(Value key, key_of(call, item, attribute, ignores_case));
    keyed.push_back({std::move(key), item});
  }
  return keyed;
}

// Stable, in Python's order; equals keep their order also from the greatest down.
Status sort_by_key(const FilterCall& call, std::vector<Keyed>& keyed, bool reverse) {
  Status failure;
  const auto is_less = [&](const Value& a, const Value& b) {
    if (!failure.ok()) return false;
    failure = call.context.charge_walk(std::min(a.weight(), b.weight()));
    if (!failure.ok()) return false;
    const Result<bool> result = less(a, b, "<");
    if (!result.ok()) failure = result.status();
    return result.ok() && *result;
  };
  std::stable_sort(keyed.begin(), keyed.end(), [&](const Keyed& a, const Keyed& b) {
    return reverse ? is_less(b.key, a.key) : is_less(a.key, b.key);
  });
  return failure;
}

Result<Value> sort_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound,
                           call.bind({"reverse", "case_sensitive", "attribute"}));
  BITNETC_ASSIGN_OR_RETURN(const Values items, iterate(call.context, call.value));
  BITNETC_ASSIGN_OR_RETURN(std::vector<Keyed> keyed,
                           with_keys(call, items, bound.get(2), !bound.flag(1)));
  BITNETC_RETURN_IF_ERROR(sort_by_key(call, keyed, bound.flag(0)));
  Values sorted;
  for (Keyed& each : keyed) sorted.push_back(std::move(each.item));
  return made_list(call, std::move(sorted));
}

Result<Value> dict_sort_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound,
                           call.bind({"case_sensitive", "by", "reverse"}));
  BITNETC_ASSIGN_OR_RETURN(const Text by, bound.text(1, U"key"));
  if (const Undefined* undefined = call.value.get<Undefined>()) return undefined_error(*undefined);
  const DictTable* table = call.value.table();
  if (table == nullptr || (!equal(by, U"key") && !equal(by, U"value")))
    return make_error(StatusCode::kDataCorrupt,
                      "dictsort: expected a dict, and by = 'key' or 'value'");
  std::vector<Keyed> keyed;
  for (const auto& [key, value] : table->entries()) {
    BITNETC_ASSIGN_OR_RETURN(
        Value sort_key, key_of(call, equal(by, U"key") ? key : value, nullptr, !bound.flag(0)));
    keyed.push_back({std::move(sort_key), Value::tuple({key, value})});
  }
  BITNETC_RETURN_IF_ERROR(sort_by_key(call, keyed, bound.flag(2)));
  Values sorted;
  for (Keyed& each : keyed) sorted.push_back(std::move(each.item));
  return made_list(call, std::move(sorted));
}

Result<Value> unique_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"case_sensitive", "attribute"}));
  BITNETC_ASSIGN_OR_RETURN(const Values items, iterate(call.context, call.value));
  BITNETC_ASSIGN_OR_RETURN(const std::vector<Keyed> keyed,
                           with_keys(call, items, bound.get(1), !bound.flag(0)));
  std::vector<DictTable::Entry> first;
  for (size_t i = keyed.size(); i-- > 0;) {
    if (!is_hashable(keyed[i].key))
      return make_error(StatusCode::kDataCorrupt, "unique: an item of type '{}'",
                        keyed[i].key.type_name());
    BITNETC_RETURN_IF_ERROR(call.context.charge_walk(keyed[i].key.weight()));
    first.emplace_back(keyed[i].key, Value::integer(static_cast<int64_t>(i)));
  }
  const DictTable table(std::move(first));  // of every key, where it is met first
  Values kept;
  for (size_t i = 0; i < keyed.size(); ++i)
    if (table.find(keyed[i].key)->as_integer() == static_cast<int64_t>(i))
      kept.push_back(keyed[i].item);
  return made_list(call, std::move(kept));
}

template <bool is_max>
Result<Value> extreme_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"case_sensitive", "attribute"}));
  BITNETC_ASSIGN_OR_RETURN(const Values items, iterate(call.context, call.value));
  BITNETC_ASSIGN_OR_RETURN(const std::vector<Keyed> keyed,
                           with_keys(call, items, bound.get(1), !bound.flag(0)));
  if (keyed.empty()) return Value::undefined("no aggregated item: the sequence is empty");
  const Keyed* best = &keyed.front();
  for (const Keyed& each : keyed) {
    BITNETC_ASSIGN_OR_RETURN(const bool is_better, is_max ? less(best->key, each.key, ">")
                                                          : less(each.key, best->key, "<"));
    if (is_better) best = &each;
  }
  return best->item;
}

Result<Value> sum_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"attribute", "start"}));
  BITNETC_ASSIGN_OR_RETURN(const Values items, iterate(call.context, call.value));
  Value total = bound.get(1) == nullptr ? Value::integer(0) : *bound.get(1);
  for (const Value& item : items) {
    BITNETC_ASSIGN_OR_RETURN(const Value key, key_of(call, item, bound.get(0), false));
    BITNETC_ASSIGN_OR_RETURN(total, binary(call.context, "+", total, key));
  }
  return total;
}

Result<Value> items_filter(const FilterCall& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  if (call.value.is_undefined()) return Value::list({});
  const DictTable* table = call.value.table();
  if (table == nullptr)
    return make_error(StatusCode::kDataCorrupt, "items: a value of type '{}', expected a dict",
                      call.value.type_name());
  Values pairs;
  for (const auto& [key, value] : table->entries()) pairs.push_back(Value::tuple({key, value}));
  return made_list(call, std::move(pairs));
}

Result<Value> attribute_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"name"}, 1));
  BITNETC_ASSIGN_OR_RETURN(const Text name, bound.text(0, U""));
  if (call.value.table() != nullptr && !has_method(call.value, to_utf8(name)))
    return Value::undefined(
        fmt::format("a dict has no attribute '{}', only an entry", to_utf8(name)));
  return attribute(call.context, call.value, to_utf8(name));
}

// Without the first `count` positional arguments.
Arguments rest_of(const Arguments& arguments, size_t count) {
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<ptrdiff_t>(count));
  return rest;
}

Result<Value> map_attribute(const FilterCall& call, const Values& items) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"attribute", "default"}, 1));
  Values mapped;
  for (const Value& item : items) {
    BITNETC_ASSIGN_OR_RETURN(Value value, item_at_path(call.context, item, *bound.get(0)));
    if (value.is_undefined() && bound.get(1) != nullptr) value = *bound.get(1);
    mapped.push_back(std::move(value));
  }
  return made_list(call, std::move(mapped));
}

Result<Value> map_filter(const FilterCall& call) {
  if (!call.value.is_true()) return Value::list({});
  BITNETC_ASSIGN_OR_RETURN(const Values items, iterate(call.context, call.value));
  if (call.arguments.positional.empty() && !call.arguments.named.empty())
    return map_attribute(call, items);
  const Text* filter =
      call.arguments.positional.empty() ? nullptr : call.arguments.positional[0].text();
  if (filter == nullptr)
    return Status(StatusCode::kDataCorrupt, "map: expected attribute=... or the name of a filter");
  const std::string name = to_utf8(*filter);
  const Arguments arguments = rest_of(call.arguments, 1);
  Values mapped;
  for (const Value& item : items) {
    BITNETC_ASSIGN_OR_RETURN(Value value, apply_filter(call.context, name, item, arguments));
    mapped.push_back(std::move(value));
  }
  return made_list(call, std::move(mapped));
}

template <bool keeps, bool by_attribute>
Result<Value> select_filter(const FilterCall& call) {
  const auto& positional = call.arguments.positional;
  constexpr size_t kTest = by_attribute ? 1 : 0;
  if (!call.value.is_true()) return Value::list({});
  if (by_attribute && positional.empty())
    return make_error(StatusCode::kDataCorrupt, "{}: expected the name of an attribute", call.name);
  BITNETC_ASSIGN_OR_RETURN(const Values items, iterate(call.context, call.value));
  const bool has_test = positional.size() > kTest;
  const Text* test = has_test ? positional[kTest].text() : nullptr;
  if (has_test && test == nullptr)
    return make_error(StatusCode::kDataCorrupt, "{}: expected the name of a test", call.name);
  const std::string name = test == nullptr ? "" : to_utf8(*test);
  const Arguments arguments = rest_of(call.arguments, std::min(positional.size(), kTest + 1));
  Values kept;
  for (const Value& item : items) {
    BITNETC_ASSIGN_OR_RETURN(const Value key,
                             key_of(call, item, by_attribute ? &positional[0] : nullptr, false));
    bool passes = key.is_true();
    if (has_test) {
      BITNETC_ASSIGN_OR_RETURN(passes, apply_test(call.context, name, key, arguments));
    }
    if (passes == keeps) kept.push_back(item);
  }
  return made_list(call, std::move(kept));
}

Result<Value> batch_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"linecount", "fill_with"}, 1));
  BITNETC_ASSIGN_OR_RETURN(const int64_t size, bound.integer(0, 1));
  BITNETC_ASSIGN_OR_RETURN(const Values items, iterate(call.context, call.value));
  BITNETC_RETURN_IF_ERROR(call.context.check_size(size));
  if (size < 1) return Status(StatusCode::kDataCorrupt, "batch: expected a size of at least 1");
  Values batches;
  for (size_t begin = 0; begin < items.size(); begin += static_cast<size_t>(size)) {
    const size_t end = std::min(items.size(), begin + static_cast<size_t>(size));
    Values batch(items.begin() + static_cast<ptrdiff_t>(begin),
                 items.begin() + static_cast<ptrdiff_t>(end));
    if (bound.get(1) != nullptr && !bound.get(1)->is_none())
      batch.resize(static_cast<size_t>(size), *bound.get(1));
    batches.push_back(Value::list(std::move(batch)));
  }
  return made_list(call, std::move(batches));
}

// Into so many columns, the first ones longer.
Result<Value> slice_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"slices", "fill_with"}, 1));
  BITNETC_ASSIGN_OR_RETURN(const int64_t count, bound.integer(0, 1));
  BITNETC_ASSIGN_OR_RETURN(const Values items, iterate(call.context, call.value));
  BITNETC_RETURN_IF_ERROR(call.context.check_size(count));
  BITNETC_RETURN_IF_ERROR(call.context.charge(count));
  if (count < 1) return Status(StatusCode::kDataCorrupt, "slice: expected at least 1 slice");
  const auto columns = static_cast<size_t>(count);
  const size_t shortest = items.size() / columns, longer = items.size() % columns;
  Values slices;
  size_t begin = 0;
  for (size_t i = 0; i < columns; ++i) {
    const size_t size = shortest + (i < longer ? 1 : 0);
    Values part(items.begin() + static_cast<ptrdiff_t>(begin),
                items.begin() + static_cast<ptrdiff_t>(begin + size));
    if (bound.get(1) != nullptr && !bound.get(1)->is_none() && i >= longer)
      part.push_back(*bound.get(1));
    slices.push_back(Value::list(std::move(part)));
    begin += size;
  }
  return made_list(call, std::move(slices));
}

Result<Value> group_by_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound,
                           call.bind({"attribute", "default", "case_sensitive"}, 1));
  BITNETC_ASSIGN_OR_RETURN(const Values items, iterate(call.context, call.value));
  std::vector<Keyed> keyed;
  for (const Value& item : items) {
    BITNETC_ASSIGN_OR_RETURN(Value key, key_of(call, item, bound.get(0), !bound.flag(2)));
    if (key.is_undefined() && bound.get(1) != nullptr) key = *bound.get(1);
    keyed.push_back({std::move(key), item});
  }
  BITNETC_RETURN_IF_ERROR(sort_by_key(call, keyed, false));
  Values groups;
  for (size_t begin = 0; begin < keyed.size();) {
    Values members;
    size_t end = begin;
    for (; end < keyed.size() && equal(keyed[end].key, keyed[begin].key); ++end)
      members.push_back(keyed[end].item);
    BITNETC_ASSIGN_OR_RETURN(const Value name,
                             key_of(call, keyed[begin].item, bound.get(0), false));
    Tuple group = *Value::tuple({name.is_undefined() ? keyed[begin].key : name,
                                 Value::list(std::move(members))})
                       .get<Tuple>();
    group.is_group = true;
    groups.push_back(Value(Value::Data(std::move(group))));
    begin = end;
  }
  return made_list(call, std::move(groups));
}

constexpr NamedFilter kListFilters[] = {
    {"length", length_filter},
    {"count", length_filter},
    {"list", list_filter},
    {"first", end_filter<false>},
    {"last", end_filter<true>},
    {"reverse", reverse_filter},
    {"join", join_filter},
    {"sort", sort_filter},
    {"dictsort", dict_sort_filter},
    {"unique", unique_filter},
    {"min", extreme_filter<false>},
    {"max", extreme_filter<true>},
    {"sum", sum_filter},
    {"items", items_filter},
    {"attr", attribute_filter},
    {"map", map_filter},
    {"select", select_filter<true, false>},
    {"reject", select_filter<false, false>},
    {"selectattr", select_filter<true, true>},
    {"rejectattr", select_filter<false, true>},
    {"batch", batch_filter},
    {"slice", slice_filter},
    {"groupby", group_by_filter},
};

}  // namespace

std::span<const NamedFilter> list_filters() {
  return kListFilters;
}

const NamedFilter* find_filter(std::string_view name) {
  for (const std::span<const NamedFilter> filters : {text_filters(), list_filters()})
    for (const NamedFilter& filter : filters)
      if (filter.name == name) return &filter;
  return nullptr;
}

Result<Value> apply_filter(Context& context, std::string_view name, const Value& value,
                           const Arguments& arguments) {
  const NamedFilter* filter = find_filter(name);
  if (filter == nullptr)
    return make_error(StatusCode::kUnsupported, "there is no filter '{}'", name);
  BITNETC_RETURN_IF_ERROR(context.charge(1));
  return filter->function({context, value, filter->name, arguments});
}

}  // namespace bitnetc::jinja
