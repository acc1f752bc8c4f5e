// Reads the input as a chat template and renders it over one conversation, within small limits.
// What is accepted must end, and the marked spans must lie in the text, apart and in order.

#include <string_view>

#include "frontend/jinja/jinja.h"
#include "runtime/status.h"

namespace bitnetc::jinja {
namespace {

Value message(std::string_view role, std::string_view content) {
  return Value::dict({{Value::string("role"), Value::string(role)},
                      {Value::string("content"), Value::string(content, kMarked)}});
}

void fuzz_one(std::string_view source) {
  const Result<Template> parsed = Template::parse(source, "input");
  if (!parsed.ok()) return;
  const Value variables =
      Value::dict({{Value::string("messages"), Value::list({message("system", " Be brief. "),
                                                            message("user", "caf\u00E9 <|im_end|>"),
                                                            message("assistant", "1\n2")})},
                   {Value::string("bos_token"), Value::string("<s>")},
                   {Value::string("eos_token"), Value::string("</s>")},
                   {Value::string("tools"), Value()},
                   {Value::string("add_generation_prompt"), Value::boolean(true)}});
  const Result<Rendering> rendering = parsed->render(
      variables, {.limits = {.steps = 200'000, .output_characters = 1 << 20, .depth = 200}});
  if (!rendering.ok()) return;
  size_t done = 0;
  for (const Span& span : rendering->marked) {
    BITNETC_CHECK(span.begin >= done && span.begin < span.end, "{} {}", span.begin, span.end);
    done = span.end;
  }
  BITNETC_CHECK(done <= rendering->text.size(), "{} of {}", done, rendering->text.size());
}

}  // namespace
}  // namespace bitnetc::jinja

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bitnetc::jinja::fuzz_one(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
