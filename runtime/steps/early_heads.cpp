#include "runtime/steps/early_heads.h"

#include <algorithm>

#include "runtime/rounding.h"

namespace bitnetc {
namespace {

Range tiles_over(int64_t begin, int64_t end) {
  return {begin / kTileRows, ceil_div(end, int64_t{kTileRows})};
}

int64_t common(Range a, Range b) {
  return std::max<int64_t>(std::min(a.end, b.end) - std::max(a.begin, b.begin), 0);
}

}  // namespace

std::array<Range, 3> EarlyHeads::tiles_of(int64_t kv_head) const {
  const Columns& c = columns_;
  const int64_t q_columns = c.q_heads / c.kv_heads * c.head_dim;
  const int64_t k = c.k_offset + kv_head * c.head_dim, v = c.v_offset + kv_head * c.head_dim;
  return {tiles_over(kv_head * q_columns, (kv_head + 1) * q_columns), tiles_over(k, k + c.head_dim),
          tiles_over(v, v + c.head_dim)};
}

void EarlyHeads::finish_tiles(const Pass& pass, Range tiles, int worker) const {
  for (int64_t head = 0; head < columns_.kv_heads; ++head) {
    int32_t finished = 0, all = 0;
    for (const Range each : tiles_of(head)) {
      finished += static_cast<int32_t>(common(tiles, each));
      all += static_cast<int32_t>(each.end - each.begin);
    }
    if (finished == 0) continue;
    std::atomic<int32_t>& count = pass.head_tiles[static_cast<size_t>(head)];
    if (count.fetch_add(finished, std::memory_order_acq_rel) + finished < all) continue;
    count.store(0, std::memory_order_relaxed);  // for the next layer, behind a barrier
    go_on(pass, head, worker);
  }
}

void EarlyHeads::go_on(const Pass& pass, int64_t kv_head, int worker) const {
  const int64_t q_per_kv = columns_.q_heads / columns_.kv_heads;
  rope_.run_heads(pass, 0, {kv_head * q_per_kv, (kv_head + 1) * q_per_kv}, {kv_head, kv_head + 1});
  if (attention_.is_early(pass)) attention_.run_head(pass, kv_head, worker);
}

}  // namespace bitnetc
