// A Graph's weights and facts as a GGUF file.
#include <algorithm>
#include <cmath>

#include "frontend/export.h"
#include "frontend/gguf/gguf_architecture.h"
#include "frontend/gguf/gguf_config.h"
#include "frontend/gguf/gguf_rope.h"
#include "frontend/gguf/gguf_weight_source.h"
#include "frontend/gguf/gguf_writer.h"
#include "frontend/gguf/tensor_types/encoders.h"
#include "frontend/gguf/tokenizer_metadata.h"
#include "frontend/hf/sentence_transformers.h"
#include "runtime/math.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

using gguf::tensor_type;

struct FormatRow {
  TernaryFormat format;
  std::string_view type;
  uint32_t file_type;  // general.file_type, as llama.cpp and bitnet.cpp number them
};
constexpr FormatRow kFormats[] = {{TernaryFormat::kI2S, "I2_S", 40},
                                  {TernaryFormat::kTq1_0, "TQ1_0", 36},
                                  {TernaryFormat::kTq2_0, "TQ2_0", 37},
                                  {TernaryFormat::kF16, "F16", 1},
                                  {TernaryFormat::kBf16, "BF16", 32}};

const FormatRow& row_of(TernaryFormat format) {
  return *std::ranges::find(kFormats, format, &FormatRow::format);
}

bool fits(float value, const gguf::TensorType& type) {
  if (type.name == "F16" || type.name.starts_with("TQ"))
    return math::widen_f16(math::round_to_f16(value)) == value;
  if (type.name == "BF16") return math::widen_bf16(math::round_to_bf16(value)) == value;
  return true;
}

// A ternary matrix as it will be written.
struct TernaryPlan {
  const TernarySource* source = nullptr;
  std::string name;  // "blk.0.attn_q"
  const gguf::TensorType* type = nullptr;
  int64_t heads = 0;  // whose rows are reordered; 0: none
  // The scale is a tensor of its own, and the matrix holds -1, 0 and +1.
  bool has_scale_tensor = false;
};

struct VectorPlan {
  std::string name;
  std::span<const float> values;
};

struct TablePlan {
  const FloatTable* table = nullptr;
  std::string name;
  const gguf::TensorType* type = nullptr;
};

class GgufExport {
 public:
  GgufExport(const Graph& graph, const GgufExportOptions& options, GgufWriter& writer)
      : graph_(graph), options_(options), writer_(writer) {}

  Result<ExportReport> run() {
    architecture_ = gguf_architecture_of_family(graph_.config.family);
    if (architecture_ == nullptr)
      return make_error(StatusCode::kUnsupported, "family \"{}\" has no architecture of GGUF files",
                        graph_.config.family);
    BITNETC_RETURN_IF_ERROR(plan_tables());
    BITNETC_RETURN_IF_ERROR(plan_vectors());
    BITNETC_RETURN_IF_ERROR(plan_ternary());
    BITNETC_RETURN_IF_ERROR(add_values());
    announce();
    BITNETC_RETURN_IF_ERROR(writer_.write_header());
    BITNETC_RETURN_IF_ERROR(write_tensors());
    BITNETC_RETURN_IF_ERROR(writer_.finish());
    note_exactness();
    report_.file_bytes = writer_.bytes_written();
    return std::move(report_);
  }

 private:
  // "blk.0.attn_norm" for "model.layers.0.input_layernorm", with or without ".weight".
  Result<std::string> file_name(std::string_view weight) const {
    constexpr std::string_view kSuffix = ".weight";
    if (weight.ends_with(kSuffix)) weight.remove_suffix(kSuffix.size());
    auto name = gguf_tensor_name(*architecture_, weight);
    if (!name)
      return make_error(StatusCode::kUnsupported, "{}: architecture \"{}\" has no tensor for it",
                        printable(weight, 100), architecture_->name);
    return *std::move(name);
  }

  const gguf::TensorType& table_type(const FloatTable& table) const {
    switch (options_.tables) {
      case TableFormat::kF16: return tensor_type("F16");
      case TableFormat::kQ8_0: return tensor_type("Q8_0");
      case TableFormat::kQ6K: return tensor_type("Q6_K");
      case TableFormat::kAsIs: break;
    }
    return stored_type(table.type);
  }

