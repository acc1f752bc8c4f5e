// config.json of a Hugging Face folder, read strictly: a key that would change the computation and
// that is not implemented is an error; a key that cannot change it is reported as ignored.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/graph.h"
#include "frontend/families/family.h"
#include "frontend/load.h"
#include "runtime/status.h"

namespace bitnetc {

// What the seven projections of a layer look like in the file.
enum class WeightStorage {
  kPacked,   // U8, four trits a byte, with a weight_scale
  kMasters,  // float, to be quantised when read
};

// What a stored weight_scale means.
enum class ScaleRule {
  kMultiply,  // linear_class autobitlinear: the factor itself
  kDivide,    // linear_class bitlinear: its reciprocal
};

// What the scale of a matrix of masters is: their mean magnitude m.
enum class MasterScale {
  kF32,   // m in fp32
  kBf16,  // bf16(m)
};

struct HfConfig {
  ModelConfig model;
  WeightStorage storage = WeightStorage::kMasters;
  ScaleRule scale_rule = ScaleRule::kMultiply;
  MasterScale master_scale = MasterScale::kF32;
  bool tied_head = false;
  bool norms_less_one = false;   // ModelFacts::norms_less_one
  std::vector<int32_t> bos_ids;  // at most one
  std::vector<int32_t> stop_ids;
};

// Error: kDataCorrupt (not JSON, missing, wrong type, contradiction) or kUnsupported, naming key
// and value. `origin`, printable, opens every message ("model/config.json").
Result<HfConfig> read_hf_config(std::string_view json, const std::string& origin,
                                LoadReport* report);

// generation_config.json, over what config.json says: its bos id wins, stop ids are joined.
Result<GenerationDefaults> read_generation_config(std::string_view json, const std::string& origin,
                                                  const HfConfig& config, LoadReport* report);
// What config.json alone says, for folders without a generation_config.json.
GenerationDefaults generation_defaults(const HfConfig& config);

}  // namespace bitnetc
