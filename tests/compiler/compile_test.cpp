// From a model folder through a .bnc file to a linked program and its logits, and what linking
// refuses.
#include "compiler/compile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "compiler/link.h"
#include "frontend/load.h"
#include "runtime/cpu_features.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/model_folder.h"
#include "tests/support/tiers.h"

namespace bitnetc::test {
namespace {

std::vector<float> logits_of(const std::string& bnc_path, const Target& target,
                             std::span<const int32_t> tokens) {
  auto session = make_session(link_file(bnc_path, target), {.threads = 2});
  const Status status = session->append(tokens);
  EXPECT_TRUE(status.ok()) << status.message();
  return {session->logits().begin(), session->logits().end()};
}

class Compile : public testing::Test {
 protected:
  std::string compile_model(const ModelFiles& files, const std::string& name,
                            const Target& target = host_target()) {
    const auto source = folder_.path() / name;
    write_model(files, source);
    const std::string path = folder_.file(name + ".bnc");
    compile_folder(source.string(), path, target);
    return path;
  }

  // Compares the scales of quantize steps with the whole rows of the matmul before.
  void expect_measured_by_the_row(Session& session) {
    session.set_tap([this](const LinkedStep& step, int64_t rows,
                           std::span<const StepOutput> outputs) {
      for (const StepOutput& output : outputs) {
        if (step.operation() == "matmul" && output.operand == "y") {
          absmax_.assign(static_cast<size_t>(rows), 1e-5f);
          for (int64_t row = 0; row < rows; ++row)
            for (int64_t i = 0; i < output.columns; ++i)
              absmax_[static_cast<size_t>(row)] =
                  std::max(absmax_[static_cast<size_t>(row)],
                           std::fabs(output.f32()[row * output.stride + i]));
        }
        if (step.operation() != "quant" || output.operand != "scale") continue;
        for (int64_t row = 0; row < rows; ++row)
          EXPECT_EQ(output.f32()[row], absmax_[static_cast<size_t>(row)] / 127.0f) << "row " << row;
      }
    });
  }

  std::vector<float> absmax_;
  TempFolder folder_;
  const std::vector<int32_t> tokens_ = {318, 72, 101, 108, 108, 111, 33, 10, 0, 255, 99};
};

// Packed and master folders, shapes with and without pads, every tier this machine has: one set of
// bits.
TEST_F(Compile, SameBitsFromMastersPackedAndEveryTier) {
  const ModelShape shapes[] = {
      {},
      {.hidden = 36, .intermediate = 52, .layers = 1, .q_heads = 6, .kv_heads = 3, .head_dim = 6},
      {.hidden = 200, .intermediate = 300, .q_heads = 2, .kv_heads = 1, .head_dim = 100},
      {.tied_head = false},
  };
  int number = 0;
  for (const ModelShape& shape : shapes) {
    const std::string name = "model" + std::to_string(number++);
    const std::string packed = compile_model(make_packed_model(shape, 5), name + "p");
    const std::string master = compile_model(make_master_model(shape, 5), name + "m");
    const auto expected = logits_of(packed, target_for(Isa::kScalar), tokens_);
    const auto same = [&](const std::vector<float>& logits) {
      return std::memcmp(logits.data(), expected.data(), expected.size() * sizeof(float)) == 0;
    };
    EXPECT_TRUE(same(logits_of(master, target_for(Isa::kScalar), tokens_))) << name << " masters";
    for (const Isa isa : tiers_here()) {
      EXPECT_TRUE(same(logits_of(packed, target_for(isa), tokens_)))
          << name << " " << isa_name(isa);
    }
  }
}

// Without the norm before `down` the scale comes from the row absmax of all threads; every tier and
// number of threads gives the bits of the reference kernels.
TEST_F(Compile, SameBitsWithoutSubNorm) {
  for (const ModelShape& shape : {ModelShape{}, ModelShape{.hidden = 36,
                                                           .intermediate = 52,
                                                           .layers = 2,
                                                           .q_heads = 6,
                                                           .kv_heads = 3,
                                                           .head_dim = 6}}) {
    const auto source = folder_.path() / fmt::format("h{}", shape.hidden);
    write_model(make_packed_model(shape, 5), source);
    auto loaded = load_model(source.string());
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    for (int64_t layer = 0; layer < loaded->graph.config.layers; ++layer)
      remove_node(loaded->graph, fmt::format("layers.{}.ffn_sub_norm", layer));
    const HeuristicPlanSource plans;
    const std::string path = source.string() + ".bnc";
    const auto report = compile(loaded->graph, path, {.target = host_target(), .plans = &plans});
    ASSERT_TRUE(report.ok()) << report.status().message();
    for (const size_t tokens : {size_t{1}, size_t{5}, tokens_.size()}) {
      std::vector<float> expected;
      for (const Isa isa : tiers_here()) {
        const auto executable = link_file(path, target_for(isa));
        for (const int threads : {1, 2, 3}) {
          auto session = make_session(executable, {.threads = threads});
          expect_measured_by_the_row(*session);
          const Status status = session->append(std::span(tokens_).first(tokens));
          ASSERT_TRUE(status.ok()) << status.message();
          const std::vector<float> logits(session->logits().begin(), session->logits().end());
          if (expected.empty()) expected = logits;
          EXPECT_EQ(std::memcmp(logits.data(), expected.data(), expected.size() * sizeof(float)), 0)
              << isa_name(isa) << ", " << threads << " threads, " << tokens << " tokens";
        }
      }
    }
  }
}

TEST_F(Compile, TheArtifactIsAFunctionOfTheModel) {
  const ModelFiles files = make_packed_model({}, 7);
  const std::string path = compile_model(files, "one");
  const std::string first = read_file(path);
  compile_folder((folder_.path() / "one").string(), path, host_target());
  EXPECT_EQ(read_file(path), first);
}

TEST_F(Compile, CancelledLeavesNothing) {
  write_model(make_packed_model({}, 7), folder_.path() / "m");
  const auto loaded = load_model((folder_.path() / "m").string());
  ASSERT_TRUE(loaded.ok());
  const HeuristicPlanSource plans;
  const std::string path = folder_.file("cancelled.bnc");
  const auto report = compile(
      loaded->graph, path,
      {.target = host_target(), .plans = &plans, .progress = [](int done, int, const std::string&) {
         return done < 3;
       }});
  EXPECT_EQ(report.status().code(), StatusCode::kCancelled);
  EXPECT_FALSE(std::filesystem::exists(path));
}

// Rewrites the description of a compiled model (with good checksums) and links it.
class LinkRefuses : public Compile {
 protected:
  Status link_with(const std::function<void(nlohmann::json&)>& change) {
    const std::string path = compile_model(make_packed_model({.layers = 1}, 3), "m");
    const auto reader = BncReader::open(path).value();
    nlohmann::json description = nlohmann::json::parse(reader->description_json());
    change(description);
    const std::string changed = folder_.file("changed.bnc");
    auto writer = BncWriter::create(changed).value();
    for (const BncSection& section : reader->sections())
      EXPECT_TRUE(writer->add_section(section.name, reader->section(section.name).value()).ok());
    EXPECT_TRUE(writer->finish(description.dump()).ok());
    auto model = CompiledModel::open(changed);
    if (!model.ok()) return model.status();
    KernelBuilder builder;
    const HeuristicPlanSource plans;
    LinkReport report;
    return link(*model, builder, {.target = host_target(), .plans = &plans}, &report).status();
  }

