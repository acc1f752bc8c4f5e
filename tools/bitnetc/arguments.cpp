#include "tools/bitnetc/arguments.h"

#include <optional>

#include "runtime/cpu_allowance.h"
#include "tools/bitnetc/terminal.h"

namespace bitnetc {
namespace {

std::optional<Epilogue> parse_epilogue(std::string_view name) {
  for (const Epilogue epilogue : kEpilogues)
    if (epilogue_name(epilogue) == name) return epilogue;
  return std::nullopt;
}

}  // namespace

Result<MatmulSpec> parse_shape(const std::string& text) {
  constexpr IntegerRange kSizes = {.least = 1, .most = int64_t{1} << 20};
  const auto malformed = [&] {
    return make_error(StatusCode::kInvalidArgument,
                      "--shapes '{}': expected NxK or NxK:EPILOGUE, for example 2560x6912:residual "
                      "(epilogues: scale, residual, relu2mul, silumul, gelumul)",
                      shown_on_a_line(text, 48));
  };
  const size_t colon = text.find(':');
  const std::string sizes = text.substr(0, colon);
  const size_t cross = sizes.find('x');
  if (cross == std::string::npos) return malformed();
  MatmulSpec spec;
  if (colon != std::string::npos) {
    const auto epilogue = parse_epilogue(std::string_view(text).substr(colon + 1));
    if (!epilogue) return malformed();
    spec.epilogue = *epilogue;
  }
  const auto n = parse_integer("--shapes", sizes.substr(0, cross), kSizes);
  const auto k = parse_integer("--shapes", sizes.substr(cross + 1), kSizes);
  if (!n.ok() || !k.ok()) return malformed();
  spec.n = *n;
  spec.k = *k;
  return spec;
}

Result<std::vector<MatmulSpec>> parse_shapes(const std::vector<std::string>& texts) {
  std::vector<MatmulSpec> shapes;
  for (const std::string& text : texts) {
    BITNETC_ASSIGN_OR_RETURN(const MatmulSpec spec, parse_shape(text));
    shapes.push_back(spec);
  }
  return shapes;
}

std::vector<std::string> example_shapes() {
  return {"3840x2560", "2560x2560:residual", "13824x2560:relu2mul", "2560x6912:residual"};
}

std::string shape_title(const MatmulSpec& spec) {
  return fmt::format("{}x{} {}", spec.n, spec.k, epilogue_name(spec.epilogue));
}

Result<std::vector<LayoutId>> parse_layouts(const std::vector<std::string>& names) {
  std::vector<LayoutId> layouts;
  for (const std::string& name : names) {
    const auto layout = parse_layout(name);
    if (!layout)
      return make_error(StatusCode::kInvalidArgument,
                        "--layouts '{}': expected i2s, tl1, tl2 or b3", shown_on_a_line(name, 48));
    layouts.push_back(*layout);
  }
  return layouts;
}

IntegerRange usable_thread_range() {
  return {.least = 1, .most = usable_cpu_count()};
}

std::vector<int> one_and_all_threads() {
  const int cpus = usable_cpu_count();
  return cpus == 1 ? std::vector<int>{1} : std::vector<int>{1, cpus};
}

}  // namespace bitnetc
