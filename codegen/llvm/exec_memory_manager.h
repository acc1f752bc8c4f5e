// Where JITLink puts a kernel: into one block of runtime/exec_memory.h, written through its `rw`
// address and linked for its `rx` address. So ORC code obeys the same W^X rule as every other
// back-end: no page is ever writable and executable at one address, and none changes from one to
// the other.
#pragma once

#include <llvm/ExecutionEngine/JITLink/JITLinkMemoryManager.h>

#include <cstdint>
#include <span>

namespace bitnetc {

class ExecMemoryManager final : public llvm::jitlink::JITLinkMemoryManager {
 public:
  void allocate(const llvm::jitlink::JITLinkDylib* dylib, llvm::jitlink::LinkGraph& graph,
                OnAllocatedFunction on_allocated) override;
  void deallocate(std::vector<FinalizedAlloc> allocations,
                  OnDeallocatedFunction on_deallocated) override;

  // What was allocated last. The caller keeps builds apart.
  struct Block {
    std::span<const uint8_t> bytes;         // all of it: instructions and constants
    std::span<const uint8_t> instructions;  // without constants
    bool position_independent = false;  // runs wherever its bytes are copied to, 64-byte aligned
  };
  const Block& latest() const { return latest_; }

 private:
  Block latest_;
};

}  // namespace bitnetc
