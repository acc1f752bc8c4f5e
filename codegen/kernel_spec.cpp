#include "codegen/kernel_spec.h"

#include <type_traits>

#include "codegen/operations/spec_name.h"

namespace bitnetc {
namespace {

// The operation of the spec that a variant holds.
template <typename Spec>
using OperationOf = Operation<std::remove_cvref_t<Spec>>;

// Calls body.operator()<Spec>() for every operation, in the order of the list.
template <typename Body>
void for_each_operation(Body body) {
  [&]<typename... Specs>(const std::variant<Specs...>*) {
    (body.template operator()<Specs>(), ...);
  }(static_cast<const KernelSpec*>(nullptr));
}

std::string operation_names() {
  std::vector<std::string_view> names;
  for_each_operation([&]<typename Spec>() { names.push_back(Operation<Spec>::kName); });
  return fmt::format("{}", fmt::join(names, ", "));
}

KernelSpec read_spec(NameReader& reader) {
  const std::string_view operation = reader.next();
  KernelSpec spec;
  bool known = false;
  for_each_operation([&]<typename Spec>() {
    if (operation != Operation<Spec>::kName) return;
    known = true;
    spec = Operation<Spec>::parse(reader);
  });
  if (!known) reader.fail(operation_names());
  return spec;
}

}  // namespace

std::string spec_name(const KernelSpec& spec) {
  return std::visit([](const auto& s) { return OperationOf<decltype(s)>::name(s); }, spec);
}

Result<KernelSpec> parse_spec(std::string_view name) {
  NameReader reader(name);
  KernelSpec spec = read_spec(reader);
  if (reader.failure().empty() && !reader.at_end()) {
    reader.next();
    reader.fail("the end of the name");
  }
  if (!reader.failure().empty()) {
    return make_error(StatusCode::kInvalidArgument, "kernel spec '{}': {} (a spec looks like {})",
                      name, reader.failure(), spec_name(MatmulSpec{.n = 2560, .k = 6912}));
  }
  BITNETC_RETURN_IF_ERROR(validate(spec));
  return spec;
}

Status validate(const KernelSpec& spec) {
  return std::visit([](const auto& s) { return OperationOf<decltype(s)>::validate(s); }, spec);
}

std::string_view operation_name(const KernelSpec& spec) {
  return std::visit([](const auto& s) { return OperationOf<decltype(s)>::kName; }, spec);
}

std::vector<Operand> operands(const KernelSpec& spec) {
  return std::visit([](const auto& s) { return OperationOf<decltype(s)>::operands(s); }, spec);
}

Work work(const KernelSpec& spec, int64_t rows, int64_t positions) {
  return std::visit(
      [&](const auto& s) { return OperationOf<decltype(s)>::work(s, rows, positions); }, spec);
}

}  // namespace bitnetc
