// Generation behind a prompt.
#include "tools/capi/sampling.h"
#include "tools/capi/structs.h"
#include "tools/capi/turn.h"
#include "tools/engine/draft.h"
#include "tools/engine/generate.h"

namespace bitnetc::capi {
namespace {

constexpr int kDefaultTokens = 128;

Result<GenerationRequest> make_request(const OpenModel& open, std::span<const int32_t> prompt,
                                       const bitnetc_generate_options& options) {
  if (options.max_tokens < 0)
    return make_error(StatusCode::kInvalidArgument, "max_tokens is {}, expected 0 ({}) or more",
                      options.max_tokens, kDefaultTokens);
  GenerationRequest request{
      .prompt_ids = {prompt.begin(), prompt.end()},
      .max_tokens = options.max_tokens > 0 ? options.max_tokens : kDefaultTokens,
      .most_drafts = kMostDrafts};
  BITNETC_ASSIGN_OR_RETURN(request.sampling, read_sampling(open, options.sampling));
  if (options.ignore_end == 0) request.stop_ids = open.description().generation.stop_ids;
  if (options.is_chat != 0 && open.end_of_answer) request.stop_ids.push_back(*open.end_of_answer);
  BITNETC_RETURN_IF_ERROR(
      need_array(options.stop_strings, options.stop_string_count, "stop_strings"));
  for (size_t i = 0; i < options.stop_string_count; ++i) {
    BITNETC_RETURN_IF_ERROR(need(options.stop_strings[i], "a stop string"));
    request.stop_strings.emplace_back(options.stop_strings[i]);
  }
  return request;
}

// How many of the prompt's tokens the sequence has already. Not the last one, whose logits are
// needed.
size_t common_tokens(const std::vector<int32_t>& held, const std::vector<int32_t>& prompt) {
  const auto last = prompt.end() - 1;
  return static_cast<size_t>(std::mismatch(prompt.begin(), last, held.begin(), held.end()).first -
                             prompt.begin());
}

bitnetc_stop_reason stop_reason_of(StopReason reason, bool by_callback) {
  switch (reason) {
    case StopReason::kMaxTokens: return BITNETC_STOP_MAX_TOKENS;
    case StopReason::kEndOfText: return BITNETC_STOP_END_OF_TEXT;
    case StopReason::kStopString: return BITNETC_STOP_STRING;
    case StopReason::kContextFull: return BITNETC_STOP_CONTEXT_FULL;
    case StopReason::kInterrupted:
      return by_callback ? BITNETC_STOP_CALLBACK : BITNETC_STOP_CANCELLED;
  }
  return BITNETC_STOP_CANCELLED;
}

// Brings the sequence to the part of the prompt that it holds, generates, and keeps what came out.
Result<bitnetc_generation> run(bitnetc_sequence& sequence, const GenerationRequest& request,
                               const bitnetc_generate_options& options) {
  Session& session = *sequence.session;
  const Settlement settlement(sequence);
  const size_t kept = common_tokens(sequence.tokens, request.prompt_ids);
  session.truncate(static_cast<int64_t>(kept));
  sequence.tokens = request.prompt_ids;
  bool stopped_by_callback = false;
  const auto on_text = [&](std::string_view text) {
    const std::string piece(text);  // which ends with a NUL
    stopped_by_callback = options.on_text != nullptr &&
                          options.on_text(options.user_data, piece.c_str(), piece.size()) != 0;
    return !stopped_by_callback;
  };
  const CancelToken nobody = false;
  BITNETC_ASSIGN_OR_RETURN(GenerationResult result,
                           generate(session, *sequence.open->engine.tokenizer, request, on_text,
                                    options.cancel ? options.cancel->token : nobody));
  sequence.tokens.insert(sequence.tokens.end(), result.ids.begin(), result.ids.end());
  sequence.text = std::move(result.text);
  sequence.generated = std::move(result.ids);
  return bitnetc_generation{.size = 0,
                            .text = sequence.text.c_str(),
                            .text_length = sequence.text.size(),
                            .tokens = sequence.generated.data(),
                            .token_count = sequence.generated.size(),
                            .kept_tokens = kept,
                            .stop_reason = stop_reason_of(result.stop_reason, stopped_by_callback),
                            .reserved = 0,
                            .prompt_seconds = result.prompt_seconds,
                            .first_token_seconds = result.first_token_seconds,
                            .decode_seconds = result.decode_seconds};
}

}  // namespace

extern "C" BITNETC_API bitnetc_status bitnetc_generate(bitnetc_sequence* sequence,
                                                       const int32_t* prompt, size_t prompt_count,
                                                       const bitnetc_generate_options* options,
                                                       bitnetc_generation* generation) {
  return guarded([&]() -> Outcome {
    BITNETC_RETURN_IF_ERROR(need(sequence, "sequence"));
    BITNETC_RETURN_IF_ERROR(need(prompt, "prompt"));
    if (prompt_count == 0) return Status(StatusCode::kInvalidArgument, "prompt_count is 0");
    bitnetc_generate_options known = {};
    BITNETC_RETURN_IF_ERROR(read_struct(options, "bitnetc_generate_options", known));
    if (generation != nullptr)
      BITNETC_RETURN_IF_ERROR(check_size(*generation, "bitnetc_generation"));
    BITNETC_ASSIGN_OR_RETURN(const GenerationRequest request,
                             make_request(*sequence->open, {prompt, prompt_count}, known));
    const Turn turn(*sequence->taken);
    if (!turn.is_mine()) return busy();
    if (!has_room(*sequence->session, prompt_count, 0))
      return context_full(*sequence->session, prompt_count, 0);
    BITNETC_ASSIGN_OR_RETURN(const bitnetc_generation result, run(*sequence, request, known));
    return generation ? write_struct(result, "bitnetc_generation", generation) : Status();
  });
}

}  // namespace bitnetc::capi
