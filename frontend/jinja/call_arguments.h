// Matches the arguments of a call with the parameters of what is called.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/jinja/value.h"

namespace bitnetc::jinja {

class BoundArguments {
 public:
  // The first `required` parameters must be given. Error: kDataCorrupt naming `function` and what
  // is missing, unknown, or one too many.
  static Result<BoundArguments> bind(std::string_view function, const Arguments& arguments,
                                     std::initializer_list<std::string_view> parameters,
                                     size_t required = 0);

  // Null: not given.
  const Value* get(size_t parameter) const {
    return values_[parameter] ? &*values_[parameter] : nullptr;
  }
  bool flag(size_t parameter, bool fallback = false) const;
  // Error: kDataCorrupt if it is given and is not of the type; none counts as not given.
  Result<int64_t> integer(size_t parameter, int64_t fallback) const;
  Result<Text> text(size_t parameter, TextView fallback) const;

 private:
  Status wrong_type(size_t parameter, std::string_view expected) const;

  std::string function_;
  std::vector<std::string_view> names_;
  std::vector<std::optional<Value>> values_;
};

}  // namespace bitnetc::jinja
