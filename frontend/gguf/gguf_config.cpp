#include "frontend/gguf/gguf_config.h"

#include <algorithm>

#include "frontend/families/family.h"
#include "frontend/gguf/gguf_rope.h"
#include "frontend/hf/sentence_transformers.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

constexpr char kArchitectureKey[] = "general.architecture";

Result<const GgufArchitecture*> read_architecture(MetadataReader* reader) {
  BITNETC_ASSIGN_OR_RETURN(const std::string name, reader->required_text(kArchitectureKey));
  BITNETC_RETURN_IF_ERROR(reader->expect_text("general.type", {"model"}));
  const GgufArchitecture* architecture = find_gguf_architecture(name);
  if (architecture == nullptr)
    return reader->error(StatusCode::kUnsupported, "{} = \"{}\" is not supported; known: {}",
                         kArchitectureKey, printable(name, 100), known_gguf_architectures());
  return architecture;
}

// Reads the keys of one architecture: "bitnet-b1.58.block_count".
class FactsReader {
 public:
  FactsReader(const GgufModel& model, const GgufArchitecture& architecture, MetadataReader* reader)
      : model_(model), architecture_(architecture), reader_(*reader) {}

  Result<ModelFacts> read() {
    BITNETC_RETURN_IF_ERROR(read_shapes());
    BITNETC_RETURN_IF_ERROR(read_head_dim());
    BITNETC_RETURN_IF_ERROR(read_gguf_rope(model_, architecture_, &reader_, &config()));
    BITNETC_RETURN_IF_ERROR(read_attention_scale());
    BITNETC_RETURN_IF_ERROR(check_fixed_keys());
    BITNETC_RETURN_IF_ERROR(check_layers());
    facts_.tied_head = model_.find("output.weight") == nullptr;
    facts_.has_projection_norms = model_.find("blk.0.attn_q_norm_in.weight") != nullptr;
    return facts_;
  }

 private:
  std::string key(std::string_view name) const {
    return fmt::format("{}.{}", architecture_.name, name);
  }

  Status read_shapes() {
    const struct {
      const char* name;
      int64_t* value;
      int64_t most;
    } required[] = {
        {"embedding_length", &config().hidden_size, kMaxDimension},
        {"feed_forward_length", &config().intermediate_size, kMaxDimension},
        {"block_count", &config().layers, kMaxLayers},
        {"attention.head_count", &config().q_heads, kMaxDimension},
        {"context_length", &config().max_positions, kMaxPositions},
    };
    for (const auto& field : required) {
      BITNETC_ASSIGN_OR_RETURN(*field.value,
                               reader_.required_integer(key(field.name), 1, field.most));
    }
    BITNETC_ASSIGN_OR_RETURN(const auto kv_heads,
                             reader_.integer_per_layer(key("attention.head_count_kv"), 1,
                                                       kMaxDimension, config().layers));
    config().kv_heads = kv_heads.value_or(config().q_heads);
    if (config().q_heads % config().kv_heads != 0)
      return reader_.error(StatusCode::kDataCorrupt, "{} = {} does not divide {} = {}",
                           key("attention.head_count_kv"), config().kv_heads,
                           key("attention.head_count"), config().q_heads);
    BITNETC_ASSIGN_OR_RETURN(
        const double eps,
        reader_.required_number(key("attention.layer_norm_rms_epsilon"), kFloatMin, kFloatMax));
    config().norm_eps = static_cast<float>(eps);
    return read_vocab_size();
  }

  // The rows of the embedding say it; older writers leave the key out.
  Status read_vocab_size() {
    BITNETC_ASSIGN_OR_RETURN(const auto vocab_size,
                             reader_.integer(key("vocab_size"), 1, kMaxDimension));
    const GgufTensor* embedding = model_.find("token_embd.weight");
    if (embedding == nullptr)
      return reader_.error(StatusCode::kNotFound, "tensor token_embd.weight is missing");
    config().vocab_size = vocab_size.value_or(embedding->rows());
    if (config().vocab_size > kMaxDimension)
      return make_error(StatusCode::kDataCorrupt, "{}: has {} rows, expected at most {}",
                        embedding->label(), config().vocab_size, kMaxDimension);
    return {};
  }

  Status read_head_dim() {
    BITNETC_ASSIGN_OR_RETURN(const auto key_length,
                             reader_.integer(key("attention.key_length"), 1, kMaxDimension));
    BITNETC_ASSIGN_OR_RETURN(const auto value_length,
                             reader_.integer(key("attention.value_length"), 1, kMaxDimension));
    const int64_t heads = config().q_heads, hidden = config().hidden_size;
    if (!key_length && hidden % heads != 0)
      return reader_.error(StatusCode::kDataCorrupt,
                           "{} is missing and {} = {} is no multiple of {} = {}",
                           key("attention.key_length"), key("embedding_length"), hidden,
                           key("attention.head_count"), heads);
    const int64_t head_dim = key_length.value_or(hidden / heads);
    if (value_length.value_or(hidden / heads) != head_dim)
      return reader_.error(StatusCode::kUnsupported,
                           "keys of {} elements and values of {} ({}) are not supported", head_dim,
                           value_length.value_or(hidden / heads), key("attention.value_length"));
    if (head_dim % 2 != 0)
      return reader_.error(StatusCode::kDataCorrupt,
                           "heads have {} elements ({} = {}); RoPE turns pairs", head_dim,
                           key("attention.head_count"), heads);
    if (head_dim * heads > kMaxDimension)
      return reader_.error(StatusCode::kDataCorrupt, "{} * {} = {} * {} exceeds {}",
                           key("attention.head_count"), key("attention.key_length"), heads,
                           head_dim, kMaxDimension);
    config().head_dim = head_dim;
    return {};
  }

