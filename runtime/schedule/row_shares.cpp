#include "runtime/schedule/row_shares.h"

#include <algorithm>

#include "runtime/status.h"

namespace bitnetc {

std::vector<int64_t> share_rows(std::span<const RowsWanted> wanted, const RowLimits& limits) {
  std::vector<int64_t> shares(wanted.size(), 0);
  int64_t left = limits.rows;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].of_prompt) continue;
    shares[i] = wanted[i].rows;
    left -= shares[i];
  }
  BITNETC_CHECK(left >= 0, "{} rows too many in a pass of {}", -left, limits.rows);
  left = std::min(left, limits.prompt_rows);
  const auto misses = [&](size_t i) {
    return wanted[i].of_prompt ? wanted[i].rows - shares[i] : 0;
  };
  for (;;) {
    int64_t hungry = 0;
    for (size_t i = 0; i < wanted.size(); ++i) hungry += misses(i) > 0 ? 1 : 0;
    if (hungry == 0 || left == 0) return shares;
    const int64_t share = std::max<int64_t>(1, left / hungry);
    for (size_t i = 0; i < wanted.size(); ++i) {
      const int64_t given = std::min({share, misses(i), left});
      shares[i] += given;
      left -= given;
    }
  }
}

}  // namespace bitnetc
