#include "runtime/steps/screen_steps.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/exec/screen_state.h"
#include "runtime/screen.h"
#include "runtime/steps/head_blocks.h"

namespace bitnetc {
namespace {

constexpr int64_t kComparedLanes = 16;  // compared at once
constexpr float kFloatInfinity = std::numeric_limits<float>::infinity();

// The index of the greatest value, the first of equals; 0 where there is none but NaN.
int64_t greatest(const float* x, int64_t count) {
  float most[kComparedLanes];
  std::fill_n(most, kComparedLanes, -kFloatInfinity);
  int64_t i = 0;
  for (; i + kComparedLanes <= count; i += kComparedLanes)
    for (int64_t j = 0; j < kComparedLanes; ++j) most[j] = x[i + j] > most[j] ? x[i + j] : most[j];
  float top = *std::max_element(most, most + kComparedLanes);
  for (; i < count; ++i) top = std::max(top, x[i]);
  const auto at = std::find(x, x + count, top) - x;
  return at < count ? at : 0;
}

// Ids of [begin, end) whose logit may reach the threshold, written to `ids`; how many.
int32_t candidates(const float* estimates, const float* errors, float norm, float threshold,
                   int64_t begin, int64_t end, int32_t* ids) {
  const auto reaches = [&](int64_t id) { return estimates[id] + errors[id] * norm >= threshold; };
  int32_t count = 0;
  for (int64_t first = begin; first < end; first += kComparedLanes) {
    const int64_t last = std::min(first + kComparedLanes, end);
    int any = 0;
    for (int64_t id = first; id < last; ++id) any |= reaches(id) ? 1 : 0;
    if (any == 0) continue;
    for (int64_t id = first; id < last; ++id)
      if (reaches(id)) ids[count++] = static_cast<int32_t>(id);
  }
  return count;
}

// Calls `body(begin, end)` for every run of consecutive ids.
template <typename Body>
void each_run(const int32_t* ids, int32_t count, const Body& body) {
  for (int32_t i = 0; i < count;) {
    int32_t next = i + 1;
    while (next < count && ids[next] == ids[next - 1] + 1) ++next;
    body(ids[i], ids[next - 1] + 1);
    i = next;
  }
}

}  // namespace

void ScreenStep::estimate(const Pass& pass, int part, int64_t row, int64_t rows, int64_t begin,
                          int64_t end) const {
  ScreenState& state = *pass.screen;
  each_head_block(rows, begin, end, operands_->row_bytes[part],
                  [&](int64_t first, int64_t count, int64_t block_begin, int64_t block_end) {
                    first += row;
                    operands_->kernels[part](ScreenArgs{.high = state.high(first),
                                                        .low = state.low(first),
                                                        .high_sum = state.high_sum() + first,
                                                        .low_sum = state.low_sum() + first,
                                                        .scale = state.scale() + first,
                                                        .codes = operands_->codes[part],
                                                        .step = operands_->step,
                                                        .estimates = state.estimates(first),
                                                        .q_stride = operands_->padded_k,
                                                        .estimates_stride = operands_->n,
                                                        .rows = count,
                                                        .row_begin = block_begin,
                                                        .row_end = block_end});
                  });
}

void ScreenStep::compute(const Pass& pass, int64_t row, int64_t begin, int64_t end) const {
  operands_->exact(HeadArgs{.hidden = pass.at<float>(*this, operands_->hidden, row),
                            .table = operands_->table,
                            .logits = pass.at<float>(*this, operands_->logits, row),
                            .hidden_stride = pass.stride(operands_->hidden),
                            .logits_stride = pass.stride(operands_->logits),
                            .rows = 1,
                            .row_begin = begin,
                            .row_end = end});
}

int64_t ScreenSplitStep::units(const Pass& pass) const {
  return pass.screen == nullptr ? 0 : pass.screen->rows();
}

void ScreenSplitStep::run(const Pass& pass, Range units, int /*worker*/) const {
  ScreenState& state = *pass.screen;
  for (int64_t row = units.begin; row < units.end; ++row) {
    const float* const h = pass.at<float>(*this, operands().hidden, row);
    const auto split = split_hidden({h, static_cast<size_t>(operands().k)}, operands().padded_k,
                                    state.high(row), state.low(row));
    if (!split) {
      state.cannot_split(row);
      continue;
    }
    state.high_sum()[row] = split->high_sum;
    state.low_sum()[row] = split->low_sum;
    state.scale()[row] = split->scale;
    state.row(row).norm = split->norm;
  }
}

int64_t ScreenEstimateStep::weight_bytes() const {
  return operands().n * (operands().row_bytes[0] + 2 * element_bytes(ElementType::kF32));
}

int64_t ScreenEstimateStep::units(const Pass& pass) const {
  return pass.screen == nullptr || !pass.screen->is_split() ? 0 : pass.screen->segments();
}

void ScreenEstimateStep::run(const Pass& pass, Range units, int /*worker*/) const {
  ScreenState& state = *pass.screen;
  for (int64_t segment = units.begin; segment < units.end; ++segment) {
    const int64_t begin = state.segment_begin(segment), end = state.segment_end(segment);
    estimate(pass, 0, 0, state.rows(), begin, end);
    if (state.both_parts()) estimate(pass, 1, 0, state.rows(), begin, end);
    for (int64_t row = 0; row < state.rows(); ++row)
      state.best(row)[static_cast<size_t>(segment)] =
          static_cast<int32_t>(begin + greatest(state.estimates(row) + begin, end - begin));
  }
}

int64_t ScreenProbeStep::units(const Pass& pass) const {
  return pass.screen == nullptr || !pass.screen->is_split() ? 0 : pass.screen->rows();
}

// The k-th of the best segments bounds the k-th greatest logit from below.
void ScreenProbeStep::run(const Pass& pass, Range units, int /*worker*/) const {
  ScreenState& state = *pass.screen;
  for (int64_t i = units.begin; i < units.end; ++i) {
    ScreenState::Row& row = state.row(i);
    const LogitsNeed& need = row.need;
    const std::span<int32_t> best = state.best(i);
    const float* const estimates = state.estimates(i);
    // An estimate is NaN only where the steps in the file are not those of its codes.
    const auto counts = [&](int32_t id) {
      return !std::isnan(estimates[id]) && !std::ranges::binary_search(need.ids, id);
    };
    const auto end = std::partition(best.begin(), best.end(), counts);
    const int64_t wanted = need.kind == LogitsNeed::Kind::kTop ? need.k : 1;
    if (end - best.begin() < wanted) {
      state.give_up(i);
      continue;
    }
    std::nth_element(best.begin(), best.begin() + wanted - 1, end,
                     [&](int32_t a, int32_t b) { return estimates[a] > estimates[b]; });
    const float* const logits = pass.at<float>(*this, operands().logits, i);
    float least = kFloatInfinity;
    for (const int32_t id : best.first(static_cast<size_t>(wanted))) {
      compute(pass, i, id, id + 1);
      least = std::min(least, logits[id]);
    }
    for (const int32_t id : need.ids) compute(pass, i, id, id + 1);
    row.probed = wanted;
    row.threshold = least;
    if (need.kind == LogitsNeed::Kind::kWithin)
      row.threshold = std::nextafter(static_cast<float>(static_cast<double>(least) - need.margin),
                                     -kFloatInfinity);
  }
}

int64_t ScreenRefineStep::units(const Pass& pass) const {
  return pass.screen == nullptr || pass.screen->gave_up() ? 0 : pass.screen->segments();
}

void ScreenRefineStep::run(const Pass& pass, Range units, int /*worker*/) const {
  for (int64_t segment = units.begin; segment < units.end; ++segment)
    for (int64_t row = 0; row < pass.screen->rows(); ++row) refine(pass, row, segment);
}

void ScreenRefineStep::refine(const Pass& pass, int64_t row, int64_t segment) const {
  ScreenState& state = *pass.screen;
  const ScreenState::Row& facts = state.row(row);
  const float* const estimates = state.estimates(row);
  const int64_t begin = state.segment_begin(segment), end = state.segment_end(segment);
  int32_t* const ids = state.found(row, segment);
  ScreenState::Counts& counts = state.counts(row, segment);
  if (state.both_parts()) {
    counts.refined = static_cast<int32_t>(end - begin);
    counts.found =
        candidates(estimates, operands().fine_error, facts.norm, facts.threshold, begin, end, ids);
  } else {
    counts.refined = candidates(estimates, operands().coarse_error, facts.norm, facts.threshold,
                                begin, end, ids);
    each_run(ids, counts.refined,
             [&](int64_t first, int64_t last) { estimate(pass, 1, row, 1, first, last); });
    const float* const errors = operands().fine_error;
    counts.found = static_cast<int32_t>(
        std::remove_if(
            ids, ids + counts.refined,
            [&](int32_t id) { return estimates[id] + errors[id] * facts.norm < facts.threshold; }) -
        ids);
  }
  each_run(ids, counts.found,
           [&](int64_t first, int64_t last) { compute(pass, row, first, last); });
}

}  // namespace bitnetc