  Status plan_tables() {
    for (const FloatTable& table : graph_.tables) {
      TablePlan plan{.table = &table, .type = &table_type(table)};
      BITNETC_ASSIGN_OR_RETURN(plan.name, file_name(table.name));
      if (!plan.type->stored_bytes(std::vector{table.columns, table.rows}))
        return make_error(StatusCode::kUnsupported,
                          "{}: {} columns are no multiple of {}, as type {} needs; leave --head "
                          "out or take f16",
                          table.name, table.columns, plan.type->block_elements, plan.type->name);
      tables_.push_back(std::move(plan));
    }
    return {};
  }

  Status plan_vectors() {
    for (const FloatVector& vector : graph_.vectors) {
      BITNETC_ASSIGN_OR_RETURN(const std::string name, file_name(vector.name));
      vectors_.push_back({name + ".weight", vector.values});
    }
    return {};
  }

  // A type that cannot store a matrix leaves it to F16, and a scale that the type rounds to a
  // tensor of its own. Only for these must the scale be known before the tensors are announced.
  Status plan_ternary() {
    const gguf::TensorType& asked = tensor_type(row_of(options_.ternary).type);
    for (const TernarySource& source : graph_.ternary) {
      TernaryPlan plan{.source = &source, .type = &asked};
      BITNETC_ASSIGN_OR_RETURN(plan.name, file_name(source.name));
      if (architecture_->permutes_qk && source.name.ends_with(".self_attn.q_proj"))
        plan.heads = graph_.config.q_heads;
      if (architecture_->permutes_qk && source.name.ends_with(".self_attn.k_proj"))
        plan.heads = graph_.config.kv_heads;
      if (plan.heads > 0 && (source.n % plan.heads != 0 || source.n / plan.heads % 2 != 0))
        return make_error(StatusCode::kDataCorrupt,
                          "{}: {} rows are no {} heads of an even number of rows", source.label(),
                          source.n, plan.heads);
      // Readers of I2_S count rows in whole blocks, though the format does not.
      if (source.k % asked.block_elements != 0) {
        plan.type = &tensor_type("F16");
        ++odd_matrices_;
      }
      if (plan.type->name != "I2_S") {
        BITNETC_ASSIGN_OR_RETURN(const TernaryMatrix matrix,
                                 load_with_one_scale(source, "cannot be written"));
        // Numbers of which all are zero do not say their scale.
        const bool is_float = plan.type->widen != nullptr;
        const bool is_zero = std::ranges::all_of(matrix.trits, [](int8_t t) { return t == 0; });
        plan.has_scale_tensor = !fits(matrix.scales.values[0], *plan.type) || (is_float && is_zero);
        scale_tensors_ += plan.has_scale_tensor ? 1 : 0;
      }
      ternary_.push_back(std::move(plan));
    }
    return {};
  }

  std::string key(std::string_view name) const {
    return fmt::format("{}.{}", architecture_->name, name);
  }

  Status add_rope() {
    BITNETC_ASSIGN_OR_RETURN(rope_factors_, add_gguf_rope(*architecture_, graph_.config, &writer_));
    if (!rope_factors_.empty()) vectors_.push_back({kGgufRopeFactors, rope_factors_});
    return {};
  }

  void add_attention_scale() {
    const ModelConfig& config = graph_.config;
    if (config.attention_scale() == attention_scale_of(static_cast<double>(config.head_dim)))
      return;
    writer_.add_f32(key("attention.scale"), config.attention_scale());
    report_.notes.push_back(
        "the scale of attention is not that of its heads: programs that do not read "
        "attention.scale compute otherwise");
  }

  void add_encoder() {
    const EncoderDefaults& encoder = graph_.encoder;
    if (encoder.pooling)
      writer_.add_u32(key("pooling_type"),
                      static_cast<uint32_t>(std::ranges::find(kGgufPoolings, encoder.pooling) -
                                            kGgufPoolings.begin()));
    if (encoder.prompts.empty()) return;
    writer_.add_text(kGgufPromptsKey, prompts_json(encoder));
    report_.notes.push_back(
        "prompts have no place in a GGUF file that other programs read; bitnetc reads them");
  }

