// Where JITLink puts a kernel: into one block of runtime/exec_memory.h, written through its `rw` address
// and linked for its `rx` address. So ORC code obeys the same W^X rule as every other back-end: no page is
// ever writable and executable at one address, and none changes from one to the other.
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

  // The instructions (without constants) of the block allocated last. The caller keeps builds apart.
  std::span<const uint8_t> latest_code() const { return latest_code_; }

 private:
  std::span<const uint8_t> latest_code_;
};

}  // namespace bitnetc