  Status check_fixed_keys() {
    BITNETC_RETURN_IF_ERROR(
        reader_.expect_text(key("hidden_activation"), {architecture_.activation}));
    const std::pair<const char*, double> fixed[] = {{"attention.max_alibi_bias", 0},
                                                    {"attention.clamp_kqv", 0},
                                                    {"attn_logit_softcapping", 0},
                                                    {"final_logit_softcapping", 0},
                                                    {"expert_count", 0},
                                                    {"expert_used_count", 0},
                                                    {"logit_scale", 1},
                                                    {"residual_scale", 1},
                                                    {"embedding_scale", 1}};
    for (const auto& [name, only] : fixed)
      BITNETC_RETURN_IF_ERROR(reader_.expect_number(key(name), only));
    BITNETC_ASSIGN_OR_RETURN(const auto causal, reader_.boolean(key("attention.causal")));
    if (!causal.value_or(true))
      return reader_.error(StatusCode::kUnsupported, "{} = false is not supported",
                           key("attention.causal"));
    return {};
  }

  // 0 is the usual one, as it is without the key.
  Status read_attention_scale() {
    BITNETC_ASSIGN_OR_RETURN(const auto scale,
                             reader_.number(key("attention.scale"), 0, kFloatMax));
    const auto stated = static_cast<float>(scale.value_or(0));
    if (stated > 0 && stated != config().attention_scale())
      config().stated_attention_scale = stated;
    return {};
  }

  // A file with more layers than it says is another model: run with the first of its layers it
  // would answer nonsense.
  Status check_layers() const {
    for (const std::string& name : model_.tensor_names())
      if (const auto layer = gguf_layer_of(name); layer && *layer >= facts_.config.layers)
        return reader_.error(StatusCode::kDataCorrupt,
                             "{} is {}, but tensor {} is of layer {}, expected less",
                             key("block_count"), facts_.config.layers, printable(name), *layer);
    return {};
  }

  ModelConfig& config() { return facts_.config; }

  const GgufModel& model_;
  const GgufArchitecture& architecture_;
  MetadataReader& reader_;
  ModelFacts facts_;
};

// How a text encoder is used.
Result<EncoderDefaults> read_encoder(const GgufConfig& config, MetadataReader* reader) {
  const std::string key = fmt::format("{}.pooling_type", config.architecture->name);
  EncoderDefaults encoder;
  if (config.family->output != ModelOutput::kHidden) {
    BITNETC_RETURN_IF_ERROR(reader->expect_number(key, 0));
    return encoder;
  }
  BITNETC_ASSIGN_OR_RETURN(const auto type, reader->integer(key, 0, kGgufPoolings.size()));
  if (type && *type == std::ssize(kGgufPoolings))
    return reader->error(StatusCode::kUnsupported,
                         "{} = {} (rank) is not supported; mean, first and last token are", key,
                         *type);
  if (type) encoder.pooling = kGgufPoolings[static_cast<size_t>(*type)];
  BITNETC_ASSIGN_OR_RETURN(const auto prompts, reader->text(kGgufPromptsKey));
  if (prompts)
    BITNETC_RETURN_IF_ERROR(
        read_prompts(*prompts, fmt::format("{}: {}", reader->origin(), kGgufPromptsKey), &encoder));
  return encoder;
}

}  // namespace

Result<GgufConfig> read_gguf_config(const GgufModel& model, MetadataReader* reader) {
  GgufConfig config;
  BITNETC_ASSIGN_OR_RETURN(config.architecture, read_architecture(reader));
  config.family = find_family(config.architecture->family);
  if (config.family == nullptr)
    return reader->error(StatusCode::kUnsupported,
                         "{} = \"{}\" is known, but its family \"{}\" cannot be run yet",
                         kArchitectureKey, config.architecture->name, config.architecture->family);
  BITNETC_ASSIGN_OR_RETURN(config.facts, FactsReader(model, *config.architecture, reader).read());
  config.facts.config.family = config.family->name;
  config.facts.config.output = config.family->output;
  BITNETC_ASSIGN_OR_RETURN(config.encoder, read_encoder(config, reader));
  return config;
}

Status report_unread_keys(const GgufArchitecture& architecture, const MetadataReader& reader,
                          LoadReport* report) {
  constexpr std::string_view kRotated = "prism.hadamard.";
  const std::string own = fmt::format("{}.", architecture.name);
  for (const std::string& key : reader.unread()) {
    const std::string name = printable(key, 100);
    if (key.starts_with(kRotated))
      return reader.error(StatusCode::kUnsupported,
                          "{}: rotated weights are not supported, and without the rotation the "
                          "model answers nonsense",
                          name);
    if (key.starts_with(own)) {
      report->notes.push_back(
          fmt::format("{}: {} is not known and not used", reader.origin(), name));
    } else {
      report->ignored_keys.push_back(fmt::format("{}: {}", reader.origin(), name));
    }
  }
  return {};
}

}  // namespace bitnetc
