// From the name of a model to something that runs: compiles a source model into the cache once,
// links kernels for this machine, makes the tokenizer. The commands, and whoever else runs models,
// stand on it. It prints nothing: what happens on the way goes to EngineOptions::notes. Functions
// may be called from any thread.
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
#include "runtime/cancel_token.h"
#include "runtime/cpu_features.h"
#include "runtime/executable.h"
#include "runtime/gpu_driver.h"
#include "runtime/kv_type.h"
#include "runtime/notes.h"
#include "runtime/status.h"
#include "tools/engine/models.h"

namespace bitnetc {

// What a model is planned for.
struct PlanRequest {
  // A layout's name, "auto" (chosen for every matrix), or empty: as a compiled model has it, "auto"
  // for a source model.
  std::string layout = {};
  int threads = 0;  // 0: every CPU this process may use
  Usage usage = Usage::kGeneration;
  std::string device = "cpu";  // as open_device() takes it (tools/engine/device.h)
};
// The values of PlanRequest::layout.
std::vector<std::string> layout_choices();
// The names of the types of keys and values.
std::vector<std::string> kv_type_choices();

// What does not change from call to call.
struct EngineSettings {
  // Keeps compiled models, profiles and limits; empty: nothing is kept.
  std::string cache_dir = {};
  std::string program_dir = {};  // as of locate_model(); empty: there are no bundled models
  Target target = host_target();
  BuildSettings build = {};  // its notes: EngineOptions::notes instead
  GpuDriverSettings gpu_driver = {};
};

// How a model's memory is treated.
struct MemoryRequest {
  bool lock = false;  // the model's file and what is repacked are locked in memory
  bool check = true;  // a model that does not fit in memory is refused
};

struct EngineOptions {
  EngineSettings settings = {};
  PlanRequest plan = {};
  MemoryRequest memory = {};
  KvType kv_type = KvType::kF16;  // of keys and values
  Notes* notes = &no_notes();
  const CancelToken* cancel = nullptr;
};

struct CompileRequest {
  std::string source_path;
  std::string output_path;
  std::optional<Effort> tune =
      {};                     // measured before; none: as far as this machine is tuned already
  bool screen = true;         // CompileOptions::screen
  bool skip_neurons = false;  // CompileOptions::skip_neurons
};
// Compiles a source model into one .bnc file. Error: kInvalidArgument where the output is one of
// the files that are read, or a device; else as OutputFile::create() (before anything is read),
// load_model(), compile() and tune().
Status compile_model(const CompileRequest& request, const EngineOptions& options);

// Opens a compiled model; a source model is compiled into the cache first, or found there.
Result<std::shared_ptr<const CompiledModel>> open_model(const std::string& name,
                                                        const EngineOptions& options);
// The shapes of the matmuls of a model, each once; a source model is not compiled for it.
Result<std::vector<MatmulSpec>> model_matmuls(const std::string& name,
                                              const EngineSettings& settings);

struct Engine {
  std::shared_ptr<const CompiledModel> model;
  std::shared_ptr<const Executable> executable;
  std::unique_ptr<const Tokenizer> tokenizer;
  LinkReport link_report;
  bool memory_is_locked = false;  // as was asked for
};
// open_model(), and all that it needs to run. Notes name what was repacked, every operation that
// fell back to slower kernels, and memory that could not be locked.
// Error: also kOutOfMemory where the model does not fit in memory (runtime/memory_need.h).
Result<Engine> make_engine(const std::string& model_name, const EngineOptions& options);
// Whether there is memory for a sequence of `positions` positions, where that is checked. Error:
// kOutOfMemory.
Status expect_memory(const Engine& engine, int64_t positions, const EngineOptions& options);
// `name`: the model's, for the message. Error: kUnsupported where it puts out something else.
Status expect_output(const Engine& engine, ModelOutput expected, const std::string& name);
// Only the tokenizer of a model; no weights are compiled or linked.
Result<std::unique_ptr<const Tokenizer>> load_tokenizer(const std::string& model_name,
                                                        const EngineSettings& settings);

}  // namespace bitnetc
