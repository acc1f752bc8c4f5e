// bitnetc convert: a model from one file format to another.
#include <memory>

#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/commands.h"
#include "tools/engine/convert.h"

namespace bitnetc {
namespace {

TernaryFormat parse_ternary(const std::string& name) {
  if (name == "tq1_0") return TernaryFormat::kTq1_0;
  if (name == "tq2_0") return TernaryFormat::kTq2_0;
  if (name == "f16") return TernaryFormat::kF16;
  return name == "bf16" ? TernaryFormat::kBf16 : TernaryFormat::kI2S;
}

TableFormat parse_table(const std::string& name) {
  if (name == "f16") return TableFormat::kF16;
  if (name == "q8_0") return TableFormat::kQ8_0;
  return name == "q6_k" ? TableFormat::kQ6K : TableFormat::kAsIs;
}

struct ConvertOptions {
  ConvertRequest request;
  bool is_for_gguf = false;  // an option was given that only a GGUF file has
};

Status run_convert(const ConvertOptions& options, CommandContext& context) {
  if (options.is_for_gguf && format_of_target(options.request.target) != ModelFormat::kGguf)
    return make_error(StatusCode::kInvalidArgument,
                      "--type and --head are for GGUF files; {} does not end in .gguf",
                      options.request.target);
  return convert_model(options.request, context.engine_options({.layout = "auto"}));
}

}  // namespace

void add_convert_command(Command parent, CommandContext& context) {
  auto options = std::make_shared<ConvertOptions>();
  Command command = parent.subcommand("convert", "Write a model in another file format");
  command.set_footer(
      "Examples:\n"
      "  bitnetc convert ~/models/bitnet-b1.58-2B-4T -o 2b.gguf\n"
      "  bitnetc convert 2b.gguf -o 2b-tq2_0.gguf --type tq2_0 --head q6_k\n"
      "  bitnetc convert 2b.gguf -o 2b.bnc\n"
      "  bitnetc convert 2b.bnc -o 2b-folder\n"
      "The target's name says its format: .gguf, .bnc, or else a Hugging Face folder with\n"
      "packed weights. Trits and scales survive bit for bit. docs/gguf.md says more.");
  command.text("MODEL", options->request.model, "MODEL",
               "Hugging Face folder, .gguf file, .bnc file or bundled name");
  command.text("-o,--output", options->request.target, "TARGET",
               "The .gguf file, .bnc file or folder to write");
  command.require("MODEL");
  command.require("--output");
  command.choice("--type", {"i2_s", "tq1_0", "tq2_0", "f16", "bf16"},
                 "Type of the ternary matrices of a GGUF file (default: i2_s)",
                 [options](const std::string& name) {
                   options->request.ternary = parse_ternary(name);
                   options->is_for_gguf = true;
                 });
  command.choice("--head", {"f16", "q8_0", "q6_k"},
                 "Type of the embedding and head of a GGUF file (default: as the model has them)",
                 [options](const std::string& name) {
                   options->request.tables = parse_table(name);
                   options->is_for_gguf = true;
                 });
  command.verbosity_flags(true, "List the keys that were ignored");
  command.set_action([options, &context]() -> Result<int> {
    BITNETC_RETURN_IF_ERROR(run_convert(*options, context));
    return kExitOk;
  });
}

}  // namespace bitnetc
