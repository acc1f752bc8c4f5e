// A Graph's weights and facts as a Hugging Face folder with packed weights.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "frontend/export.h"
#include "frontend/safetensors/safetensors_writer.h"
#include "runtime/math.h"
#include "runtime/output_file.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

using OrderedJson = nlohmann::ordered_json;

// What config.json says besides the numbers.
struct HfForm {
  std::string_view family, model_type, architecture, hidden_act;
};
constexpr HfForm kForms[] = {{"bitnet", "bitnet", "BitNetForCausalLM", "relu2"}};

bool fits_bf16(float value) {
  return math::widen_bf16(math::round_to_bf16(value)) == value;
}

std::string_view dtype_of(FloatType type) {
  if (type == FloatType::kF32) return "F32";
  return type == FloatType::kF16 ? "F16" : "BF16";
}

class FolderExport {
 public:
  FolderExport(const Graph& graph, std::string folder, const ExportProgress& progress)
      : graph_(graph), folder_(std::move(folder)), progress_(progress) {}

  Result<ExportReport> run() {
    const auto form = std::ranges::find(kForms, graph_.config.family, &HfForm::family);
    if (form == std::end(kForms))
      return make_error(StatusCode::kUnsupported,
                        "family \"{}\" cannot be written as a Hugging Face folder yet",
                        graph_.config.family);
    if (graph_.config.rope_scaling.kind != RopeScaling::Kind::kNone)
      return make_error(StatusCode::kUnsupported,
                        "RoPE scaling ({}) cannot be written as a Hugging Face folder yet",
                        describe(graph_.config.rope_scaling));
    BITNETC_RETURN_IF_ERROR(make_folder());
    BITNETC_RETURN_IF_ERROR(write_weights());
    BITNETC_RETURN_IF_ERROR(write_text("tokenizer.json", graph_.tokenizer_json));
    BITNETC_RETURN_IF_ERROR(write_text("tokenizer_config.json", tokenizer_config()));
    if (!graph_.chat_template.empty())
      BITNETC_RETURN_IF_ERROR(write_text("chat_template.jinja", graph_.chat_template));
    BITNETC_RETURN_IF_ERROR(write_text("generation_config.json", generation_config()));
    // The last: without it the folder is no model.
    BITNETC_RETURN_IF_ERROR(write_text("config.json", config(*form)));
    return std::move(report_);
  }

 private:
  Status make_folder() const {
    std::error_code failure;
    std::filesystem::create_directories(folder_, failure);
    if (failure)
      return make_error(StatusCode::kIoError, "cannot make the folder: {}", failure.message());
    if (std::filesystem::exists(folder_ + "/config.json", failure))
      return Status(StatusCode::kInvalidArgument,
                    "there is a model in this folder already (config.json); name another one");
    return {};
  }

  Status write_text(const std::string& name, const std::string& text) {
    BITNETC_ASSIGN_OR_RETURN(const auto file, OutputFile::create(folder_ + "/" + name));
    BITNETC_RETURN_IF_ERROR(file->write(text));
    report_.file_bytes += std::ssize(text);
    return file->finish();
  }

  // Scales are fp32, which holds those of every source.
  Status write_weights() {
    BITNETC_ASSIGN_OR_RETURN(const auto writer,
                             SafetensorsWriter::create(folder_ + "/model.safetensors"));
    for (const FloatTable& table : graph_.tables)
      writer->announce(table.name, dtype_of(table.type), std::vector{table.rows, table.columns},
                       std::ssize(table.bytes));
    for (const FloatVector& vector : graph_.vectors)
      writer->announce(vector.name, is_bf16(vector) ? "BF16" : "F32",
                       std::vector{std::ssize(vector.values)},
                       std::ssize(vector.values) * (is_bf16(vector) ? 2 : 4));
    for (const TernarySource& source : graph_.ternary) {
      const int64_t quarter = (source.n + 3) / 4;
      writer->announce(source.name + ".weight", "U8", std::vector{quarter, source.k},
                       quarter * source.k);
      writer->announce(source.name + ".weight_scale", "F32", std::vector<int64_t>{1}, 4);
    }
    BITNETC_RETURN_IF_ERROR(writer->write_header());
    for (const FloatTable& table : graph_.tables) {
      BITNETC_RETURN_IF_ERROR(writer->write(table.bytes));
      BITNETC_RETURN_IF_ERROR(step(table.name));
    }
    for (const FloatVector& vector : graph_.vectors) {
      BITNETC_RETURN_IF_ERROR(write_vector(vector, writer.get()));
      BITNETC_RETURN_IF_ERROR(step(vector.name));
    }
    for (const TernarySource& source : graph_.ternary) {
      BITNETC_RETURN_IF_ERROR(write_ternary(source, writer.get()));
      BITNETC_RETURN_IF_ERROR(step(source.name));
    }
    BITNETC_RETURN_IF_ERROR(writer->finish());
    report_.file_bytes += writer->bytes_written();
    return {};
  }

