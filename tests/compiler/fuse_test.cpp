// Graph -> fused operations -> buffers, on small random models.
#include "compiler/passes/fuse.h"

#include <gtest/gtest.h>

#include "compiler/passes/memory.h"
#include "compiler/passes/pack.h"
#include "frontend/load.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

class Fuse : public testing::Test {
 protected:
  void load(const ModelShape& shape) {
    write_model(make_packed_model(shape, 11), folder_.path());
    auto loaded = load_model(folder_.path().string());
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    graph_ = std::move(loaded->graph);
    auto fused = fuse(graph_);
    ASSERT_TRUE(fused.ok()) << fused.status().message();
    fused_ = *std::move(fused);
  }

  TempFolder folder_;
  Graph graph_;
  FusedGraph fused_;
};

TEST_F(Fuse, OneLayerIsNineSteps) {
  load({.layers = 1});
  std::vector<std::string> names;
  for (const FusedOp& op : fused_.ops) names.push_back(op.name + ": " + spec_name(op.spec));
  const std::vector<std::string> expected = {
      "embed_tokens: embed_f32_bf16_k64",
      "layers.0.input_layernorm: normquant_f32_i8_k64_eps1e-05",
      "layers.0.qkv_proj: matmul_i8_i2s_f32_n128_k64_m1_scale",
      "layers.0.rope: ropeappend_f32_q4_kv2_d16",
      "layers.0.attention: attention_f32_d16_scale0.25",
      "layers.0.attn_sub_norm: normquant_f32_i8_k64_eps1e-05",
      "layers.0.o_proj: matmul_i8_i2s_f32_n64_k64_m1_residual",
      "layers.0.post_attention_layernorm: normquant_f32_i8_k64_eps1e-05",
      "layers.0.gate_up_proj: matmul_i8_i2s_f32_n192_k64_m1_relu2mul",
      "layers.0.ffn_sub_norm: normquant_f32_i8_k96_eps1e-05",
      "layers.0.down_proj: matmul_i8_i2s_f32_n64_k96_m1_residual",
      "norm: rmsnorm_f32_k64_eps1e-05",
      "lm_head: head_f32_bf16_n320_k64",
  };
  EXPECT_EQ(names, expected);
}

TEST_F(Fuse, WithoutSubNormTheMatmulLeavesRowMaxima) {
  load({.layers = 1});
  remove_norm(graph_, "layers.0.ffn_sub_norm");
  ASSERT_TRUE(validate(graph_).ok());
  const auto fused = fuse(graph_);
  ASSERT_TRUE(fused.ok()) << fused.status().message();
  ASSERT_EQ(fused->ops.size(), 13u);
  EXPECT_EQ(spec_name(fused->ops[8].spec), "matmul_i8_i2s_f32_n192_k64_m1_relu2mul_rowmax");
  EXPECT_EQ(fused->ops[9].name, "layers.0.down_proj.quantize");
  EXPECT_EQ(spec_name(fused->ops[9].spec), "quant_f32_i8_k96");
  EXPECT_EQ(fused->ops[9].input, fused->ops[8].output);
  EXPECT_EQ(fused->ops[10].input, fused->ops[9].output);
  EXPECT_EQ(spec_name(fused->ops[10].spec), "matmul_i8_i2s_f32_n64_k96_m1_residual");
}

TEST_F(Fuse, ASumIsNotQuantisedWithoutANorm) {
  load({.layers = 1});
  remove_norm(graph_, "layers.0.post_attention_layernorm");
  const auto fused = fuse(graph_);
  ASSERT_FALSE(fused.ok());
  EXPECT_NE(fused.status().message().find("neither a norm nor relu2mul"), std::string::npos)
      << fused.status().message();
}

