#include "runtime/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "runtime/math.h"

namespace bitnetc {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

Status out_of_range(const char* parameter, double value, const char* expected) {
  return make_error(StatusCode::kInvalidArgument, "{}={}: expected {}", parameter, value, expected);
}

}  // namespace

Status validate(const SamplingParams& p) {
  if (!(p.temperature >= 0.0) || std::isinf(p.temperature))
    return out_of_range("temperature", p.temperature, "a finite number, 0 (greedy) or more");
  if (p.top_k < 0) return out_of_range("top_k", p.top_k, "0 (off) or more");
  if (!(p.top_p > 0.0 && p.top_p <= 1.0))
    return out_of_range("top_p", p.top_p, "more than 0, at most 1 (off)");
  if (!(p.min_p >= 0.0 && p.min_p <= 1.0))
    return out_of_range("min_p", p.min_p, "a number from 0 (off) to 1");
  if (!(p.repeat_penalty > 0.0) || std::isinf(p.repeat_penalty))
    return out_of_range("repeat_penalty", p.repeat_penalty, "a finite number above 0 (1: off)");
  if (p.repeat_last_n < 0) return out_of_range("repeat_last_n", p.repeat_last_n, "0 (off) or more");
  if (p.no_repeat_ngram < 0)
    return out_of_range("no_repeat_ngram_size", p.no_repeat_ngram, "0 (off) or more");
  return {};
}

Pcg32::Pcg32(uint64_t seed) : state_(0) {
  next();
  state_ += seed;
  next();
}

uint32_t Pcg32::next() {
  const uint64_t old = state_;
  state_ = old * 6364136223846793005u + 1442695040888963407u;
  const uint32_t xorshifted = static_cast<uint32_t>((old >> 18 ^ old) >> 27);
  const uint32_t rotation = static_cast<uint32_t>(old >> 59);
  return xorshifted >> rotation | xorshifted << (-rotation & 31);
}

double Pcg32::next_unit() {
  const uint32_t high = next() >> 5;  // 27 bits
  const uint32_t low = next() >> 6;   // 26 bits
  return (high * 0x1p26 + low) * 0x1p-53;
}

Sampler::Sampler(const SamplingParams& params) : params_(params), rng_(params.seed) {
  const Status valid = validate(params);
  BITNETC_CHECK(valid.ok(), "{}", valid.message());
}

int32_t Sampler::sample(std::span<const float> logits, std::span<const int32_t> history) {
  BITNETC_CHECK(!logits.empty(), "no logits");
  load_scores(logits);
  if (params_.repeat_penalty != 1.0) penalize(history);
  ban(history);
  const int32_t greedy = best();
  if (params_.temperature == 0.0) return greedy;

  greatest_ = scores_[static_cast<size_t>(greedy)];
  choose_candidates();
  return draw();
}

void Sampler::load_scores(std::span<const float> logits) {
  scores_.resize(logits.size());
  for (size_t id = 0; id < logits.size(); ++id)
    scores_[id] = std::isnan(logits[id]) ? kMinusInfinity : static_cast<double>(logits[id]);
}

void Sampler::penalize(std::span<const int32_t> history) {
  const size_t count = std::min(history.size(), static_cast<size_t>(params_.repeat_last_n));
  recent_.assign(history.end() - static_cast<std::ptrdiff_t>(count), history.end());
  std::sort(recent_.begin(), recent_.end());
  recent_.erase(std::unique(recent_.begin(), recent_.end()), recent_.end());
  for (int32_t id : recent_) {
    if (id < 0 || static_cast<size_t>(id) >= scores_.size()) continue;
    double& score = scores_[static_cast<size_t>(id)];
    score = score > 0.0 ? score / params_.repeat_penalty : score * params_.repeat_penalty;
  }
}

void Sampler::ban_id(int32_t id) {
  if (id >= 0 && static_cast<size_t>(id) < scores_.size())
    scores_[static_cast<size_t>(id)] = kMinusInfinity;
}