  Status step(const std::string& name) {
    const auto total =
        static_cast<int>(graph_.tables.size() + graph_.vectors.size() + graph_.ternary.size());
    ++report_.tensors;
    if (progress_ && !progress_(report_.tensors, total, name))
      return Status(StatusCode::kCancelled, "conversion stopped; no model was written");
    return {};
  }

  static bool is_bf16(const FloatVector& vector) {
    return std::ranges::all_of(vector.values, fits_bf16);
  }

  static Status write_vector(const FloatVector& vector, SafetensorsWriter* writer) {
    const auto& values = vector.values;
    if (!is_bf16(vector))
      return writer->write(
          {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(float)});
    std::vector<uint16_t> bits(values.size());
    std::ranges::transform(values, bits.begin(), math::round_to_bf16);
    return writer->write(
        {reinterpret_cast<const uint8_t*>(bits.data()), bits.size() * sizeof(uint16_t)});
  }

  // Bits 2i+1..2i of byte (r, c) hold trit (i * quarter + r, c) + 1.
  static Status write_ternary(const TernarySource& source, SafetensorsWriter* writer) {
    BITNETC_ASSIGN_OR_RETURN(const TernaryMatrix matrix,
                             load_with_one_scale(source, "cannot be written"));
    const int64_t quarter = (matrix.n + 3) / 4;
    std::vector<uint8_t> packed(static_cast<size_t>(quarter * matrix.k));
    for (int64_t row = 0; row < matrix.n; ++row) {
      const int8_t* in = matrix.trits.data() + row * matrix.k;
      uint8_t* out = packed.data() + row % quarter * matrix.k;
      const auto shift = static_cast<int>(2 * (row / quarter));
      for (int64_t column = 0; column < matrix.k; ++column)
        out[column] = static_cast<uint8_t>(out[column] | (in[column] + 1) << shift);
    }
    BITNETC_RETURN_IF_ERROR(writer->write(packed));
    const float scale = matrix.scales.values[0];
    return writer->write({reinterpret_cast<const uint8_t*>(&scale), sizeof scale});
  }

  std::string config(const HfForm& form) const {
    const ModelConfig& model = graph_.config;
    const bool tied = std::ranges::none_of(
        graph_.tables, [](const FloatTable& table) { return table.name == "lm_head.weight"; });
    OrderedJson json = {{"architectures", {form.architecture}},
                        {"model_type", form.model_type},
                        {"hidden_act", form.hidden_act},
                        {"vocab_size", model.vocab_size},
                        {"hidden_size", model.hidden_size},
                        {"intermediate_size", model.intermediate_size},
                        {"num_hidden_layers", model.layers},
                        {"num_attention_heads", model.q_heads},
                        {"num_key_value_heads", model.kv_heads},
                        {"head_dim", model.head_dim},
                        {"max_position_embeddings", model.max_positions},
                        {"rms_norm_eps", shortest(model.norm_eps)},
                        {"rope_theta", model.rope_theta},
                        {"tie_word_embeddings", tied},
                        {"torch_dtype", "bfloat16"},
                        {"quantization_config",
                         {{"quant_method", "bitnet"},
                          {"linear_class", "autobitlinear"},
                          {"quantization_mode", "offline"}}}};
    if (graph_.generation.bos_id) json["bos_token_id"] = *graph_.generation.bos_id;
    json["eos_token_id"] = graph_.generation.stop_ids;
    return json.dump(2) + "\n";
  }

  // 1e-05, not 9.99999974e-06: the shortest number that is the same in fp32.
  static double shortest(float value) { return std::stod(fmt::format("{}", value)); }

  std::string generation_config() const {
    const GenerationDefaults& defaults = graph_.generation;
    OrderedJson json = {{"eos_token_id", defaults.stop_ids}, {"do_sample", defaults.do_sample}};
    const auto put = [&](const char* key, const auto& value) {
      if (value) json[key] = *value;
    };
    put("bos_token_id", defaults.bos_id);
    put("temperature", defaults.temperature);
    put("top_p", defaults.top_p);
    put("top_k", defaults.top_k);
    put("min_p", defaults.min_p);
    put("repetition_penalty", defaults.repetition_penalty);
    return json.dump(2) + "\n";
  }

  std::string tokenizer_config() const {
    return OrderedJson{{"tokenizer_class", "PreTrainedTokenizerFast"},
                       {"clean_up_tokenization_spaces", false},
                       {"model_max_length", graph_.config.max_positions}}
               .dump(2) +
           "\n";
  }

  const Graph& graph_;
  const std::string folder_;
  const ExportProgress& progress_;
  ExportReport report_;
};

}  // namespace

Result<ExportReport> export_hf_folder(const Graph& graph, const std::string& folder,
                                      const ExportProgress& progress) {
  auto report = FolderExport(graph, folder, progress).run();
  if (!report.ok()) return report.status().with_context(printable_path(folder));
  return report;
}

}  // namespace bitnetc
