#include "autotune/contest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include "autotune/order_statistics.h"
#include "autotune/tuning/watch.h"

namespace bitnetc {
namespace {

constexpr double kReported = 0.95;  // confidence of what is reported
// Of what decides while measuring goes on: it is asked again and again, and each time is a chance
// to be wrong.
constexpr double kDeciding = 0.99;
constexpr double kNoSample = std::numeric_limits<double>::quiet_NaN();

struct Racer {
  size_t entrant = 0;
  int64_t calls = 1;             // of a sample
  std::vector<double> looks;     // seconds of a call, from qualifying
  std::vector<double> by_round;  // from the heats; kNoSample where it was refused
  std::vector<double> in_final;
  int heats = 0;
  int refusals = 0;  // in succession
  bool is_out = false;

  double rough_s() const { return *std::min_element(looks.begin(), looks.end()); }

  std::vector<double> samples() const {
    std::vector<double> all;
    std::copy_if(by_round.begin(), by_round.end(), std::back_inserter(all),
                 [](double s) { return s > 0; });
    return all;
  }
};

// How many times as long as `other` a racer takes, round by round.
std::vector<double> ratios(const Racer& racer, const Racer& other) {
  std::vector<double> list;
  const size_t rounds = std::min(racer.by_round.size(), other.by_round.size());
  for (size_t i = 0; i < rounds; ++i)
    if (const double ratio = racer.by_round[i] / other.by_round[i]; ratio > 0)
      list.push_back(ratio);
  return list;
}

double median(const std::vector<double>& values) {
  return summarise(values).median;
}

// How far apart the medians of the earlier and the later half are, as a share of the lesser.
double drift_of(const std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  if (middle == values.begin()) return 0;
  const double early = median({values.begin(), middle}), late = median({middle, values.end()});
  return std::max(early, late) / std::min(early, late) - 1;
}

class Contest {
 public:
  Contest(std::span<const Entrant> entrants, const ContestOptions& options)
      : entrants_(entrants), options_(options), watch_(options.now_s) {}

  Result<ContestResult> hold() {
    qualify_all();
    while (field_.size() > 2 && goes_on()) heat();
    cut_to_finalists();
    if (field_.size() == 2) {
      hold_final();
    } else if (field_.size() == 1) {
      time_alone();
    }
    BITNETC_RETURN_IF_ERROR(watch_.problem());
    report();
    return std::move(result_);
  }

 private:
  bool stopped() {
    if (!result_.cancelled && options_.is_cancelled) result_.cancelled = options_.is_cancelled();
    return result_.cancelled || !watch_.problem().ok();
  }
  bool goes_on() { return !stopped() && watch_.elapsed_s() < options_.budget_s; }
  double stretched_s() const { return options_.budget_s * std::max(options_.stretch, 1.0); }

  // Seconds of a call; kNoSample for times that cannot be. Several of those in succession put the
  // racer out.
  double sample(Racer& racer) {
    constexpr int kMostRefusals = 3;
    const double seconds = entrants_[racer.entrant].run(racer.calls);
    const bool can_be = seconds > 0 && std::isfinite(seconds);
    racer.refusals = can_be ? 0 : racer.refusals + 1;
    if (racer.refusals == kMostRefusals) {
      racer.is_out = true;
      result_.refused.push_back(racer.entrant);
    }
    return can_be ? seconds / static_cast<double>(racer.calls) : kNoSample;
  }

  // ---- qualifying

  void qualify_all() {
    for (const size_t entrant : by_prediction()) {
      if (stopped()) return;
      if (watch_.elapsed_s() > options_.budget_s / 2 && field_.size() >= 2) {
        result_.late.push_back(entrant);
        continue;
      }
      if (is_hopeless(entrant)) {
        result_.hopeless.push_back(entrant);
        continue;
      }
      const auto& prepare = entrants_[entrant].prepare;
      if (prepare && !watch_.pass_over(prepare)) continue;
      qualify({.entrant = entrant});
    }
    for (Racer& racer : std::exchange(field_, {})) admit(std::move(racer));
  }

