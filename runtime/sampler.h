// Chooses the next token from logits, on one thread, in double and with math::exp_f64; the
// generator is PCG-XSH-RR 64/32. So a seed gives the same text on every machine. In this order:
//
//   filter     an id that the filter refuses is none of the vocabulary: as if its logit were minus
//              infinity, but where everything is banned it is not among the equals
//   penalty    each distinct id of the last `repeat_last_n` tokens: score / p where the score
//              is positive, else score * p
//   presence,  each distinct id of the text, which begins at `text_begin` of the tokens so far:
//   frequency  score - (frequency_penalty * times it is there + presence_penalty)
//   bias       score + the bias of its id
//   bans       a suppressed id; the last id of a banned sequence whose others are the last tokens;
//              an id that would repeat an n-gram of all tokens so far: score minus infinity
//   top-k      the k first by (score descending, id ascending), the order of everything below
//   softmax    w = exp_f64((score - greatest) / temperature), 1 for the greatest itself; their
//              total is summed by ascending id
//   top-p      the shortest prefix whose running sum of w reaches top_p * total, at least one token
//   min-p      of that, the prefix with w >= min_p
//   draw       one u a token; the first whose running sum exceeds u * (sum of what is left)
//
// A NaN logit counts as minus infinity. Where everything is banned, all are equal again.
// Temperature 0 takes the greatest score (the lowest id of equals) and draws nothing.
//
// Most of this looks at few logits. need() says before a pass which, and sample() returns what it
// would return with all of them, or nothing where those do not decide.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/executor.h"
#include "runtime/status.h"
#include "runtime/token_filter.h"

namespace bitnetc {

struct SamplingParams {
  double temperature = 0.0;     // 0: greedy (the lowest id wins ties)
  int top_k = 0;                // 0: off
  double top_p = 1.0;           // 1: off
  double min_p = 0.0;           // 0: off
  double repeat_penalty = 1.0;  // 1: off; applied to ids of the last `repeat_last_n` tokens
  int repeat_last_n = 64;
  uint64_t seed = 0;
  std::vector<int32_t> suppressed_ids;
  std::vector<std::vector<int32_t>> banned_sequences;
  int no_repeat_ngram = 0;  // tokens of an n-gram; 0: off
  // Which tokens may come, from the first one on; null: all. A sampler has a fork of its own.
  std::shared_ptr<const TokenFilter> filter;
  double presence_penalty = 0.0, frequency_penalty = 0.0;  // 0: off
  int64_t text_begin = 0;  // where what they count begins among all tokens
  std::map<int32_t, double> logit_bias;
};

// Rejects values outside their range, naming the parameter: kInvalidArgument.
Status validate(const SamplingParams& params);

// PCG-XSH-RR 64/32 (O'Neill 2014): state * 6364136223846793005 + 1442695040888963407 a step. Seeded
// with state = 0, a step, state += seed, a step.
class Pcg32 {
 public:
  explicit Pcg32(uint64_t seed);
  uint32_t next();
  double next_unit();  // uniform in [0, 1): 53 bits from two draws

 private:
  uint64_t state_;
};

class Sampler {
 public:
  explicit Sampler(const SamplingParams& params);

  // What sample() will want of a vocabulary of `vocab_size` after `history`, which is every token
  // so far, prompt included. Its ids stay as they are until the next call.
  LogitsNeed need(std::span<const int32_t> history, int64_t vocab_size);
  // `scores` are not empty and hold what need() of the same history asked for, or all. Ids of the
  // history that have no logit are passed over. Nothing, and nothing drawn: only all logits decide.
  // The filter goes on by the id; it must let one come (end() is kGoesOn).
  std::optional<int32_t> sample(const Scores& scores, std::span<const int32_t> history);

  enum class End {
    kGoesOn,  // an id may come; always without a filter
    kEnds,    // nothing can follow, and the text may end here
    kStuck,   // nothing can follow, but the text may not end here
  };
  End end(int64_t vocab_size) const;
  // kUnsupported, for kStuck.
  static Status stuck_status();
  // How many of `guesses`, one behind the other, the filter lets come.
  size_t allowed_guesses(std::span<const int32_t> guesses) const;

 private:
  struct Kept {
    size_t count = 0;
    double sum = 0.0;
  };
  struct Others {  // ids that may come and have no score here
    int64_t count = 0;
    double below = 0.0;  // what each of their scores is below
  };

  std::optional<int32_t> choose(std::span<const int32_t> history);
  void load_scores(const Scores& scores);
  void load_allowed(const Scores& scores);
  int64_t allowed_below(int64_t vocab_size);
  template <typename Visit>
  void each_allowed(int64_t vocab_size, const Visit& visit);
  void add_few_allowed(int64_t vocab_size);
  // Whether an id without a score may have a greater one.
  bool may_be_beaten(double score) const { return others_.count > 0 && score < others_.below; }
  double* score_of(int32_t id);
  void find_recent(std::span<const int32_t> history);
  void penalize();
  bool counts_text() const {
    return params_.presence_penalty != 0.0 || params_.frequency_penalty != 0.0;
  }
  void find_text(std::span<const int32_t> history);
  void penalize_text();
  void add_bias();
  template <typename Visit>
  void each_banned(std::span<const int32_t> history, const Visit& visit) const;
  int32_t best() const;
  void choose_candidates();
  double weight(int32_t at) const;
  int32_t ranked(size_t rank);
  bool comes_before(int32_t a, int32_t b) const;
  std::optional<Kept> truncate();
  int32_t draw(const Kept& kept);

  SamplingParams params_;
  Pcg32 rng_;
  std::unique_ptr<TokenFilter> filter_;  // null: none
  std::vector<int32_t> allowed_;         // ids that it lets come and that have a score
  // What has a score, in ascending order of ids: an id is named by its place here.
  std::span<const int32_t> ids_;  // empty: place = id
  std::vector<double> scores_;    // by place, penalised
  std::vector<int32_t> order_;    // candidates; the first sorted_count_ in their final order
  size_t sorted_count_ = 0;
  double greatest_ = 0.0;
  std::vector<int32_t> recent_;  // distinct ids to penalise
  std::vector<int32_t> text_;    // ids of the text so far, ascending
  std::vector<int32_t> wanted_;  // ids whose scores are not their logits, and few allowed ones
  Others others_;
};

}  // namespace bitnetc
