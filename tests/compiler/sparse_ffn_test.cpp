// FFNs whose neurons are skipped: which steps a program gets, that tokens have the same bits with
// and without, and that files with a wrong copy are refused.
#include <gtest/gtest.h>

#include <cstring>

#include "codegen/kernel_spec.h"
#include "compiler/check_program.h"
#include "compiler/compile.h"
#include "compiler/passes/fuse.h"
#include "compiler/stored_weights.h"
#include "frontend/load.h"
#include "runtime/cpu_features.h"
#include "runtime/executor.h"
#include "tests/support/bnc_mutation.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/expect_error.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

// 96 neurons of 64, 4 tiles of outputs: less than a chunk. Then whole and ragged chunks and blocks,
// and no pads.
constexpr ModelShape kShapes[] = {{},
                                  {.hidden = 272, .intermediate = 400, .head_dim = 32},
                                  {.hidden = 256, .intermediate = 512, .head_dim = 64}};

std::string compile_graph(const Graph& graph, const std::string& path, bool skip_neurons) {
  const HeuristicPlanSource plans;
  const auto report = compile(
      graph, path, {.target = host_target(), .plans = &plans, .skip_neurons = skip_neurons});
  EXPECT_TRUE(report.ok()) << report.status().message();
  return path;
}

// ---- the steps

struct Counted {
  int one = 0, several = 0;
};
Counted count_steps(const Graph& graph) {
  Counted counted;
  const auto fused = fuse(graph, {.skip_neurons = true});
  EXPECT_TRUE(fused.ok()) << fused.status().message();
  for (const FusedOp& op : fused->ops) {
    counted.one += op.rows == StepRows::kOne;
    counted.several += op.rows == StepRows::kSeveral;
  }
  return counted;
}

TEST(SparseFfn, EachLayerGetsTwoStepsForOneRow) {
  const TempFolder folder;
  const LoadedModel loaded = load_shape(kShapes[0], folder.path());
  const Counted counted = count_steps(loaded.graph);
  EXPECT_EQ(counted.one, 2 * 2);
  EXPECT_EQ(counted.several, 3 * 2);  // up, its product with the gate, down
}

TEST(SparseFfn, OtherActivationsHaveNoZeros) {
  const TempFolder folder;
  LoadedModel loaded = load_shape(kShapes[0], folder.path());
  for (Node& node : loaded.graph.nodes)
    if (auto* glu = std::get_if<GluAttributes>(&node.attributes))
      glu->activation = Activation::kSilu;
  const Counted counted = count_steps(loaded.graph);
  EXPECT_EQ(counted.one + counted.several, 0);
  const HeuristicPlanSource plans;
  const auto report = compile(loaded.graph, folder.file("m.bnc"),
                              {.target = host_target(), .plans = &plans, .skip_neurons = true});
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_TRUE(report->cannot_skip);
}

// ---- the bits

TEST(SparseFfn, GivesTheBitsOfTheDenseOne) {
  for (const ModelShape& shape : kShapes) {
    const TempFolder folder;
    const LoadedModel loaded = load_shape(shape, folder.path() / "m");
    const auto dense =
        link_file(compile_graph(loaded.graph, folder.file("dense.bnc"), false), host_target());
    LinkReport report;
    const auto sparse = link_file(compile_graph(loaded.graph, folder.file("sparse.bnc"), true),
                                  host_target(), &report);
    if (!sparse->skips_neurons)
      GTEST_SKIP() << "SKIPPED, nothing was compared: " << report.no_skipping;
    const auto reference = *CpuExecutor::create(dense, {.threads = 1});
    const std::vector<float> expected = logits_of_each(*reference, 40);
    for (const int threads : {1, 2, 5}) {
      for (const bool skip : {true, false}) {
        const auto executor =
            *CpuExecutor::create(sparse, {.threads = threads, .skip_neurons = skip});
        const std::vector<float> got = logits_of_each(*executor, 40);
        ASSERT_EQ(got.size(), expected.size());
        EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)), 0)
            << threads << " threads, hidden " << shape.hidden << (skip ? ", skipping" : "");
      }
    }
    for (const char* operation : {"sparseup", "sparsedown"}) {
      const auto share = sparse->neurons_read(operation);
      ASSERT_TRUE(share.has_value());
      EXPECT_GT(*share, 0.02) << operation << ": hardly anything was computed";
      EXPECT_LT(*share, 0.98) << operation << ": nothing was skipped";
    }
    EXPECT_FALSE(dense->neurons_read("sparseup").has_value());
    if (shape.hidden % kNeuronBlock == 0) {
      EXPECT_LT(sparse->bytes_per_token({}, true), sparse->bytes_per_token({}, false));
    }
  }
}

