// From the name a user typed to something that runs: finds the model, compiles a source model into the
// cache once, links kernels for this machine, makes the tokenizer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autotune/search_space.h"
#include "autotune/usage.h"
#include "codegen/kernel_builder.h"
#include "compiler/link.h"
#include "frontend/tokenizer.h"
#include "runtime/executable.h"
#include "runtime/status.h"

namespace bitnetc {

inline constexpr char kBundledModel[] = "fairytale-6m";

// Where a MODEL argument leads.
struct ModelLocation {
  enum class Kind { kCompiled, kSourceFolder } kind;
  std::string path;
};
// `name`: a path, the name of a bundled model, or empty for the default one.
// Error: kNotFound listing what was looked for.
Result<ModelLocation> locate_model(const std::string& name);

// What a model is planned for.
struct PlanRequest {
  // What --layout says: a layout's name, "auto" (chosen for every matrix), or empty: as a compiled model has it,
  // "auto" for a source model.
  std::string layout = {};
  int threads = 0;  // 0: as thread_count() says
  Usage usage = Usage::kGeneration;
};
// The values --layout takes.
std::vector<std::string> layout_choices();

struct CompileRequest {
  std::string source_folder;
  std::string output_path;
  PlanRequest plan = {};
  std::optional<Effort> tune =
      {};  // before it is compiled; none: as far as this machine is tuned already
  bool verbose = false;
};
// `bitnetc compile`, with progress and notes on stderr.
Status compile_model(const CompileRequest& request);

// Opens a compiled model; a source model is compiled into the cache first, or found there. `verbose` tells
// what the frontend ignored.
Result<std::shared_ptr<const CompiledModel>> open_model(const std::string& name, bool verbose,
                                                        const PlanRequest& plan = {});
// The shapes of the matmuls of a model, each once; a source model is not compiled for it.
Result<std::vector<MatmulSpec>> model_matmuls(const std::string& name);

struct Engine {
  std::shared_ptr<const CompiledModel> model;
  std::shared_ptr<const Executable> executable;
  std::unique_ptr<const Tokenizer> tokenizer;
  LinkReport link_report;
};
// Notes on stderr name what was repacked and every operation that fell back to a slower kernel; `verbose`
// lists layouts and kernels.
Result<Engine> make_engine(const std::string& model_name, bool verbose,
                           const PlanRequest& plan = {});
// As above, but only the tokenizer of the model (no weights are compiled or linked).
Result<std::unique_ptr<const Tokenizer>> load_tokenizer(const std::string& model_name);

}  // namespace bitnetc
