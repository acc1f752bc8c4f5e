// Reads the input as an answer that may begin with thoughts, cut at places that the input chooses:
// the parts must be those of the answer read at once, and hold no more than the text has.
#include <algorithm>

#include "frontend/think_text.h"
#include "runtime/status.h"

namespace bitnetc {
namespace {

ThinkSplit read(ThinkPlace place, std::string_view text, std::string_view cuts) {
  ThinkReader reader(place);
  ThinkSplit whole;
  const auto add = [&](const ThinkSplit& more) {
    BITNETC_CHECK(whole.answer.empty() || more.thought.empty(), "a thought behind the answer");
    whole.thought += more.thought;
    whole.answer += more.answer;
  };
  for (size_t i = 0; !text.empty(); ++i) {
    const size_t size =
        cuts.empty()
            ? text.size()
            : std::min<size_t>(text.size(), static_cast<uint8_t>(cuts[i % cuts.size()]) % 16 + 1);
    add(reader.push(text.substr(0, size)));
    text.remove_prefix(size);
  }
  add(reader.finish());
  return whole;
}

void check(std::string_view input) {
  if (input.size() < 4) return;
  constexpr ThinkPlace kPlaces[] = {ThinkPlace::kNone, ThinkPlace::kMayBegin, ThinkPlace::kInside,
                                    ThinkPlace::kGoesOn};
  const ThinkPlace place = kPlaces[static_cast<uint8_t>(input[0]) % std::size(kPlaces)];
  const std::string_view cuts = input.substr(1, 3), text = input.substr(4);
  const ThinkSplit whole = read(place, text, {});
  BITNETC_CHECK(whole == read(place, text, cuts), "cuts change what is read");
  BITNETC_CHECK(text.ends_with(whole.answer), "the answer is no end of the text");
  BITNETC_CHECK(text.find(whole.thought) != text.npos, "the thought is no part of the text");
  BITNETC_CHECK(whole.thought.find(kThinkEndTag) == whole.thought.npos, "a tag in the thought");
}

}  // namespace
}  // namespace bitnetc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bitnetc::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
