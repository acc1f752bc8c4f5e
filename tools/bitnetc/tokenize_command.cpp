// bitnetc tokenize: text to token ids and back.
#include <memory>
#include <nlohmann/json.hpp>

#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/json_output.h"
#include "tools/bitnetc/text_options.h"
#include "tools/engine/engine.h"

namespace bitnetc {
namespace {

struct TokenizeOptions {
  std::string model;
  TextInput text;
  std::vector<int32_t> decode_ids;
  bool no_special = false, ids_only = false, json = false;
};

Status decode(const TokenizeOptions& options, const Tokenizer& tokenizer) {
  BITNETC_ASSIGN_OR_RETURN(
      const std::string text,
      tokenizer.decode(options.decode_ids, /*skip_special=*/options.no_special));
  if (options.json) {
    write_json("tokens", 1, {{"text", text}, {"ids", options.decode_ids}});
  } else {
    write_text_out(text + "\n");
  }
  return {};
}

Status encode(const TokenizeOptions& options, const Tokenizer& tokenizer) {
  BITNETC_ASSIGN_OR_RETURN(const std::string text, resolve_text(options.text, "text"));
  BITNETC_ASSIGN_OR_RETURN(const auto ids, tokenizer.encode(text, !options.no_special));
  if (options.json) {
    nlohmann::json tokens = nlohmann::json::array();
    for (int32_t id : ids) tokens.push_back(tokenizer.token_text(id).value_or(""));
    write_json("tokens", 1, {{"text", text}, {"ids", ids}, {"tokens", tokens}});
  } else if (options.ids_only) {
    print_out("{}\n", fmt::join(ids, " "));
  } else {
    for (int32_t id : ids) print_out("{:6}  {}\n", id, tokenizer.token_text(id).value_or(""));
    if (verbosity() != Verbosity::kQuiet) print_err("{} tokens\n", ids.size());
  }
  return {};
}

Status tokenize(const TokenizeOptions& options, const EngineSettings& settings) {
  const bool decodes = !options.decode_ids.empty();
  if (decodes && (options.text.text || !options.text.file.empty()))
    return make_error(StatusCode::kInvalidArgument, "--decode and {}: expected one of them",
                      options.text.text ? "-p" : "-f");
  BITNETC_ASSIGN_OR_RETURN(const auto tokenizer, load_tokenizer(options.model, settings));
  return decodes ? decode(options, *tokenizer) : encode(options, *tokenizer);
}

}  // namespace

void add_tokenize_command(Command parent, CommandContext& context) {
  auto options = std::make_shared<TokenizeOptions>();
  Command command =
      parent.subcommand("tokenize", "Show the tokens of a text, or the text of tokens");
  command.set_footer(
      "Examples:\n"
      "  bitnetc tokenize -p \"Once upon a time\"\n"
      "  bitnetc tokenize model.bnc --ids < story.txt\n"
      "  bitnetc tokenize --decode 3040,683,258,540");
  command.text("MODEL", options->model, "MODEL", ".bnc or .gguf file, folder or bundled name");
  add_text_options(command, options->text, "text");
  command.integer("--decode", options->decode_ids,
                  {.least = 0, .most = std::numeric_limits<int32_t>::max()},
                  "Token ids to turn into text");
  command.flag("--no-special", options->no_special,
               "Add no special tokens such as begin-of-text (or leave them out when decoding)");
  command.flag("--ids", options->ids_only, "Only the ids, on one line");
  command.json_flag(options->json);
  command.verbosity_flags(true, nullptr);
  command.set_action([options, &context]() -> Result<int> {
    BITNETC_RETURN_IF_ERROR(tokenize(*options, context.settings()));
    return kExitOk;
  });
}

}  // namespace bitnetc
