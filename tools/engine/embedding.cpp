#include "tools/engine/embedding.h"

#include <cmath>

namespace bitnetc {

Result<std::vector<float>> embed_tokens(Session& session, std::span<const int32_t> ids,
                                        Pooling pooling, const CancelToken* cancel) {
  BITNETC_CHECK(!ids.empty(), "a text without tokens");
  const auto last = static_cast<int64_t>(ids.size()) - 1;
  std::vector<double> sums;
  session.reset();
  BITNETC_RETURN_IF_ERROR(session.append_all_logits(
      ids,
      [&](int64_t position, std::span<const float> row) {
        const bool counts = pooling == Pooling::kMean ||
                            position == (pooling == Pooling::kLast ? last : int64_t{0});
        if (!counts) return;
        sums.resize(row.size());
        for (size_t i = 0; i < row.size(); ++i) sums[i] += double{row[i]};
      },
      cancel));
  double squares = 0;
  for (const double sum : sums) squares += sum * sum;
  const double length = squares > 0 ? std::sqrt(squares) : 1;
  std::vector<float> vector;
  vector.reserve(sums.size());
  for (const double sum : sums) vector.push_back(static_cast<float>(sum / length));
  return vector;
}

double cosine_similarity(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

}  // namespace bitnetc
