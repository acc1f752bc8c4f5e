// Reads a published model into a Graph. The only door into the frontend besides the tokenizer.
#pragma once

#include <string>
#include <vector>

#include "compiler/graph.h"
#include "runtime/status.h"

namespace bitnetc {

struct LoadReport {
  std::vector<std::string>
      ignored_keys;  // "config.json: use_cache = true (cannot change the result)"
  std::vector<std::string>
      notes;  // "float masters: quantised with absmean, scales rounded to bf16"
};

struct LoadedModel {
  Graph graph;
  LoadReport report;
};

// `path` is a Hugging Face folder: config.json, model.safetensors (or the sharded index),
// tokenizer.json, and optionally generation_config.json and tokenizer_config.json.
// Errors name the file, the field, the value found and what was expected.
Result<LoadedModel> load_model(const std::string& path);

// Whether `path` looks like a model folder (it holds a config.json).
bool is_model_folder(const std::string& path);

}  // namespace bitnetc
