// The down projection of an FFN, for one token: only the neurons whose activation is not zero are
// read.
// Page: docs/operations/sparse_down.md
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/layout/neuron_rows.h"
#include "codegen/operations/call_case.h"
#include "codegen/operations/operation.h"

namespace bitnetc {

// n outputs, a multiple of kTileRows, of k neurons.
struct SparseDownSpec {
  int64_t n = 0, k = 0;
  bool residual = false;  // y = residual + the product
  auto operator<=>(const SparseDownSpec&) const = default;

  NeuronRows weights() const { return {.neurons = k, .width = n, .order = NeuronOrder::kTiles}; }
  int64_t tiles() const { return n / kTileRows; }
  int64_t chunks() const { return weights().padded_width() / kNeuronBlock; }
  int64_t padded_k() const;  // columns of x: k rounded up to kQuantPad
};

namespace reference {
void sparse_down(const SparseDownSpec& spec, const SparseDownArgs& args);
}

template <>
struct Operation<SparseDownSpec> {
  using Args = SparseDownArgs;
  static constexpr std::string_view kName = "sparsedown";
  static constexpr auto kReference = &reference::sparse_down;
  static std::vector<Operand> operands(const SparseDownSpec& spec);
  static Status validate(const SparseDownSpec& spec);
  static std::string name(const SparseDownSpec& spec);
  static SparseDownSpec parse(NameReader& reader);
  static Work work(const SparseDownSpec& spec, int64_t rows, int64_t positions);
  static std::vector<SparseDownSpec> samples();
  static std::vector<proof::CallCase> cases(const SparseDownSpec& spec);
  static void prepare(const SparseDownSpec& spec, const proof::CallCase& call_case, Random& random,
                      proof::OperandBuffers& buffers, Args& args);
};

}  // namespace bitnetc
