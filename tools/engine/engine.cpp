#include "tools/engine/engine.h"

#include <filesystem>

#include "codegen/llvm_back_end.h"
#include "compiler/check_program.h"
#include "compiler/compile.h"
#include "frontend/load.h"
#include "runtime/cpu_allowance.h"
#include "runtime/mapped_file.h"
#include "runtime/memory_lock.h"
#include "runtime/memory_need.h"
#include "runtime/output_file.h"
#include "runtime/printable.h"
#include "tools/engine/device.h"
#include "tools/engine/machine_plans.h"
#include "tools/engine/matrices.h"
#include "tools/engine/model_cache.h"
#include "tools/engine/stopwatch.h"

namespace bitnetc {
namespace {

constexpr char kAutoLayout[] = "auto";

int threads_of(const PlanRequest& plan) {
  return plan.threads > 0 ? plan.threads : usable_cpu_count();
}

MachinePlans plans_for(const EngineOptions& options) {
  return MachinePlans(options.settings.cache_dir, threads_of(options.plan), options.plan.usage,
                      *options.notes);
}

BuildSettings build_settings(const EngineOptions& options) {
  BuildSettings build = options.settings.build;
  build.notes = options.notes;
  return build;
}

Result<ModelLocation> locate(const std::string& name, const EngineSettings& settings) {
  return locate_model(name, settings.program_dir);
}

Status compile_graph(const LoadedModel& loaded, const CompileRequest& request,
                     const EngineOptions& options, const MachinePlans& machine) {
  const Stopwatch watch;
  const LayoutOverride plans(machine.source(), parse_layout(options.plan.layout));
  const CompileOptions compile_options{
      .target = options.settings.target,
      .plans = &plans,
      .bitnetc_version = BITNETC_VERSION,
      .screen = request.screen,
      .skip_neurons = request.skip_neurons,
      .progress = [&](int done, int total, const std::string& step) {
        options.notes->progress({.task = "compiling", .done = done, .total = total, .what = step});
        return !is_cancelled(options.cancel);
      }};
  BITNETC_ASSIGN_OR_RETURN(const CompileReport report,
                           compile(loaded.graph, request.output_path, compile_options));
  if (report.cannot_screen)
    options.notes->note(NoteKind::kModel,
                        "the head has a row that is too large or too long to be screened: every "
                        "logit will be computed");
  if (report.cannot_skip)
    options.notes->note(NoteKind::kModel,
                        "no FFN of this model has a squared ReLU whose neurons could be skipped");
  options.notes->note(
      NoteKind::kCompiled,
      fmt::format("compiled {} -> {}: {} steps, {} ternary weights in {:.1f} MB, file {:.1f} MB, "
                  "{:.2f} s",
                  request.source_path, request.output_path, report.steps, report.ternary_weights,
                  static_cast<double>(report.packed_bytes) / 1e6,
                  static_cast<double>(report.file_bytes) / 1e6, watch.seconds()));
  return {};
}

Result<LoadedModel> load_source(const std::string& folder, Notes& notes) {
  BITNETC_ASSIGN_OR_RETURN(LoadedModel loaded, load_model(folder));
  for (const std::string& key : loaded.report.ignored_keys) notes.note(NoteKind::kIgnoredKey, key);
  for (const std::string& note : loaded.report.notes) notes.note(NoteKind::kModel, note);
  return loaded;
}

Result<std::shared_ptr<const CompiledModel>> open_source_model(const std::string& folder,
                                                               const EngineOptions& options,
                                                               const MachinePlans& machine) {
  const Target& target = options.settings.target;
  const std::string& layout = options.plan.layout;
  // "auto" is what this machine's profile makes of it.
  const std::string layouts = layout.empty() || layout == kAutoLayout
                                  ? fmt::format("{} {}", kAutoLayout, machine.layouts(target))
                                  : layout;
  const auto compile_to = [&](const std::string& path) -> Status {
    BITNETC_ASSIGN_OR_RETURN(const LoadedModel loaded, load_source(folder, *options.notes));
    return compile_graph(loaded, {.source_path = folder, .output_path = path}, options, machine);
  };
  return open_cached_model({.source_path = folder,
                            .cache_dir = options.settings.cache_dir,
                            .plan = fmt::format("{} {}", target.name(), layouts)},
                           compile_to, *options.notes, options.cancel);
}

// `lines`: "attention runs on the slow reference kernel: <reasons>".
void note_fallbacks(const std::vector<std::string>& lines, Notes& notes) {
  if (lines.empty()) return;
  std::vector<std::string> operations;
  for (const std::string& line : lines) operations.push_back(line.substr(0, line.find(' ')));
  notes.note(NoteKind::kFallback,
             fmt::format("on the slow reference kernel: {}", fmt::join(operations, ", ")));
  for (const std::string& line : lines) notes.note(NoteKind::kFallbackReason, line);
}

void note_kernels(const Engine& engine, Notes& notes) {
  const LinkReport& report = engine.link_report;
  for (const std::string& line : report.repacks()) notes.note(NoteKind::kRepacked, line);
  if (const Status llvm = llvm_back_end_status(); !llvm.ok())
    notes.note(NoteKind::kBackEnd,
               fmt::format("norms run on slower kernels than those of LLVM: {}", llvm.message()));
  note_fallbacks(report.fallbacks(), notes);
  std::string text = matmul_table(*engine.executable);
  for (const LinkedKernel& kernel : report.kernels)
    if (!kernel.name.starts_with("matmul"))
      text +=
          fmt::format("kernel {} ({}, {} steps)\n", kernel.name, kernel.generator, kernel.steps);
  notes.note(NoteKind::kKernels, text);
}

Status tune_for(const Graph& graph, Effort effort, const EngineOptions& options) {
  TuneRequest tuning{.threads = {threads_of(options.plan)},
                     .target = options.settings.target,
                     .build = build_settings(options),
                     .effort = effort,
                     .budget_s = tuning_seconds(effort)};
  BITNETC_ASSIGN_OR_RETURN(tuning.shapes, matmul_specs(graph));
  if (const auto layout = parse_layout(options.plan.layout)) tuning.layouts = {*layout};
  BITNETC_ASSIGN_OR_RETURN(
      const TuneReport report,
      tune_this_machine(tuning, options.settings.cache_dir, *options.notes, options.cancel));
  if (report.cancelled)
    return Status(StatusCode::kCancelled, "stopped; what was measured so far is kept");
  return {};
}

// A file that is no file is left to whoever opens it.
Status check_file_fits(const std::string& path) {
  std::error_code error;
  const auto size_bytes = std::filesystem::file_size(path, error);
  if (error) return {};
  const MemoryNeed need{.weights_bytes = static_cast<int64_t>(size_bytes)};
  const auto allowance = memory_allowance();
  if (check_memory(path, need, allowance).ok()) return {};
  // Some of it may be in memory for good.
  const auto mapped = MappedFile::open(path);
  return mapped.ok() ? check_memory(path, need, allowance, (*mapped)->bytes()) : Status();
}

// Whether all of it could be; a note says why not.
bool lock_weights(const Engine& engine, Notes& notes) {
  Status locked = lock_memory(engine.model->file().bytes(), "the model");
  for (const Buffer<uint8_t>& matrix : engine.executable->repacked)
    if (locked.ok()) locked = lock_memory({matrix.data(), matrix.bytes()}, "a repacked matrix");
  if (!locked.ok()) notes.note(NoteKind::kMemory, locked.message());
  return locked.ok();
}

}  // namespace

std::vector<std::string> layout_choices() {
  std::vector<std::string> names = {kAutoLayout};
  for (const LayoutId id : kLayouts) names.emplace_back(layout_name(id));
  return names;
}

std::vector<std::string> kv_type_choices() {
  std::vector<std::string> names;
  for (const KvType type : kKvTypes) names.emplace_back(kv_type_name(type));
  return names;
}

Status compile_model(const CompileRequest& request, const EngineOptions& options) {
  const ModelLocation source{ModelLocation::Kind::kSource, request.source_path};
  BITNETC_RETURN_IF_ERROR(check_not_an_input("-o", request.output_path, model_files(source)));
  // Reading and tuning take long: an output that cannot be made is found before.
  BITNETC_RETURN_IF_ERROR(
      OutputFile::create(request.output_path, OutputFile::Accepts::kRegularFile).status());
  BITNETC_ASSIGN_OR_RETURN(const LoadedModel loaded,
                           load_source(request.source_path, *options.notes));
  if (request.tune) BITNETC_RETURN_IF_ERROR(tune_for(loaded.graph, *request.tune, options));
  return compile_graph(loaded, request, options, plans_for(options));
}

Result<std::shared_ptr<const CompiledModel>> open_model(const std::string& name,
                                                        const EngineOptions& options) {
  BITNETC_ASSIGN_OR_RETURN(const ModelLocation location, locate(name, options.settings));
  if (location.kind == ModelLocation::Kind::kCompiled) return open_checked(location.path);
  return open_source_model(location.path, options, plans_for(options));
}

Result<std::vector<MatmulSpec>> model_matmuls(const std::string& name,
                                              const EngineSettings& settings) {
  BITNETC_ASSIGN_OR_RETURN(const ModelLocation location, locate(name, settings));
  if (location.kind == ModelLocation::Kind::kSource) {
    BITNETC_ASSIGN_OR_RETURN(const LoadedModel loaded, load_model(location.path));
    return matmul_specs(loaded.graph);
  }
  BITNETC_ASSIGN_OR_RETURN(const auto model, open_checked(location.path));
  std::vector<MatmulSpec> specs;
  for (const MatrixGroup& group : matrix_groups(model->description().program))
    specs.push_back(group.spec);
  return specs;
}

Result<Engine> make_engine(const std::string& model_name, const EngineOptions& options) {
  BITNETC_ASSIGN_OR_RETURN(const ModelLocation location, locate(model_name, options.settings));
  const MachinePlans machine = plans_for(options);
  Engine engine;
  if (location.kind == ModelLocation::Kind::kCompiled) {
    // Opening reads the whole file.
    if (options.memory.check) BITNETC_RETURN_IF_ERROR(check_file_fits(location.path));
    BITNETC_ASSIGN_OR_RETURN(engine.model, open_checked(location.path));
  } else {
    BITNETC_ASSIGN_OR_RETURN(engine.model, open_source_model(location.path, options, machine));
  }
  BITNETC_RETURN_IF_ERROR(expect_memory(engine, KvLayout::kPagePositions, options));
  BITNETC_ASSIGN_OR_RETURN(engine.tokenizer,
                           Tokenizer::from_file(engine.model->tokenizer_json(),
                                                fmt::format("{}: {}", engine.model->file().origin(),
                                                            kSectionTokenizer)));
  BITNETC_ASSIGN_OR_RETURN(const std::shared_ptr<GpuDevice> gpu,
                           open_device(options.plan.device, options.settings.gpu_driver));
  if (const auto layout = parse_layout(options.plan.layout);
      gpu != nullptr && layout && *layout != LayoutId::kI2S)
    return make_error(StatusCode::kInvalidArgument,
                      "--layout {} with --device {}: kernels for GPUs read {}",
                      layout_name(*layout), options.plan.device, layout_name(LayoutId::kI2S));
  BuildSettings build = build_settings(options);
  build.device = gpu.get();
  KernelBuilder builder(build);
  const LayoutOverride plans(machine.source(), parse_layout(options.plan.layout));
  BITNETC_ASSIGN_OR_RETURN(engine.executable,
                           link(engine.model, builder,
                                {.target = gpu != nullptr ? gpu->target() : options.settings.target,
                                 .plans = &plans,
                                 .choose_layouts = !options.plan.layout.empty(),
                                 .kv_type = options.kv_type,
                                 .gpu = gpu},
                                &engine.link_report));
  note_kernels(engine, *options.notes);
  if (options.memory.lock) engine.memory_is_locked = lock_weights(engine, *options.notes);
  return engine;
}

Status expect_memory(const Engine& engine, int64_t positions, const EngineOptions& options) {
  if (!options.memory.check) return {};
  const BncReader& file = engine.model->file();
  return check_memory(
      file.origin(),
      memory_need(*engine.model, options.kv_type, positions, threads_of(options.plan)),
      memory_allowance(), file.bytes());
}

Status expect_output(const Engine& engine, ModelOutput expected, const std::string& name) {
  if (engine.model->description().config.output == expected) return {};
  return make_error(StatusCode::kUnsupported, "{}: {}", printable_path(name),
                    expected == ModelOutput::kLogits
                        ? "is a text encoder: it gives a vector for a text, not more text"
                        : "is a language model, not a text encoder; expected one such as "
                          "bitnet-embedding-0.6b");
}

Result<std::unique_ptr<const Tokenizer>> load_tokenizer(const std::string& model_name,
                                                        const EngineSettings& settings) {
  BITNETC_ASSIGN_OR_RETURN(const ModelLocation location, locate(model_name, settings));
  if (location.kind == ModelLocation::Kind::kSource) return read_tokenizer(location.path);
  BITNETC_ASSIGN_OR_RETURN(const auto model, open_checked(location.path));
  return Tokenizer::from_file(model->tokenizer_json(), location.path + ": " + kSectionTokenizer);
}

}  // namespace bitnetc