void Sampler::ban(std::span<const int32_t> history) {
  for (const int32_t id : params_.suppressed_ids) ban_id(id);
  for (const std::vector<int32_t>& sequence : params_.banned_sequences) {
    if (sequence.empty() || sequence.size() - 1 > history.size()) continue;
    const auto last = history.last(sequence.size() - 1);
    if (std::equal(last.begin(), last.end(), sequence.begin())) ban_id(sequence.back());
  }
  if (params_.no_repeat_ngram == 0) return;
  const auto before = static_cast<size_t>(params_.no_repeat_ngram) - 1;  // an n-gram's last token
  if (before >= history.size()) return;
  const auto last = history.last(before);
  for (size_t at = before; at < history.size(); ++at)
    if (std::equal(last.begin(), last.end(), history.begin() + static_cast<ptrdiff_t>(at - before)))
      ban_id(history[at]);
}

// max_element returns the first of equals.
int32_t Sampler::best() const {
  return static_cast<int32_t>(std::max_element(scores_.begin(), scores_.end()) - scores_.begin());
}

bool Sampler::comes_before(int32_t a, int32_t b) const {
  const double score_a = scores_[static_cast<size_t>(a)], score_b = scores_[static_cast<size_t>(b)];
  return score_a != score_b ? score_a > score_b : a < b;
}

// Leaves the candidates by ascending id, as the total of the softmax wants them.
void Sampler::choose_candidates() {
  const int32_t count = static_cast<int32_t>(scores_.size());
  const int32_t k = params_.top_k > 0 ? std::min(params_.top_k, count) : count;
  sorted_count_ = 0;
  order_.resize(static_cast<size_t>(k));
  std::iota(order_.begin(), order_.end(), 0);
  if (k == count) return;

  // A heap of the best k so far with the worst of them in front; nearly every id falls to one
  // comparison.
  const auto before = [this](int32_t a, int32_t b) { return comes_before(a, b); };
  std::make_heap(order_.begin(), order_.end(), before);
  for (int32_t id = k; id < count; ++id) {
    if (!comes_before(id, order_.front())) continue;
    std::pop_heap(order_.begin(), order_.end(), before);
    order_.back() = id;
    std::push_heap(order_.begin(), order_.end(), before);
  }
  std::sort(order_.begin(), order_.end());
}

// The difference is taken before the division, so a tiny temperature cannot make two scores equal,
// and an infinite score needs no difference.
double Sampler::weight(int32_t id) const {
  const double score = scores_[static_cast<size_t>(id)];
  return score == greatest_ ? 1.0 : math::exp_f64((score - greatest_) / params_.temperature);
}

// The candidate at `rank`. Sorts no further than it must: a draw rarely looks beyond the first
// hundreds of a vocabulary of a hundred thousand.
int32_t Sampler::ranked(size_t rank) {
  if (rank >= sorted_count_) {
    const size_t wanted = std::min(order_.size(), std::max<size_t>(256, 4 * sorted_count_));
    const auto at = [this](size_t i) { return order_.begin() + static_cast<std::ptrdiff_t>(i); };
    std::partial_sort(at(sorted_count_), at(wanted), order_.end(),
                      [this](int32_t a, int32_t b) { return comes_before(a, b); });
    sorted_count_ = wanted;
  }
  return order_[rank];
}

// How many of the ranked candidates top-p and min-p keep, and the sum of their weights.
Sampler::Kept Sampler::truncate() {
  const bool cut_by_sum = params_.top_p < 1.0;
  const bool cut_by_weight = params_.min_p > 0.0;
  double total = 0.0;
  if (cut_by_sum || !cut_by_weight)
    for (int32_t id : order_) total += weight(id);
  if (!cut_by_sum && !cut_by_weight) return {order_.size(), total};

  const double enough = params_.top_p * total;
  Kept kept;
  while (kept.count < order_.size() && !(cut_by_sum && kept.count > 0 && kept.sum >= enough)) {
    const double w = weight(ranked(kept.count));
    if (w < params_.min_p) break;  // never the first: its weight is 1
    kept.sum += w;
    ++kept.count;
  }
  return kept;
}

int32_t Sampler::draw() {
  const Kept kept = truncate();
  const double target = rng_.next_unit() * kept.sum;
  double sum = 0.0;
  int32_t chosen = ranked(0);
  for (size_t rank = 0; rank < kept.count; ++rank) {
    const double w = weight(ranked(rank));
    if (w == 0.0) break;  // rounding left the target at the total: the last possible token it is
    chosen = ranked(rank);
    sum += w;
    if (sum > target) break;
  }
  return chosen;
}

}  // namespace bitnetc
