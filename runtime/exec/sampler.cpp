#include "runtime/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "runtime/math.h"

namespace bitnetc {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();
// How many more of the greatest logits are wanted where a filter may refuse some.
constexpr int kSpareForFilter = 15;

double as_score(float logit) {
  return std::isnan(logit) ? kMinusInfinity : static_cast<double>(logit);
}

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
  constexpr double kMostPenalty = 1e6;
  if (!(std::abs(p.presence_penalty) <= kMostPenalty))
    return out_of_range("presence_penalty", p.presence_penalty, "a number from -1e6 to 1e6");
  if (!(std::abs(p.frequency_penalty) <= kMostPenalty))
    return out_of_range("frequency_penalty", p.frequency_penalty, "a number from -1e6 to 1e6");
  for (const auto& [id, bias] : p.logit_bias)
    if (!(std::abs(bias) <= kMostPenalty))
      return out_of_range("logit_bias", bias, "a number from -1e6 to 1e6");
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

Sampler::Sampler(const SamplingParams& params)
    : params_(params), rng_(params.seed), filter_(params.filter ? params.filter->fork() : nullptr) {
  const Status valid = validate(params);
  BITNETC_CHECK(valid.ok(), "{}", valid.message());
}

LogitsNeed Sampler::need(std::span<const int32_t> history, int64_t vocab_size) {
  wanted_.clear();
  if (params_.repeat_penalty != 1.0) {
    find_recent(history);
    wanted_.insert(wanted_.end(), recent_.begin(), recent_.end());
  }
  if (counts_text()) {
    find_text(history);
    wanted_.insert(wanted_.end(), text_.begin(), text_.end());
  }
  for (const auto& [id, bias] : params_.logit_bias) wanted_.push_back(id);
  each_banned(history, [&](int32_t id) { wanted_.push_back(id); });
  if (filter_ != nullptr) add_few_allowed(vocab_size);
  std::erase_if(wanted_, [&](int32_t id) { return id < 0 || id >= vocab_size; });
  std::ranges::sort(wanted_);
  const auto repeated = std::ranges::unique(wanted_);
  wanted_.erase(repeated.begin(), repeated.end());

  using Kind = LogitsNeed::Kind;
  // Some of the greatest may be none that the filter lets come.
  const int spare = filter_ != nullptr ? kSpareForFilter : 0;
  if (params_.temperature == 0.0) return {.kind = Kind::kTop, .k = 1 + spare, .ids = wanted_};
  if (params_.top_k > 0) return {.kind = Kind::kTop, .k = params_.top_k + spare, .ids = wanted_};
  // Of all others together less than a hundredth of what top-p leaves out: then they hardly ever
  // decide where it cuts.
  constexpr double kSmallShare = 0.01;
  const double t = params_.temperature;
  if (params_.top_p < 1.0)
    return {.kind = Kind::kWithin,
            .margin =
                -t * std::log((1 - params_.top_p) * kSmallShare / static_cast<double>(vocab_size)),
            .ids = wanted_};
  constexpr double kRounding = 1 + 1e-6;
  if (params_.min_p > 0.0)
    return {
        .kind = Kind::kWithin, .margin = -t * std::log(params_.min_p) * kRounding, .ids = wanted_};
  return {.kind = Kind::kAll};
}

std::optional<int32_t> Sampler::sample(const Scores& scores, std::span<const int32_t> history) {
  BITNETC_CHECK(!scores.logits.empty(), "no logits");
  if (filter_ == nullptr) {
    load_scores(scores);
  } else {
    load_allowed(scores);
  }
  const std::optional<int32_t> place = choose(history);
  if (!place) return std::nullopt;
  const int32_t id = ids_.empty() ? *place : ids_[static_cast<size_t>(*place)];
  if (filter_ != nullptr)
    BITNETC_CHECK(filter_->accept(id), "the filter refuses its own id {}", id);
  return id;
}

// The place of the next token. Nothing: only all logits decide.
std::optional<int32_t> Sampler::choose(std::span<const int32_t> history) {
  if (scores_.empty()) return std::nullopt;
  if (params_.repeat_penalty != 1.0) {
    find_recent(history);
    penalize();
  }
  if (counts_text()) {
    find_text(history);
    penalize_text();
  }
  add_bias();
  each_banned(history, [&](int32_t id) {
    if (double* const score = score_of(id); score != nullptr) *score = kMinusInfinity;
  });
  const int32_t greedy = best();
  greatest_ = scores_[static_cast<size_t>(greedy)];
  if (may_be_beaten(greatest_)) return std::nullopt;
  if (params_.temperature == 0.0) return greedy;

  choose_candidates();
  if (params_.top_k > 0) {
    // Only the k candidates count.
    for (const int32_t at : order_)
      if (may_be_beaten(scores_[static_cast<size_t>(at)])) return std::nullopt;
    if (others_.count > 0 && std::ssize(order_) < params_.top_k) return std::nullopt;
    others_.count = 0;
  }
  const std::optional<Kept> kept = truncate();
  if (!kept) return std::nullopt;
  return draw(*kept);
}

Sampler::End Sampler::end(int64_t vocab_size) const {
  if (filter_ == nullptr) return End::kGoesOn;
  const std::span<const uint64_t> words = filter_->allowed();
  for (size_t word = 0; word < words.size(); ++word)
    if (words[word] != 0)
      return static_cast<int64_t>(word) * 64 + std::countr_zero(words[word]) < vocab_size
                 ? End::kGoesOn
                 : End::kStuck;
  return filter_->may_end() ? End::kEnds : End::kStuck;
}

Status Sampler::stuck_status() {
  return Status(StatusCode::kUnsupported,
                "no token of the vocabulary continues the text as its grammar wants");
}

size_t Sampler::allowed_guesses(std::span<const int32_t> guesses) const {
  if (filter_ == nullptr) return guesses.size();
  const std::unique_ptr<TokenFilter> fork = filter_->fork();
  size_t count = 0;
  while (count < guesses.size() && fork->accept(guesses[count])) ++count;
  return count;
}

void Sampler::load_scores(const Scores& scores) {
  ids_ = scores.ids;
  others_ = {.count = scores.others, .below = static_cast<double>(scores.others_below)};
  scores_.resize(scores.logits.size());
  for (size_t at = 0; at < scores_.size(); ++at) scores_[at] = as_score(scores.logits[at]);
}

// Of the ids that the filter lets come.
void Sampler::load_allowed(const Scores& scores) {
  const int64_t vocab_size = std::ssize(scores.logits) + scores.others;
  allowed_.clear();
  scores_.clear();
  const auto add = [&](int32_t id, float logit) {
    allowed_.push_back(id);
    scores_.push_back(as_score(logit));
  };
  const int64_t count = allowed_below(vocab_size);
  if (scores.ids.empty()) {
    each_allowed(vocab_size, [&](int32_t id) { add(id, scores.logits[static_cast<size_t>(id)]); });
  } else {
    const std::span<const uint64_t> words = filter_->allowed();
    for (size_t at = 0; at < scores.ids.size(); ++at) {
      const auto id = static_cast<size_t>(scores.ids[at]);
      if (id / 64 < words.size() && (words[id / 64] >> id % 64 & 1) != 0)
        add(scores.ids[at], scores.logits[at]);
    }
  }
  BITNETC_CHECK(count > 0, "the filter lets no id come");
  ids_ = allowed_;
  others_ = {.count = count - std::ssize(allowed_),
             .below = static_cast<double>(scores.others_below)};
}

// How many ids below `vocab_size` the filter lets come.
int64_t Sampler::allowed_below(int64_t vocab_size) {
  const std::span<const uint64_t> words = filter_->allowed();
  const auto whole = std::min(words.size(), static_cast<size_t>(vocab_size / 64));
  int64_t count = 0;
  for (const uint64_t word : words.first(whole)) count += std::popcount(word);
  if (whole < words.size())
    count += std::popcount(words[whole] & ((uint64_t{1} << vocab_size % 64) - 1));
  return count;
}

// Calls `visit` for each of them, by ascending id.
template <typename Visit>
void Sampler::each_allowed(int64_t vocab_size, const Visit& visit) {
  const std::span<const uint64_t> words = filter_->allowed();
  for (size_t word = 0; word < words.size(); ++word)
    for (uint64_t bits = words[word]; bits != 0; bits &= bits - 1) {
      const int64_t id = static_cast<int64_t>(word) * 64 + std::countr_zero(bits);
      if (id >= vocab_size) return;
      visit(static_cast<int32_t>(id));
    }
}

// All ids that may come, where there are few, to the ids whose logits are wanted.
void Sampler::add_few_allowed(int64_t vocab_size) {
  constexpr int64_t kFew = 64;
  if (allowed_below(vocab_size) <= kFew)
    each_allowed(vocab_size, [this](int32_t id) { wanted_.push_back(id); });
}

// Null: there is none.
double* Sampler::score_of(int32_t id) {
  if (ids_.empty())
    return id >= 0 && static_cast<size_t>(id) < scores_.size() ? &scores_[static_cast<size_t>(id)]
                                                               : nullptr;
  const auto at = std::ranges::lower_bound(ids_, id);
  return at != ids_.end() && *at == id ? &scores_[static_cast<size_t>(at - ids_.begin())] : nullptr;
}

void Sampler::find_recent(std::span<const int32_t> history) {
  const size_t count = std::min(history.size(), static_cast<size_t>(params_.repeat_last_n));
  recent_.assign(history.end() - static_cast<std::ptrdiff_t>(count), history.end());
  std::sort(recent_.begin(), recent_.end());
  recent_.erase(std::unique(recent_.begin(), recent_.end()), recent_.end());
}

void Sampler::penalize() {
  for (const int32_t id : recent_) {
    double* const score = score_of(id);
    if (score == nullptr) continue;
    *score = *score > 0.0 ? *score / params_.repeat_penalty : *score * params_.repeat_penalty;
  }
}

void Sampler::find_text(std::span<const int32_t> history) {
  const auto begin = std::clamp<int64_t>(params_.text_begin, 0, std::ssize(history));
  text_.assign(history.begin() + begin, history.end());
  std::ranges::sort(text_);
}

void Sampler::penalize_text() {
  for (auto at = text_.begin(); at != text_.end();) {
    const auto next = std::upper_bound(at, text_.end(), *at);
    if (double* const score = score_of(*at); score != nullptr)
      *score -=
          params_.frequency_penalty * static_cast<double>(next - at) + params_.presence_penalty;
    at = next;
  }
}

void Sampler::add_bias() {
  for (const auto& [id, bias] : params_.logit_bias)
    if (double* const score = score_of(id); score != nullptr) *score += bias;
}

// Some more than once, and also ids that have no logit.
template <typename Visit>
void Sampler::each_banned(std::span<const int32_t> history, const Visit& visit) const {
  for (const int32_t id : params_.suppressed_ids) visit(id);
  for (const std::vector<int32_t>& sequence : params_.banned_sequences) {
    if (sequence.empty() || sequence.size() - 1 > history.size()) continue;
    const auto last = history.last(sequence.size() - 1);
    if (std::equal(last.begin(), last.end(), sequence.begin())) visit(sequence.back());
  }
  if (params_.no_repeat_ngram == 0) return;
  const auto before = static_cast<size_t>(params_.no_repeat_ngram) - 1;  // an n-gram's last token
  if (before >= history.size()) return;
  const auto last = history.last(before);
  for (size_t at = before; at < history.size(); ++at)
    if (std::equal(last.begin(), last.end(), history.begin() + static_cast<ptrdiff_t>(at - before)))
      visit(history[at]);
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
double Sampler::weight(int32_t at) const {
  const double score = scores_[static_cast<size_t>(at)];
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

// How many of the ranked candidates top-p and min-p keep, and the sum of their weights. Nothing:
// what the others weigh decides.
std::optional<Sampler::Kept> Sampler::truncate() {
  const bool cut_by_sum = params_.top_p < 1.0;
  const bool cut_by_weight = params_.min_p > 0.0;
  const double most_of_other =
      others_.count > 0 ? math::exp_f64((others_.below - greatest_) / params_.temperature) : 0.0;
  const double others_weight = static_cast<double>(others_.count) * most_of_other;
  const bool all_here = others_weight == 0;
  double total = 0.0;
  if (cut_by_sum || !cut_by_weight)
    for (const int32_t at : order_) total += weight(at);
  if (!cut_by_sum && !cut_by_weight) return Kept{order_.size(), total};

  // Covers the rounding of a sum over the whole vocabulary.
  constexpr double kSlack = 1e-9;
  const double enough = params_.top_p * total;
  const double surely = all_here ? enough : params_.top_p * (total + others_weight) * (1 + kSlack);
  const double hardly = all_here ? enough : enough * (1 - kSlack);
  Kept kept;
  while (kept.count < order_.size()) {
    if (cut_by_sum && kept.count > 0 && kept.sum >= hardly) {
      if (kept.sum >= surely) return kept;
      return std::nullopt;
    }
    const int32_t at = ranked(kept.count);
    const double w = weight(at);
    if (w < params_.min_p) {  // never the first: its weight is 1
      if (all_here || most_of_other < params_.min_p) return kept;
      return std::nullopt;
    }
    if (!all_here && may_be_beaten(scores_[static_cast<size_t>(at)])) return std::nullopt;
    kept.sum += w;
    ++kept.count;
  }
  const bool done = all_here || most_of_other < params_.min_p || (cut_by_sum && kept.sum >= surely);
  return done ? std::optional(kept) : std::nullopt;
}

int32_t Sampler::draw(const Kept& kept) {
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