// Widths that are no multiple of a tile: every part of a fused matmul still begins at a whole tile.
TEST_F(Fuse, OddWidthsArePadded) {
  load({.hidden = 36, .intermediate = 52, .layers = 1, .q_heads = 6, .kv_heads = 3, .head_dim = 6});
  for (const FusedOp& op : fused_.ops) {
    const auto* matmul = std::get_if<MatmulSpec>(&op.spec);
    if (matmul == nullptr) continue;
    EXPECT_EQ(matmul->n % kTileRows, 0) << op.name;
    EXPECT_EQ(fused_.values[static_cast<size_t>(op.output)].columns, matmul->output_columns());
  }
  const auto& rope = std::get<RopeAppendSpec>(fused_.ops[3].spec);
  EXPECT_EQ(rope.k_offset(), 48);
  EXPECT_EQ(rope.v_offset(), 80);
  EXPECT_EQ(std::get<MatmulSpec>(fused_.ops[2].spec).n, 112);
}

TEST_F(Fuse, GateAndUpTilesAlternate) {
  load({.layers = 1});
  const FusedOp& op = fused_.ops[8];
  ASSERT_EQ(op.name, "layers.0.gate_up_proj");
  const auto packed = pack_matmul(graph_, op);
  ASSERT_TRUE(packed.ok()) << packed.status().message();
  const auto& spec = std::get<MatmulSpec>(op.spec);
  std::vector<int8_t> rows(static_cast<size_t>(spec.n * spec.k));
  ASSERT_TRUE(unpack(spec.weight_layout(), packed->bytes, rows).ok());
  for (int part = 0; part < 2; ++part) {
    const auto matrix =
        graph_.ternary[static_cast<size_t>(op.weights[static_cast<size_t>(part)])].load();
    ASSERT_TRUE(matrix.ok());
    for (int64_t n = 0; n < matrix->n; ++n) {
      const int64_t tile = 2 * (n / kTileRows) + part;
      EXPECT_EQ(packed->tile_scales[static_cast<size_t>(tile)], matrix->scale);
      for (int64_t k = 0; k < spec.k; ++k)
        ASSERT_EQ(rows[static_cast<size_t>((tile * kTileRows + n % kTileRows) * spec.k + k)],
                  matrix->trits[static_cast<size_t>(n * spec.k + k)])
            << "row " << n << " column " << k;
    }
  }
}

// No buffer holds two values that are alive at once.
TEST_F(Fuse, BuffersDoNotOverlapInTime) {
  load({.layers = 3});
  const MemoryPlan plan = plan_memory(fused_);
  std::vector<int> last_use(fused_.values.size(), -1), defined(fused_.values.size(), -1);
  for (size_t i = 0; i < fused_.ops.size(); ++i) {
    const FusedOp& op = fused_.ops[i];
    if (op.output >= 0) defined[static_cast<size_t>(op.output)] = static_cast<int>(i);
    for (int value : {op.input, op.residual})
      if (value >= 0) last_use[static_cast<size_t>(value)] = static_cast<int>(i);
  }
  for (size_t a = 0; a < fused_.values.size(); ++a) {
    const auto buffer = static_cast<size_t>(plan.buffer_of_value[a]);
    EXPECT_EQ(plan.buffers[buffer].columns, fused_.values[a].columns);
    EXPECT_EQ(plan.buffers[buffer].kind, fused_.values[a].kind);
    for (size_t b = 0; b < fused_.values.size(); ++b) {
      if (a == b || plan.buffer_of_value[a] != plan.buffer_of_value[b] || defined[b] <= defined[a])
        continue;
      const auto& writer = fused_.ops[static_cast<size_t>(defined[b])];
      const bool overwrites_residual =
          last_use[a] == defined[b] && writer.residual == static_cast<int>(a);
      EXPECT_TRUE(last_use[a] < defined[b] || overwrites_residual)
          << fused_.values[a].name << " is still needed when " << fused_.values[b].name
          << " is written";
    }
  }
  // Layers share their buffers: three need no more than one.
  EXPECT_LE(plan.buffers.size(), 8u);
}

TEST_F(Fuse, APatternThatDoesNotFitIsNamed) {
  load({.layers = 1});
  for (Node& node : graph_.nodes)
    if (node.op == GraphOp::kAdd) node.inputs[1] = node.inputs[0];
  const auto fused = fuse(graph_);
  ASSERT_FALSE(fused.ok());
  EXPECT_EQ(fused.status().code(), StatusCode::kUnsupported);
  EXPECT_NE(fused.status().message().find("(add): no fusion pattern applies"), std::string::npos)
      << fused.status().message();
}

}  // namespace
}  // namespace bitnetc::test
