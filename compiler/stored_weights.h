// The way back from a compiled model: its weights under the names they were compiled from, for
// whoever writes them in another format.
#pragma once

#include <memory>

#include "compiler/graph.h"
#include "runtime/compiled_model.h"
#include "runtime/status.h"

namespace bitnetc {

// A graph without nodes and values: configuration, defaults, tokenizer, chat template, what
// an encoder says of its use, tables, vectors and ternary matrices, each matrix unpacked when it is
// loaded. It keeps the model mapped.
// The model has passed check_program().
// Error: kDataCorrupt naming file and step, for a fused matmul whose parts do not make up its rows
// or have more than one scale.
Result<Graph> stored_weights(const std::shared_ptr<const CompiledModel>& model);

}  // namespace bitnetc
