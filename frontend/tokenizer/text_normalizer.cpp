#include "frontend/tokenizer/text_normalizer.h"

namespace bitnetc {
namespace {

// A few steps that each double the text would exhaust the memory; no published tokenizer comes near
// this.
constexpr size_t kMaxGrowth = 64;
constexpr size_t kGrowthFreeBytes = 1 << 20;

struct Applier {
  std::string& text;

  Status operator()(const PrependStep& step) const {
    if (!text.empty()) text.insert(0, step.prefix);
    return {};
  }

  Status operator()(const ReplaceStep& step) const {
    TextSearch search(step.pattern);
    BITNETC_ASSIGN_OR_RETURN(text, replace_all(search, text, step.content));
    return {};
  }

  Status operator()(const StripStep& step) const {
    std::string_view rest = text;
    for (int32_t i = 0; i < step.start && rest.starts_with(step.content); ++i) {
      rest.remove_prefix(step.content.size());
    }
    for (int32_t i = 0; i < step.stop && rest.ends_with(step.content); ++i) {
      rest.remove_suffix(step.content.size());
    }
    text = std::string(rest);
    return {};
  }
};

}  // namespace

Result<std::string> TextNormalizer::apply(std::string text) const {
  const size_t max_bytes = kGrowthFreeBytes + kMaxGrowth * text.size();
  for (const Step& step : steps_) {
    BITNETC_RETURN_IF_ERROR(std::visit(Applier{text}, step));
    if (text.size() > max_bytes) {
      return make_error(StatusCode::kUnsupported,
                        "the normalizer grows a text beyond {} bytes ({} times its size)",
                        max_bytes, kMaxGrowth);
    }
  }
  return text;
}

}  // namespace bitnetc
