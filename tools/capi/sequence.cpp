// Sequences: tokens in, logits out.
#include "tools/capi/handles.h"
#include "tools/capi/structs.h"
#include "tools/capi/turn.h"

namespace bitnetc::capi {

extern "C" BITNETC_API bitnetc_status bitnetc_sequence_create(const bitnetc_model* model,
                                                              int64_t context_tokens,
                                                              bitnetc_sequence** sequence) {
  return guarded([&]() -> Outcome {
    BITNETC_RETURN_IF_ERROR(need(model, "model"));
    BITNETC_RETURN_IF_ERROR(need(sequence, "sequence"));
    const auto& open = model->open;
    BITNETC_RETURN_IF_ERROR(expect_output(open->engine, ModelOutput::kLogits, open->name));
    BITNETC_ASSIGN_OR_RETURN(
        auto session,
        Session::create(open->engine.executable, {.threads = open->threads,
                                                  .lock_pages = open->engine.memory_is_locked,
                                                  .context_tokens = context_tokens}));
    *sequence = new bitnetc_sequence{
        .open = open, .taken = std::make_shared<std::atomic_flag>(), .session = std::move(session)};
    return {};
  });
}

extern "C" BITNETC_API bitnetc_status bitnetc_sequence_fork(const bitnetc_sequence* sequence,
                                                            bitnetc_sequence** fork) {
  return guarded([&]() -> Outcome {
    BITNETC_RETURN_IF_ERROR(need(sequence, "sequence"));
    BITNETC_RETURN_IF_ERROR(need(fork, "fork"));
    const Turn turn(*sequence->taken);
    if (!turn.is_mine()) return busy();
    *fork = new bitnetc_sequence{.open = sequence->open,
                                 .taken = sequence->taken,
                                 .session = sequence->session->fork(),
                                 .tokens = sequence->tokens,
                                 .logits = sequence->logits};
    return {};
  });
}

extern "C" BITNETC_API bitnetc_status bitnetc_sequence_eval(bitnetc_sequence* sequence,
                                                            const int32_t* tokens,
                                                            size_t token_count,
                                                            bitnetc_cancel* cancel) {
  return guarded([&]() -> Outcome {
    BITNETC_RETURN_IF_ERROR(need(sequence, "sequence"));
    BITNETC_RETURN_IF_ERROR(need(tokens, "tokens"));
    if (token_count == 0) return Status(StatusCode::kInvalidArgument, "token_count is 0");
    const Turn turn(*sequence->taken);
    if (!turn.is_mine()) return busy();
    Session& session = *sequence->session;
    if (!has_room(session, token_count, session.position()))
      return context_full(session, token_count, session.position());
    Settlement settlement(*sequence);
    sequence->tokens.insert(sequence->tokens.end(), tokens, tokens + token_count);
    const Status appended = session.append({tokens, token_count}, token_of(cancel));
    if (appended.ok()) sequence->logits.assign(session.logits().begin(), session.logits().end());
    // An id outside the vocabulary, which is seen before anything is appended.
    settlement.keeps_logits = appended.ok() || appended.code() == StatusCode::kInvalidArgument;
    return appended;
  });
}

extern "C" BITNETC_API bitnetc_status bitnetc_sequence_get_logits(const bitnetc_sequence* sequence,
                                                                  const float** logits,
                                                                  size_t* logit_count) {
  return guarded([&]() -> Outcome {
    BITNETC_RETURN_IF_ERROR(need(sequence, "sequence"));
    BITNETC_RETURN_IF_ERROR(need(logits, "logits"));
    BITNETC_RETURN_IF_ERROR(need(logit_count, "logit_count"));
    const Turn turn(*sequence->taken);
    if (!turn.is_mine()) return busy();
    if (sequence->logits.empty())
      return Status(StatusCode::kInvalidArgument,
                    "the sequence has no logits: bitnetc_sequence_eval() comes first");
    *logits = sequence->logits.data();
    *logit_count = sequence->logits.size();
    return {};
  });
}

extern "C" BITNETC_API bitnetc_status bitnetc_sequence_get_tokens(const bitnetc_sequence* sequence,
                                                                  const int32_t** tokens,
                                                                  size_t* token_count) {
  return guarded([&]() -> Outcome {
    BITNETC_RETURN_IF_ERROR(need(sequence, "sequence"));
    BITNETC_RETURN_IF_ERROR(need(tokens, "tokens"));
    BITNETC_RETURN_IF_ERROR(need(token_count, "token_count"));
    const Turn turn(*sequence->taken);
    if (!turn.is_mine()) return busy();
    *tokens = sequence->tokens.data();
    *token_count = sequence->tokens.size();
    return {};
  });
}

extern "C" BITNETC_API int64_t bitnetc_sequence_position(const bitnetc_sequence* sequence) {
  if (sequence == nullptr) return 0;
  const Turn turn(*sequence->taken);
  return turn.is_mine() ? static_cast<int64_t>(sequence->tokens.size()) : -1;
}

extern "C" BITNETC_API bitnetc_status bitnetc_sequence_truncate(bitnetc_sequence* sequence,
                                                                int64_t length) {
  return guarded([&]() -> Outcome {
    BITNETC_RETURN_IF_ERROR(need(sequence, "sequence"));
    const Turn turn(*sequence->taken);
    if (!turn.is_mine()) return busy();
    const int64_t position = sequence->session->position();
    if (length < 0 || length > position)
      return make_error(StatusCode::kInvalidArgument,
                        "length is {}, expected 0 to {}, the tokens of the sequence", length,
                        position);
    if (length == position) return {};
    sequence->session->truncate(length);
    sequence->tokens.resize(static_cast<size_t>(length));
    sequence->logits.clear();
    return {};
  });
}

extern "C" BITNETC_API void bitnetc_sequence_free(bitnetc_sequence* sequence) {
  delete sequence;
}

}  // namespace bitnetc::capi
