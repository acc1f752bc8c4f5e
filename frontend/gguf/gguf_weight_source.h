// The weights of a GGUF model under the names that families ask for. Rows that the architecture
// reorders are put back, so that a family sees the model as its checkpoint had it.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "frontend/gguf/gguf_architecture.h"
#include "frontend/gguf/gguf_model.h"
#include "frontend/gguf/tensor_types/tensor_type.h"
#include "frontend/weight_source.h"

namespace bitnetc {

// Undoes the reordering of q and k in files of architecture "llama": there row 2i + h of a head is
// what was row h * head_dim/2 + i, h = 0 or 1. matrix.n is a multiple of heads, and n / heads is
// even.
void restore_rotated_rows(TernaryMatrix* matrix, int64_t heads);
// The inverse, for files that are written.
void rotate_rows(TernaryMatrix* matrix, int64_t heads);

class GgufWeightSource final : public WeightSource {
 public:
  // Both outlive the source; what it returns keeps the files mapped.
  GgufWeightSource(const GgufModel& model, const GgufArchitecture& architecture,
                   const ModelConfig& config)
      : model_(model), architecture_(architecture), config_(config) {}

  Result<TernarySource> ternary(const std::string& name, int64_t n, int64_t k) override;
  Result<FloatTable> table(const std::string& name, int64_t rows, int64_t columns) override;
  Result<FloatVector> vector(const std::string& name, int64_t length) override;

  std::vector<std::string> unused() const;  // tensors that nobody asked for, sorted
  // A table that is kept in another type than the file's, one line for each.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  // The tensor of that weight, of those extents (contiguous first).
  Result<gguf::TypedTensor> pick(const std::string& weight, const std::vector<int64_t>& extents);
  // Nothing without one.
  Result<std::optional<float>> scale_tensor(const std::string& file_name);
  int64_t rotated_heads(const std::string& weight) const;  // 0: the rows are in order

  const GgufModel& model_;
  const GgufArchitecture& architecture_;
  const ModelConfig& config_;
  std::set<std::string, std::less<>> used_ = {kGgufRopeFactors};  // it goes with the metadata
  std::vector<std::string> notes_;
};

}  // namespace bitnetc
