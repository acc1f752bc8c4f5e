// Reads the input as a tokenizer.json or a tokenizer.model. What is accepted must encode and decode
// without crashing, and a stream must give the text of the whole decode.

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/tokenizer.h"
#include "runtime/status.h"

namespace bitnetc {
namespace {

constexpr std::string_view kText =
    "Hello, hell!  it's\t12345 caf\xC3\xA9\r\n\n <s>ab a</s> \xF0\x9F\x98\x80\xE3\x80\x80_x";

void fuzz_one(std::string_view bytes) {
  const auto tokenizer = Tokenizer::from_file(bytes, "input");
  if (!tokenizer.ok()) return;
  const auto encoded = (*tokenizer)->encode(kText);
  std::vector<int32_t> ids = encoded.ok() ? *encoded : std::vector<int32_t>();
  for (int32_t id = 0; id < std::min((*tokenizer)->vocab_size(), 64); ++id) {
    if ((*tokenizer)->token_text(id)) ids.push_back(id);
  }
  const auto decoded = (*tokenizer)->decode(ids);
  BITNETC_CHECK(decoded.ok(), "{}", decoded.status().message());
  StreamDecoder stream(**tokenizer);
  std::string streamed;
  for (const int32_t id : ids) streamed += stream.push(id);
  streamed += stream.finish();
  BITNETC_CHECK(streamed == *decoded, "stream \"{}\", whole \"{}\"", streamed, *decoded);
}

}  // namespace
}  // namespace bitnetc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bitnetc::fuzz_one(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
