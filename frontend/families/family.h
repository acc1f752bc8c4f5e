// The model families bitnetc knows: what a model is, apart from how a file spells it. A family
// turns facts and weights into a Graph. docs/adding-a-family.md says how to add one.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "compiler/graph.h"
#include "frontend/weight_source.h"
#include "runtime/model_config.h"
#include "runtime/status.h"

namespace bitnetc {

// What a family needs to know before it sees a weight. Read and range-checked by the file format's
// reader.
struct ModelFacts {
  ModelConfig config;
  bool tied_head = false;  // the head reads the embedding table
};

struct Family {
  std::string_view name;                         // ModelConfig::family
  std::string_view description;                  // for messages
  std::span<const std::string_view> answers_to;  // values of model_type
  // Fills values, nodes and weights of `graph`. The graph is valid if the facts are what they say.
  // Error: as the source's.
  Status (*build)(const ModelFacts& facts, WeightSource& weights, Graph* graph);
};

std::span<const Family> families();
// Null when no family answers to `model_type`.
const Family* find_family(std::string_view model_type);
// `"bitnet" (the BitNet-b1.58-2B-4T family)`, for messages that refuse another.
std::string known_families();

}  // namespace bitnetc
