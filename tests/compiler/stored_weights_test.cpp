// From a compiled model back to the weights it was compiled from.
#include "compiler/stored_weights.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "compiler/check_program.h"
#include "frontend/load.h"
#include "runtime/cpu_features.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/graph_expectations.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

// Weights come in the order of the steps: by name they are those of the graph.
template <typename T>
void sort_by_name(std::vector<T>& weights) {
  std::ranges::sort(weights, {}, &T::name);
}

TEST(StoredWeights, AreThoseThatWereCompiledInEveryLayout) {
  for (const bool tied : {true, false}) {
    // Rows and columns that no layout divides into whole tiles and blocks.
    const ModelShape shape{.hidden = 72,
                           .intermediate = 100,
                           .q_heads = 6,
                           .kv_heads = 3,
                           .head_dim = 10,
                           .tied_head = tied};
    TempFolder folder;
    write_model(make_packed_model(shape, 81), folder.path() / "m");
    auto loaded = load_model(folder.file("m"));
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    Graph expected = loaded->graph;
    expected.nodes.clear();
    sort_by_name(expected.tables);
    sort_by_name(expected.vectors);
    sort_by_name(expected.ternary);
    for (const LayoutId layout : kLayouts) {
      const std::string path = folder.file("m.bnc");
      compile_folder(folder.file("m"), path, host_target(), layout);
      const auto model = open_checked(path);
      ASSERT_TRUE(model.ok()) << model.status().message();
      auto stored = stored_weights(*model);
      ASSERT_TRUE(stored.ok()) << stored.status().message();
      sort_by_name(stored->tables);
      sort_by_name(stored->vectors);
      sort_by_name(stored->ternary);
      expect_same_graph(expected, *stored);
      EXPECT_EQ(stored->tokenizer_json, loaded->graph.tokenizer_json);
      EXPECT_EQ(stored->config.family, "bitnet");
      EXPECT_EQ(stored->generation.bos_id, loaded->graph.generation.bos_id);
    }
  }
}

}  // namespace
}  // namespace bitnetc::test
