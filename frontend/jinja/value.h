// The values of the template language: those of JSON, in the order they were given, plus what
// templates make themselves (tuples, ranges, undefined, objects). A value is immutable and cheap
// to copy; the contents of containers are shared. Objects (namespaces, macros, loops, functions)
// belong to the rendering that made them and end with it. Not for more than one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "frontend/jinja/text.h"
#include "runtime/status.h"

namespace bitnetc::jinja {

class Value;
class Object;

// What a template meets where nothing is: prints as nothing, but most operations on it fail with
// this message.
struct Undefined {
  std::shared_ptr<const std::string> message;
};

struct String {
  std::shared_ptr<const Text> text;
  bool is_markup = false;  // of |safe and |escape: `+` escapes what is joined to it
};

struct Sequence;
struct List {
  std::shared_ptr<const Sequence> sequence;
};
struct Tuple {
  std::shared_ptr<const Sequence> sequence;
  bool is_group = false;  // of |groupby: its two items are also its attributes grouper and list
};

class DictTable;
struct Dict {
  std::shared_ptr<const DictTable> table;
};

enum class DictPart { kKeys, kValues, kItems };
struct DictView {
  std::shared_ptr<const DictTable> table;
  DictPart part = DictPart::kKeys;
};

struct Range {
  int64_t start = 0;
  int64_t stop = 0;  // as it was given
  int64_t step = 1;
  int64_t count = 0;
};

// The arguments of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

class Value {
 public:
  struct None {};
  using Data = std::variant<None, Undefined, bool, int64_t, double, String, List, Tuple, Dict,
                            DictView, Range, Object*>;

  Value() = default;  // none
  explicit Value(Data data) : data_(std::move(data)) {}

  static Value boolean(bool value) { return Value(Data(value)); }
  static Value integer(int64_t value) { return Value(Data(value)); }
  static Value real(double value) { return Value(Data(value)); }
  static Value string(Text text, bool is_markup = false);
  static Value string(std::string_view utf8, char32_t mark = 0);
  // What is made from values of a template is checked with check_extent().
  static Value list(std::vector<Value> items);
  static Value tuple(std::vector<Value> items);
  static Value dict(std::vector<std::pair<Value, Value>> entries);  // of equal keys the last wins
  static Value undefined(std::string message);
  static Value object(Object* object) { return Value(Data(object)); }

  template <typename T>
  const T* get() const {
    return std::get_if<T>(&data_);
  }
  bool is_none() const { return get<None>() != nullptr; }
  bool is_undefined() const { return get<Undefined>() != nullptr; }
  // The text of a string; null for anything else.
  const Text* text() const {
    const String* string = get<String>();
    return string == nullptr ? nullptr : string->text.get();
  }
  // The items of a list or a tuple; null for anything else.
  const std::vector<Value>* items() const;
  const DictTable* table() const;  // of a dict; null for anything else
  // Booleans are 0 and 1, as in Python.
  std::optional<int64_t> as_integer() const;
  std::optional<double> as_number() const;

  bool is_true() const;
  std::string_view type_name() const;  // Python's: "int", "NoneType"
  // 1 + the depth of the deepest item; 0 for what holds nothing.
  int depth() const;
  // About the characters it prints as: what a walk over it costs.
  int64_t weight() const;

 private:
  Data data_;
};

// A value that holds itself twice, again and again, is small in memory and endless in print.
inline constexpr int kMaxValueDepth = 100;
inline constexpr int64_t kMaxValueWeight = int64_t{1} << 24;

struct Extent {
  int depth = 1;
  int64_t weight = 1;

  void add(const Value& item);
};

struct Sequence {
  std::vector<Value> items;
  Extent extent;
};

// Key to value in the order of insertion.
class DictTable {
 public:
  using Entry = std::pair<Value, Value>;
  explicit DictTable(std::vector<Entry> entries);

  const std::vector<Entry>& entries() const { return entries_; }
  const Value* find(const Value& key) const;
  const Value* find(TextView key) const;
  const Extent& extent() const { return extent_; }

 private:
  std::optional<size_t> index_of(const Value& key) const;

  std::vector<Entry> entries_;
  std::unordered_multimap<size_t, size_t> by_hash_;  // hash of a key -> its entry
  Extent extent_;
};

// A thing with behaviour. Lives as long as the rendering.
class Object {
 public:
  virtual ~Object() = default;
  virtual std::string_view type_name() const = 0;  // as messages call it
  virtual std::string describe() const = 0;        // as it prints
  virtual std::optional<Value> attribute(std::string_view name) const = 0;
  virtual bool is_callable() const { return false; }
};

// Whether the value can be a key: not a list, not a dict, and nothing that holds one.
bool is_hashable(const Value& value);
bool equal(const Value& a, const Value& b);
// Python's order. Error: no order between these types.
Result<bool> less(const Value& a, const Value& b, std::string_view symbol);

// Error: kUnsupported for a value beyond kMaxValueDepth or kMaxValueWeight.
Status check_extent(const Value& value);

// The failure that an operation on an undefined value is.
Status undefined_error(const Undefined& undefined);

// str(value) and repr(value) of Python. Characters keep their marks.
Text to_text(const Value& value);
Text to_repr(const Value& value);
// Python's repr of a float: the shortest digits that read back to it.
std::string print_real(double value);

}  // namespace bitnetc::jinja
