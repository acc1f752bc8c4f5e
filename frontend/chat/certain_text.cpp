#include "frontend/chat/certain_text.h"

#include <algorithm>

namespace bitnetc {

size_t certain_text(std::string_view text, std::string_view tag) {
  size_t end = text.size();
  for (size_t length = std::min(text.size(), tag.size() - 1); length > 0; --length)
    if (text.ends_with(tag.substr(0, length))) {
      end -= length;
      break;
    }
  const size_t last = text.substr(0, end).find_last_not_of(kSpaces);
  return last == text.npos ? 0 : last + 1;
}

}  // namespace bitnetc
