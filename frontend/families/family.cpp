#include "frontend/families/family.h"

#include <algorithm>
#include <vector>

#include "frontend/families/build.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

constexpr const Family* kFamilies[] = {&kBitnet, &kLlama, &kOneBitLlm, &kQwen3, &kGemma3};

// `"bitnet" (the BitNet-b1.58-2B-4T family), "llama" (...)`
std::string known_types() {
  std::string text;
  for (const Family* family : kFamilies)
    text += fmt::format("{}\"{}\" ({})", text.empty() ? "" : ", ", family->hf.model_type,
                        family->description);
  return text;
}

}  // namespace

std::span<const Family* const> families() {
  return kFamilies;
}

const Family* find_family(std::string_view name) {
  const auto found =
      std::ranges::find(kFamilies, name, [](const Family* family) { return family->name; });
  return found == std::end(kFamilies) ? nullptr : *found;
}

Result<const Family*> find_hf_family(std::string_view model_type, std::string_view architecture) {
  std::vector<std::string> of_type;
  for (const Family* family : kFamilies) {
    if (family->hf.model_type != model_type) continue;
    if (architecture.empty()) return family;
    for (const std::string_view known : family->hf.architectures) {
      if (known == architecture) return family;
      of_type.push_back(fmt::format("\"{}\"", known));
    }
  }
  if (of_type.empty())
    return make_error(StatusCode::kUnsupported,
                      "model_type = \"{}\" is not supported; supported: {}",
                      printable(model_type, 100), known_types());
  return make_error(StatusCode::kUnsupported,
                    "architectures = [\"{}\"] of model_type \"{}\" is not supported, only {} is",
                    printable(architecture, 100), model_type, fmt::join(of_type, " or "));
}

}  // namespace bitnetc
