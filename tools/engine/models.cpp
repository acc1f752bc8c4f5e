#include "tools/engine/models.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <vector>

#include "frontend/load.h"
#include "runtime/bnc_file.h"

namespace bitnetc {
namespace {

namespace fs = std::filesystem;

// Where the folder `name` of what comes with the program may be: next to an installed binary, and
// in the source tree the binary was built in.
std::vector<std::string> bundled_folders(const fs::path& program_dir, const char* name) {
  if (program_dir.empty()) return {};
  return {(program_dir / "../share/bitnetc" / name).lexically_normal(),
          (program_dir / "../../../tools" / name).lexically_normal()};
}

std::vector<std::string> bundled_model_folders(const std::string& program_dir) {
  return bundled_folders(program_dir, "models");
}

}  // namespace

Result<ModelLocation> locate_model(const std::string& name, const std::string& program_dir) {
  using Kind = ModelLocation::Kind;
  std::error_code failure;
  const fs::file_status status = name.empty() ? fs::file_status() : fs::status(name, failure);
  if (!name.empty() && status.type() == fs::file_type::none)
    return make_error(StatusCode::kIoError, "{}: {}", name, failure.message());
  if (fs::is_directory(status)) {
    if (is_model_folder(name)) return ModelLocation{Kind::kSource, name};
    return make_error(StatusCode::kNotFound,
                      "{}: this folder holds no config.json, so it is not a Hugging Face model",
                      name);
  }
  if (fs::exists(status)) {
    if (::access(name.c_str(), R_OK) != 0)
      return make_error(StatusCode::kIoError, "{}: {}", name, std::strerror(errno));
    if (!fs::is_regular_file(status))
      return make_error(StatusCode::kUnsupported, "{}: is not a regular file, expected a model",
                        name);
    if (looks_like_bnc(name)) return ModelLocation{Kind::kCompiled, name};
    if (is_gguf_file(name)) return ModelLocation{Kind::kSource, name};
    return make_error(StatusCode::kUnsupported,
                      "{}: neither a .bnc or .gguf file nor a Hugging Face model folder", name);
  }
  const std::string bundled = name.empty() ? kBundledModel : name;
  if (bundled.find('/') == std::string::npos) {
    for (const std::string& folder : bundled_model_folders(program_dir)) {
      const std::string path = fmt::format("{}/{}", folder, bundled);
      if (is_model_folder(path)) return ModelLocation{Kind::kSource, path};
    }
  }
  const bool is_repository = std::count(bundled.begin(), bundled.end(), '/') == 1 &&
                             bundled.front() != '/' && bundled.front() != '.';
  if (is_repository)
    return make_error(StatusCode::kNotFound,
                      "{}: no such file or folder; if it is a model on Hugging Face, download it: "
                      "huggingface-cli download {} --local-dir FOLDER",
                      bundled, bundled);
  return make_error(
      StatusCode::kNotFound,
      "{}: no such file or folder, and no bundled model of that name (bundled: {}; looked "
      "in {})",
      bundled, kBundledModel, fmt::join(bundled_model_folders(program_dir), ", "));
}

std::string locate_example_template(const std::string& program_dir) {
  std::error_code error;
  for (const std::string& folder : bundled_folders(program_dir, "examples"))
    if (std::string path = folder + "/chat.jinja"; fs::is_regular_file(path, error)) return path;
  return {};
}

std::vector<std::string> model_files(const ModelLocation& location) {
  if (location.kind == ModelLocation::Kind::kCompiled) return {location.path};
  if (!fs::is_directory(location.path)) return gguf_part_paths(location.path);
  // As frontend/hf reads them; an index names its shards, all of them .safetensors.
  static constexpr std::string_view kNames[] = {"config.json",
                                                "generation_config.json",
                                                "tokenizer.json",
                                                "tokenizer_config.json",
                                                "chat_template.jinja",
                                                "model.safetensors.index.json",
                                                "tokenizer.model",
                                                "modules.json",
                                                "config_sentence_transformers.json",
                                                "added_tokens.json",
                                                "sentence_bert_config.json"};
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(location.path, error)) {
    const std::string name = entry.path().filename().string();
    const bool is_read = name.ends_with(".safetensors") || std::ranges::count(kNames, name) > 0;
    if (is_read && entry.is_regular_file(error)) files.push_back(entry.path().string());
  }
  const fs::path pooling = fs::path(location.path) / "1_Pooling" / "config.json";
  if (fs::is_regular_file(pooling, error)) files.push_back(pooling.string());
  std::ranges::sort(files);
  return files;
}

}  // namespace bitnetc
