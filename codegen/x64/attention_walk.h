// attention, from the parts of an AttentionProgram: which pages, positions and rows each part is
// called for. Plain C++: a call of a part takes a microsecond, the walk between two a few
// nanoseconds.
//
//   scores   for each page of the chunks: for each group of rows that sees it: scores
//            for each row, chunk and head: largest
//   values   for each chunk: for each row and head: weights
//                            for each page, for each group of rows: values
//   output   for each row: output
//
// The positions that all rows of a group see, values takes for the group; those that only some see,
// at either end, row by row. So no row touches a value that it does not see.
#pragma once

#include <memory>

#include "codegen/x64/attention_program.h"
#include "runtime/exec_memory.h"

namespace bitnetc::x64 {

inline constexpr int64_t kMostAttentionHeads = 32;  // query heads of a kv head

// Context of the kernels: entry is run_attention.
struct AttentionCode {
  using Part = void (*)(const AttentionPiece*);

  AttentionCode(const AttentionSpec& wanted, const AttentionProgram& program,
                std::shared_ptr<const ExecMemory> published);

  AttentionSpec spec;
  AttentionScratch scratch;
  KvLayout layout;
  int rows_together;
  Part scores[2], values[2], largest, weights, output;  // [0]: of a group, [1]: of one row
  int64_t lanes;
  std::shared_ptr<const ExecMemory> memory;
};

// `args` is an AttentionArgs, `context` an AttentionCode.
void run_attention(const void* args, const void* context);

}  // namespace bitnetc::x64
