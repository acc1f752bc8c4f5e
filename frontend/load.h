// Reads a published model into a Graph. The only door into the frontend besides the tokenizer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "compiler/graph.h"
#include "frontend/tokenizer.h"
#include "runtime/status.h"

namespace bitnetc {

// Lines for a person; every one is printable.
struct LoadReport {
  // "config.json: use_cache = true (cannot change the result)"
  std::vector<std::string> ignored_keys;
  // "float masters: quantised with absmean, scales rounded to bf16". What is found but not used is
  // one note per kind.
  std::vector<std::string> notes;
};

struct LoadedModel {
  Graph graph;
  LoadReport report;
};

// `path` is a Hugging Face folder: config.json, model.safetensors (or the sharded index),
// tokenizer.json, and optionally generation_config.json, tokenizer_config.json and
// chat_template.jinja; or a .gguf file, the first where a model is split over several.
// Everything but the values of the ternary weights is read and checked, the tokenizer included.
// Errors name the file, the field, the value found and what was expected.
Result<LoadedModel> load_model(const std::string& path);

// Only the tokenizer of such a model. Error: as load_model().
Result<std::unique_ptr<const Tokenizer>> read_tokenizer(const std::string& path);

// What the files of a model say of it, whether or not it can be compiled.
struct ModelOutline {
  ModelConfig config;
  std::string weights;        // "ternary, packed, one scale per matrix"
  uint64_t weight_bytes = 0;  // of the files that hold them
};

// As load_model(), but reads the configuration, the list of tensors and the values of one matrix
// only. A model that has no kernels here can be outlined all the same.
Result<ModelOutline> outline_model(const std::string& path);

// Whether `path` looks like a model folder: it holds a config.json, or may not be searched for one,
// which load_model() then says.
bool is_model_folder(const std::string& path);

// Whether the file at `path` is meant as a GGUF file: by its name, or it begins like one.
bool is_gguf_file(const std::string& path);

// The files that a model at such a `path` is made of, by their names: itself, and of the first of a
// split model those others that are there.
std::vector<std::string> gguf_part_paths(const std::string& path);

}  // namespace bitnetc