  Status add_values() {
    const ModelConfig& config = graph_.config;
    writer_.add_text("general.architecture", architecture_->name);
    writer_.add_text("general.type", "model");
    writer_.add_u32("general.file_type", row_of(options_.ternary).file_type);
    writer_.add_u32("general.quantization_version", 2);
    const std::pair<const char*, int64_t> numbers[] = {
        {"vocab_size", config.vocab_size},
        {"context_length", config.max_positions},
        {"embedding_length", config.hidden_size},
        {"block_count", config.layers},
        {"feed_forward_length", config.intermediate_size},
        {"attention.head_count", config.q_heads},
        {"attention.head_count_kv", config.kv_heads},
        {"attention.key_length", config.head_dim},
        {"attention.value_length", config.head_dim},
        {"rope.dimension_count", config.head_dim}};
    for (const auto& [name, value] : numbers)
      writer_.add_u32(key(name), static_cast<uint32_t>(value));
    writer_.add_f32(key("attention.layer_norm_rms_epsilon"), config.norm_eps);
    BITNETC_RETURN_IF_ERROR(add_rope());
    add_attention_scale();
    add_encoder();
    writer_.add_text(key("hidden_activation"), architecture_->activation);
    const GenerationDefaults& generation = graph_.generation;
    if (generation.do_sample || generation.temperature || generation.top_p || generation.top_k ||
        generation.min_p || generation.repetition_penalty)
      report_.notes.push_back(
          "the defaults of sampling (temperature and the like) have no place in a GGUF file");
    return add_tokenizer_metadata(graph_, &writer_, &report_.notes);
  }

  // In the order in which write_tensors() writes.
  void announce() {
    for (const TablePlan& plan : tables_)
      writer_.announce(plan.name + ".weight", *plan.type,
                       std::vector{plan.table->columns, plan.table->rows});
    for (const VectorPlan& plan : vectors_)
      writer_.announce(plan.name, tensor_type("F32"), std::vector{std::ssize(plan.values)});
    for (const TernaryPlan& plan : ternary_) {
      writer_.announce(plan.name + ".weight", *plan.type,
                       std::vector{plan.source->k, plan.source->n});
      if (plan.has_scale_tensor)
        writer_.announce(plan.name + ".scale", tensor_type("F32"), std::vector<int64_t>{1});
    }
  }

  Status write_tensors() {
    for (const TablePlan& plan : tables_) {
      BITNETC_RETURN_IF_ERROR(write_table(plan));
      BITNETC_RETURN_IF_ERROR(step(plan.name));
    }
    for (const VectorPlan& plan : vectors_) {
      BITNETC_RETURN_IF_ERROR(writer_.write(
          {reinterpret_cast<const uint8_t*>(plan.values.data()), plan.values.size_bytes()}));
      BITNETC_RETURN_IF_ERROR(step(plan.name));
    }
    for (const TernaryPlan& plan : ternary_) {
      BITNETC_RETURN_IF_ERROR(write_ternary(plan));
      BITNETC_RETURN_IF_ERROR(step(plan.name));
    }
    return {};
  }

  Status step(const std::string& name) {
    const auto total = static_cast<int>(tables_.size() + vectors_.size() + ternary_.size());
    ++report_.tensors;
    if (options_.progress && !options_.progress(report_.tensors, total, name))
      return Status(StatusCode::kCancelled, "conversion stopped; nothing was written");
    return {};
  }

  // Some rows at a time.
  Status write_table(const TablePlan& plan) {
    const FloatTable& table = *plan.table;
    const std::string_view type = plan.type->name;
    if (plan.type == &stored_type(table.type)) return writer_.write(table.bytes);
    std::vector<float> row(static_cast<size_t>(table.columns));
    std::vector<uint8_t> out(*plan.type->stored_bytes(std::vector{table.columns}));
    const auto row_bytes = static_cast<size_t>(table.columns * float_type_bytes(table.type));
    for (int64_t r = 0; r < table.rows; ++r) {
      math::widen(table.type, table.bytes.data() + static_cast<size_t>(r) * row_bytes,
                  table.columns, row.data());
      if (type == "Q8_0") {
        gguf::encode_q8_0(row, out.data());
      } else if (type == "Q6_K") {
        gguf::encode_q6_k(row, out.data());
      } else {
        BITNETC_RETURN_IF_ERROR(round_to_f16(plan, r, row, out));
      }
      BITNETC_RETURN_IF_ERROR(writer_.write(out));
    }
    if (type != "F16")
      report_.notes.push_back(
          fmt::format("{}: {} as {}, rounded", plan.name, float_type_name(table.type), type));
    return {};
  }