  // The default, then the least predicted, then those of which nothing is known.
  std::vector<size_t> by_prediction() const {
    std::vector<size_t> order(entrants_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto key = [&](size_t i) {
      const Entrant& entrant = entrants_[i];
      const double known_s =
          entrant.predicted_s > 0 ? entrant.predicted_s : std::numeric_limits<double>::infinity();
      return std::tuple(!entrant.is_default, known_s, i);
    };
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key(a) < key(b); });
    return order;
  }

  // Against the best's measured and predicted time: predictions that are all too long must not rule
  // everybody out.
  bool is_hopeless(size_t entrant) const {
    return best_s_ > 0 && entrants_[entrant].predicted_s >
                              options_.hopeless_ratio * std::max(best_s_, best_predicted_s_);
  }

  // Finds out how many calls make a sample. The first call also brings caches and clocks up; where
  // one alone is long enough, that is lost in it.
  void qualify(Racer racer) {
    constexpr int64_t kMostCalls = int64_t{1} << 20;
    for (;;) {
      const double seconds = sample(racer);
      const bool enough = seconds * static_cast<double>(racer.calls) >= options_.sample_s / 2;
      if (seconds > 0) racer.looks.push_back(seconds);
      if (enough || racer.calls == kMostCalls || racer.is_out || stopped()) break;
      const bool was_warm = racer.looks.size() != 1;
      if (was_warm) racer.calls *= 2;
    }
    admit(std::move(racer));
  }

  // Whoever seems much slower gets a second chance: the first look may have been disturbed.
  void admit(Racer racer) {
    constexpr size_t kLooks = 3;
    if (racer.looks.empty()) return;
    while (!racer.is_out && racer.looks.size() < kLooks && is_far_behind(racer) && !stopped())
      if (const double seconds = sample(racer); seconds > 0) racer.looks.push_back(seconds);
    if (racer.is_out || is_far_behind(racer)) {
      eliminated_.push_back(std::move(racer));
      return;
    }
    if (best_s_ == 0 || racer.rough_s() < best_s_) {
      best_s_ = racer.rough_s();
      best_predicted_s_ = entrants_[racer.entrant].predicted_s;
    }
    field_.push_back(std::move(racer));
  }
  bool is_far_behind(const Racer& racer) const {
    constexpr double kFarBehind = 2;  // clocks and neighbours change by less meanwhile
    return best_s_ > 0 && racer.rough_s() > kFarBehind * best_s_;
  }

  // ---- heats

  void heat() {
    const double start_s = watch_.elapsed_s();
    const double heats_left = std::ceil(std::log2(static_cast<double>(field_.size())));
    const double end_s = start_s + (options_.budget_s - start_s) / heats_left;
    const size_t aim = (field_.size() + 1) / 2;
    for (int rounds = 0; field_.size() > aim; ++rounds) {
      if (!goes_on()) return;
      if (rounds >= options_.rounds_per_heat && watch_.elapsed_s() >= end_s) break;
      round();
      drop_the_slower();
    }
    while (field_.size() > aim) drop(field_.size() - 1);
    for (Racer& racer : field_) ++racer.heats;
  }

  // All take a turn; who begins changes, and so does who comes after whom.
  void round() {
    for (size_t turn = 0; turn < field_.size() && !stopped(); ++turn) {
      const size_t forward = (rounds_ / 2 + turn) % field_.size();
      Racer& racer = field_[rounds_ % 2 == 0 ? forward : field_.size() - 1 - forward];
      racer.by_round.resize(rounds_, kNoSample);
      racer.by_round.push_back(sample(racer));
    }
    ++rounds_;
    for (size_t i = field_.size(); i-- > 0;)
      if (field_[i].is_out) drop(i);
  }

  // Drops, the slowest first, who is surely slower than the leader. Two stay for the final.
  void drop_the_slower() {
    rank_field();
    for (size_t i = field_.size(); i-- > 1 && field_.size() > 2;)
      if (is_surely_slower(field_[i], field_[0])) drop(i);
  }

  // Best first: the leader by its own median, the others by how they did against it in the same
  // rounds.
  void rank_field() {
    const auto by = [&](const auto& figure) {
      std::vector<std::pair<double, size_t>> order;
      for (size_t i = 0; i < field_.size(); ++i) order.emplace_back(figure(field_[i]), i);
      std::sort(order.begin(), order.end());
      std::vector<Racer> ranked;
      for (const auto& [value, i] : order) ranked.push_back(std::move(field_[i]));
      field_ = std::move(ranked);
    };
    by([](const Racer& racer) { return median(reported(racer)); });
    if (rounds_ == 0 || field_.empty()) return;
    const Racer leader = field_.front();
    by([&](const Racer& racer) {
      return racer.entrant == leader.entrant ? 0 : median(ratios(racer, leader));
    });
  }

