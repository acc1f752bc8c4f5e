// The compiled model's steps: what runs, in order, for the rows of a pass (one row is one token of
// one sequence). Steps read and write slices of buffers. A step names its kernel by spec (shapes
// and epilogue baked in); which machine code serves the spec is decided when the program is linked
// on a machine.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/element_type.h"
#include "runtime/model_config.h"

namespace bitnetc {

struct BufferInfo {
  std::string name;
  ElementType type = ElementType::kF32;
  int64_t per_row = 0;       // elements per row of a pass
  int64_t fixed = 0;         // elements whatever the rows
  int64_t per_position = 0;  // elements per position of the longest sequence of a pass
  bool per_worker = false;   // every worker has a copy of its own
  bool scored = false;       // its rows are only those whose logits are wanted

  bool operator==(const BufferInfo&) const = default;
};

// Columns [column, column + columns) of every row of a buffer.
struct Slice {
  int buffer = -1;
  int64_t column = 0, columns = 0;

  bool operator==(const Slice&) const = default;
};

// What a step binds to one declared operand of its operation: a slice of a buffer, or a section of
// the file.
struct StepOperand {
  std::string name;  // as the operation declares it: "x", "tile_scale"
  Slice slice = {};
  std::string section = {};  // empty: the slice
};

// One of the matrices that a fused matmul was made of, in order.
struct StepPart {
  std::string name;  // "model.layers.0.self_attn.q_proj"
  int64_t rows = 0;
};

// The passes that a step runs in. Where neurons can be skipped, a pass of one row takes other steps
// than a pass of several (docs/sparse-ffn.md).
enum class StepRows { kAny, kOne, kSeveral };
// Whether a pass has such steps: one that skips neurons, or any other.
constexpr bool runs_in_pass(StepRows rows, bool skips_neurons) {
  return rows != (skips_neurons ? StepRows::kSeveral : StepRows::kOne);
}

struct Step {
  std::string name;    // "layers.0.qkv_proj"
  std::string kernel;  // spec name with m = 1
  std::vector<StepOperand> operands;
  int layer = -1;       // whose keys and values it uses; -1: none
  bool scored = false;  // runs only for rows whose logits are wanted
  StepRows rows = StepRows::kAny;
  double rope_amplitude = 1;  // ropeappend: of every cosine and sine
  std::vector<StepPart> parts;
  std::map<int, std::string> plans;  // matmul: choice by m, for Program::target (print_choice)

  // "matmul"
  std::string_view operation() const {
    return std::string_view(kernel).substr(0, kernel.find('_'));
  }
  const StepOperand* operand(std::string_view operand_name) const {
    for (const StepOperand& each : operands)
      if (each.name == operand_name) return &each;
    return nullptr;
  }
};

struct Program {
  std::string target_isa;  // the Target::name() the plans were made for
  std::vector<BufferInfo> buffers;
  std::vector<Step> steps;
  // The sections of the head's screen (docs/screened-head.md) are called this and a part of
  // kScreenParts; empty: there is none.
  std::string screen;
};

// The parts of a screen, in the order of HeadScreen (compiler/passes/screen.h).
inline constexpr std::string_view kScreenParts[] = {".coarse", ".fine", ".step", ".coarse_error",
                                                    ".fine_error"};

// Everything a .bnc says besides its weights.
struct ModelDescription {
  std::string bitnetc_version;
  std::vector<SourceFile> sources;
  ModelConfig config;
  GenerationDefaults generation;
  std::string chat_template;                          // Jinja; empty: none
  std::map<std::string, std::string> special_tokens;  // "eos_token" -> its text, for the template
  EncoderDefaults encoder;                            // of a text encoder
  Program program;
};

}  // namespace bitnetc
