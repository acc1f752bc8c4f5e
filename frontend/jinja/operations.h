// What the operators of the language do, with Python's meaning. An undefined operand fails with its
// message wherever Python's would.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/jinja/context.h"
#include "frontend/jinja/value.h"

namespace bitnetc::jinja {

// operation: + - * / // % **. Integers are of 64 bits: one that does not fit is kUnsupported.
Result<Value> binary(Context& context, std::string_view operation, const Value& a, const Value& b);
Result<Value> negate(const Value& value, std::string_view sign);
// comparison: == != < <= > >= in "not in".
Result<bool> compare(Context& context, std::string_view comparison, const Value& a, const Value& b);
Result<bool> contains(Context& context, const Value& container, const Value& item);

// The items that a loop over the value walks: of a list or tuple themselves, of a dict its keys, of
// a string its characters, of an undefined value none.
Result<std::vector<Value>> iterate(Context& context, const Value& value);
// How many there are; kDataCorrupt for what has no length.
Result<int64_t> length(const Value& value);

// value.name: a method or attribute, else the entry of a dict; undefined if there is neither.
Result<Value> attribute(Context& context, const Value& value, std::string_view name);
// value[key]: an entry, else the attribute of that name.
Result<Value> item(Context& context, const Value& value, const Value& key);
// A path of attributes and indices, "k.z" or 0, as filters take it.
Result<Value> item_at_path(Context& context, const Value& value, const Value& path);
// value[start:stop:step]; none where a part is absent.
Result<Value> slice(Context& context, const Value& value, const Value& start, const Value& stop,
                    const Value& step);

// A method of a built-in type that is not called at once.
class Method final : public Object {
 public:
  Method(Value receiver, std::string name)
      : receiver_(std::move(receiver)), name_(std::move(name)) {}
  const Value& receiver() const { return receiver_; }
  const std::string& name() const { return name_; }
  std::string_view type_name() const override { return "method"; }
  std::string describe() const override { return "<method " + name_ + ">"; }
  std::optional<Value> attribute(std::string_view) const override { return std::nullopt; }
  bool is_callable() const override { return true; }

 private:
  Value receiver_;
  std::string name_;
};

}  // namespace bitnetc::jinja
