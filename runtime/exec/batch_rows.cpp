#include "runtime/exec/batch_rows.h"

#include <algorithm>
#include <cmath>

#include "runtime/kernel_args.h"
#include "runtime/rounding.h"

namespace bitnetc {
namespace {

Status check_need(const LogitsNeed& need, size_t index, int64_t vocab_size) {
  if (need.kind == LogitsNeed::Kind::kTop && need.k < 1)
    return make_error(StatusCode::kInvalidArgument, "row {} needs {} logits, expected at least 1",
                      index, need.k);
  if (need.kind == LogitsNeed::Kind::kWithin && !(need.margin >= 0))
    return make_error(StatusCode::kInvalidArgument,
                      "row {} needs logits within {} of the largest, expected 0 or more", index,
                      need.margin);
  int64_t least = 0;
  for (const int32_t id : need.ids) {
    if (id < least || id >= vocab_size)
      return make_error(StatusCode::kInvalidArgument,
                        "row {} needs the logit of id {}, expected ascending ids of 0..{}", index,
                        id, vocab_size - 1);
    least = id + 1;
  }
  return {};
}

Status check_row(const BatchRow& row, size_t index, int64_t expected_position,
                 const ModelConfig& config) {
  if (row.token < 0 || row.token >= config.vocab_size)
    return make_error(StatusCode::kInvalidArgument, "token {} has id {}, expected 0..{}", index,
                      row.token, config.vocab_size - 1);
  if (row.position != expected_position)
    return make_error(StatusCode::kInvalidArgument,
                      "token {} is for position {}, but its sequence goes on at {}", index,
                      row.position, expected_position);
  if (row.position >= config.max_positions)
    return make_error(StatusCode::kInvalidArgument,
                      "token {} is for position {}: the model was made for {} positions", index,
                      row.position, config.max_positions);
  return check_need(row.need, index, config.vocab_size);
}

}  // namespace

Status BatchRows::check(std::span<const BatchRow> batch) const {
  if (batch.empty() || batch.size() > kMaxTokensPerCall)
    return make_error(StatusCode::kInvalidArgument, "a batch of {} rows, expected 1..{}",
                      batch.size(), kMaxTokensPerCall);
  std::map<const Sequence*, int64_t> next;
  for (size_t i = 0; i < batch.size(); ++i) {
    const Sequence* sequence = batch[i].sequence;
    BITNETC_CHECK(sequence != nullptr && sequence->pool() == &pool_,
                  "row {}: its sequence belongs to another executor", i);
    int64_t& position = next.emplace(sequence, sequence->length()).first->second;
    BITNETC_RETURN_IF_ERROR(check_row(batch[i], i, position, config_));
    ++position;
  }
  return {};
}

Status BatchRows::reserve_pages(std::span<const BatchRow> batch) {
  appended_.clear();
  for (const BatchRow& row : batch) ++appended_[row.sequence];
  for (const auto& [sequence, count] : appended_) BITNETC_RETURN_IF_ERROR(sequence->reserve(count));
  return {};
}

Status BatchRows::take(std::span<const BatchRow> batch) {
  BITNETC_RETURN_IF_ERROR(check(batch));
  BITNETC_RETURN_IF_ERROR(reserve_pages(batch));
  rows_.clear();
  scored_.clear();
  scored_index_.assign(batch.size(), -1);
  needs_.clear();
  positions_ = 0;
  for (size_t i = 0; i < batch.size(); ++i) {
    uint16_t* const* const pages = batch[i].sequence->page_table().data();
    rows_.push_back({.token = batch[i].token,
                     .position = batch[i].position,
                     .pages = pages,
                     .kernel_pages = pages});
    positions_ = std::max(positions_, batch[i].position + 1);
    if (batch[i].need.kind == LogitsNeed::Kind::kNone) continue;
    needs_.push_back(batch[i].need);
    scored_index_[i] = static_cast<int32_t>(scored_.size());
    scored_.push_back(static_cast<int32_t>(i));
  }
  return {};
}

void BatchRows::commit() {
  for (const auto& [sequence, count] : appended_) sequence->commit(count);
}

int64_t BatchRows::scored_index(size_t row) const {
  BITNETC_CHECK(row < scored_index_.size() && scored_index_[row] >= 0, "row {} has no logits", row);
  return scored_index_[row];
}

std::vector<Pass::Run> BatchRows::runs(int64_t most) const {
  std::vector<Pass::Run> runs;
  for (size_t i = 0; i < rows_.size(); ++i) {
    const bool goes_on = i > 0 && runs.back().rows < most && rows_[i].pages == rows_[i - 1].pages &&
                         rows_[i].position == rows_[i - 1].position + 1;
    if (goes_on) {
      ++runs.back().rows;
    } else {
      runs.push_back({.row = static_cast<int64_t>(i), .rows = 1});
    }
  }
  return runs;
}

Status BatchRows::check_finite(const float* output, int64_t columns, int64_t stride) const {
  for (size_t i = 0; i < scored_.size(); ++i) {
    const float* const row = output + static_cast<int64_t>(i) * stride;
    const bool finite =
        std::all_of(row, row + columns, [](float value) { return std::isfinite(value); });
    if (!finite)
      return make_error(StatusCode::kDataCorrupt,
                        "the {} at position {} are not finite: the model's weights overflow",
                        config_.output == ModelOutput::kLogits ? "logits" : "hidden values",
                        rows_[static_cast<size_t>(scored_[i])].position);
  }
  return {};
}

// Copies begin on cache lines of their own.
BufferExtent::BufferExtent(const BufferInfo& info, const BatchRows& batch, int64_t copies)
    : info_(info), element_bytes_(static_cast<int64_t>(element_bytes(info.type))), copies_(copies) {
  const int64_t rows = info.scored ? std::ssize(batch.scored()) : std::ssize(batch.rows());
  elements_ = round_up(info.fixed + info.per_row * rows +
                           info.per_position * round_up(batch.positions(), kAttentionChunk),
                       static_cast<int64_t>(kCacheLineBytes) / element_bytes_);
}

Pass::Storage BufferExtent::storage(uint8_t* base) const {
  return {.base = base,
          .element_bytes = element_bytes_,
          .row_elements = info_.per_row,
          .worker_elements = copies_ > 1 ? elements_ : 0,
          .scored = info_.scored};
}

}  // namespace bitnetc
