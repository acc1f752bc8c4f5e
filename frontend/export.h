// Writes a model in the formats that it may have been read from. What is written is read back with
// the same trits and scales, bit for bit.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "compiler/graph.h"
#include "runtime/status.h"

namespace bitnetc {

// How ternary matrices are stored in a GGUF file.
enum class TernaryFormat { kI2S, kTq1_0, kTq2_0, kF16, kBf16 };
// How the embedding and the head are.
enum class TableFormat {
  kAsIs,  // as the source has them
  kF16,
  kQ8_0,
  kQ6K,
};

// Told after each tensor, `done` of `total`. A false answer stops the export with kCancelled.
using ExportProgress = std::function<bool(int done, int total, const std::string& tensor)>;

struct GgufExportOptions {
  TernaryFormat ternary = TernaryFormat::kI2S;
  TableFormat tables = TableFormat::kAsIs;
  ExportProgress progress = {};
};

struct ExportReport {
  std::vector<std::string> notes;  // what the format cannot say, or other programs do otherwise
  int64_t file_bytes = 0;
  int tensors = 0;
};

// `graph` needs no nodes: configuration, generation defaults, tokenizer, chat template and weights
// are written, one matrix in memory at a time. The output is replaced only when all is well.
// Error: the sources'; kUnsupported for a family without a GGUF architecture, scales that are not
// one per matrix, or a table that does not divide into blocks; kIoError, kCancelled.
Result<ExportReport> export_gguf(const Graph& graph, const std::string& path,
                                 const GgufExportOptions& options);

// A Hugging Face folder with packed weights (quant_method bitnet, weight_scale multiplies). The
// folder is one that is free or empty (runtime/new_folder.h).
// Error: the sources'; kUnsupported for a family that is not known, scales that are not one per
// matrix, or what config.json cannot say; kIoError, kCancelled.
Result<ExportReport> export_hf_folder(const Graph& graph, const std::string& folder,
                                      const ExportProgress& progress);

}  // namespace bitnetc
