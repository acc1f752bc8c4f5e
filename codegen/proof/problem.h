// One call of any operation, made from its declaration: memory for every operand, random inputs,
// poisoned outputs, and the Args struct that points to them. The start-up proof, the conformance
// tests and the benches make the same call twice, once for the kernel and once for the reference,
// and compare bits.
//
// What random values cannot say (positions, row ranges, values that belong together) each operation
// adds in Operation<Spec>::prepare; its Operation<Spec>::cases lists the calls that find mistakes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/kernel_spec.h"
#include "codegen/operations/call_case.h"
#include "runtime/random.h"

namespace bitnetc::proof {

// Where operands live: the heap for proofs, between guard pages for tests.
class OperandMemory {
 public:
  virtual ~OperandMemory() = default;
  // Zero-filled, aligned to the element at least; valid as long as this object.
  virtual void* allocate(size_t bytes) = 0;
};
std::unique_ptr<OperandMemory> heap_memory();

// A call of the operation of Spec. Equal arguments make equal calls, whatever the memory.
template <typename Spec>
struct Problem {
  using Args = typename Operation<Spec>::Args;

  Problem(const Spec& spec, const CallCase& call_case, uint64_t seed, OperandMemory& memory)
      : buffers(Operation<Spec>::operands(spec)) {
    if constexpr (requires { Operation<Spec>::resolve(spec, call_case, buffers.operands()); })
      Operation<Spec>::resolve(spec, call_case, buffers.operands());
    Random random(seed);
    buffers.allocate(call_case, memory);
    buffers.fill(random, call_case.magnitude);
    buffers.point(&args);
    Operation<Spec>::prepare(spec, call_case, random, buffers, args);
  }

  OperandBuffers buffers;
  Args args{};
};

}  // namespace bitnetc::proof
