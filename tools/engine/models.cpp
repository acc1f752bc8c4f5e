#include "tools/engine/models.h"

#include <filesystem>
#include <vector>

#include "frontend/load.h"
#include "runtime/bnc_file.h"
#include "runtime/options.h"

namespace bitnetc {
namespace {

namespace fs = std::filesystem;

// Folders that may hold bundled models: next to an installed binary, and in the source tree the binary was
// built in.
std::vector<std::string> bundled_model_folders() {
  const fs::path program_dir = options().program_dir;
  return {(program_dir / "../share/bitnetc/models").lexically_normal(),
          (program_dir / "../../../tools/models").lexically_normal()};
}

}  // namespace

Result<ModelLocation> locate_model(const std::string& name) {
  using Kind = ModelLocation::Kind;
  if (!name.empty() && fs::is_directory(name)) {
    if (is_model_folder(name)) return ModelLocation{Kind::kSourceFolder, name};
    return make_error(StatusCode::kNotFound,
                      "{}: this folder holds no config.json, so it is not a Hugging Face model",
                      name);
  }
  if (!name.empty() && fs::exists(name)) {
    if (looks_like_bnc(name)) return ModelLocation{Kind::kCompiled, name};
    return make_error(StatusCode::kUnsupported,
                      "{}: neither a .bnc file nor a Hugging Face model folder", name);
  }
  const std::string bundled = name.empty() ? kBundledModel : name;
  if (bundled.find('/') == std::string::npos) {
    for (const std::string& folder : bundled_model_folders()) {
      const std::string path = folder + "/" + bundled;
      if (is_model_folder(path)) return ModelLocation{Kind::kSourceFolder, path};
    }
  }
  return make_error(
      StatusCode::kNotFound,
      "{}: no such file or folder, and no bundled model of that name (bundled: {}; looked "
      "in {})",
      bundled, kBundledModel, fmt::join(bundled_model_folders(), ", "));
}

}  // namespace bitnetc
