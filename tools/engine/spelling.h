// Which word a misspelt one was meant to be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bitnetc {

// Letters to insert, remove, replace or exchange with their neighbour to make one of the other.
int edit_distance(std::string_view a, std::string_view b);

// The nearest of `words`, if it is near: at most one letter in three is wrong. Else empty.
std::string nearest_word(std::string_view typed, const std::vector<std::string>& words);

}  // namespace bitnetc
