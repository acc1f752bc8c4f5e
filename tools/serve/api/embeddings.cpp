// POST /v1/embeddings
#include <bit>

#include "tools/engine/embedding_text.h"
#include "tools/serve/api/generation_params.h"
#include "tools/serve/api/prompt.h"
#include "tools/serve/api/surfaces.h"
#include "tools/serve/service.h"

namespace bitnetc::serve {
namespace {

struct EmbeddingRequest {
  std::vector<TextIds> texts;
  bool is_base64 = false;
  int64_t tokens = 0;
};

// Of the bytes of f32 numbers, the least significant byte first.
std::string base64(const std::vector<float>& vector) {
  static_assert(std::endian::native == std::endian::little);
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto* bytes = reinterpret_cast<const unsigned char*>(vector.data());
  const size_t count = vector.size() * sizeof(float);
  std::string text;
  text.reserve((count + 2) / 3 * 4);
  for (size_t i = 0; i < count; i += 3) {
    const size_t there = std::min<size_t>(3, count - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < there ? bytes[i + k] : 0u);
    for (size_t k = 0; k < 4; ++k) text += k <= there ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

EmbeddingRequest read_embedding_request(Fields& fields, const ServedModel& model) {
  EmbeddingRequest request;
  const auto format = fields.text("encoding_format").value_or("float");
  if (format != "float" && format != "base64")
    fields.fail(bad_request("'encoding_format': expected 'float' or 'base64'", "encoding_format"));
  request.is_base64 = format == "base64";
  if (const auto dimensions = fields.integer("dimensions", 1, 1 << 20);
      dimensions && *dimensions != model.config.hidden_size)
    fields.fail(unsupported_field(
        "dimensions", fmt::format("vectors of this model have {}", model.config.hidden_size)));
  const auto prompt = embedding_prompt(fields.text("prompt_name"), model.encoder);
  if (!prompt.ok()) fields.fail(error_of(prompt.status(), "prompt_name"));
  const bool truncate = fields.boolean("truncate").value_or(false);
  fields.accept_without_effect({"user"});
  fields.text("model");
  const auto raw = read_raw_prompts(fields, "input", model);
  if (fields.error()) return request;
  for (size_t i = 0; i < raw.size(); ++i) {
    Result<TextIds> ids = raw[i].ids;
    if (raw[i].text)
      ids = encode_for_embedding(*model.tokenizer, *prompt + *raw[i].text, model.context_tokens,
                                 truncate);
    const bool fits = !ids.ok() || std::ssize(*ids) <= model.context_tokens;
    if (!fits)
      fields.fail(*check_length(std::ssize(*ids), std::nullopt, model, "input"));
    else if (!ids.ok() || ids->empty())
      fields.fail(bad_request(
          fmt::format("'input': entry {}: {}", i, ids.ok() ? "no tokens" : ids.status().message()),
          "input"));
    if (fields.error()) return request;
    request.tokens += std::ssize(*ids);
    request.texts.push_back(*std::move(ids));
  }
  return request;
}

void answer_vectors(Exchange& exchange, const std::vector<std::vector<float>>& vectors,
                    bool is_base64, int64_t tokens) {
  Json data = Json::array();
  for (size_t i = 0; i < vectors.size(); ++i)
    data.push_back({{"object", "embedding"},
                    {"index", i},
                    {"embedding", is_base64 ? Json(base64(vectors[i])) : Json(vectors[i])}});
  exchange.note_finish("stop");
  exchange.note_prompt(tokens, 0);
  exchange.send_json({{"object", "list"},
                      {"data", std::move(data)},
                      {"model", exchange.service().model().id},
                      {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}});
}

}  // namespace

void handle_embeddings(const ExchangePtr& exchange) {
  Service& service = exchange->service();
  const ServedModel& model = service.model();
  if (model.writes_text())
    return exchange->send_error(bad_request(
        "the model writes text; embeddings come from a text encoder", "model", "no_text_encoder"));
  auto body = parse_object(exchange->request().body);
  if (!body.ok()) return exchange->send_error(body.error());
  Fields fields(*body);
  EmbeddingRequest request = read_embedding_request(fields, model);
  if (fields.error()) return exchange->send_error(*fields.error());
  exchange->set_ignored(fields.ignored());
  EmbeddingJob job{.texts = std::move(request.texts)};
  job.on_end = [exchange, is_base64 = request.is_base64,
                tokens = request.tokens](Result<std::vector<std::vector<float>>> vectors) {
    if (!vectors.ok()) return exchange->send_error(error_of(vectors.status()));
    answer_vectors(*exchange, *vectors, is_base64, tokens);
  };
  const auto is_cancelled = job.is_cancelled;
  if (const Status taken = service.engine().embed(std::move(job)); !taken.ok())
    return exchange->send_error(queue_is_full());
  exchange->when_gone([is_cancelled] { is_cancelled->store(true); });
}

}  // namespace bitnetc::serve
