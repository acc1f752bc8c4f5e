// The CPU features that this project knows by name, and sets of them. Plain values; the names are
// those of messages, fingerprints and the texts of targets.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace bitnetc {

enum class Feature : uint8_t {
  kAvx2,
  kFma,
  kF16c,
  kAvxVnni,  // VEX-encoded vpdpbusd, 256 bit
  kAvx512f,
  kAvx512bw,
  kAvx512dq,
  kAvx512vl,
  kAvx512Vnni,
  kAvx512Vbmi,
  kGfni,
  kAmxInt8,  // AMX-TILE and AMX-INT8
};

// In the order of texts, which fingerprints depend on.
inline constexpr std::array kFeatures = {
    Feature::kAvx2,       Feature::kFma,        Feature::kF16c,     Feature::kAvxVnni,
    Feature::kAvx512f,    Feature::kAvx512bw,   Feature::kAvx512dq, Feature::kAvx512vl,
    Feature::kAvx512Vnni, Feature::kAvx512Vbmi, Feature::kGfni,     Feature::kAmxInt8};

std::string_view feature_name(Feature feature);  // "avx2", "avx512_vbmi", "amx_int8"

class FeatureSet {
 public:
  constexpr FeatureSet() = default;
  constexpr FeatureSet(std::initializer_list<Feature> features) {
    for (const Feature each : features) set(each);
  }

  constexpr void set(Feature feature, bool is_there = true) {
    bits_ = is_there ? bits_ | bit(feature) : bits_ & ~bit(feature);
  }
  constexpr bool contains(Feature feature) const { return (bits_ & bit(feature)) != 0; }
  constexpr bool contains_all(FeatureSet features) const { return (features.bits_ & ~bits_) == 0; }
  constexpr bool empty() const { return bits_ == 0; }

  constexpr FeatureSet operator|(FeatureSet other) const { return FeatureSet(bits_ | other.bits_); }
  constexpr FeatureSet operator&(FeatureSet other) const { return FeatureSet(bits_ & other.bits_); }
  // Those of this set that `other` has not.
  constexpr FeatureSet operator-(FeatureSet other) const {
    return FeatureSet(bits_ & ~other.bits_);
  }
  constexpr bool operator==(const FeatureSet&) const = default;

  std::vector<std::string> names() const;  // in the order of kFeatures

 private:
  constexpr explicit FeatureSet(uint32_t bits) : bits_(bits) {}
  static constexpr uint32_t bit(Feature feature) { return 1U << static_cast<int>(feature); }

  uint32_t bits_ = 0;
};

}  // namespace bitnetc
