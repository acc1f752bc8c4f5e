// bitnetc tokenize: text to token ids and back.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
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
    fmt::print("{}\n", nlohmann::json({{"ids", options.decode_ids}, {"text", text}}).dump());
  } else {
    fmt::print("{}\n", text);
  }
  return {};
}

Status tokenize(const TokenizeOptions& options) {
  BITNETC_ASSIGN_OR_RETURN(const auto tokenizer, load_tokenizer(options.model));
  if (!options.decode_ids.empty()) return decode(options, *tokenizer);
  BITNETC_ASSIGN_OR_RETURN(const std::string text, resolve_text(options.text, "text"));
  BITNETC_ASSIGN_OR_RETURN(const auto ids, tokenizer->encode(text, !options.no_special));
  if (options.json) {
    nlohmann::json tokens = nlohmann::json::array();
    for (int32_t id : ids) tokens.push_back(tokenizer->token_text(id).value_or(""));
    fmt::print("{}\n", nlohmann::json({{"ids", ids}, {"tokens", tokens}}).dump());
  } else if (options.ids_only) {
    fmt::print("{}\n", fmt::join(ids, " "));
  } else {
    for (int32_t id : ids) fmt::print("{:6}  {}\n", id, tokenizer->token_text(id).value_or(""));
    fmt::print(stderr, "{} tokens\n", ids.size());
  }
  return {};
}

}  // namespace

void add_tokenize_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command =
      app.add_subcommand("tokenize", "Show the tokens of a text, or the text of tokens");
  command->footer(
      "Examples:\n"
      "  bitnetc tokenize -p \"Once upon a time\"\n"
      "  bitnetc tokenize model.bnc --ids < story.txt\n"
      "  bitnetc tokenize --decode 3040,683,258,540");
  command->add_option("MODEL", options->model, ".bnc file, model folder or bundled name");
  command->add_option_function<std::string>(
      "-p,--prompt",
      [options](const std::string& text) {
        options->text.text = text, options->text.has_text = true;
      },
      "The text");
  command->add_option("-f,--file", options->text.file, "Read the text from a file ('-': stdin)");
  command
      ->add_option("--decode", options->decode_ids, "Token ids, comma-separated, to turn into text")
      ->delimiter(',');
  command->add_flag(
      "--no-special", options->no_special,
      "Add no special tokens such as begin-of-text (or leave them out when decoding)");
  command->add_flag("--ids", options->ids_only, "Only the ids, on one line");
  command->add_flag("--json", options->json, "One JSON object");
  command->callback([options, &exit_code] { exit_code = exit_code_of(tokenize(*options)); });
}

}  // namespace bitnetc
