#include "codegen/llvm/stored_code.h"

#include <cstring>

namespace bitnetc {
namespace {

// Offsets into the block, which follows.
struct Header {
  uint32_t block_bytes;
  uint32_t entry;
  uint32_t instructions;
  uint32_t instruction_bytes;
};
static_assert(sizeof(Header) == 16);

}  // namespace

LlvmCode code_in(std::shared_ptr<const ExecMemory> memory, const CodeOffsets& offsets) {
  const uint8_t* const block = memory->span().rx;
  return {
      .memory = std::move(memory),
      .entry = reinterpret_cast<Kernel::Entry>(reinterpret_cast<uintptr_t>(block + offsets.entry)),
      .block = {block, offsets.block_bytes},
      .instructions = {block + offsets.instructions, offsets.instruction_bytes}};
}

std::vector<uint8_t> pack_code(const LlvmCode& code) {
  BITNETC_CHECK(code.position_independent, "this code cannot be moved");
  const auto offset = [&](const uint8_t* address) {
    return static_cast<uint32_t>(address - code.block.data());
  };
  const auto* const entry =
      reinterpret_cast<const uint8_t*>(reinterpret_cast<uintptr_t>(code.entry));
  const Header header{.block_bytes = static_cast<uint32_t>(code.block.size()),
                      .entry = offset(entry),
                      .instructions = offset(code.instructions.data()),
                      .instruction_bytes = static_cast<uint32_t>(code.instructions.size())};
  std::vector<uint8_t> packed(sizeof header + code.block.size());
  std::memcpy(packed.data(), &header, sizeof header);
  std::memcpy(packed.data() + sizeof header, code.block.data(), code.block.size());
  return packed;
}

Result<LlvmCode> load_code(std::span<const uint8_t> packed) {
  Header header = {};
  if (packed.size() >= sizeof header) std::memcpy(&header, packed.data(), sizeof header);
  const uint64_t end = uint64_t{header.instructions} + header.instruction_bytes;
  if (packed.size() != sizeof header + uint64_t{header.block_bytes} || end > header.block_bytes ||
      header.entry < header.instructions || header.entry >= end) {
    return make_error(StatusCode::kDataCorrupt,
                      "{} bytes of stored code say: block of {}, instructions {} to {}, entry {}",
                      packed.size(), header.block_bytes, header.instructions, end, header.entry);
  }
  BITNETC_ASSIGN_OR_RETURN(auto memory, publish_code(packed.subspan(sizeof header)));
  LlvmCode code = code_in(std::move(memory), {.block_bytes = header.block_bytes,
                                              .entry = header.entry,
                                              .instructions = header.instructions,
                                              .instruction_bytes = header.instruction_bytes});
  code.position_independent = true;
  return code;
}

}  // namespace bitnetc
