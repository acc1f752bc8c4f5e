// The calls on which kernels of an operation are tried, and the memory of such a call's operands:
// what Operation<Spec>::cases and Operation<Spec>::prepare speak of (codegen/proof/problem.h).
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/operations/operation.h"

namespace bitnetc {

class Random;

namespace proof {

class OperandMemory;

// One call worth trying.
struct CallCase {
  std::string name;
  int64_t rows = 1;
  int64_t first = 0;      // the token's position, or the first row or block of a range
  int64_t positions = 0;  // that the caches have room for
  int64_t workers = 1;
  int64_t percent_active = 100;  // of the neurons, where an operation skips the others
  float magnitude = 2;           // f32 inputs are random in [-magnitude, magnitude)
  bool optional = true;          // whether operands that may be null are there
  bool some_heads = false;       // of a row, where a call may do a part of them
  // Whether the start-up proof makes this call too: at least one case of each spec.
  bool at_start = true;
};

// Memory for every operand of one call.
class OperandBuffers {
 public:
  static constexpr size_t kRandomEnd = 1 << 16;  // elements: rows of the widest models

  explicit OperandBuffers(std::vector<Operand> operands) : operands_(std::move(operands)) {}

  // Extents that the spec does not know are to be set before allocate().
  std::vector<Operand>& operands() { return operands_; }
  const std::vector<Operand>& operands() const { return operands_; }
  void allocate(const CallCase& call_case, OperandMemory& memory);
  // Random inputs, weights and caches; outputs and scratch hold a pattern that no kernel writes. Of
  // a large weight only kRandomEnd elements at either end are random and the rest is zero: a proof
  // is to take no time.
  void fill(Random& random, float magnitude);
  // Stores the addresses in the Args struct of the operation.
  void point(void* args) const;

  template <typename T>
  std::span<T> get(std::string_view name) {
    const std::span<std::byte> bytes = find(name);
    return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
  // The addresses of the pages of `page_bytes` that the operand `name` consists of; they live as
  // long as this object.
  const void* const* pages(std::string_view name, int64_t page_bytes);

  // Of the operand at `index` of operands(): its memory, none where it is null, and the length of
  // the pages that a kernel gets the addresses of, 0 where it gets that of the operand.
  std::span<std::byte> bytes(size_t index) { return memory_[index]; }
  std::span<const std::byte> bytes(size_t index) const { return memory_[index]; }
  int64_t page_bytes(size_t index) const { return index == paged_ ? page_bytes_ : 0; }

  // Compares what a kernel may write, outputs, in-place operands and caches, bit by bit. Empty, or
  // what differs first: "q: element 3 is 4, the reference says 5".
  std::string first_difference(const OperandBuffers& expected) const;

 private:
  size_t index_of(std::string_view name) const;
  std::span<std::byte> find(std::string_view name) { return memory_[index_of(name)]; }

  std::vector<Operand> operands_;
  std::vector<std::span<std::byte>> memory_;  // of each operand; no bytes: the operand is null
  std::vector<const void*> pages_;
  size_t paged_ = SIZE_MAX;  // the operand that pages_ is of
  int64_t page_bytes_ = 0;
};

}  // namespace proof
}  // namespace bitnetc
