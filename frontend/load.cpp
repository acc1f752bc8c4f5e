#include "frontend/load.h"

#include <filesystem>

#include "frontend/hf/hf_folder.h"
#include "frontend/hf/hf_outline.h"
#include "runtime/printable.h"

namespace bitnetc {

namespace fs = std::filesystem;

namespace {

Status check_is_folder(const std::string& path) {
  std::error_code failure;
  const fs::file_status status = fs::status(path, failure);
  if (status.type() == fs::file_type::not_found)
    return make_error(StatusCode::kNotFound, "{}: no such model folder", printable_path(path));
  if (status.type() == fs::file_type::none)
    return make_error(StatusCode::kIoError, "{}: {}", printable_path(path), failure.message());
  if (!fs::is_directory(status))
    return make_error(StatusCode::kUnsupported,
                      "{}: is not a folder; expected a Hugging Face folder with config.json, "
                      "model.safetensors and tokenizer.json",
                      printable_path(path));
  return {};
}

}  // namespace

Result<LoadedModel> load_model(const std::string& path) {
  BITNETC_RETURN_IF_ERROR(check_is_folder(path));
  return load_hf_folder(path);
}

Result<ModelOutline> outline_model(const std::string& path) {
  BITNETC_RETURN_IF_ERROR(check_is_folder(path));
  return outline_hf_folder(path);
}

bool is_model_folder(const std::string& path) {
  std::error_code failure;
  const fs::file_type type = fs::status(fs::path(path) / "config.json", failure).type();
  return type == fs::file_type::regular || type == fs::file_type::none;
}

}  // namespace bitnetc
