// The JSON documents of a folder that is written, such that reading them gives the same facts.
#pragma once

#include <string>

#include "compiler/graph.h"
#include "frontend/families/family.h"
#include "runtime/status.h"

namespace bitnetc {

// config.json of a packed checkpoint whose scales multiply. Norms in front of projections are
// called rms_norm there, as transformers calls them.
// Error: kUnsupported naming what a config.json cannot say.
Result<std::string> config_document(const Graph& graph, const Family& family);
std::string generation_config_document(const GenerationDefaults& defaults);
std::string tokenizer_config_document(const Graph& graph);

// Whether `name` is that of a norm in front of a projection: "model.layers.0.mlp.up_proj.norm",
// with or without ".weight".
bool is_projection_norm(std::string_view name);

}  // namespace bitnetc
