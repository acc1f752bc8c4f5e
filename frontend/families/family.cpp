#include "frontend/families/family.h"

#include <algorithm>

#include "frontend/families/build.h"

namespace bitnetc {
namespace {

constexpr std::string_view kBitnetTypes[] = {"bitnet"};

constexpr Family kFamilies[] = {
    {.name = "bitnet",
     .description = "the BitNet-b1.58-2B-4T family",
     .answers_to = kBitnetTypes,
     .build = build_bitnet},
};

}  // namespace

std::span<const Family> families() {
  return kFamilies;
}

const Family* find_family(std::string_view model_type) {
  for (const Family& family : kFamilies)
    if (std::ranges::find(family.answers_to, model_type) != family.answers_to.end()) return &family;
  return nullptr;
}

std::string known_families() {
  std::string text;
  for (const Family& family : kFamilies)
    for (const std::string_view type : family.answers_to)
      text += fmt::format("{}\"{}\" ({})", text.empty() ? "" : ", ", type, family.description);
  return text;
}

}  // namespace bitnetc