// Tiers without a kernel that skips read every neuron, and say so.
TEST(SparseFfn, TiersWithoutAKernelReadAll) {
  const TempFolder folder;
  const LoadedModel loaded = load_shape(kShapes[0], folder.path() / "m");
  LinkReport report;
  const auto scalar = link_file(compile_graph(loaded.graph, folder.file("m.bnc"), true),
                                target_for(Isa::kScalar), &report);
  EXPECT_FALSE(scalar->skips_neurons);
  EXPECT_EQ(report.no_skipping, "only the reference could read some of the neurons");
  for (const auto& step : scalar->steps) EXPECT_NE(step->rows(), StepRows::kOne) << step->name();
}

// ---- the file

TEST(SparseFfn, TheCopyIsNoWeightOfItsOwn) {
  const TempFolder folder;
  const LoadedModel loaded = load_shape(kShapes[0], folder.path() / "m");
  const auto model = open_checked(compile_graph(loaded.graph, folder.file("m.bnc"), true));
  ASSERT_TRUE(model.ok()) << model.status().message();
  const auto graph = stored_weights(*model);
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  EXPECT_EQ(graph->ternary.size(), loaded.graph.ternary.size());
}

class SparseFile : public testing::Test {
 protected:
  void SetUp() override {
    const LoadedModel loaded = load_shape(kShapes[0], folder_.path() / "m");
    compile_graph(loaded.graph, folder_.file("m.bnc"), true);
  }
  template <typename Change>
  std::string refusal(const Change& change) {
    BncParts parts = read_bnc_parts(folder_.file("m.bnc"));
    change(parts);
    EXPECT_TRUE(write_bnc_parts(parts, folder_.file("changed.bnc")).ok());
    return open_checked(folder_.file("changed.bnc")).status().message();
  }
  static nlohmann::json& step(BncParts& parts, const std::string& name) {
    for (nlohmann::json& each : parts.description["program"]["steps"])
      if (each["name"] == name) return each;
    throw std::runtime_error("no step " + name);
  }

  TempFolder folder_;
};

TEST_F(SparseFile, WrongStepsAreRefused) {
  const auto expect = [&](const std::string& message, const auto& change) {
    const std::string refused = refusal(change);
    EXPECT_NE(refused.find(message), std::string::npos) << refused;
  };
  EXPECT_EQ(refusal([](BncParts&) {}), "");
  expect("step layers.0.up_proj.sparse: is sparseup for any rows, expected one row",
         [](BncParts& parts) { step(parts, "layers.0.up_proj.sparse").erase("rows"); });
  expect("step layers.0.rope: is ropeappend for several rows, expected any rows",
         [](BncParts& parts) { step(parts, "layers.0.rope")["rows"] = "several"; });
  expect("rows = 'none', expected one or several",
         [](BncParts& parts) { step(parts, "layers.0.rope")["rows"] = "none"; });
  expect("before a step has written them in passes of one row", [](BncParts& parts) {
    auto& steps = parts.description["program"]["steps"];
    steps.erase(std::ranges::find_if(steps, [](const nlohmann::json& each) {
      return each["name"] == "layers.0.up_proj.sparse";
    }));
  });
  expect("byte 70 holds a code of 3, expected 0..2", [](BncParts& parts) {
    for (auto& [name, bytes] : parts.sections)
      if (name == "layers.1.down_proj.sparse.weight") bytes[70] = 0xff;
  });
}

}  // namespace
}  // namespace bitnetc::test
