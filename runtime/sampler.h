// Chooses the next token from logits, on one thread, in double and with math::exp_f64; the
// generator is PCG-XSH-RR 64/32. So a seed gives the same text on every machine. In this order:
//
//   penalty    each distinct id of the last `repeat_last_n` tokens: score / p where the score
//              is positive, else score * p
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
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/status.h"

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

  // `logits` is not empty; `history` is every token so far, prompt included. Ids of the history
  // that have no logit are passed over.
  int32_t sample(std::span<const float> logits, std::span<const int32_t> history);

 private:
  struct Kept {
    size_t count = 0;
    double sum = 0.0;
  };

  void load_scores(std::span<const float> logits);
  void penalize(std::span<const int32_t> history);
  void ban(std::span<const int32_t> history);
  void ban_id(int32_t id);
  int32_t best() const;
  void choose_candidates();
  double weight(int32_t id) const;
  int32_t ranked(size_t rank);
  bool comes_before(int32_t a, int32_t b) const;
  Kept truncate();
  int32_t draw();

  SamplingParams params_;
  Pcg32 rng_;
  std::vector<double> scores_;  // by id, penalised
  std::vector<int32_t> order_;  // candidates; the first sorted_count_ of them in their final order
  size_t sorted_count_ = 0;
  double greatest_ = 0.0;
  std::vector<int32_t> recent_;  // distinct ids to penalise
};

}  // namespace bitnetc
