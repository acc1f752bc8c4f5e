#include "frontend/load.h"

#include <filesystem>

#include "frontend/hf/hf_folder.h"

namespace bitnetc {

namespace fs = std::filesystem;

Result<LoadedModel> load_model(const std::string& path) {
  std::error_code failure;
  const fs::file_status status = fs::status(path, failure);
  if (status.type() == fs::file_type::not_found)
    return make_error(StatusCode::kNotFound, "{}: no such model folder", path);
  if (status.type() == fs::file_type::none)
    return make_error(StatusCode::kIoError, "{}: {}", path, failure.message());
  if (!fs::is_directory(status))
    return make_error(StatusCode::kUnsupported,
                      "{}: is not a folder; expected a Hugging Face folder with config.json, "
                      "model.safetensors and tokenizer.json",
                      path);
  return load_hf_folder(path);
}

bool is_model_folder(const std::string& path) {
  std::error_code failure;
  return fs::is_regular_file(fs::path(path) / "config.json", failure);
}

}  // namespace bitnetc
