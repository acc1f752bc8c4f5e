#include "tools/engine/spelling.h"

#include <algorithm>

namespace bitnetc {

int edit_distance(std::string_view a, std::string_view b) {
  // Rows of the table of distances between prefixes: of a's length - 2, - 1 and itself.
  std::vector<int> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    before = last;
    last = row;
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int change = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::string nearest_word(std::string_view typed, const std::vector<std::string>& words) {
  constexpr size_t kLongest = 64;
  if (typed.size() > kLongest) return {};
  std::string nearest;
  int least = static_cast<int>((typed.size() + 2) / 3) + 1;
  for (const std::string& word : words) {
    const int distance = edit_distance(typed, word);
    if (distance < least) least = distance, nearest = word;
  }
  return nearest;
}

}  // namespace bitnetc
