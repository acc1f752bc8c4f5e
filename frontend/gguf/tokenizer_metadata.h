// A tokenizer.json as GGUF metadata: what other programs read (tokens, merges, the name of the
// splitting rule), and the whole text, which has no other place for what those cannot say.
#pragma once

#include <string>
#include <vector>

#include "compiler/graph.h"
#include "frontend/gguf/gguf_writer.h"
#include "runtime/status.h"

namespace bitnetc {

// Adds the tokenizer.* values of `graph` to `writer`; a line to `notes` for each thing that other
// programs will do otherwise. Error: as Tokenizer::from_json(); kUnsupported where the tokenizer
// has ids beyond the vocabulary.
Status add_tokenizer_metadata(const Graph& graph, GgufWriter* writer,
                              std::vector<std::string>* notes);

}  // namespace bitnetc
