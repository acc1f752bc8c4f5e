#include "codegen/cuda/stored_gpu_code.h"

#include <cstring>

namespace bitnetc::cuda {
namespace {

// The two texts follow.
struct StoredHeader {
  uint32_t ptx_bytes;
  uint32_t cubin_bytes;
  GpuResources resources;
};
static_assert(sizeof(StoredHeader) == 24);

}  // namespace

std::vector<uint8_t> pack_code(const CompiledCode& code) {
  const StoredHeader header{.ptx_bytes = static_cast<uint32_t>(code.ptx.size()),
                            .cubin_bytes = static_cast<uint32_t>(code.cubin.size()),
                            .resources = code.resources};
  std::vector<uint8_t> packed(sizeof header);
  std::memcpy(packed.data(), &header, sizeof header);
  packed.insert(packed.end(), code.ptx.begin(), code.ptx.end());
  packed.insert(packed.end(), code.cubin.begin(), code.cubin.end());
  return packed;
}

Result<CompiledCode> unpack_code(std::span<const uint8_t> packed) {
  StoredHeader header = {};
  if (packed.size() >= sizeof header) std::memcpy(&header, packed.data(), sizeof header);
  if (header.ptx_bytes == 0 ||
      packed.size() != sizeof header + uint64_t{header.ptx_bytes} + header.cubin_bytes) {
    return make_error(StatusCode::kDataCorrupt,
                      "{} bytes of stored code say: {} of PTX and {} of machine code",
                      packed.size(), header.ptx_bytes, header.cubin_bytes);
  }
  const auto* const texts = reinterpret_cast<const char*>(packed.data() + sizeof header);
  return CompiledCode{.ptx = std::string(texts, header.ptx_bytes),
                      .cubin = std::string(texts + header.ptx_bytes, header.cubin_bytes),
                      .log = {},
                      .resources = header.resources};
}

}  // namespace bitnetc::cuda
