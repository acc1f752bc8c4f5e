// A request that has its place: its tokens, its sequence, and how it samples.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/sampler.h"
#include "runtime/schedule/prefix_cache.h"
#include "runtime/schedule/row_shares.h"
#include "runtime/schedule/waiting_line.h"

namespace bitnetc {

class RunningRequest {
 public:
  RunningRequest(SubmissionPtr submission, std::unique_ptr<CachedSequence> cached, int64_t now_ns);

  const Submission& submission() const { return *submission_; }
  const TokenRequest& request() const { return submission_->request; }
  std::span<const int32_t> history() const { return history_; }  // prompt and text
  CachedSequence& cached() { return *cached_; }
  Sequence& sequence() { return cached_->sequence(); }

  bool reads_prompt() const { return cached_->sequence().length() < std::ssize(request().prompt); }
  // Appends the full pages, or the part of a page, that `cache` has of the prompt.
  void reuse(PrefixCache& cache);
  void reuse_part(PrefixCache& cache);
  // Whether `other` reads the page of the prompt that comes next here, too.
  bool shares_next_page(const RunningRequest& other) const;
  // The next `count` rows, at the end of `rows`.
  void add_rows(int64_t count, int64_t vocab_size, std::vector<BatchRow>& rows);
  RowsWanted rows_wanted() const;
  int64_t pages_wanted(int64_t rows) const;  // that `rows` rows will take

  // Nothing: only all logits decide.
  std::optional<int32_t> sample(const Scores& scores) { return sampler_.sample(scores, history_); }
  Sampler::End sampler_end(int64_t vocab_size) const { return sampler_.end(vocab_size); }
  // Tells of a token. Why it is the last one; nothing: it is not.
  std::optional<EndReason> take(int32_t id, std::span<const float> logits, int64_t now_ns);
  // Ends the request; what it holds goes to `cache`.
  RequestEnd end(EndReason reason, Status status, PrefixCache& cache, int64_t now_ns);

  int64_t waited_ns() const { return admitted_ns_ - submission_->submitted_ns; }
  bool is_full() const { return tokens_ == submission_->most_tokens; }
  // Why a request ends that is full.
  EndReason full_reason() const {
    return request().most_tokens ? EndReason::kMostTokens : EndReason::kContextFull;
  }

 private:
  const SubmissionPtr submission_;
  Sampler sampler_;
  std::vector<int32_t> history_;
  std::unique_ptr<CachedSequence> cached_;
  int64_t tokens_ = 0;  // sampled
  int64_t reused_tokens_ = 0;
  const int64_t admitted_ns_;
  std::optional<int64_t> first_token_ns_;
};

// The first tokens of a prompt that need not be read again: at least the last one is, for its
// logits.
std::span<const int32_t> reusable_tokens(const TokenRequest& request);

}  // namespace bitnetc
