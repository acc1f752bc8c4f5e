#include "frontend/jinja/value.h"

#include <algorithm>
#include <cmath>

namespace bitnetc::jinja {
namespace {

Sequence sequence_of(std::vector<Value> items) {
  Sequence sequence;
  for (const Value& item : items) sequence.extent.add(item);
  sequence.items = std::move(items);
  return sequence;
}

size_t mix(size_t hash, size_t more) {
  return (hash ^ more) * size_t{0x9E3779B97F4A7C15} + (hash >> 29);
}

// Equal keys have equal hashes: 1, 1.0 and true are one key.
size_t hash_of(const Value& value) {
  if (const std::optional<double> number = value.as_number()) return std::hash<double>()(*number);
  size_t hash = 7;
  if (const Text* text = value.text()) {
    for (const char32_t character : *text) hash = mix(hash, code_point(character));
  } else if (const auto* items = value.items()) {
    for (const Value& item : *items) hash = mix(hash, hash_of(item));
  } else if (Object* const* object = value.get<Object*>()) {
    hash = mix(hash, reinterpret_cast<size_t>(*object));
  }
  return hash;
}

bool equal_items(std::span<const Value> a, std::span<const Value> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Value& x, const Value& y) { return equal(x, y); });
}

bool equal_tables(const DictTable& a, const DictTable& b) {
  if (a.entries().size() != b.entries().size()) return false;
  return std::all_of(a.entries().begin(), a.entries().end(), [&](const DictTable::Entry& entry) {
    const Value* twin = b.find(entry.first);
    return twin != nullptr && equal(entry.second, *twin);
  });
}

bool equal_ranges(const Range& a, const Range& b) {
  if (a.count != b.count) return false;
  return a.count == 0 || (a.start == b.start && (a.count == 1 || a.step == b.step));
}

Status no_order(const Value& a, const Value& b, std::string_view symbol) {
  return make_error(StatusCode::kDataCorrupt,
                    "'{}' is not supported between values of type '{}' and '{}'", symbol,
                    a.type_name(), b.type_name());
}

}  // namespace

Value Value::string(Text text, bool is_markup) {
  return Value(Data(String{std::make_shared<const Text>(std::move(text)), is_markup}));
}

Value Value::string(std::string_view utf8, char32_t mark) {
  return string(from_utf8(utf8, mark));
}

Value Value::list(std::vector<Value> items) {
  return Value(Data(List{std::make_shared<const Sequence>(sequence_of(std::move(items)))}));
}

Value Value::tuple(std::vector<Value> items) {
  return Value(Data(Tuple{std::make_shared<const Sequence>(sequence_of(std::move(items)))}));
}

Value Value::dict(std::vector<std::pair<Value, Value>> entries) {
  return Value(Data(Dict{std::make_shared<const DictTable>(std::move(entries))}));
}

Value Value::undefined(std::string message) {
  return Value(Data(Undefined{std::make_shared<const std::string>(std::move(message))}));
}

const std::vector<Value>* Value::items() const {
  if (const List* list = get<List>()) return &list->sequence->items;
  if (const Tuple* tuple = get<Tuple>()) return &tuple->sequence->items;
  return nullptr;
}

const DictTable* Value::table() const {
  const Dict* dict = get<Dict>();
  return dict == nullptr ? nullptr : dict->table.get();
}

std::optional<int64_t> Value::as_integer() const {
  if (const bool* value = get<bool>()) return *value ? 1 : 0;
  if (const int64_t* value = get<int64_t>()) return *value;
  return std::nullopt;
}

std::optional<double> Value::as_number() const {
  if (const double* value = get<double>()) return *value;
  if (const std::optional<int64_t> value = as_integer()) return static_cast<double>(*value);
  return std::nullopt;
}

bool Value::is_true() const {
  if (is_none() || is_undefined()) return false;
  if (const std::optional<double> number = as_number()) return *number != 0;
  if (const Text* string = text()) return !string->empty();
  if (const auto* sequence = items()) return !sequence->empty();
  if (const DictTable* dict = table()) return !dict->entries().empty();
  if (const DictView* view = get<DictView>()) return !view->table->entries().empty();
  if (const Range* range = get<Range>()) return range->count > 0;
  return true;
}

std::string_view Value::type_name() const {
  if (is_none()) return "NoneType";
  if (is_undefined()) return "Undefined";
  if (get<bool>() != nullptr) return "bool";
  if (get<int64_t>() != nullptr) return "int";
  if (get<double>() != nullptr) return "float";
  if (text() != nullptr) return "str";
  if (get<List>() != nullptr) return "list";
  if (get<Tuple>() != nullptr) return "tuple";
  if (table() != nullptr) return "dict";
  if (get<Range>() != nullptr) return "range";
  if (const DictView* view = get<DictView>()) {
    if (view->part == DictPart::kKeys) return "dict_keys";
    return view->part == DictPart::kValues ? "dict_values" : "dict_items";
  }
  return (*get<Object*>())->type_name();
}

