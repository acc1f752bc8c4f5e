#include "tools/engine/convert.h"

#include "compiler/check_program.h"
#include "compiler/stored_weights.h"
#include "frontend/load.h"
#include "runtime/output_file.h"
#include "tools/engine/stopwatch.h"

namespace bitnetc {
namespace {

// The weights and facts of a model of any format.
Result<Graph> open_weights(const ModelLocation& location, Notes& notes) {
  if (location.kind == ModelLocation::Kind::kCompiled) {
    BITNETC_ASSIGN_OR_RETURN(const auto model, open_checked(location.path));
    return stored_weights(model);
  }
  BITNETC_ASSIGN_OR_RETURN(LoadedModel loaded, load_model(location.path));
  for (const std::string& key : loaded.report.ignored_keys) notes.note(NoteKind::kIgnoredKey, key);
  for (const std::string& note : loaded.report.notes) notes.note(NoteKind::kModel, note);
  return std::move(loaded.graph);
}

}  // namespace

ModelFormat format_of_target(const std::string& path) {
  if (path.ends_with(".gguf")) return ModelFormat::kGguf;
  return path.ends_with(".bnc") ? ModelFormat::kCompiled : ModelFormat::kFolder;
}

Status convert_model(const ConvertRequest& request, const EngineOptions& options) {
  const Stopwatch watch;
  const ModelFormat format = format_of_target(request.target);
  BITNETC_ASSIGN_OR_RETURN(const ModelLocation location,
                           locate_model(request.model, options.settings.program_dir));
  if (format == ModelFormat::kCompiled) {
    if (location.kind == ModelLocation::Kind::kCompiled)
      return make_error(StatusCode::kInvalidArgument, "{}: this model is compiled already",
                        location.path);
    return compile_model({.source_path = location.path, .output_path = request.target}, options);
  }
  BITNETC_RETURN_IF_ERROR(check_not_an_input("-o", request.target, model_files(location)));
  BITNETC_ASSIGN_OR_RETURN(const Graph graph, open_weights(location, *options.notes));
  const ExportProgress progress = [&](int done, int total, const std::string& tensor) {
    options.notes->progress({.task = "converting", .done = done, .total = total, .what = tensor});
    return !is_cancelled(options.cancel);
  };
  BITNETC_ASSIGN_OR_RETURN(
      const ExportReport report,
      format == ModelFormat::kGguf
          ? export_gguf(
                graph, request.target,
                {.ternary = request.ternary, .tables = request.tables, .progress = progress})
          : export_hf_folder(graph, request.target, progress));
  for (const std::string& note : report.notes) options.notes->note(NoteKind::kModel, note);
  options.notes->note(NoteKind::kCompiled,
                      fmt::format("converted {} -> {}: {} tensors, {:.1f} MB, {:.2f} s",
                                  location.path, request.target, report.tensors,
                                  static_cast<double>(report.file_bytes) / 1e6, watch.seconds()));
  return {};
}

}  // namespace bitnetc
