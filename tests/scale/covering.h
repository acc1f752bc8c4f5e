// Choosing runs where the product of all settings is too much: every level of every factor meets
// every level of every other factor in at least one run.
#pragma once

#include <span>
#include <vector>

namespace bitnetc::test {

// levels[f]: how many levels factor f has, each at least 1. A row holds one level of each factor,
// counted from 0. The same levels give the same rows. Meant for few factors: it looks at the whole
// product for every row.
std::vector<std::vector<int>> covering_rows(std::span<const int> levels);

}  // namespace bitnetc::test
