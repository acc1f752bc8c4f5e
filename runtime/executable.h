// A compiled model linked with kernels for this machine: everything a Session needs, nothing it must
// search for. Immutable and shared; made by compiler/link.h.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/buffer.h"
#include "runtime/compiled_model.h"
#include "runtime/kernel.h"

namespace bitnetc {

// Matmul kernels are made for each M up to here, and for any M.
inline constexpr int kMaxBakedM = 8;

struct LinkedStep {
  StepKind kind;
  std::string name;
  int input = -1, output = -1, residual = -1, layer = -1;
  const uint8_t* weights = nullptr;  // the mapped section, or one of Executable::repacked
  const float* scales = nullptr;
  int64_t weight_bytes = 0;               // bytes of `weights` a full pass reads
  int64_t tiles = 0, tiles_per_unit = 1;  // matmul: row tiles; 2 a unit where gate and up alternate
  bool row_absmax = false;  // matmul: leaves the maxima that the quantize step behind it reads
  int64_t rows = 0;         // head: vocabulary rows
  // Matmul: [m], and [0] for any number of tokens; other kinds use [1] for every token.
  std::array<Kernel, kMaxBakedM + 1> kernels;
  // Matmul whose kernel for one token looks sums up: makes the tables of its input before the step runs. Empty
  // where none are needed, or where those of an earlier step are still good.
  Kernel build_tables;
  int64_t table_blocks = 0;  // what build_tables makes, shared among threads
  int64_t table_bytes = 0;

  const Kernel& kernel() const { return kernels[1]; }
};

struct Executable {
  std::shared_ptr<const CompiledModel> model;
  std::vector<LinkedStep> steps;
  // Matrices that run in another layout than the file has them in.
  std::vector<Buffer<uint8_t>> repacked;
  const float* rope_cos = nullptr;
  const float* rope_sin = nullptr;
  // Columns of the k and v parts in the fused qkv buffer are the kernels' business; these are the
  // session's.
  int64_t q_heads = 0, kv_heads = 0, head_dim = 0;

  // Bytes of weights, scales and tables that one generated token reads.
  int64_t bytes_per_token() const;
};

}  // namespace bitnetc
