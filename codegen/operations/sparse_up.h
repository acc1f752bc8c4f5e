// The up projection of a gated FFN with squared ReLU, for one token: only the neurons whose gate is
// positive are computed.
// Page: docs/operations/sparse_up.md
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

// n neurons, a multiple of kTileRows, of k inputs.
struct SparseUpSpec {
  int64_t n = 0, k = 0;
  auto operator<=>(const SparseUpSpec&) const = default;

  NeuronRows weights() const { return {.neurons = n, .width = k, .order = NeuronOrder::kPlanes}; }
  int64_t tiles() const { return n / kTileRows; }
  int64_t padded_k() const;  // columns of x: k rounded up to kQuantPad
};

namespace reference {
void sparse_up(const SparseUpSpec& spec, const SparseUpArgs& args);
}

template <>
struct Operation<SparseUpSpec> {
  using Args = SparseUpArgs;
  static constexpr std::string_view kName = "sparseup";
  static constexpr auto kReference = &reference::sparse_up;
  static std::vector<Operand> operands(const SparseUpSpec& spec);
  static Status validate(const SparseUpSpec& spec);
  static std::string name(const SparseUpSpec& spec);
  static SparseUpSpec parse(NameReader& reader);
  static Work work(const SparseUpSpec& spec, int64_t rows, int64_t positions);
  static std::vector<SparseUpSpec> samples();
  static std::vector<proof::CallCase> cases(const SparseUpSpec& spec);
  static void prepare(const SparseUpSpec& spec, const proof::CallCase& call_case, Random& random,
                      proof::OperandBuffers& buffers, Args& args);
};

}  // namespace bitnetc
