#include "tools/bitnetc/engine.h"

#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "compiler/compile.h"
#include "frontend/load.h"
#include "runtime/cache_directory.h"
#include "runtime/cpu_features.h"
#include "runtime/options.h"
#include "tools/bitnetc/arguments.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/machine_plans.h"
#include "tools/bitnetc/matrices.h"

namespace bitnetc {
namespace {

namespace fs = std::filesystem;

// Folders that may hold bundled models: next to an installed binary, and in the source tree the binary was
// built in.
std::vector<std::string> bundled_model_folders() {
  const fs::path program_dir = options().program_dir;
  return {(program_dir / "../share/bitnetc/models").lexically_normal(),
          (program_dir / "../../../tools/models").lexically_normal()};
}

constexpr char kAutoLayout[] = "auto";

// "auto" is what this machine's profile makes of it.
std::string layout_text(const Target& target, const PlanRequest& plan) {
  if (!plan.layout.empty() && plan.layout != kAutoLayout) return plan.layout;
  const MachinePlans plans(thread_count(plan.threads), plan.usage);
  return fmt::format("{} {}", kAutoLayout, plans.layouts(target));
}

// What a cached artifact depends on: the source files as they lie on disk, and what would compile them how.
std::string cache_key(const std::string& folder, const Target& target, const PlanRequest& plan) {
  std::vector<std::string> facts;
  for (const auto& entry : fs::directory_iterator(folder)) {
    struct stat info;
    if (::stat(entry.path().c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    facts.push_back(fmt::format("{} {} {}.{}", entry.path().filename().string(), info.st_size,
                                info.st_mtim.tv_sec, info.st_mtim.tv_nsec));
  }
  std::sort(facts.begin(), facts.end());
  std::string text =
      fmt::format("{} {} {} {} {}\n", fs::canonical(folder).string(), BITNETC_VERSION, kBncVersion,
                  isa_name(target.best_isa), layout_text(target, plan));
  for (const std::string& fact : facts) text += fact + "\n";
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

// "fairytale-6m-<key>.bnc"; a folder's name that cannot begin a cache file's is left out.
std::string cached_model_name(const std::string& folder, const std::string& key) {
  const std::string stem = fs::canonical(folder).filename().string();
  const std::string name = fmt::format("{}-{}.bnc", stem, key);
  return is_cache_file_name(name) ? name : fmt::format("model-{}.bnc", key);
}

// A compiled model of an earlier run. Null: there is none that can be used; if it should be, that is said.
Result<std::shared_ptr<const CompiledModel>> open_cached(const CacheDirectory& directory,
                                                         const std::string& name) {
  BITNETC_ASSIGN_OR_RETURN(const std::vector<CacheFile> files, directory.list());
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const CacheFile& file) { return file.name == name; });
  if (found == files.end()) return std::shared_ptr<const CompiledModel>();
  const std::string path = directory.path() + "/" + name;
  if (!found->problem.empty())
    return make_error(StatusCode::kIoError, "{} {}", path, found->problem);
  directory.touch(name);
  return CompiledModel::open(path);
}

Result<std::shared_ptr<const CompiledModel>> compile_and_open(const CompileRequest& request) {
  BITNETC_RETURN_IF_ERROR(compile_model(request));
  return CompiledModel::open(request.output_path);
}

// Without a usable cache the model is compiled to a file that goes away with the process.
Result<std::shared_ptr<const CompiledModel>> compile_to_temporary(CompileRequest request) {
  std::error_code error;
  const fs::path temporary = fs::temp_directory_path(error);
  if (error) return make_error(StatusCode::kIoError, "no temporary directory: {}", error.message());
  request.output_path = (temporary / fmt::format("bitnetc-{}.bnc", ::getpid())).string();
  auto model = compile_and_open(request);
  ::unlink(request.output_path.c_str());
  return model;
}

// `request` without its output path, which is the cache's business.
Result<std::shared_ptr<const CompiledModel>> open_source_model(CompileRequest request) {
  const std::string& folder = request.source_folder;
  const auto directory = CacheDirectory::open("models");
  if (!directory.ok()) {
    print_note(directory.status().message() + "; compiling into a temporary file instead");
    return compile_to_temporary(std::move(request));
  }
  const std::string name =
      cached_model_name(folder, cache_key(folder, host_target(), request.plan));
  auto cached = open_cached(*directory, name);
  if (cached.ok() && *cached != nullptr) return cached;
  if (!cached.ok()) {
    print_note(fmt::format("the cached model is unusable and is made again: {}",
                           cached.status().message()));
  }
  request.output_path = directory->path() + "/" + name;
  auto model = compile_and_open(request);
  if (model.ok() || model.status().code() != StatusCode::kIoError) return model;
  print_note(model.status().message() + "; compiling into a temporary file instead");
  return compile_to_temporary(std::move(request));
}

void print_link_report(const Engine& engine, bool verbose) {
  const LinkReport& report = engine.link_report;
  for (const std::string& line : report.repacks()) print_note(line);
  for (const std::string& line : report.fallbacks()) print_note(line);
  if (!verbose) return;
  fmt::print(stderr, "{}", matmul_table(*engine.executable));
  for (const LinkedKernel& kernel : report.kernels)
    if (!kernel.name.starts_with("matmul"))
      fmt::print(stderr, "kernel {} ({}, {} steps)\n", kernel.name, kernel.generator, kernel.steps);
}

Status tune_for(const Graph& graph, const CompileRequest& request, int threads) {
  TuneRequest tuning{.threads = {threads},
                     .target = host_target(),
                     .effort = *request.tune,
                     .budget_s = tuning_seconds(*request.tune)};
  BITNETC_ASSIGN_OR_RETURN(tuning.shapes, matmul_specs(graph));
  if (const auto layout = parse_layout(request.plan.layout)) tuning.layouts = {*layout};
  BITNETC_ASSIGN_OR_RETURN(const TuneReport report, tune_this_machine(tuning, request.verbose));
  if (report.cancelled)
    return Status(StatusCode::kCancelled, "stopped; what was measured so far is kept");
  return {};
}

}  // namespace

std::vector<std::string> layout_choices() {
  std::vector<std::string> names = {kAutoLayout};
  for (const LayoutId id : kLayouts) names.emplace_back(layout_name(id));
  return names;
}

Result<ModelLocation> locate_model(const std::string& name) {
  using Kind = ModelLocation::Kind;
  if (!name.empty() && fs::is_directory(name)) {
    if (is_model_folder(name)) return ModelLocation{Kind::kSourceFolder, name};
    return make_error(StatusCode::kNotFound,
                      "{}: this folder holds no config.json, so it is not a Hugging Face model",
                      name);
  }
  if (!name.empty() && fs::exists(name)) {
    if (looks_like_bnc(name)) return ModelLocation{Kind::kCompiled, name};
    return make_error(StatusCode::kUnsupported,
                      "{}: neither a .bnc file nor a Hugging Face model folder", name);
  }
  const std::string bundled = name.empty() ? kBundledModel : name;
  if (bundled.find('/') == std::string::npos) {
    for (const std::string& folder : bundled_model_folders()) {
      const std::string path = folder + "/" + bundled;
      if (is_model_folder(path)) return ModelLocation{Kind::kSourceFolder, path};
    }
  }
  return make_error(
      StatusCode::kNotFound,
      "{}: no such file or folder, and no bundled model of that name (bundled: {}; looked "
      "in {})",
      bundled, kBundledModel, fmt::join(bundled_model_folders(), ", "));
}

Status compile_model(const CompileRequest& request) {
  BITNETC_ASSIGN_OR_RETURN(const LoadedModel loaded, load_model(request.source_folder));
  if (request.verbose) {
    for (const std::string& key : loaded.report.ignored_keys)
      fmt::print(stderr, "ignored: {}\n", key);
  }
  for (const std::string& note : loaded.report.notes) print_note(note);

  const int threads = thread_count(request.plan.threads);
  if (request.tune) BITNETC_RETURN_IF_ERROR(tune_for(loaded.graph, request, threads));

  const Stopwatch watch;
  const MachinePlans machine(threads, request.plan.usage);
  const LayoutOverride plans(machine.source(), parse_layout(request.plan.layout));
  ProgressBar bar("compiling");
  const CompileOptions compile_options{
      .target = host_target(),
      .plans = &plans,
      .bitnetc_version = BITNETC_VERSION,
      .progress = [&bar](int done, int total, const std::string& step) {
        bar.update(done, total, step);
        return !interrupted().load();
      }};
  BITNETC_ASSIGN_OR_RETURN(const CompileReport report,
                           compile(loaded.graph, request.output_path, compile_options));
  bar.finish();
  fmt::print(stderr, "compiled {} -> {}: {} steps, {} ternary weights in {}, file {}, {:.2f} s\n",
             request.source_folder, request.output_path, report.steps, report.ternary_weights,
             format_bytes(static_cast<double>(report.packed_bytes)),
             format_bytes(static_cast<double>(report.file_bytes)), watch.seconds());
  return {};
}

Result<std::shared_ptr<const CompiledModel>> open_model(const std::string& name, bool verbose,
                                                        const PlanRequest& plan) {
  BITNETC_ASSIGN_OR_RETURN(const ModelLocation location, locate_model(name));
  if (location.kind == ModelLocation::Kind::kCompiled) return CompiledModel::open(location.path);
  return open_source_model(
      {.source_folder = location.path, .output_path = {}, .plan = plan, .verbose = verbose});
}

Result<std::vector<MatmulSpec>> model_matmuls(const std::string& name) {
  BITNETC_ASSIGN_OR_RETURN(const ModelLocation location, locate_model(name));
  if (location.kind == ModelLocation::Kind::kSourceFolder) {
    BITNETC_ASSIGN_OR_RETURN(const LoadedModel loaded, load_model(location.path));
    return matmul_specs(loaded.graph);
  }
  BITNETC_ASSIGN_OR_RETURN(const auto model, CompiledModel::open(location.path));
  std::vector<MatmulSpec> specs;
  for (const MatrixGroup& group : matrix_groups(model->description().program))
    specs.push_back(group.spec);
  return specs;
}

Result<Engine> make_engine(const std::string& model_name, bool verbose, const PlanRequest& plan) {
  Engine engine;
  BITNETC_ASSIGN_OR_RETURN(engine.model, open_model(model_name, verbose, plan));
  BITNETC_ASSIGN_OR_RETURN(engine.tokenizer,
                           Tokenizer::from_json(engine.model->tokenizer_json(),
                                                fmt::format("{}: {}", engine.model->file().origin(),
                                                            kSectionTokenizer)));
  KernelBuilder builder;
  const MachinePlans machine(thread_count(plan.threads), plan.usage);
  const LayoutOverride plans(machine.source(), parse_layout(plan.layout));
  BITNETC_ASSIGN_OR_RETURN(
      engine.executable,
      link(engine.model, builder,
           {.target = host_target(), .plans = &plans, .choose_layouts = !plan.layout.empty()},
           &engine.link_report));
  print_link_report(engine, verbose);
  return engine;
}

Result<std::unique_ptr<const Tokenizer>> load_tokenizer(const std::string& model_name) {
  BITNETC_ASSIGN_OR_RETURN(const ModelLocation location, locate_model(model_name));
  if (location.kind == ModelLocation::Kind::kSourceFolder) {
    const std::string path = location.path + "/tokenizer.json";
    BITNETC_ASSIGN_OR_RETURN(const std::string json, read_text(path));
    return Tokenizer::from_json(json, path);
  }
  BITNETC_ASSIGN_OR_RETURN(const auto model, CompiledModel::open(location.path));
  return Tokenizer::from_json(model->tokenizer_json(), location.path + ": " + kSectionTokenizer);
}

}  // namespace bitnetc
