#include "tests/support/engine_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "compiler/compile.h"
#include "frontend/load.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

template <typename T>
T value_or_throw(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().message());
  return *std::move(result);
}

}  // namespace

std::string bundled_model_folder() {
  return BITNETC_SOURCE_DIR "/tools/models/fairytale-6m";
}

void compile_folder(const std::string& folder, const std::string& bnc_path, const Target& target,
                    LayoutId layout) {
  const LoadedModel loaded = value_or_throw(load_model(folder));
  const HeuristicPlanSource heuristic;
  const LayoutOverride plans(heuristic, layout);
  value_or_throw(compile(loaded.graph, bnc_path,
                         {.target = target, .plans = &plans, .bitnetc_version = "test"}));
}

void remove_node(Graph& graph, const std::string& name) {
  const auto found = std::ranges::find(graph.nodes, name, &Node::name);
  if (found == graph.nodes.end()) throw std::runtime_error("no node " + name);
  const ValueId input = found->inputs[0], output = found->output;
  graph.nodes.erase(found);
  for (Node& node : graph.nodes) std::ranges::replace(node.inputs, output, input);
}

void add_head_norms(Graph& graph) {
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    if (const auto* rope = std::get_if<RopeAttributes>(&node.attributes)) {
      const std::string name = node.name + "_norm";
      std::vector<float> weight;
      for (int64_t i = 0; i < rope->head_dim; ++i)
        weight.push_back(0.5f + 0.125f * static_cast<float>((i + node.layer) % 9));
      graph.vectors.push_back({.name = name, .values = std::move(weight)});
      const ValueId normed = graph.add_value(rope->heads * rope->head_dim);
      nodes.push_back(
          {.op = GraphOp::kRmsNorm,
           .name = name,
           .inputs = node.inputs,
           .output = normed,
           .weight = static_cast<int>(graph.vectors.size()) - 1,
           .layer = node.layer,
           .attributes = NormAttributes{.eps = graph.config.norm_eps, .heads = rope->heads}});
      node.inputs = {normed};
    }
    nodes.push_back(std::move(node));
  }
  graph.nodes = std::move(nodes);
}

std::shared_ptr<const Executable> link_file(const std::string& bnc_path, const Target& target,
                                            LinkReport* report, KvType kv_type) {
  KernelBuilder builder;
  const HeuristicPlanSource plans;
  LinkReport unused;
  return value_or_throw(link(value_or_throw(CompiledModel::open(bnc_path)), builder,
                             {.target = target, .plans = &plans, .kv_type = kv_type},
                             report ? report : &unused));
}

std::shared_ptr<const Executable> bundled_executable(const Target& target, LayoutId layout) {
  static TempFolder folder;
  static std::map<std::string, std::shared_ptr<const Executable>> by_name;
  const std::string name = fmt::format("{} {}", target.name(), layout_name(layout));
  auto& executable = by_name[name];
  if (!executable) {
    const std::string path = folder.file(name + ".bnc");
    compile_folder(bundled_model_folder(), path, target, layout);
    executable = link_file(path, target);
  }
  return executable;
}

std::unique_ptr<Session> make_session(std::shared_ptr<const Executable> executable,
                                      const SessionOptions& options) {
  return value_or_throw(Session::create(std::move(executable), options));
}

LoadedModel load_shape(const ModelShape& shape, const std::filesystem::path& folder) {
  write_model(make_packed_model(shape, 23), folder);
  return value_or_throw(load_model(folder.string()));
}

std::vector<float> logits_of_each(CpuExecutor& executor, int64_t steps) {
  Sequence sequence(executor.pool());
  std::vector<float> all;
  const auto run = [&](const std::vector<int32_t>& tokens) {
    std::vector<BatchRow> rows;
    for (const int32_t token : tokens)
      rows.push_back({.sequence = &sequence,
                      .token = token,
                      .position = sequence.length() + std::ssize(rows),
                      .need = {.kind = LogitsNeed::Kind::kAll}});
    const Status status = executor.run(rows);
    EXPECT_TRUE(status.ok()) << status.message();
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto logits = executor.scores(i).logits;
      all.insert(all.end(), logits.begin(), logits.end());
    }
  };
  run({7, 200, 31, 5, 90});
  for (int64_t i = 0; i < steps; ++i) run({static_cast<int32_t>((37 * i + 11) % 250)});
  return all;
}

}  // namespace bitnetc::test
