// POST /tokenize, /detokenize, /apply-template; GET /tokenizer_info. Fields are those of vLLM
// ("prompt") and of llama.cpp ("content").
#include "tools/serve/api/generation_params.h"
#include "tools/serve/api/prompt.h"
#include "tools/serve/api/surfaces.h"
#include "tools/serve/api/tools.h"
#include "tools/serve/service.h"

namespace bitnetc::serve {
namespace {

Json text_or_null_of(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

// The object of the body; nothing: it was answered with an error.
std::optional<Json> read_body(Exchange& exchange) {
  auto body = parse_object(exchange.request().body);
  if (body.ok()) return *std::move(body);
  exchange.send_error(body.error());
  return std::nullopt;
}

}  // namespace

// Here the text of a special token becomes its id.
void handle_tokenize(const ExchangePtr& exchange) {
  const ServedModel& model = exchange->service().model();
  const auto body = read_body(*exchange);
  if (!body) return;
  Fields fields(*body);
  const auto prompt = fields.text("prompt"), content = fields.text("content");
  const bool default_special = prompt.has_value();
  const auto vllm_special = fields.boolean("add_special_tokens");
  const auto llama_special = fields.boolean("add_special");
  const bool with_pieces = fields.boolean("with_pieces").value_or(false);
  fields.text("model");
  if (!prompt && !content) fields.fail(bad_request("'prompt': is required", "prompt"));
  if (fields.error()) return exchange->send_error(*fields.error());
  const auto ids = model.tokenizer->encode(
      prompt ? *prompt : *content, vllm_special.value_or(llama_special.value_or(default_special)));
  if (!ids.ok()) return exchange->send_error(error_of(ids.status(), "prompt"));
  exchange->set_ignored(fields.ignored());
  Json tokens = *ids;
  if (with_pieces) {
    tokens = Json::array();
    StreamDecoder decoder(*model.tokenizer, /*skip_special=*/false);
    for (const int32_t id : *ids) tokens.push_back({{"id", id}, {"piece", decoder.push(id)}});
  }
  exchange->send_json({{"count", ids->size()},
                       {"max_model_len", model.context_tokens},
                       {"tokens", std::move(tokens)}});
}

void handle_detokenize(const ExchangePtr& exchange) {
  const ServedModel& model = exchange->service().model();
  const auto body = read_body(*exchange);
  if (!body) return;
  Fields fields(*body);
  const std::vector<RawPrompt> prompts = read_raw_prompts(fields, "tokens", model);
  fields.text("model");
  if (!fields.error() && (prompts.size() != 1 || prompts.front().text))
    fields.fail(bad_request("'tokens': expected a list of token ids", "tokens"));
  if (fields.error()) return exchange->send_error(*fields.error());
  const auto text = model.tokenizer->decode(prompts.front().ids, /*skip_special=*/false);
  if (!text.ok()) return exchange->send_error(error_of(text.status(), "tokens"));
  exchange->set_ignored(fields.ignored());
  exchange->send_json({{"prompt", *text}, {"content", *text}});
}

void handle_apply_template(const ExchangePtr& exchange) {
  const auto body = read_body(*exchange);
  if (!body) return;
  Fields fields(*body);
  const ServedModel& model = exchange->service().model();
  TemplateRequest request = read_template_request(fields, model);
  request.end = read_end(fields);
  const auto messages = read_messages(fields);
  const ToolsRequest tools = read_tools(fields, ToolStyle::kChat);
  fields.text("model");
  if (fields.error()) return exchange->send_error(*fields.error());
  auto chat = render_chat(model, messages, request, tools.offered);
  if (!chat.ok()) return exchange->send_error(chat.error());
  exchange->set_ignored(fields.ignored());
  exchange->send_json({{"prompt", chat->text}});
}

void handle_tokenizer_info(const ExchangePtr& exchange) {
  const ServedModel& model = exchange->service().model();
  std::string end = model.special_token("eos_token");
  if (end.empty() && !model.generation.stop_ids.empty())
    end = model.tokenizer->token_text(model.generation.stop_ids.front()).value_or("");
  exchange->send_json({{"eos_token", end},
                       {"bos_token", text_or_null_of(model.special_token("bos_token"))},
                       {"pad_token", text_or_null_of(model.special_token("pad_token"))},
                       {"unk_token", text_or_null_of(model.special_token("unk_token"))},
                       {"vocab_size", model.tokenizer->vocab_size()},
                       {"model_max_length", model.context_tokens},
                       {"chat_template", text_or_null_of(model.template_source)}});
}

}  // namespace bitnetc::serve
