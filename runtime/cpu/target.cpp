#include "runtime/target.h"

#include <algorithm>
#include <charconv>

namespace bitnetc {
namespace {

constexpr Isa kTiers[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx};
constexpr std::string_view kGpuPrefix = "sm_";
constexpr std::string_view kAArch64Name = "aarch64", kOtherName = "other";

std::optional<Feature> parse_feature(std::string_view name) {
  for (const Feature each : kFeatures)
    if (name == feature_name(each)) return each;
  return std::nullopt;
}

// "avx512vnni-avx_vnni" and the like. Nothing: the text is none.
std::optional<Target> parse_tier_and_features(std::string_view text) {
  size_t end = std::min(text.find_first_of("+-"), text.size());
  const std::optional<Isa> tier = parse_isa(text.substr(0, end));
  if (!tier) return std::nullopt;
  Target target = target_for(*tier);
  while (end < text.size()) {
    const bool is_there = text[end] == '+';
    text.remove_prefix(end + 1);
    end = std::min(text.find_first_of("+-"), text.size());
    const std::optional<Feature> feature = parse_feature(text.substr(0, end));
    if (!feature) return std::nullopt;
    target.features.set(*feature, is_there);
  }
  return target;
}

std::optional<Target> parse_gpu(std::string_view text) {
  Target target{.architecture = Architecture::kCuda};
  text.remove_prefix(kGpuPrefix.size());
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), target.sm);
  const bool is_whole = error == std::errc() && stop == text.data() + text.size();
  return is_whole && target.sm > 0 ? std::optional(target) : std::nullopt;
}

std::optional<Target> parse(std::string_view text) {
  if (text == kAArch64Name) return Target{.architecture = Architecture::kAArch64};
  if (text == kOtherName) return Target{.architecture = Architecture::kOther};
  return text.starts_with(kGpuPrefix) ? parse_gpu(text) : parse_tier_and_features(text);
}

}  // namespace

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kScalar: return "scalar";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvxVnni: return "avxvnni";
    case Isa::kAvx512Vnni: return "avx512vnni";
    case Isa::kAmx: return "amx";
  }
  return "?";
}

std::optional<Isa> parse_isa(std::string_view name) {
  for (const Isa isa : kTiers)
    if (name == isa_name(isa)) return isa;
  return std::nullopt;
}

FeatureSet features_of(Isa isa) {
  constexpr FeatureSet kV3 = {Feature::kAvx2, Feature::kFma, Feature::kF16c};
  constexpr FeatureSet kAvx512 =
      kV3 | FeatureSet{Feature::kAvx512f, Feature::kAvx512bw, Feature::kAvx512dq,
                       Feature::kAvx512vl, Feature::kAvx512Vnni};
  switch (isa) {
    case Isa::kScalar: break;
    case Isa::kAvx2: return kV3;
    case Isa::kAvxVnni: return kV3 | FeatureSet{Feature::kAvxVnni};
    case Isa::kAvx512Vnni: return kAvx512;
    case Isa::kAmx: return kAvx512 | FeatureSet{Feature::kAvx512Vbmi, Feature::kAmxInt8};
  }
  return {};
}

bool Target::supports(Isa isa) const {
  if (isa == Isa::kScalar) return is_cpu();
  return architecture == Architecture::kX86_64 && features.contains_all(features_of(isa));
}

std::optional<Isa> Target::best_tier() const {
  std::optional<Isa> best;
  for (const Isa isa : kTiers)
    if (supports(isa)) best = isa;
  return best;
}

std::string Target::name() const {
  switch (architecture) {
    case Architecture::kX86_64: return std::string(isa_name(*best_tier()));
    case Architecture::kAArch64: return std::string(kAArch64Name);
    case Architecture::kCuda: return fmt::format("{}{}", kGpuPrefix, sm);
    case Architecture::kOther: break;
  }
  return std::string(kOtherName);
}

std::string Target::describe() const {
  std::string text = name();
  if (architecture != Architecture::kX86_64) return text;
  const FeatureSet usual = target_for(*best_tier()).features;
  for (const std::string& more : (features - usual).names()) text += "+" + more;
  for (const std::string& missing : (usual - features).names()) text += "-" + missing;
  return text;
}

Result<Target> parse_target(std::string_view text) {
  const std::optional<Target> target = parse(text);
  if (target && target->describe() == text) return *target;
  return make_error(StatusCode::kInvalidArgument,
                    "target '{}': expected a tier such as avx2, a tier with features that it has "
                    "or lacks such as avx512vnni-avx_vnni, {}, {} or a GPU such as {}90",
                    text, kAArch64Name, kOtherName, kGpuPrefix);
}

Target target_for(Isa isa) {
  Target target;
  for (const Isa each : kTiers)
    if (each <= isa) target.features = target.features | features_of(each);
  if (isa >= Isa::kAvx512Vnni) target.features.set(Feature::kAvx512Vbmi);
  return target;
}

Target cap_target(const Target& machine, std::optional<Isa> cap) {
  if (!cap || machine.architecture != Architecture::kX86_64) return machine;
  return {.features = machine.features & target_for(*cap).features};
}

}  // namespace bitnetc
