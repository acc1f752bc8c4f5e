// The compiled model's steps: what runs, in order, for a batch of tokens. Buffers are rows of one token
// each; a step reads one buffer and writes another. Kernels are named by their spec (shapes and epilogue
// baked in); which machine code serves a spec is decided when the program is linked on a machine.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/model_config.h"

namespace bitnetc {

enum class StepKind {
  // clang-format off
  kEmbed,         // token id -> f32                             weights: table
  kNormQuantize,  // f32 -> quantised                            weights: f32 norm vector
  kQuantize,      // f32 -> quantised, by the row maxima that the matmul just before left
  kMatmul,        // quantised -> f32, maybe adding `residual`   weights: packed, scales: f32 a tile
  kRopeAppend,    // f32 qkv in place, k and v into the cache of `layer`
  kAttention,     // f32 qkv -> f32
  kRmsNorm,       // f32 -> f32                                  weights: f32 norm vector
  kHead,          // f32 -> logits                               weights: table
  // clang-format on
};
const char* step_kind_name(StepKind kind);

enum class BufferKind {
  kF32,        // f32[columns] a token
  kQuantized,  // i8[columns], one f32 step and one i32 sum a token
};

struct BufferInfo {
  std::string name;
  BufferKind kind = BufferKind::kF32;
  int64_t columns = 0;  // padded to whole tiles (f32) or kQuantPad (quantised)
};

struct Step {
  StepKind kind = StepKind::kEmbed;
  std::string name;                            // "layers.0.qkv_proj"
  std::string kernel;                          // spec name with m = 1
  int input = -1, output = -1, residual = -1;  // buffers; -1: none
  int layer = -1;
  std::string weights, scales;       // sections; empty: none
  std::map<int, std::string> plans;  // matmul: choice by m, for Program::target_isa (print_choice)
};

struct Program {
  std::string target_isa;  // the tier the plans were made for
  std::vector<BufferInfo> buffers;
  std::vector<Step> steps;
};

// Everything a .bnc says besides its weights.
struct ModelDescription {
  std::string bitnetc_version;
  std::vector<SourceFile> sources;
  ModelConfig config;
  GenerationDefaults generation;
  std::string chat_template;
  Program program;
};

}  // namespace bitnetc
