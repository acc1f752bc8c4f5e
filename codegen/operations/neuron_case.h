// What the calls of both skipping operations share: activations with a share of zeros, and codes
// that weights have.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "codegen/layout/neuron_rows.h"
#include "codegen/operations/call_case.h"
#include "runtime/random.h"

namespace bitnetc {

// Shares of neurons that are active, from none to all.
inline constexpr int64_t kActivePercents[] = {0, 3, 16, 50, 100};

// Error: kInvalidArgument naming the spec: n is no multiple of kTileRows, or the matrix is larger
// than what a kernel can address from its first byte.
Status check_neurons(const std::string& name, const NeuronRows& rows, int64_t n);

// Cases of every share of all units, and of the last ones, which the start-up proof makes: the
// reference is slow.
std::vector<proof::CallCase> neuron_cases(int64_t units);

// Turns random bytes into codes of weights.
void make_codes(std::span<uint8_t> packed);
// The pad of a row of codes becomes zero, and the sum is that of the rest.
void finish_row(std::span<int8_t> x, int64_t k, int32_t& sum);

}  // namespace bitnetc
