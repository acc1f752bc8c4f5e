// The functions that every template can call, and the objects they make.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "frontend/jinja/context.h"

namespace bitnetc::jinja {

// The mutable object of the language: {% set ns.x = 1 %}.
class Namespace final : public Object {
 public:
  std::string_view type_name() const override { return "namespace"; }
  std::string describe() const override { return "<namespace>"; }
  std::optional<Value> attribute(std::string_view name) const override;
  void set(std::string name, Value value);

 private:
  std::vector<std::pair<std::string, Value>> attributes_;
};

// range, dict, namespace, cycler, joiner, raise_exception, strftime_now.
class Function final : public Object {
 public:
  using Body = Result<Value> (*)(Context&, const Arguments&);
  Function(std::string_view name, Body body) : name_(name), body_(body) {}
  Result<Value> call(Context& context, const Arguments& arguments) const {
    return body_(context, arguments);
  }
  std::string_view type_name() const override { return "function"; }
  std::string describe() const override { return "<function " + std::string(name_) + ">"; }
  std::optional<Value> attribute(std::string_view) const override { return std::nullopt; }
  bool is_callable() const override { return true; }

 private:
  std::string_view name_;
  Body body_;
};

// Objects that are called and remember: what cycler() and joiner() give.
class Rotation final : public Object {
 public:
  enum class Kind { kCycler, kJoiner };
  Rotation(Kind kind, std::vector<Value> items) : kind_(kind), items_(std::move(items)) {}
  // next() and reset() of a cycler; "" is a call of a joiner.
  Result<Value> call(std::string_view method, const Arguments& arguments);
  std::string_view type_name() const override;
  std::string describe() const override;
  std::optional<Value> attribute(std::string_view name) const override;
  bool is_callable() const override { return kind_ == Kind::kJoiner; }
  bool has_method(std::string_view name) const;

 private:
  Kind kind_;
  std::vector<Value> items_;
  size_t at_ = 0;
};

std::optional<Function> find_function(std::string_view name);

// Python's strftime in the C locale. Error: kUnsupported for a directive beyond those of C.
Result<std::string> format_time(std::string_view format, const std::tm& time);

}  // namespace bitnetc::jinja
