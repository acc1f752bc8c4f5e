#include "frontend/load.h"

#include <filesystem>

#include "frontend/gguf/gguf_file.h"
#include "frontend/gguf/gguf_load.h"
#include "frontend/gguf/gguf_model.h"
#include "frontend/gguf/gguf_outline.h"
#include "frontend/hf/hf_folder.h"
#include "frontend/hf/hf_outline.h"
#include "frontend/hf/hf_tokenizer.h"
#include "runtime/printable.h"

namespace bitnetc {

namespace fs = std::filesystem;

namespace {

Status check_exists(const std::string& path) {
  std::error_code failure;
  const fs::file_status status = fs::status(path, failure);
  if (status.type() == fs::file_type::not_found)
    return make_error(StatusCode::kNotFound, "{}: no such file or folder", printable_path(path));
  if (status.type() == fs::file_type::none)
    return make_error(StatusCode::kIoError, "{}: {}", printable_path(path), failure.message());
  return {};
}

}  // namespace

Result<LoadedModel> load_model(const std::string& path) {
  BITNETC_RETURN_IF_ERROR(check_exists(path));
  std::error_code failure;
  if (fs::is_directory(path, failure)) return load_hf_folder(path);
  if (is_gguf_file(path)) return load_gguf(path);
  return make_error(StatusCode::kUnsupported,
                    "{}: is not a folder and not a GGUF file; expected a .gguf file, or a Hugging "
                    "Face folder with config.json, model.safetensors and tokenizer.json",
                    printable_path(path));
}

Result<std::unique_ptr<const Tokenizer>> read_tokenizer(const std::string& path) {
  if (is_gguf_file(path)) {
    BITNETC_ASSIGN_OR_RETURN(const std::string json, load_gguf_tokenizer(path));
    return Tokenizer::from_json(json, printable_path(path) + ": tokenizer");
  }
  BITNETC_ASSIGN_OR_RETURN(const HfTokenizer tokenizer, open_hf_tokenizer(path));
  return Tokenizer::from_file(tokenizer.bytes, tokenizer.origin);
}

bool is_gguf_file(const std::string& path) {
  std::error_code failure;
  if (fs::is_directory(path, failure)) return false;
  return path.ends_with(".gguf") || begins_like_gguf(path);
}

std::vector<std::string> gguf_part_paths(const std::string& path) {
  std::vector<std::string> paths = {path};
  const auto name = GgufPartName::parse(path);
  if (!name || name->number != 1) return paths;
  for (int64_t part = 2; part <= name->count; ++part) {
    std::error_code failure;
    std::string other = name->path_of(part);
    if (fs::is_regular_file(other, failure)) paths.push_back(std::move(other));
  }
  return paths;
}

Result<ModelOutline> outline_model(const std::string& path) {
  BITNETC_RETURN_IF_ERROR(check_exists(path));
  std::error_code failure;
  if (fs::is_directory(path, failure)) return outline_hf_folder(path);
  if (is_gguf_file(path)) return outline_gguf(path);
  return make_error(StatusCode::kUnsupported,
                    "{}: is not a folder and not a GGUF file; expected one of them",
                    printable_path(path));
}

bool is_model_folder(const std::string& path) {
  std::error_code failure;
  const fs::file_type type = fs::status(fs::path(path) / "config.json", failure).type();
  return type == fs::file_type::regular || type == fs::file_type::none;
}

}  // namespace bitnetc
