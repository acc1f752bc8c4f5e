// Converts a model from one format to another: Hugging Face folder, GGUF file, compiled model.
#pragma once

#include <string>

#include "frontend/export.h"
#include "runtime/status.h"
#include "tools/engine/engine.h"

namespace bitnetc {

enum class ModelFormat {
  kGguf,      // PATH.gguf
  kCompiled,  // PATH.bnc
  kFolder,    // any other path: a Hugging Face folder with packed weights
};
ModelFormat format_of_target(const std::string& path);

struct ConvertRequest {
  std::string model;                            // as of locate_model()
  std::string target;                           // whose name says the format
  TernaryFormat ternary = TernaryFormat::kI2S;  // of a GGUF file
  TableFormat tables = TableFormat::kAsIs;      // likewise
};
// Error: kInvalidArgument where the target is one of the files that are read, or the model is
// compiled already and the target would be too; else as load_model(), compile_model(),
// export_gguf(), export_hf_folder().
Status convert_model(const ConvertRequest& request, const EngineOptions& options);

}  // namespace bitnetc