  static const gguf::TensorType& stored_type(FloatType type) {
    if (type == FloatType::kF16) return tensor_type("F16");
    return tensor_type(type == FloatType::kBf16 ? "BF16" : "F32");
  }

  Status round_to_f16(const TablePlan& plan, int64_t row_index, std::span<const float> row,
                      std::span<uint8_t> out) {
    for (size_t i = 0; i < row.size(); ++i) {
      const uint16_t bits = math::round_to_f16(row[i]);
      const float rounded = math::widen_f16(bits);
      if (!std::isfinite(rounded))
        return make_error(StatusCode::kUnsupported,
                          "{}: row {}, column {} is {}, which fp16 does not reach",
                          plan.table->name, row_index, i, row[i]);
      rounded_elements_ += rounded != row[i] ? 1 : 0;
      std::memcpy(out.data() + i * sizeof bits, &bits, sizeof bits);
    }
    return {};
  }

  Status write_ternary(const TernaryPlan& plan) {
    BITNETC_ASSIGN_OR_RETURN(TernaryMatrix matrix,
                             load_with_one_scale(*plan.source, "cannot be written"));
    if (plan.heads > 0) rotate_rows(&matrix, plan.heads);
    const float scale = plan.has_scale_tensor ? 1.0f : matrix.scales.values[0];
    std::vector<uint8_t> out(*plan.type->stored_bytes(std::vector{matrix.k, matrix.n}));
    const std::string_view type = plan.type->name;
    if (type == "I2_S") {
      gguf::encode_i2_s(matrix.trits, scale, out);
    } else if (type == "TQ1_0") {
      gguf::encode_tq1_0(matrix.trits, scale, out);
    } else if (type == "TQ2_0") {
      gguf::encode_tq2_0(matrix.trits, scale, out);
    } else {
      const uint16_t one = type == "F16" ? math::round_to_f16(scale) : math::round_to_bf16(scale);
      for (size_t i = 0; i < matrix.trits.size(); ++i) {
        const int8_t trit = matrix.trits[i];
        const auto bits = static_cast<uint16_t>(trit == 0 ? 0 : trit > 0 ? one : one | 0x8000);
        std::memcpy(out.data() + i * sizeof bits, &bits, sizeof bits);
      }
    }
    BITNETC_RETURN_IF_ERROR(writer_.write(out));
    if (!plan.has_scale_tensor) return {};
    const float own = matrix.scales.values[0];
    return writer_.write({reinterpret_cast<const uint8_t*>(&own), sizeof own});
  }

  void note_exactness() {
    const std::string_view asked = row_of(options_.ternary).type;
    if (odd_matrices_ > 0)
      report_.notes.push_back(
          fmt::format("{} of {} matrices have rows that {} cannot cut into whole blocks: written "
                      "as F16",
                      odd_matrices_, ternary_.size(), asked));
    if (scale_tensors_ > 0)
      report_.notes.push_back(fmt::format(
          "{} of {} scales do not fit type {}: written exactly, as F32 tensors NAME.scale beside "
          "matrices of -1, 0 and +1; a program that does not know them would run without scales",
          scale_tensors_, ternary_.size(), asked));
    if (rounded_elements_ > 0)
      report_.notes.push_back(fmt::format(
          "{} elements of the embedding and head were rounded to fp16", rounded_elements_));
  }

  const Graph& graph_;
  const GgufExportOptions& options_;
  GgufWriter& writer_;
  const GgufArchitecture* architecture_ = nullptr;
  std::vector<TablePlan> tables_;
  std::vector<float> rope_factors_;  // maybe one of vectors_
  std::vector<VectorPlan> vectors_;
  std::vector<TernaryPlan> ternary_;
  int odd_matrices_ = 0, scale_tensors_ = 0;
  int64_t rounded_elements_ = 0;
  ExportReport report_;
};

}  // namespace

Result<ExportReport> export_gguf(const Graph& graph, const std::string& path,
                                 const GgufExportOptions& options) {
  BITNETC_ASSIGN_OR_RETURN(const auto writer, GgufWriter::create(path));
  auto report = GgufExport(graph, options, *writer).run();
  if (!report.ok()) return report.status().with_context(path);
  return report;
}

}  // namespace bitnetc
