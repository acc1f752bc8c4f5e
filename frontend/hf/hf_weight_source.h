// The weights of a Hugging Face folder: float tables and vectors as stored, projections as packed
// trits with a scale or as float masters that are quantised when they are loaded.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "frontend/hf/hf_config.h"
#include "frontend/safetensors/safetensors_model.h"
#include "frontend/weight_source.h"

namespace bitnetc {

class HfWeightSource final : public WeightSource {
 public:
  // Both outlive the source; what it returns keeps the files mapped.
  HfWeightSource(const HfConfig& config, const SafetensorsModel& tensors);

  Result<TernarySource> ternary(const std::string& name, int64_t n, int64_t k) override;
  Result<FloatTable> table(const std::string& name, int64_t rows, int64_t columns) override;
  Result<FloatVector> vector(const std::string& name, int64_t length) override;

  // Null when there is no such weight.
  const StoredTensor* find(const std::string& name) const;
  std::vector<std::string> unused() const;  // tensors that nobody asked for, sorted

 private:
  struct TypeRule;

  // As the file spells it: "model.norm" + ".weight".
  std::string tensor_name(const std::string& name, const char* ending) const;
  // The tensor, of a type that `rule` accepts and of that shape.
  Result<const StoredTensor*> pick(const std::string& tensor_name, const TypeRule& rule,
                                   const std::vector<int64_t>& shape);
  Result<TernarySource> packed(const std::string& name, int64_t n, int64_t k);
  Result<TernarySource> masters(const std::string& name, int64_t n, int64_t k);

  const HfConfig& config_;
  const SafetensorsModel& tensors_;
  bool has_prefix_ = true;  // "model.", which text encoders leave out
  std::set<std::string> used_;
};

}  // namespace bitnetc
