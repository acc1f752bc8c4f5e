// What calls that change a sequence have in common.
#pragma once

#include "tools/capi/handles.h"
#include "tools/capi/outcome.h"

namespace bitnetc::capi {

// Held by the call that uses a sequence or one of its forks; never waited for.
class Turn {
 public:
  explicit Turn(std::atomic_flag& taken)
      : taken_(taken), is_mine_(!taken.test_and_set(std::memory_order_acquire)) {}
  ~Turn() {
    if (is_mine_) taken_.clear(std::memory_order_release);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  bool is_mine() const { return is_mine_; }

 private:
  std::atomic_flag& taken_;
  const bool is_mine_;
};

inline Outcome busy() {
  return {BITNETC_BUSY, "another call uses the sequence or one of its forks"};
}

inline bool has_room(const Session& session, size_t tokens, int64_t position) {
  return tokens <= static_cast<size_t>(session.context_tokens() - position);
}
inline Outcome context_full(const Session& session, size_t tokens, int64_t position) {
  return {BITNETC_CONTEXT_FULL,
          fmt::format("{} tokens do not fit: {} of {} positions of the context are taken", tokens,
                      position, session.context_tokens())};
}

// Whatever becomes of a call, failures and exceptions included: afterwards the list of tokens and
// the session agree on how many there are, and logits that are not known to be right are gone.
class Settlement {
 public:
  explicit Settlement(bitnetc_sequence& sequence) : sequence_(sequence) {}
  ~Settlement() {
    Session& session = *sequence_.session;
    const auto listed = static_cast<int64_t>(sequence_.tokens.size());
    if (session.position() > listed) session.truncate(listed);
    if (session.position() < listed)
      sequence_.tokens.erase(sequence_.tokens.begin() + session.position(), sequence_.tokens.end());
    if (!keeps_logits) sequence_.logits.clear();
  }
  Settlement(const Settlement&) = delete;
  Settlement& operator=(const Settlement&) = delete;

  bool keeps_logits = false;

 private:
  bitnetc_sequence& sequence_;
};

}  // namespace bitnetc::capi