int Value::depth() const {
  if (const List* list = get<List>()) return list->sequence->extent.depth;
  if (const Tuple* tuple = get<Tuple>()) return tuple->sequence->extent.depth;
  if (const DictTable* dict = table()) return dict->extent().depth;
  if (const DictView* view = get<DictView>()) return view->table->extent().depth + 1;
  return 0;
}

int64_t Value::weight() const {
  if (const Text* string = text()) return 1 + static_cast<int64_t>(string->size());
  if (const List* list = get<List>()) return list->sequence->extent.weight;
  if (const Tuple* tuple = get<Tuple>()) return tuple->sequence->extent.weight;
  if (const DictTable* dict = table()) return dict->extent().weight;
  if (const DictView* view = get<DictView>()) return view->table->extent().weight;
  if (const Range* range = get<Range>()) return 1 + range->count;
  return 1;
}

void Extent::add(const Value& item) {
  depth = std::max(depth, 1 + item.depth());
  weight = std::min(weight + item.weight(), 2 * kMaxValueWeight);
}

DictTable::DictTable(std::vector<Entry> entries) {
  entries_.reserve(entries.size());
  for (Entry& entry : entries) {
    if (const std::optional<size_t> twin = index_of(entry.first)) {
      entries_[*twin].second = std::move(entry.second);
      continue;
    }
    by_hash_.emplace(hash_of(entry.first), entries_.size());
    entries_.push_back(std::move(entry));
  }
  for (const Entry& entry : entries_) {
    extent_.add(entry.first);
    extent_.add(entry.second);
  }
}

std::optional<size_t> DictTable::index_of(const Value& key) const {
  const auto [begin, end] = by_hash_.equal_range(hash_of(key));
  for (auto it = begin; it != end; ++it)
    if (equal(entries_[it->second].first, key)) return it->second;
  return std::nullopt;
}

const Value* DictTable::find(const Value& key) const {
  const std::optional<size_t> index = index_of(key);
  return index ? &entries_[*index].second : nullptr;
}

const Value* DictTable::find(TextView key) const {
  return find(Value::string(Text(key)));
}

bool is_hashable(const Value& value) {
  if (value.get<List>() != nullptr || value.table() != nullptr) return false;
  if (value.get<DictView>() != nullptr) return false;
  const auto* items = value.items();
  return items == nullptr || std::all_of(items->begin(), items->end(), is_hashable);
}

bool equal(const Value& a, const Value& b) {
  if (const auto x = a.as_integer(), y = b.as_integer(); x && y) return *x == *y;
  if (const auto x = a.as_number(), y = b.as_number(); x && y) return *x == *y;
  if (a.text() != nullptr && b.text() != nullptr) return equal(*a.text(), *b.text());
  if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
  if (a.is_undefined() || b.is_undefined()) return a.is_undefined() && b.is_undefined();
  if (const auto *x = a.get<List>(), *y = b.get<List>(); x && y)
    return equal_items(x->sequence->items, y->sequence->items);
  if (const auto *x = a.get<Tuple>(), *y = b.get<Tuple>(); x && y)
    return equal_items(x->sequence->items, y->sequence->items);
  if (a.table() != nullptr && b.table() != nullptr) return equal_tables(*a.table(), *b.table());
  if (const auto *x = a.get<Range>(), *y = b.get<Range>(); x && y) return equal_ranges(*x, *y);
  Object* const* x = a.get<Object*>();
  Object* const* y = b.get<Object*>();
  return x != nullptr && y != nullptr && *x == *y;
}

Result<bool> less(const Value& a, const Value& b, std::string_view symbol) {
  for (const Value* each : {&a, &b})
    if (const Undefined* undefined = each->get<Undefined>()) return undefined_error(*undefined);
  if (const auto x = a.as_integer(), y = b.as_integer(); x && y) return *x < *y;
  if (const auto x = a.as_number(), y = b.as_number(); x && y) return *x < *y;
  if (a.text() != nullptr && b.text() != nullptr) return compare(*a.text(), *b.text()) < 0;
  const bool same_kind = (a.get<List>() != nullptr && b.get<List>() != nullptr) ||
                         (a.get<Tuple>() != nullptr && b.get<Tuple>() != nullptr);
  if (!same_kind) return no_order(a, b, symbol);
  const auto &x = *a.items(), &y = *b.items();
  for (size_t i = 0; i < std::min(x.size(), y.size()); ++i)
    if (!equal(x[i], y[i])) return less(x[i], y[i], symbol);
  return x.size() < y.size();
}

Status check_extent(const Value& value) {
  if (value.depth() > kMaxValueDepth)
    return make_error(StatusCode::kUnsupported, "a {} nested deeper than {} levels",
                      value.type_name(), kMaxValueDepth);
  if (value.weight() > kMaxValueWeight)
    return make_error(StatusCode::kUnsupported, "a {} of more than {} characters and items",
                      value.type_name(), kMaxValueWeight);
  return {};
}

Status undefined_error(const Undefined& undefined) {
  return Status(StatusCode::kDataCorrupt, *undefined.message);
}

}  // namespace bitnetc::jinja
