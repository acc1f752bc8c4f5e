// Executable memory, W^X: every block is one memfd mapped twice, written through `rw`, run through
// `rx`. No page is ever writable and executable at the same address. A block lives until its last
// owner lets go. Thread-safe: allocate() makes independent blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "runtime/status.h"

namespace bitnetc {

// The two addresses of the same bytes, both at a multiple of kPaddingBytes. `rw` is dropped
// (unmapped) by ExecMemory::publish.
struct CodeSpan {
  uint8_t* rw = nullptr;
  const uint8_t* rx = nullptr;
  size_t size_bytes = 0;
};

class ExecMemory {
 public:
  // Trap instructions in front of the first byte of code: clang's function sanitizer reads a few
  // bytes before the callee of an indirect call, which must not fall off the mapping.
  static constexpr size_t kPaddingBytes = 64;

  // Reserves at least `size_bytes` of code space, filled with trap instructions.
  // Error: kOutOfMemory / kUnsupported with the system's reason when executable memory is refused
  // (SELinux execmem, vm.memfd_noexec, PR_SET_MDWE).
  static Result<std::unique_ptr<ExecMemory>> allocate(size_t size_bytes);
  ~ExecMemory();
  ExecMemory(const ExecMemory&) = delete;
  ExecMemory& operator=(const ExecMemory&) = delete;

  const CodeSpan& span() const { return span_; }
  // Ends writing: unmaps the writable view, so no mapping can change the code any more. The code
  // may be called from now on.
  void publish();

 private:
  ExecMemory() = default;
  void unmap_rw();
  CodeSpan span_;
};

// Copies finished machine code into a fresh block and publishes it.
Result<std::shared_ptr<const ExecMemory>> publish_code(std::span<const uint8_t> code);

// Whether executable memory is to be had at all; the failure says why not. Tried once, remembered.
Status exec_memory_available();

}  // namespace bitnetc
