// A Graph's weights and facts as a Hugging Face folder with packed weights.
#include <algorithm>

#include "frontend/export.h"
#include "frontend/families/family.h"
#include "frontend/hf/hf_documents.h"
#include "frontend/hf/sentence_transformers.h"
#include "frontend/safetensors/safetensors_writer.h"
#include "frontend/tokenizer.h"
#include "runtime/math.h"
#include "runtime/new_folder.h"
#include "runtime/output_file.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

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
      : graph_(graph), path_(std::move(folder)), progress_(progress) {}

  // What can be known to fail before anything is written. Its errors do not name the folder.
  Status plan() {
    family_ = find_family(graph_.config.family);
    if (family_ == nullptr)
      return make_error(StatusCode::kUnsupported,
                        "family \"{}\" is not known, so its config.json is not",
                        printable(graph_.config.family, 100));
    BITNETC_ASSIGN_OR_RETURN(config_, config_document(graph_, *family_));
    return make_vectors();
  }

  Result<ExportReport> write() {
    BITNETC_ASSIGN_OR_RETURN(folder_, NewFolder::create(path_));
    BITNETC_RETURN_IF_ERROR(write_weights());
    const bool is_model = is_sentence_piece_model(graph_.tokenizer_json);
    BITNETC_RETURN_IF_ERROR(
        write_text(is_model ? "tokenizer.model" : "tokenizer.json", graph_.tokenizer_json));
    BITNETC_RETURN_IF_ERROR(write_text("tokenizer_config.json", tokenizer_config_document(graph_)));
    if (!graph_.chat_template.empty())
      BITNETC_RETURN_IF_ERROR(write_text("chat_template.jinja", graph_.chat_template));
    BITNETC_RETURN_IF_ERROR(
        write_text("generation_config.json", generation_config_document(graph_.generation)));
    BITNETC_RETURN_IF_ERROR(write_encoder());
    // The last: without it the folder is no model.
    BITNETC_RETURN_IF_ERROR(write_text("config.json", config_));
    folder_->keep();
    for (const std::string& key : graph_.generation.unsupported_keys)
      report_.notes.push_back(fmt::format("generation_config.json: {} is left out", key));
    return std::move(report_);
  }

 private:
  Status write_text(const std::string& name, const std::string& text) {
    BITNETC_ASSIGN_OR_RETURN(const std::string path, folder_->file(name));
    BITNETC_ASSIGN_OR_RETURN(const auto file, OutputFile::create(path));
    BITNETC_RETURN_IF_ERROR(file->write(text));
    report_.file_bytes += std::ssize(text);
    return file->finish();
  }

  // The files of sentence-transformers, as far as something is known to say there.
  Status write_encoder() {
    const EncoderDefaults& encoder = graph_.encoder;
    if (encoder.pooling) {
      BITNETC_RETURN_IF_ERROR(write_text(
          "1_Pooling/config.json", pooling_json(*encoder.pooling, graph_.config.hidden_size)));
      BITNETC_RETURN_IF_ERROR(write_text("modules.json", modules_json()));
    }
    if (encoder.prompts.empty()) return {};
    return write_text("config_sentence_transformers.json", prompts_json(encoder));
  }

  // The classes of text encoders are the stacks that language models have under "model.".
  std::string stored_name(std::string_view name) const {
    constexpr std::string_view kPrefix = "model.", kNorm = "norm.weight";
    std::string stored(name);
    if (is_projection_norm(name))
      stored.replace(stored.size() - kNorm.size(), kNorm.size(), "rms_norm.weight");
    if (family_->output == ModelOutput::kHidden && stored.starts_with(kPrefix))
      stored.erase(0, kPrefix.size());
    return stored;
  }

  // Norms as they will lie in the file: where the family stores a native one as w, it multiplies by
  // 1 + w.
  Status make_vectors() {
    for (const FloatVector& vector : graph_.vectors) {
      FloatVector stored{.name = stored_name(vector.name), .values = vector.values};
      if (family_->hf.norms_less_one && !is_projection_norm(vector.name)) {
        for (float& value : stored.values) value -= 1;
        for (size_t i = 0; i < stored.values.size(); ++i)
          if (1 + stored.values[i] != vector.values[i])
            return make_error(StatusCode::kUnsupported,
                              "{}: element {} is {}, which is no 1 + w of an fp32 number w, as the "
                              "folder would hold it",
                              printable(vector.name, 100), i, vector.values[i]);
      }
      vectors_.push_back(std::move(stored));
    }
    return {};
  }

  // Scales are fp32, which holds those of every source.
  Status write_weights() {
    BITNETC_ASSIGN_OR_RETURN(const std::string path, folder_->file("model.safetensors"));
    BITNETC_ASSIGN_OR_RETURN(const auto writer, SafetensorsWriter::create(path));
    for (const FloatTable& table : graph_.tables)
      writer->announce(stored_name(table.name), dtype_of(table.type),
                       std::vector{table.rows, table.columns}, std::ssize(table.bytes));
    for (const FloatVector& vector : vectors_)
      writer->announce(vector.name, is_bf16(vector) ? "BF16" : "F32",
                       std::vector{std::ssize(vector.values)},
                       std::ssize(vector.values) * (is_bf16(vector) ? 2 : 4));
    for (const TernarySource& source : graph_.ternary) {
      const int64_t quarter = (source.n + 3) / 4;
      const std::string name = stored_name(source.name);
      writer->announce(name + ".weight", "U8", std::vector{quarter, source.k}, quarter * source.k);
      writer->announce(name + ".weight_scale", "F32", std::vector<int64_t>{1}, 4);
    }
    BITNETC_RETURN_IF_ERROR(writer->write_header());
    for (const FloatTable& table : graph_.tables) {
      BITNETC_RETURN_IF_ERROR(writer->write(table.bytes));
      BITNETC_RETURN_IF_ERROR(step(table.name));
    }
    for (const FloatVector& vector : vectors_) {
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
        static_cast<int>(graph_.tables.size() + vectors_.size() + graph_.ternary.size());
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

  const Graph& graph_;
  const std::string path_;
  std::unique_ptr<NewFolder> folder_;
  const ExportProgress& progress_;
  const Family* family_ = nullptr;
  std::string config_;
  std::vector<FloatVector> vectors_;
  ExportReport report_;
};

}  // namespace

Result<ExportReport> export_hf_folder(const Graph& graph, const std::string& folder,
                                      const ExportProgress& progress) {
  FolderExport target(graph, folder, progress);
  BITNETC_RETURN_IF_ERROR(target.plan().with_context(printable_path(folder)));
  return target.write();
}

}  // namespace bitnetc
