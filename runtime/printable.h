// Text from outside (a file's content, a path) as it may stand in a message: valid UTF-8 without
// control characters, so that it can neither steer a terminal nor break a JSON document. Pure
// functions: any thread may call them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bitnetc {

// Control characters (C0, DEL and C1) and bytes that are not valid UTF-8 become "\x1b"; text of
// more than `max_bytes` is cut at a character and ends with "...". Applied twice it changes nothing
// more.
std::string printable(std::string_view text, size_t max_bytes = 500);

// The same for a path, which is never cut.
std::string printable_path(std::string_view path);

}  // namespace bitnetc
