#include "tests/scale/settings.h"

#include <fmt/format.h>

#include "runtime/cpu_features.h"
#include "tests/scale/covering.h"
#include "tools/engine/draft.h"

namespace bitnetc::test {
namespace {

// More than a pass takes: cut at what it does take.
constexpr int kLongestChunk = 512;

const char* name_of(Pages pages) {
  switch (pages) {
    case Pages::kFresh: return "fresh";
    case Pages::kReused: return "reused";
    case Pages::kForked: return "shared";
  }
  return "?";
}

}  // namespace

std::string Settings::describe() const {
  return fmt::format(
      "{} thread{}, {}, {}, {}, chunks of {}, {} head, {} neurons, {} drafts, {} pages", threads,
      threads == 1 ? "" : "s", isa_name(tier), layout_name(layout), kind_name(kernels),
      chunk_tokens, screen ? "screened" : "full", skip_neurons ? "active" : "all", most_drafts,
      name_of(pages));
}

Factors all_factors(std::span<const Isa> tiers) {
  std::vector<KernelChoice> kernels;
  for (const Isa tier : tiers) {
    kernels.push_back({tier, GeneratorKind::kGenerated});
    if (tier != Isa::kScalar) kernels.push_back({tier, GeneratorKind::kCompiled});
  }
  return {.threads = {1, 2, 5},
          .kernels = std::move(kernels),
          .layouts = {std::begin(kLayouts), std::end(kLayouts)},
          .chunk_tokens = {1, 7, kLongestChunk},
          .screen = {0, 1},
          .skip_neurons = {0, 1},
          .most_drafts = {0, kMostDrafts},
          .pages = {Pages::kFresh, Pages::kReused, Pages::kForked}};
}

std::vector<Settings> covering_settings(const Factors& factors) {
  const auto count = [](const auto& levels) { return static_cast<int>(levels.size()); };
  const std::vector<int> levels = {count(factors.threads),     count(factors.kernels),
                                   count(factors.layouts),     count(factors.chunk_tokens),
                                   count(factors.screen),      count(factors.skip_neurons),
                                   count(factors.most_drafts), count(factors.pages)};
  std::vector<Settings> all;
  for (const std::vector<int>& row : covering_rows(levels)) {
    size_t factor = 0;
    const auto take = [&](const auto& of) { return of[static_cast<size_t>(row[factor++])]; };
    Settings settings;
    settings.threads = take(factors.threads);
    const KernelChoice kernels = take(factors.kernels);
    settings.tier = kernels.tier;
    settings.kernels = kernels.fastest;
    settings.layout = take(factors.layouts);
    settings.chunk_tokens = take(factors.chunk_tokens);
    settings.screen = take(factors.screen) != 0;
    settings.skip_neurons = take(factors.skip_neurons) != 0;
    settings.most_drafts = take(factors.most_drafts);
    settings.pages = take(factors.pages);
    all.push_back(settings);
  }
  return all;
}

Settings plain_settings() {
  return {.tier = host_target().best_tier().value_or(Isa::kScalar), .chunk_tokens = kLongestChunk};
}

}  // namespace bitnetc::test
