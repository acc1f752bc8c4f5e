// Graph -> fused operations, the steps of the program before they have memory or code:
//   q, k, v projections of one input      one matmul, parts one after another, each at a whole tile
//   gate, up and their gated product      one matmul whose gate and up tiles alternate
//   projection and add                    one matmul with a residual epilogue
//   norm and the quantisation after it    one step
//   gated product, quantisation, no norm  the matmul leaves its row absmax, quantising is one pass
//   other value, quantisation, no norm    one step, which finds the absmax itself
//   norm and add                          one step
//   projections of different inputs       a matmul each; those of q, k and v write side by side in
//                                         one row, a step behind gate and up makes their product
//   norm of the heads of q or k           one step in place on its columns of the fused row
//   gate and up of squared ReLU, where neurons are skipped: a matmul each and their product for
//     several rows, and for one row a step that computes up where the gate is positive; behind it
//     the projection of their product for several rows, and for one row a step that reads the
//     neurons that are not zero
//   rope of q and k, cache append         one step in place on the fused row
#pragma once

#include <string>
#include <vector>

#include "codegen/kernel_spec.h"
#include "compiler/graph.h"
#include "runtime/program.h"

namespace bitnetc {

enum class StepKind {
  // clang-format off
  kEmbed,         // token id -> f32                             weights: table
  kNormQuantize,  // f32 -> quantised                            weights: f32 norm vector
  kQuantize,      // f32 -> quantised, by the row absmax that a gated matmul just before left
  kMatmul,        // quantised -> f32, maybe adding `residual`   weights: packed, f32 per tile
  kHeadNorm,      // f32 q or k columns of qkv in place          weights: f32 norm vector
  kRopeAppend,    // f32 qkv in place, k and v into the cache of `layer`
  kAttention,     // f32 qkv -> f32
  kRmsNorm,       // f32 -> f32, maybe adding `residual`         weights: f32 norm vector
  kGlu,           // f32 gate (`input`) and up (`second`) -> f32
  kSparseUp,      // quantised, f32 gate (`second`) -> f32       weights: neuron rows, f32 per tile
  kSparseDown,    // quantised -> f32, maybe adding `residual`   weights: neuron rows, f32 per tile
  kHead,          // f32 -> logits                               weights: table
  // clang-format on
};

enum class BufferKind {
  kF32,        // f32[columns] per row
  kQuantized,  // i8[columns], one f32 scale and one i32 sum per row
};

// A value of the fused program: one row per token.
struct FusedValue {
  std::string name;
  BufferKind kind = BufferKind::kF32;
  int64_t columns = 0;  // padded
};

// A projection inside a fused matmul: what export and sharding have to know of it.
struct FusedPart {
  std::string name;  // of the ternary matrix, "model.layers.0.self_attn.q_proj"
  int64_t rows = 0;  // without the pad to whole tiles
  bool operator==(const FusedPart&) const = default;
};

struct FusedOp {
  StepKind kind = StepKind::kEmbed;
  std::string name;
  int input = -1, output = -1, residual = -1;  // fused values
  int second = -1;                             // kGlu, kSparseUp: a fused value
  int64_t column = 0;                          // kHeadNorm: where its columns of `input` begin
  int64_t output_column = 0;                   // kMatmul: where its columns of `output` begin
  bool scored = false;                         // only for rows whose output is wanted
  StepRows rows = StepRows::kAny;
  int layer = -1;  // of its node; kRopeAppend, kAttention: the cache they use
  // Indices into the graph's ternary matrices, vectors or tables, by kind.
  std::vector<int> weights;
  std::vector<FusedPart> parts;  // kMatmul: one per weight, in their order
  double rope_theta = 0;         // kRopeAppend
  RopeScaling rope_scaling = {};
  KernelSpec spec;
};

struct FusedGraph {
  std::vector<FusedValue> values;
  std::vector<FusedOp> ops;
};

struct FuseOptions {
  // Whether FFNs with squared ReLU get steps that skip neurons in passes of one row.
  bool skip_neurons = false;
};

// `graph` is valid (validate()). The layouts of the matmuls are left at their default; choosing
// them is not a matter of the graph.
// Error: kUnsupported naming the node whose surroundings match none of the patterns above, or whose
// attributes no kernel has.
Result<FusedGraph> fuse(const Graph& graph, const FuseOptions& options = {});

}  // namespace bitnetc
