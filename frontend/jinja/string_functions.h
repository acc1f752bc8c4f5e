// Python's string functions, over texts whose characters keep their marks.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "frontend/jinja/text.h"

namespace bitnetc::jinja {

Text upper(TextView text);
Text lower(TextView text);
Text swap_case(TextView text);
Text case_fold(TextView text);
Text capitalize(TextView text);    // the first character as a title, the rest lower
Text title(TextView text);         // str.title(): every run of cased characters
Text title_filter(TextView text);  // |title: every word, as Jinja cuts them

enum class Side { kLeft, kRight, kBoth };
// `characters`: the set to strip; nullopt: white space.
TextView strip(TextView text, Side side, const std::optional<Text>& characters);

// At white space (no separator) or at every occurrence of the separator; at most `most` cuts, from
// the left or from the right.
std::vector<Text> split(TextView text, const std::optional<Text>& separator, int64_t most,
                        bool from_right);
std::vector<Text> split_lines(TextView text, bool keep_ends);
Text replace(TextView text, TextView old_text, TextView new_text, size_t most);

// To `width` characters, the fill on the side that is named or on both.
Text pad(TextView text, int64_t width, char32_t fill, Side filled);
Text zero_fill(TextView text, int64_t width);
Text expand_tabs(TextView text, int64_t tab_size);
Text indent(TextView text, TextView indention, bool first, bool blank);

Text escape_html(TextView text);
Text strip_tags(TextView text);
Text url_quote(TextView text);
int64_t count_words(TextView text);

// A property that every character has and that is false for the empty text.
bool all_of(TextView text, bool (*property)(char32_t));
bool is_upper_text(TextView text);
bool is_lower_text(TextView text);
bool is_title_text(TextView text);

}  // namespace bitnetc::jinja
