// Vectors of texts.
#include "tools/engine/embedding.h"

#include "tools/capi/handles.h"
#include "tools/capi/structs.h"
#include "tools/engine/embedding_text.h"

namespace bitnetc::capi {
namespace {

Result<Pooling> read_pooling(const char* name, const EncoderDefaults& defaults) {
  if (name == nullptr) return defaults.pooling.value_or(Pooling::kLast);
  if (const auto pooling = parse_pooling(name)) return *pooling;
  return make_error(StatusCode::kInvalidArgument, "pooling '{}': expected last, mean or first",
                    name);
}

Result<std::vector<TextIds>> encode_all(const OpenModel& open, std::span<const char* const> texts,
                                        const bitnetc_embed_options& options) {
  const ModelDescription& description = open.description();
  std::optional<std::string> prompt_name;
  if (options.prompt_name != nullptr) prompt_name = options.prompt_name;
  const auto prompt = embedding_prompt(prompt_name, description.encoder);
  if (!prompt.ok()) return prompt.status().with_context("prompt_name");
  std::vector<TextIds> all;
  for (const char* text : texts) {
    const std::string name = fmt::format("texts[{}]", all.size());
    BITNETC_RETURN_IF_ERROR(need(text, name.c_str()));
    auto ids = encode_for_embedding(*open.engine.tokenizer, *prompt + text,
                                    description.config.max_positions, options.truncate != 0);
    if (!ids.ok()) return ids.status().with_context(name);
    all.push_back(*std::move(ids));
  }
  return all;
}

Status embed(OpenModel& open, std::span<const TextIds> ids, Pooling pooling,
             const CancelToken* cancel, float* vectors) {
  const std::lock_guard lock(open.embedding_mutex);
  if (!open.embedder) {
    BITNETC_ASSIGN_OR_RETURN(
        open.embedder, CpuExecutor::create(open.engine.executable, {.threads = open.threads}));
  }
  return embed_texts(
      *open.embedder, ids, pooling,
      [&](size_t text, const std::vector<float>& vector) {
        std::ranges::copy(vector, vectors + text * vector.size());
      },
      cancel);
}

}  // namespace

extern "C" BITNETC_API bitnetc_status bitnetc_embed(const bitnetc_model* model,
                                                    const char* const* texts, size_t text_count,
                                                    const bitnetc_embed_options* options,
                                                    float* vectors, size_t capacity) {
  return guarded([&]() -> Outcome {
    BITNETC_RETURN_IF_ERROR(need(model, "model"));
    BITNETC_RETURN_IF_ERROR(need_array(texts, text_count, "texts"));
    BITNETC_RETURN_IF_ERROR(need_array(vectors, text_count, "vectors"));
    bitnetc_embed_options known = {};
    BITNETC_RETURN_IF_ERROR(read_struct(options, "bitnetc_embed_options", known));
    OpenModel& open = *model->open;
    BITNETC_RETURN_IF_ERROR(expect_output(open.engine, ModelOutput::kHidden, open.name));
    const ModelDescription& description = open.description();
    const auto columns = static_cast<size_t>(description.config.output_columns());
    if (capacity / columns < text_count)
      return {BITNETC_BUFFER_TOO_SMALL,
              fmt::format("vectors has room for {}, {} times {} are needed", capacity, text_count,
                          columns)};
    BITNETC_ASSIGN_OR_RETURN(const Pooling pooling,
                             read_pooling(known.pooling, description.encoder));
    BITNETC_ASSIGN_OR_RETURN(const auto ids, encode_all(open, {texts, text_count}, known));
    return embed(open, ids, pooling, token_of(known.cancel), vectors);
  });
}

}  // namespace bitnetc::capi