  // Few rounds must all say so, and loudly. Many leave out who cannot be faster by as much as
  // matters.
  bool is_surely_slower(const Racer& racer, const Racer& leader) const {
    constexpr size_t kFew = 3, kMany = 8;
    constexpr double kLoudly = 1.1;
    const std::vector<double> each = ratios(racer, leader);
    if (each.size() < kFew) return false;
    if (*std::min_element(each.begin(), each.end()) > kLoudly) return true;
    return each.size() >= kMany &&
           median_interval(each, kDeciding).low > 1 - options_.tie_share / 2;
  }

  void drop(size_t place) {
    eliminated_.push_back(std::move(field_[place]));
    field_.erase(field_.begin() + static_cast<ptrdiff_t>(place));
  }

  // Where the budget was spent before the heats came to two.
  void cut_to_finalists() {
    constexpr size_t kFewestRounds = 3;
    is_hasty_ = !result_.late.empty();
    if (field_.size() <= 2) return;
    rank_field();
    if (stopped()) return;
    is_hasty_ |= rounds_ < kFewestRounds;
    while (field_.size() > 2) drop(field_.size() - 1);
  }

  // ---- final

  enum class Verdict { kOpen, kFirst, kSecond, kTie };

  void hold_final() {
    constexpr size_t kFirstLook = 8, kFewestBlocks = 6;
    Racer &a = field_[0], &b = field_[1];
    std::vector<double> second_over_first;
    size_t next_look = kFirstLook, attempts = 0;
    bool was_overtime = false;
    for (; !stopped() && !a.is_out && !b.is_out; ++attempts) {
      const double elapsed = watch_.elapsed_s();
      const size_t blocks = second_over_first.size();
      const bool enough = attempts >= kFewestBlocks;
      if (enough && elapsed >= stretched_s()) break;
      const bool overtime = enough && elapsed >= options_.budget_s;
      if (blocks >= next_look || overtime != was_overtime) {
        const Verdict verdict = overtime ? late_verdict(second_over_first, kDeciding)
                                         : early_verdict(second_over_first);
        if (verdict != Verdict::kOpen && is_calm(a) && is_calm(b)) break;
        next_look = blocks + blocks / 2;
        was_overtime = overtime;
      }
      block(a, b, second_over_first);
    }
    conclude(second_over_first);
  }

  // First second second first, then the other way round: what grows or shrinks steadily meets both
  // alike.
  void block(Racer& a, Racer& b, std::vector<double>& second_over_first) {
    Racer* const order[] = {&a, &b, &b, &a};
    double sum_a = 0, sum_b = 0;
    const bool turned = second_over_first.size() % 2 == 1;
    for (Racer* each : order) {
      if (stopped()) return;
      Racer& racer = turned ? (each == &a ? b : a) : *each;
      const double seconds = sample(racer);
      if (seconds > 0) racer.in_final.push_back(seconds);
      (&racer == &a ? sum_a : sum_b) += seconds;
    }
    if (const double ratio = sum_b / sum_a; ratio > 0) second_over_first.push_back(ratio);
  }

  // Whether the difference is known: to be there and to matter, or not to matter.
  Verdict early_verdict(const std::vector<double>& second_over_first) const {
    const MedianInterval ratio = median_interval(second_over_first, kDeciding);
    const double matters = 1 + options_.tie_share;
    if (ratio.low > 1 && ratio.median >= matters) return Verdict::kFirst;
    if (ratio.high < 1 && ratio.median <= 1 / matters) return Verdict::kSecond;
    if (ratio.low > 1 / matters && ratio.high < matters) return Verdict::kTie;
    return Verdict::kOpen;
  }

