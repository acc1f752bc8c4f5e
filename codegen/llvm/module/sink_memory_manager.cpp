#include "codegen/llvm/module/sink_memory_manager.h"

#include <llvm/ExecutionEngine/JITLink/JITLink.h>
#include <llvm/ExecutionEngine/JITLink/x86_64.h>

#include "runtime/rounding.h"

namespace bitnetc {
namespace {

LLVM_ENABLE_BITMASK_ENUMS_IN_NAMESPACE();
using llvm::orc::ExecutorAddr;
using llvm::orc::MemProt;

llvm::Error refuse(const Status& status) {
  const std::errc code = status.code() == StatusCode::kOutOfMemory ? std::errc::not_enough_memory
                                                                   : std::errc::not_supported;
  return llvm::createStringError(std::make_error_code(code), status.message());
}

// A block between allocation and the end of relocation. One that is abandoned stays with its owner,
// who hears that the link failed.
class Allocation final : public llvm::jitlink::JITLinkMemoryManager::InFlightAlloc {
 public:
  Allocation(const LlvmCodeSink& sink, const uint8_t* block) : sink_(sink), block_(block) {}

  void abandon(OnAbandonedFunction on_abandoned) override { on_abandoned(llvm::Error::success()); }
  void finalize(OnFinalizedFunction on_finalized) override {
    sink_.publish(sink_.owner);
    on_finalized(
        llvm::jitlink::JITLinkMemoryManager::FinalizedAlloc(ExecutorAddr::fromPtr(block_)));
  }

 private:
  const LlvmCodeSink& sink_;
  const uint8_t* const block_;
};

bool holds_instructions(const llvm::orc::AllocGroup& group) {
  return (group.getMemProt() & MemProt::Exec) != MemProt::None;
}

// Whether nothing in `graph` depends on where it is placed: all references are distances within it.
// Elsewhere than on x86-64 nothing is said to be: AArch64 reaches constants by pages, which copying
// to another place breaks.
bool has_distances_only(llvm::jitlink::LinkGraph& graph) {
  using namespace llvm::jitlink;
  if (graph.getTargetTriple().getArch() != llvm::Triple::x86_64) return false;
  for (const Block* block : graph.blocks()) {
    for (const Edge& edge : block->edges()) {
      const Edge::Kind kind = edge.getKind();
      const bool is_distance = kind == x86_64::Delta32 || kind == x86_64::Delta64 ||
                               kind == x86_64::PCRel32 || kind == x86_64::BranchPCRel32;
      if (edge.isRelocation() && !(is_distance && edge.getTarget().isDefined())) return false;
    }
  }
  return true;
}

// Gives every segment its place behind the one before it.
//   Error  a segment that the code would write to (kernels keep no state), or one aligned beyond a
//          block
llvm::Expected<size_t> place_segments(llvm::jitlink::BasicLayout& layout) {
  size_t size_bytes = 0;
  for (auto& [group, segment] : layout.segments()) {
    if ((group.getMemProt() & MemProt::Write) != MemProt::None) {
      return llvm::createStringError(std::make_error_code(std::errc::not_supported),
                                     "the object has a writable section; kernels keep no state");
    }
    if (segment.Alignment.value() > ExecMemory::kPaddingBytes) {
      return llvm::createStringError(
          std::make_error_code(std::errc::not_supported),
          "the object has a section aligned to %zu bytes, expected <= %zu",
          size_t{segment.Alignment.value()}, ExecMemory::kPaddingBytes);
    }
    size_bytes = round_up(size_bytes, segment.Alignment.value());
    segment.Addr = ExecutorAddr(size_bytes);
    size_bytes += segment.ContentSize + segment.ZeroFillSize;
  }
  return size_bytes;
}

}  // namespace

void SinkMemoryManager::begin(const LlvmCodeSink& sink) {
  sink_ = sink;
  block_ = instructions_ = {};
  position_independent_ = false;
}

void SinkMemoryManager::describe(ExecutorAddr entry, LlvmResult& result) const {
  result.block_bytes = block_.size();
  result.entry = static_cast<size_t>(entry.toPtr<const uint8_t*>() - block_.data());
  result.instructions = static_cast<size_t>(instructions_.data() - block_.data());
  result.instruction_bytes = instructions_.size();
  result.position_independent = position_independent_;
}

void SinkMemoryManager::allocate(const llvm::jitlink::JITLinkDylib*,
                                 llvm::jitlink::LinkGraph& graph,
                                 OnAllocatedFunction on_allocated) {
  llvm::jitlink::BasicLayout layout(graph);
  llvm::Expected<size_t> size_bytes = place_segments(layout);
  if (!size_bytes) return on_allocated(size_bytes.takeError());

  CodeSpan block;
  const Status allocated = sink_.allocate(sink_.owner, *size_bytes, block);
  if (!allocated.ok()) return on_allocated(refuse(allocated));
  block_ = {block.rx, *size_bytes};
  position_independent_ = has_distances_only(graph);
  for (auto& [group, segment] : layout.segments()) {
    const uint64_t offset = segment.Addr.getValue();
    segment.WorkingMem = reinterpret_cast<char*>(block.rw + offset);
    segment.Addr = ExecutorAddr::fromPtr(block.rx + offset);
    if (holds_instructions(group)) instructions_ = {block.rx + offset, segment.ContentSize};
  }
  if (llvm::Error error = layout.apply()) return on_allocated(std::move(error));
  on_allocated(std::make_unique<Allocation>(sink_, block.rx));
}

// The code outlives what is forgotten here.
void SinkMemoryManager::deallocate(std::vector<FinalizedAlloc> allocations,
                                   OnDeallocatedFunction on_deallocated) {
  for (FinalizedAlloc& allocation : allocations) allocation.release();
  on_deallocated(llvm::Error::success());
}

}  // namespace bitnetc
