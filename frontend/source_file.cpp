#include "frontend/source_file.h"

#include <xxhash.h>

#include <algorithm>
#include <filesystem>

#include "runtime/status.h"

namespace bitnetc {
namespace {

struct FreeHashState {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

}  // namespace

SourceFile describe_source(const MappedFile& file) {
  constexpr size_t kPartBytes = size_t{16} << 20;
  const std::unique_ptr<XXH3_state_t, FreeHashState> state(XXH3_createState());
  BITNETC_CHECK(state != nullptr, "no memory for a hash state");
  XXH3_128bits_reset(state.get());
  for (auto rest = file.bytes(); !rest.empty();) {
    const auto part = rest.first(std::min(kPartBytes, rest.size()));
    XXH3_128bits_update(state.get(), part.data(), part.size());
    file.forget(part);
    rest = rest.subspan(part.size());
  }
  const XXH128_hash_t digest = XXH3_128bits_digest(state.get());
  return {.name = std::filesystem::path(file.path()).filename().string(),
          .size_bytes = file.bytes().size(),
          .xxh3 = fmt::format("{:016x}{:016x}", digest.high64, digest.low64)};
}

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

}  // namespace bitnetc