  // When time is up: what is known may also be that neither is ahead by much.
  Verdict late_verdict(const std::vector<double>& second_over_first, double confidence) const {
    constexpr double kMuch = 3;  // times the share that matters
    if (second_over_first.empty()) return Verdict::kOpen;
    const MedianInterval ratio = median_interval(second_over_first, confidence);
    const double matters = 1 + options_.tie_share, much = 1 + kMuch * options_.tie_share;
    if (ratio.low > 1) return ratio.median >= matters ? Verdict::kFirst : Verdict::kTie;
    if (ratio.high < 1) return ratio.median <= 1 / matters ? Verdict::kSecond : Verdict::kTie;
    return ratio.low > 1 / much && ratio.high < much ? Verdict::kTie : Verdict::kOpen;
  }

  bool is_calm(const Racer& racer) const {
    const std::vector<double>& values = reported(racer);
    return median_interval(values, kReported).width_share() <= options_.noise_share &&
           drift_of(values) <= options_.noise_share;
  }

  void conclude(const std::vector<double>& second_over_first) {
    Racer &a = field_[0], &b = field_[1];
    if (a.is_out || b.is_out) {
      drop(a.is_out ? 0 : 1);
      result_.confidence = Confidence::kNoisy;
      return;
    }
    const Verdict verdict = late_verdict(second_over_first, kReported);
    result_.confidence = Confidence::kSure;
    if (verdict == Verdict::kTie) result_.confidence = Confidence::kTie;
    if (verdict == Verdict::kOpen || !is_calm(a) || !is_calm(b) || is_hasty_)
      result_.confidence = Confidence::kNoisy;
    if (second_over_first.empty()) return;
    result_.lead = median(second_over_first);
    if (result_.lead >= 1) return;
    result_.lead = 1 / result_.lead;
    std::swap(a, b);
  }

  // Nobody to compare with: until the time itself is known.
  void time_alone() {
    constexpr size_t kFewest = 8;
    Racer& racer = field_.front();
    while (!stopped() && !racer.is_out) {
      const bool enough = racer.in_final.size() >= kFewest;
      if (enough && watch_.elapsed_s() >= stretched_s()) break;
      if (enough && is_calm(racer)) break;
      if (const double seconds = sample(racer); seconds > 0) racer.in_final.push_back(seconds);
    }
    result_.confidence =
        is_calm(racer) && !racer.is_out && !is_hasty_ ? Confidence::kSure : Confidence::kNoisy;
  }

  // ---- report

  // Finalists by the final alone: its samples are of one time.
  static std::vector<double> reported(const Racer& racer) {
    if (!racer.in_final.empty()) return racer.in_final;
    std::vector<double> rounds = racer.samples();
    return rounds.empty() ? racer.looks : rounds;
  }

  void report() {
    const size_t finalists = field_.size();
    for (Racer& racer : eliminated_) field_.push_back(std::move(racer));
    for (const Racer& racer : field_) {
      const std::vector<double> values = reported(racer);
      const MedianInterval interval = median_interval(values, kReported);
      result_.standings.push_back({.entrant = racer.entrant,
                                   .median_s = interval.median,
                                   .low_s = interval.low,
                                   .high_s = interval.high,
                                   .samples = static_cast<int64_t>(values.size()),
                                   .heats = racer.heats});
    }
    const auto key = [](const Standing& standing) {
      return std::tuple(-standing.heats, standing.median_s, standing.entrant);
    };
    std::sort(result_.standings.begin() + static_cast<ptrdiff_t>(finalists),
              result_.standings.end(),
              [&](const Standing& a, const Standing& b) { return key(a) < key(b); });
    if (!field_.empty()) {
      const std::vector<double> values = reported(field_.front());
      const SampleSummary summary = summarise(values);
      result_.disturbance = (summary.q3 - summary.q1) / summary.median;
      result_.drift = drift_of(values);
    }
    result_.took_s = watch_.elapsed_s();
  }

  const std::span<const Entrant> entrants_;
  const ContestOptions& options_;
  Watch watch_;
  std::vector<Racer> field_, eliminated_;
  double best_s_ = 0, best_predicted_s_ = 0;  // of the best so far
  size_t rounds_ = 0;
  bool is_hasty_ = false;  // the finalists were not chosen from all, or from next to nothing
  ContestResult result_;
};

}  // namespace

Result<ContestResult> hold_contest(std::span<const Entrant> entrants,
                                   const ContestOptions& options) {
  return Contest(entrants, options).hold();
}

}  // namespace bitnetc
