// Any bytes as a .gguf file. What the reader accepts becomes a model as far as it is one, every
// matrix included.
#include <cstddef>
#include <cstdint>

#include "frontend/gguf/gguf_load.h"
#include "runtime/status.h"

namespace {

using namespace bitnetc;

Status load_all(const GgufModel& model) {
  BITNETC_ASSIGN_OR_RETURN(const LoadedModel loaded, load_gguf(model));
  for (const TernarySource& source : loaded.graph.ternary) {
    BITNETC_ASSIGN_OR_RETURN(const TernaryMatrix matrix, source.load());
    const Status valid = validate(matrix, source.label());
    BITNETC_CHECK(valid.ok(), "{}", valid.message());
  }
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto file = GgufFile::parse({data, size}, "fuzz");
  if (!file.ok()) {
    BITNETC_CHECK(!file.status().message().empty(), "a failure without a message");
    return 0;
  }
  size_t room = 0;
  for (const GgufTensor& tensor : file->tensors()) room += tensor.room.size();
  BITNETC_CHECK(room <= size, "tensors of {} bytes in {}", room, size);
  for (const auto& [key, value] : file->metadata())
    BITNETC_CHECK(!describe(value).empty(), "{} is nothing", key);
  const auto model = GgufModel::from_file(*std::move(file));
  if (!model.ok()) return 0;
  const Status status = load_all(*model);
  BITNETC_CHECK(status.ok() || !status.message().empty(), "a failure without a message");
  return 0;
}
