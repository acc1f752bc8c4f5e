// bitnetc inspect: what is in a compiled model.
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "compiler/plan_source.h"
#include "frontend/load.h"
#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/json_output.h"
#include "tools/engine/engine.h"
#include "tools/engine/matrices.h"

namespace bitnetc {
namespace {

struct InspectOptions {
  std::string model;
  bool json = false, steps = false;
};

void print_json(const CompiledModel& model) {
  nlohmann::json sections = nlohmann::json::array();
  for (const BncSection& section : model.file().sections())
    sections.push_back({{"name", section.name},
                        {"offset", section.offset},
                        {"size_bytes", section.size_bytes},
                        {"checksum", fmt::format("{:016x}", section.checksum)}});
  nlohmann::json matrices = nlohmann::json::array();
  for (const MatrixGroup& group : matrix_groups(model.description().program))
    matrices.push_back({{"role", group.role},
                        {"count", group.count},
                        {"rows", group.spec.n},
                        {"columns", group.spec.k},
                        {"layout", layout_name(group.spec.layout)},
                        {"bits_per_weight", group.spec.weight_layout().bits_per_weight()}});
  write_json("inspect", 1,
             {{"path", model.file().origin()},
              {"format_version", kBncVersion},
              {"size_bytes", model.file().size_bytes()},
              {"matrices", std::move(matrices)},
              {"description", nlohmann::json::parse(model.file().description_json())},
              {"sections", std::move(sections)}});
}

// "36 measured, 4 transferred"
std::string plan_origins(const Program& program) {
  std::map<ChoiceOrigin, int, std::greater<>> counts;
  for (const Step& step : program.steps)
    for (const auto& [m, text] : step.plans)
      if (const auto choice = parse_choice(text); choice.ok()) ++counts[choice->origin];
  std::vector<std::string> parts;
  for (const auto& [origin, count] : counts)
    parts.push_back(fmt::format("{} {}", count, origin_name(origin)));
  return parts.empty() ? "none" : fmt::format("{}", fmt::join(parts, ", "));
}

void print_config(const ModelConfig& config) {
  print_out("model       {} family, {} layers, hidden {}, ffn {}, vocabulary {}\n", config.family,
            config.layers, config.hidden_size, config.intermediate_size, config.vocab_size);
  print_out("attention   {} query heads, {} key/value heads, head dim {}, rope theta {}\n",
            config.q_heads, config.kv_heads, config.head_dim, config.rope_theta);
  if (config.rope_scaling.kind != RopeScaling::Kind::kNone)
    print_out("rope        {}\n", describe(config.rope_scaling));
  print_out("context     {} positions\n", config.max_positions);
  if (config.output == ModelOutput::kHidden)
    print_out("output      a hidden row per token: a text encoder\n");
}

void print_summary(const CompiledModel& model) {
  const ModelDescription& description = model.description();
  print_out("{}  format {}, {}, written by bitnetc {} for {}\n", model.file().origin(), kBncVersion,
            format_bytes(static_cast<double>(model.file().size_bytes())),
            description.bitnetc_version, description.program.target_isa);
  print_config(description.config);
  print_out("stop ids    {}\n", fmt::join(description.generation.stop_ids, ", "));
  for (const MatrixGroup& group : matrix_groups(description.program)) {
    const WeightLayout layout = group.spec.weight_layout();
    print_out("matrices    {:<14} {:>3} of {} x {}, layout {}, {:.2f} bits a weight, {}\n",
              group.role, group.count, layout.n, layout.k, layout_name(layout.id),
              layout.bits_per_weight(),
              format_bytes(static_cast<double>(group.count * layout.total_bytes())));
  }
  if (!description.program.screen.empty())
    print_out("head        has a screen: few of its rows are read for most tokens\n");
  print_out("plans       {} for {}\n", plan_origins(description.program),
            description.program.target_isa);
  for (const SourceFile& source : description.sources)
    print_out("source      {}  {}  xxh3 {}\n", source.name,
              format_bytes(static_cast<double>(source.size_bytes)), source.xxh3);
}

void print_steps(const CompiledModel& model) {
  const Program& program = model.description().program;
  print_out("\n{:<28} {:<14} {}\n", "step", "operation", "kernel");
  for (const Step& step : program.steps)
    print_out("{:<28} {:<14} {}\n", step.name, step.operation(), step.kernel);
  print_out("\n{:<40} {:<6} {}\n", "buffer", "type", "elements");
  for (const BufferInfo& buffer : program.buffers)
    print_out("{:<40} {:<6} {} per {}{}{}\n", buffer.name, element_type_name(buffer.type),
              std::max(buffer.per_row, buffer.per_position),
              buffer.per_position > 0 ? "position" : "row", buffer.per_worker ? " and worker" : "",
              buffer.scored ? ", scored rows" : "");
  print_out("\n{:<40} {:>12} {:>12}  {}\n", "section", "offset", "bytes", "xxh3");
  for (const BncSection& section : model.file().sections())
    print_out("{:<40} {:>12} {:>12}  {:016x}\n", section.name, section.offset, section.size_bytes,
              section.checksum);
}

// A model that is understood but cannot be compiled: what its files say, and what is missing.
void print_outline(const InspectOptions& options, const std::string& path,
                   const ModelOutline& outline, const Status& refusal) {
  if (options.json) {
    const std::string description = print_description({.config = outline.config});
    write_json("inspect", 1,
               {{"path", path},
                {"size_bytes", outline.weight_bytes},
                {"weights", outline.weights},
                {"description", nlohmann::json::parse(description)},
                {"refusal", refusal.message()}});
    return;
  }
  print_out("{}  {}, {} of weights\n", path,
            is_gguf_file(path) ? "GGUF file" : "Hugging Face folder",
            format_bytes(static_cast<double>(outline.weight_bytes)));
  print_config(outline.config);
  print_out("weights     {}\n", outline.weights);
  print_out("cannot run  {}\n", refusal.message());
}

Status inspect(const InspectOptions& options, CommandContext& context) {
  const auto opened = open_model(options.model, context.engine_options());
  if (opened.status().code() == StatusCode::kUnsupported) {
    const auto location = locate_model(options.model, context.settings().program_dir);
    if (location.ok() && location->kind == ModelLocation::Kind::kSource) {
      if (const auto outline = outline_model(location->path); outline.ok()) {
        print_outline(options, location->path, *outline, opened.status());
        return {};
      }
    }
  }
  BITNETC_RETURN_IF_ERROR(opened.status());
  const auto& model = *opened;
  if (options.json) {
    print_json(*model);
    return {};
  }
  print_summary(*model);
  if (options.steps) print_steps(*model);
  return {};
}

}  // namespace

void add_inspect_command(Command parent, CommandContext& context) {
  auto options = std::make_shared<InspectOptions>();
  Command command = parent.subcommand("inspect", "Show what is in a compiled model");
  command.set_footer(
      "Examples:\n"
      "  bitnetc inspect model.bnc --steps\n"
      "  bitnetc inspect model.bnc --json | jq '.description.program.steps[].kernel'");
  command.text("MODEL", options->model, "MODEL", ".bnc or .gguf file, folder or bundled name");
  command.require("MODEL");
  command.flag("--steps", options->steps, "Also the steps, buffers and sections");
  command.json_flag(options->json);
  command.verbosity_flags(true, nullptr);
  command.set_action([options, &context]() -> Result<int> {
    BITNETC_RETURN_IF_ERROR(inspect(*options, context));
    return kExitOk;
  });
}

}  // namespace bitnetc
