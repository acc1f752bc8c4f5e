// bitnetc synth: a random model of a given shape.
#include <charconv>
#include <filesystem>
#include <memory>

#include "frontend/synth.h"
#include "runtime/printable.h"
#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/terminal.h"
#include "tools/engine/convert.h"

namespace bitnetc {
namespace {

struct SynthOptions {
  std::string name, output, family;
  std::optional<int64_t> hidden, ffn, layers, heads, kv_heads, head_dim, vocab, context;
  double zeros = 1.0 / 3;
  std::optional<double> active;
  uint64_t seed = 0;
  bool list = false;
};

std::string shape_list() {
  std::string text;
  for (const NamedSynthShape& named : named_synth_shapes()) {
    const SynthShape& s = named.shape;
    text += fmt::format(
        "{:14} {:8} hidden {:5}  ffn {:5}  layers {:3}  heads {:2}/{:<2}  {:5.2f} G "
        "weights  {}\n",
        named.name, synth_family_name(s.family), s.hidden, s.ffn, s.layers, s.heads, s.kv_heads,
        static_cast<double>(s.ternary_weights()) / 1e9, named.meaning);
  }
  return text;
}

Result<SynthShape> named_shape(const std::string& name) {
  if (name.empty()) return SynthShape{};
  if (const NamedSynthShape* found = find_synth_shape(name)) return found->shape;
  std::string names;
  for (const NamedSynthShape& each : named_synth_shapes())
    names += fmt::format("{}{}", names.empty() ? "" : ", ", each.name);
  return make_error(StatusCode::kInvalidArgument, "'{}': expected one of {}",
                    shown_on_a_line(name, 48), names);
}

Result<SynthRequest> read_request(const SynthOptions& options) {
  SynthRequest request{
      .shape = {}, .seed = options.seed, .zeros = options.zeros, .active = options.active};
  BITNETC_ASSIGN_OR_RETURN(request.shape, named_shape(options.name));
  SynthShape& shape = request.shape;
  const bool is_named = !options.name.empty();
  if (!options.family.empty()) shape.family = *parse_synth_family(options.family);
  // What follows from other numbers unless it is given, or unless the shape has a name and they
  // are not.
  const bool has_new_width = options.hidden || options.heads;
  for (const auto& [given, field, option] : {std::tuple{options.hidden, &shape.hidden, "--hidden"},
                                             {options.ffn, &shape.ffn, "--ffn"},
                                             {options.layers, &shape.layers, "--layers"},
                                             {options.heads, &shape.heads, "--heads"},
                                             {options.vocab, &shape.vocab, "--vocab"}}) {
    if (given) *field = *given;
    if (!given && !is_named)
      return make_error(StatusCode::kInvalidArgument,
                        "{}: expected it, or the name of a shape (bitnetc synth --list)", option);
  }
  shape.kv_heads =
      options.kv_heads.value_or(is_named && !options.heads ? shape.kv_heads : shape.heads);
  if (options.head_dim || !is_named || has_new_width)
    shape.head_dim = options.head_dim.value_or(shape.hidden / std::max<int64_t>(1, shape.heads));
  shape.max_positions = options.context.value_or(shape.max_positions);
  BITNETC_RETURN_IF_ERROR(validate(shape));
  return request;
}

// A file is converted from a folder beside it, which is removed then.
Status write_converted(const SynthRequest& request, const std::string& output,
                       CommandContext& context) {
  namespace fs = std::filesystem;
  std::string folder = output + ".XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr)
    return make_error(StatusCode::kIoError, "{}: cannot make a folder beside it: {}",
                      printable_path(output), std::generic_category().message(errno));
  Status status = write_synth_folder(request, folder, context.notes, &interrupted());
  if (status.ok())
    status = convert_model({.model = folder, .target = output},
                           context.engine_options({.layout = "auto"}));
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return status;
}

Status synth(const SynthOptions& options, CommandContext& context) {
  if (options.list) {
    write_report(shape_list());
    return {};
  }
  BITNETC_ASSIGN_OR_RETURN(const SynthRequest request, read_request(options));
  if (options.output.empty())
    return Status(StatusCode::kInvalidArgument, "-o: expected the folder or file to write");
  give_time_to_report();
  if (format_of_target(options.output) != ModelFormat::kFolder)
    return write_converted(request, options.output, context);
  return write_synth_folder(request, options.output, context.notes, &interrupted());
}

}  // namespace

void add_synth_command(Command parent, CommandContext& context) {
  auto options = std::make_shared<SynthOptions>();
  Command command = parent.subcommand("synth", "Write a random model of a given shape");
  command.set_footer(
      "The same seed gives the same bytes on every machine. Memory does not grow with\n"
      "the model.\n"
      "Examples:\n"
      "  bitnetc synth 2b-4t -o 2b\n"
      "  bitnetc synth 8b --layers 4 --zeros 0.5 -o small.bnc\n"
      "  bitnetc synth --family bitnet --hidden 256 --ffn 512 --layers 2 --heads 4 \\\n"
      "      --vocab 512 -o tiny");
  command.text("NAME", options->name, "NAME", "A shape that --list names; options below change it");
  command.text("-o,--output", options->output, "PATH",
               "A Hugging Face folder, or by its name a .gguf or .bnc file");
  command.flag("--list", options->list, "Print the named shapes");
  std::vector<std::string> families;
  for (const std::string_view name : synth_family_names()) families.emplace_back(name);
  command.choice("--family", families, "What the checkpoint looks like (default: the shape's)",
                 [options](const std::string& family) { options->family = family; });
  constexpr IntegerRange kSizes = {.least = 1, .most = 1 << 20};
  command.integer("--hidden", options->hidden, kSizes, "Width of the residual stream");
  command.integer("--ffn", options->ffn, kSizes, "Neurons of a layer");
  command.integer("--layers", options->layers, kSizes, "Layers");
  command.integer("--heads", options->heads, kSizes, "Query heads");
  command.integer("--kv-heads", options->kv_heads, kSizes,
                  "Key and value heads (default: --heads)");
  command.integer("--head-dim", options->head_dim, kSizes,
                  "Width of a head (default: hidden / heads)");
  command.integer("--vocab", options->vocab, kSizes, "Tokens, 258 or more");
  command.integer("-c,--context", options->context, kSizes, "Positions (default: 4096)");
  command.integer("--seed", options->seed,
                  {.least = 0, .most = std::numeric_limits<int64_t>::max()}, "Seed (default: 0)");
  constexpr DecimalRange kShare = {.least = 0, .most = 1, .expected = "a number from 0 to 1"};
  command.number("--zeros", options->zeros, kShare, "Share of zero weights (default: 0.333)");
  command.number("--active", options->active, kShare,
                 "Share of neurons with a positive gate (default: about half, by chance)");
  command.verbosity_flags(true, nullptr);
  command.set_action([options, &context]() -> Result<int> {
    BITNETC_RETURN_IF_ERROR(synth(*options, context));
    return kExitOk;
  });
}

}  // namespace bitnetc
