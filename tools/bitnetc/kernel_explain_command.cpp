// bitnetc kernel explain: why a matmul runs as it does.
#include <memory>

#include "tools/bitnetc/arguments.h"
#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/html_page.h"
#include "tools/bitnetc/output_option.h"
#include "tools/bitnetc/plan_options.h"
#include "tools/bitnetc/tuning_report.h"
#include "tools/engine/engine.h"

namespace bitnetc {
namespace {

struct ExplainOptions {
  std::string what, html;
  std::vector<std::string> layouts;
  int threads = 0;
  Usage usage = Usage::kGeneration;
  bool all = false, json = false;
};

// A spec names one matmul; a shape too; anything else is a model.
Result<std::vector<MatmulSpec>> matmuls_of(const std::string& what, const EngineSettings& settings,
                                           std::vector<LayoutId>& layouts) {
  if (const auto identity = parse_kernel_name(what); identity.ok()) {
    const auto* matmul = std::get_if<MatmulSpec>(&identity->spec);
    if (matmul == nullptr)
      return make_error(StatusCode::kInvalidArgument,
                        "{}: only matmuls are tuned; 'bitnetc kernel show' has the candidates",
                        what);
    if (layouts.empty()) layouts = {matmul->layout};
    return std::vector{*matmul};
  }
  if (const auto shape = parse_shape(what); shape.ok()) return std::vector{*shape};
  return model_matmuls(what, settings);
}

Status explain(const ExplainOptions& options, CommandContext& context) {
  BITNETC_ASSIGN_OR_RETURN(std::vector<LayoutId> layouts, parse_layouts(options.layouts));
  BITNETC_ASSIGN_OR_RETURN(const auto page,
                           open_output_apart("--html", options.html, options.what, {}, context));
  BITNETC_ASSIGN_OR_RETURN(const auto shapes,
                           matmuls_of(options.what, context.settings(), layouts));
  const TuningView view =
      tuning_view(shapes, layouts,
                  context.engine_options({.threads = options.threads, .usage = options.usage}));
  if (options.json) {
    write_tuning_json({view});
  } else {
    write_report(tuning_text(view, options.all));
  }
  if (!page) return {};
  BITNETC_RETURN_IF_ERROR(page->write(
      html_page("bitnetc kernel explain",
                fmt::format("<h1>How ternary matmuls run here</h1>\n<p>Layouts:{}</p>\n{}",
                            layout_key(), tuning_html(view)))));
  BITNETC_RETURN_IF_ERROR(page->finish());
  print_note(fmt::format("the pictures are in {}", options.html));
  return {};
}

}  // namespace

void add_kernel_explain_command(Command kernel, CommandContext& context) {
  auto options = std::make_shared<ExplainOptions>();
  Command command = kernel.subcommand(
      "explain", "Why matmuls run as they do: candidates, predictions, measurements, choices");
  command.set_footer(
      "Shows what 'bitnetc autotune' found out on this machine; nothing is measured.\n"
      "Examples:\n"
      "  bitnetc kernel explain ~/models/bitnet-b1.58-2B-4T --html tuning.html\n"
      "  bitnetc kernel explain matmul_i8_b3_f32_n2560_k6912_m1_residual --all\n"
      "  bitnetc kernel explain 2560x6912:residual");
  command.text("WHAT", options->what, "WHAT",
               "A spec, a shape NxK[:EPILOGUE], or a model (default: the bundled one)");
  command.list("--layouts", options->layouts, "LAYOUT,...", "Only these weight layouts");
  add_threads_option(command, options->threads);
  add_usage_option(command, options->usage);
  command.flag("--all", options->all, "Every kernel that was measured");
  command.json_flag(options->json);
  command.text("--html", options->html, "FILE", "Also a page with pictures");
  command.verbosity_flags(true, nullptr);
  command.set_action([options, &context]() -> Result<int> {
    BITNETC_RETURN_IF_ERROR(explain(*options, context));
    return kExitOk;
  });
}

}  // namespace bitnetc
