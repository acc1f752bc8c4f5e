// Text for a terminal: control characters made visible, lines cut to the width.
#pragma once

#include <string>
#include <string_view>

namespace bitnetc {

// `text` without anything a terminal would obey: control characters (newline and tab pass),
// bidirectional overrides and bytes that are not UTF-8 are shown as \x1b, \u202e, \xff.
std::string shown(std::string_view text);
// The same on one line: a newline is shown as \n, and the middle of a text of more than `most`
// bytes is left out, with its length.
std::string shown_on_a_line(std::string_view text, size_t most);

// Columns of the terminal behind `fd`: $COLUMNS, else what the terminal says, else 80.
int terminal_width(int fd);

// Breaks lines wider than `width` at blanks. The rest of a line is indented to its second field
// where the first is a short label ("cpu         AMD ..."), else a little more than the line
// itself. A word wider than the width stays whole.
std::string fit(std::string_view text, int width);

// Characters, not bytes.
int display_width(std::string_view text);

}  // namespace bitnetc
