// A small model of a published family with outputs that an independent implementation recorded for
// it: tests/golden/data/families/NAME (README there).
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "compiler/graph.h"
#include "frontend/safetensors/safetensors_file.h"
#include "runtime/executable.h"
#include "runtime/target.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {

std::string reference_folder(const std::string& name);

// Compiles a folder and links it for `target`. Throws on an error.
std::shared_ptr<const Executable> compile_and_link(const std::string& folder, const Target& target);

// The model of a reference folder in the forms in which such models are published.
ModelFiles read_model_files(const std::string& folder);
// Packed projections (of which only those of gate and up may have a number of rows that is no
// multiple of 4) as fp32 masters whose absmean quantisation gives the same trits and scales.
// Zeros become a quarter of the mean magnitude.
void unpack_to_masters(ModelFiles& model);

// What the steps of one pass over all of `ids` wrote, padding included, by step and operand:
// "layers.0.input_layernorm.q" is i8 [ids][columns].
class StepRecord {
 public:
  StepRecord(std::shared_ptr<const Executable> executable, std::span<const int32_t> ids);

  // Columns [first, first + columns) of every row.
  std::vector<float> floats(const std::string& name, int64_t first, int64_t columns) const;
  std::vector<int8_t> codes(const std::string& name, int64_t columns) const;
  bool contains(const std::string& name) const { return values_.contains(name); }
  const std::vector<float>& logits() const { return logits_; }  // of every row

 private:
  struct Values {
    int64_t columns = 0;
    std::vector<float> floats;
    std::vector<int8_t> codes;
  };
  const Values& find(const std::string& name, int64_t columns) const;

  size_t rows_;
  std::map<std::string, Values> values_;
  std::vector<float> logits_;
};

}  // namespace bitnetc::test