  void expect_refused(const std::string& expected,
                      const std::function<void(nlohmann::json&)>& change) {
    const Status status = link_with(change);
    EXPECT_FALSE(status.ok());
    EXPECT_NE(status.message().find(expected), std::string::npos) << status.message();
  }
};

// Step 2 is the first layer's qkv_proj, 3 its rotation, 4 its attention; the last is the head.
TEST_F(LinkRefuses, WhatDoesNotFit) {
  const auto step = [](nlohmann::json& d, size_t i) -> nlohmann::json& {
    return d["program"]["steps"][i];
  };
  const auto operand = [&](nlohmann::json& d, size_t i, const char* name) -> nlohmann::json& {
    for (auto& each : step(d, i)["operands"])
      if (each["name"] == name) return each;
    throw std::runtime_error(fmt::format("step {} has no operand {}", i, name));
  };
  EXPECT_TRUE(link_with([](nlohmann::json&) {}).ok());
  expect_refused("hidden_size", [](auto& d) { d["config"].erase("hidden_size"); });
  expect_refused("layers = 0", [](auto& d) { d["config"]["layers"] = 0; });
  expect_refused("has attention in 1 layers, the config has 2000000",
                 [](auto& d) { d["config"]["layers"] = 2000000; });
  expect_refused("buffer = 99", [&](auto& d) { operand(d, 2, "x")["buffer"] = 99; });
  expect_refused("operand y is f32, but buffer",
                 [&](auto& d) { operand(d, 2, "y")["buffer"] = operand(d, 2, "x")["buffer"]; });
  expect_refused("before a step has written them", [&](auto& d) {
    operand(d, 1, "x")["buffer"] = operand(d, 2, "y")["buffer"];
    operand(d, 1, "x")["column"] = 0;
  });
  expect_refused("columns 1 to", [&](auto& d) { operand(d, 2, "y")["column"] = 1; });
  expect_refused("operand y is bound twice",
                 [&](auto& d) { step(d, 2)["operands"].push_back(operand(d, 2, "y")); });
  expect_refused("operand y is missing", [&](auto& d) { operand(d, 2, "y")["name"] = "z"; });
  expect_refused("layer = 7", [&](auto& d) { step(d, 3)["layer"] = 7; });
  expect_refused("kernel spec 'nonsense'", [&](auto& d) { step(d, 2)["kernel"] = "nonsense"; });
  expect_refused("operand x is f32, but buffer", [&](auto& d) {
    step(d, 2)["kernel"] = "rmsnorm_f32_k64_eps1e-05";
    step(d, 2)["parts"] = nlohmann::json::array();
  });
  expect_refused("m4",
                 [&](auto& d) { step(d, 2)["kernel"] = "matmul_i8_i2s_f32_n128_k64_m4_scale"; });
  expect_refused("section layers.0.qkv_proj.weight has",
                 [&](auto& d) { step(d, 2)["kernel"] = "matmul_i8_i2s_f32_n112_k64_m1_scale"; });
  expect_refused("operand residual is missing",
                 [&](auto& d) { step(d, 2)["kernel"] = "matmul_i8_i2s_f32_n128_k64_m1_residual"; });
  expect_refused("section nowhere is missing",
                 [&](auto& d) { operand(d, 2, "w")["section"] = "nowhere"; });
  expect_refused("the config has",
                 [&](auto& d) { step(d, 3)["kernel"] = "ropeappend_f32_q2_kv2_d16"; });
  for (const size_t i : {3, 4})
    expect_refused("expected one whose name does not end with i8", [&](auto& d) {
      step(d, i)["kernel"] = step(d, i)["kernel"].template get<std::string>() + "_kvi8";
    });
  for (const double amplitude : {0.0, -1.0, 1e300})
    expect_refused("rope_amplitude = ", [&](auto& d) { step(d, 3)["rope_amplitude"] = amplitude; });
  expect_refused("rope_amplitude = 2, expected none",
                 [&](auto& d) { step(d, 2)["rope_amplitude"] = 2; });
  expect_refused("norm_eps is", [](auto& d) { d["config"]["norm_eps"] = 1e-3; });
  expect_refused("vocab_size is", [&](auto& d) {
    step(d, d["program"]["steps"].size() - 1)["kernel"] = "head_f32_bf16_n16_k64";
  });
  expect_refused("has no head",
                 [](auto& d) { d["program"]["steps"].erase(d["program"]["steps"].size() - 1); });
  expect_refused("behind the output of the model", [&](auto& d) {
    auto& steps = d["program"]["steps"];
    steps.push_back(step(d, 1));
  });
  expect_refused("a second time", [&](auto& d) {
    auto& steps = d["program"]["steps"];
    steps.insert(steps.begin() + 4, nlohmann::json(step(d, 3)));
  });
  expect_refused("its parts have", [&](auto& d) { step(d, 2)["parts"].erase(0); });
  expect_refused("kernel plan 'fast'", [&](auto& d) { step(d, 2)["plans"]["1"] = "fast"; });
  expect_refused("has a plan for m = 9", [&](auto& d) { step(d, 2)["plans"]["9"] = "t1u4p0"; });
}

TEST_F(Compile, SessionRefusesWhatCannotBe) {
  const auto executable = link_file(compile_model(make_packed_model({}, 3), "m"), host_target());
  auto session = make_session(executable, {.context_tokens = 4});
  EXPECT_EQ(session->append(std::vector<int32_t>{320}).message(),
            "token 0 has id 320, expected 0..319");
  EXPECT_EQ(session->append(std::vector<int32_t>{-1}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(session->append(std::vector<int32_t>(5, 1)).message(),
            "5 tokens do not fit: 0 of 4 positions of the context are taken");
  EXPECT_TRUE(session->append(std::vector<int32_t>(4, 1)).ok());
  EXPECT_FALSE(session->append(std::vector<int32_t>(1, 1)).ok());
  EXPECT_NE(
      Session::create(executable, {.context_tokens = 65}).status().message().find("at most 64"),
      std::string::npos);
  EXPECT_FALSE(Session::create(executable, {.threads = 0}).ok());
}

// A model whose weights overflow says so instead of printing noise.
TEST_F(Compile, NonFiniteLogitsAreAnError) {
  ModelFiles files = make_packed_model({}, 3);
  for (auto& [name, tensor] : files.tensors) {
    if (name != "model.norm.weight") continue;
    for (size_t i = 0; i + 1 < tensor.bytes.size(); i += 2) {
      tensor.bytes[i] = 0x7f;
      tensor.bytes[i + 1] = 0x7f;  // the largest bf16
    }
  }
  auto session = make_session(link_file(compile_model(files, "big"), host_target()));
  const Status status = session->append(tokens_);
  EXPECT_EQ(status.code(), StatusCode::kDataCorrupt);
  EXPECT_NE(status.message().find("not finite"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace bitnetc::test
