// What an operation declares once, and what everything else derives from: argument checks at link,
// the start-up proof, conformance tests and benches, taps, memory plans.
//
// An operation is a spec (the numbers that are baked into a kernel), an Args struct
// (runtime/kernel_args.h) and a specialisation of Operation below, in one pair of files of this
// folder; codegen/kernel_spec.h lists them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/element_type.h"
#include "runtime/kernel_args.h"
#include "runtime/status.h"

namespace bitnetc {

enum class Role {
  kInput,    // read; rows of the batch or a table of the call
  kOutput,   // written
  kInOut,    // read and written in place
  kWeight,   // read; a section of the compiled model
  kCache,    // keys or values of a sequence
  kScratch,  // contents do not outlive the step
};

// An extent that the spec does not know: rows of the model's vocabulary, or the table that a LUT
// kernel wants.
inline constexpr int64_t kUnknownExtent = -1;

// Widths that samples() tries: around the lengths of vectors and of lanes64, and those of models.
inline constexpr int64_t kSampleWidths[] = {1,   2,   7,   15,  16,   17,   31,  32,
                                            33,  63,  64,  65,  100,  127,  128, 129,
                                            255, 256, 257, 640, 1537, 2560, 6912};

// One pointer of an Args struct. Extents are in elements and add up:
//   fixed + rows * per_row + positions * per_position, once per worker where per_worker is set.
struct Operand {
  std::string_view name;  // the field of the Args struct
  Role role = Role::kInput;
  ElementType type = ElementType::kF32;
  int64_t per_row = 0;
  int64_t fixed = 0;        // or kUnknownExtent
  bool per_worker = false;  // every thread has its own
  int64_t per_position = 0;
  size_t args_offset = 0;
  bool optional = false;  // may be null
};

// What one call costs: the least it must read, and its multiply-accumulates.
struct Work {
  int64_t bytes_read = 0;
  int64_t macs = 0;
};

class NameReader;

// Specialised once per operation:
//   using Args                      its argument struct
//   constexpr std::string_view kName        first part of its spec names: "matmul"
//   constexpr auto kReference       the specification (docs/numerics.md), executable:
//                                   void(const Spec&, const Args&)
//   std::vector<Operand> operands(const Spec&)      the pointers of Args
//   Status validate(const Spec&)    refuses numbers that no kernel of the operation can have
//   std::string name(const Spec&)   "matmul_i8_i2s_f32_n3840_k2560_m1_scale"
//   Spec parse(NameReader&)         reads the rest of that name, after kName
//   Work work(const Spec&, int64_t rows, int64_t positions)
// and, for proofs, conformance tests and benches (codegen/proof/problem.h):
//   std::vector<Spec> samples()     specs that find mistakes: ragged, aligned, of models
//   std::vector<CallCase> cases(const Spec&)        calls that do
//   void resolve(const Spec&, const CallCase&, std::vector<Operand>&)
//                                   sets unknown extents; only where there are any
//   void prepare(const Spec&, const CallCase&, Random&, OperandBuffers&, Args&)
//                                   sets the numbers of Args and the values that random ones do not
//                                   make
template <typename Spec>
struct Operation;

// Elements of an operand for a batch of `rows` whose sequences hold `positions`; an unknown extent
// counts 0.
constexpr int64_t elements(const Operand& operand, int64_t rows, int64_t positions = 0) {
  const int64_t fixed = operand.fixed == kUnknownExtent ? 0 : operand.fixed;
  return fixed + rows * operand.per_row + positions * operand.per_position;
}

// Bytes that a call reads: its inputs, weights and cache, each once; what is optional does not
// count.
int64_t bytes_read(const std::vector<Operand>& operands, int64_t rows, int64_t positions = 0);

}  // namespace bitnetc
