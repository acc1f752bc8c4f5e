#include "runtime/feature_set.h"

namespace bitnetc {

std::string_view feature_name(Feature feature) {
  switch (feature) {
    case Feature::kAvx2: return "avx2";
    case Feature::kFma: return "fma";
    case Feature::kF16c: return "f16c";
    case Feature::kAvxVnni: return "avx_vnni";
    case Feature::kAvx512f: return "avx512f";
    case Feature::kAvx512bw: return "avx512bw";
    case Feature::kAvx512dq: return "avx512dq";
    case Feature::kAvx512vl: return "avx512vl";
    case Feature::kAvx512Vnni: return "avx512_vnni";
    case Feature::kAvx512Vbmi: return "avx512_vbmi";
    case Feature::kGfni: return "gfni";
    case Feature::kAmxInt8: return "amx_int8";
  }
  return "?";
}

std::vector<std::string> FeatureSet::names() const {
  std::vector<std::string> names;
  for (const Feature each : kFeatures)
    if (contains(each)) names.emplace_back(feature_name(each));
  return names;
}

}  // namespace bitnetc
