// What of a text that is still written may go out before a tag.
#pragma once

#include <cstddef>
#include <string_view>

namespace bitnetc {

inline constexpr std::string_view kSpaces = " \t\r\n";

// How much of `text` is certainly not the beginning of `tag`, nor white space before one.
size_t certain_text(std::string_view text, std::string_view tag);

}  // namespace bitnetc
