// Compiles, opens and links models for tests: the bundled one, or any folder.
#pragma once

#include <memory>
#include <string>

#include "compiler/graph.h"
#include "compiler/link.h"
#include "frontend/load.h"
#include "runtime/executable.h"
#include "runtime/executor.h"
#include "runtime/session.h"
#include "runtime/target.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {

std::string bundled_model_folder();

// Compiles `folder` for `target` to `bnc_path`. Fails the calling test (and throws) on an error.
void compile_folder(const std::string& folder, const std::string& bnc_path, const Target& target,
                    LayoutId layout = LayoutId::kI2S);

// A random model of `shape`, written to `folder` and loaded.
LoadedModel load_shape(const ModelShape& shape, const std::filesystem::path& folder);

// Takes a node of one input out of a graph: what read its output reads its input.
void remove_node(Graph& graph, const std::string& name);
// Norms the heads of q and k before every rotation; each norm has a weight of its own.
void add_head_norms(Graph& graph);

// The bundled model, compiled once per process, tier and layout, linked for that tier.
std::shared_ptr<const Executable> bundled_executable(const Target& target,
                                                     LayoutId layout = LayoutId::kI2S);

std::shared_ptr<const Executable> link_file(const std::string& bnc_path, const Target& target,
                                            LinkReport* report = nullptr,
                                            KvType kv_type = KvType::kF16);

std::unique_ptr<Session> make_session(std::shared_ptr<const Executable> executable,
                                      const SessionOptions& options = {});

// All logits of every position of a new sequence: a prompt of five tokens in one pass, then `steps`
// passes of one token.
std::vector<float> logits_of_each(CpuExecutor& executor, int64_t steps);

}  // namespace bitnetc::test
