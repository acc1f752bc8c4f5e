// bitnetc perplexity: how likely a model finds a text, or continuations of contexts.
#include <memory>
#include <nlohmann/json.hpp>
#include <numbers>

#include "runtime/printable.h"
#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/json_output.h"
#include "tools/bitnetc/plan_options.h"
#include "tools/bitnetc/terminal.h"
#include "tools/bitnetc/text_options.h"
#include "tools/engine/engine.h"
#include "tools/engine/scoring.h"

namespace bitnetc {
namespace {

struct PerplexityOptions {
  std::string model;
  TextInput text;
  std::string pairs_file;
  std::optional<int64_t> window, stride;
  PlanRequest plan = {.usage = Usage::kPrefill};
  KvType kv_type = KvType::kF16;
  bool json = false;
};

struct Pair {
  std::string context, continuation;
};

// A line of --pairs: {"context": "...", "continuation": "..."}; other keys are passed over.
Result<Pair> parse_pair(std::string_view line) {
  const auto object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  Pair pair;
  if (!object.is_object())
    return make_error(StatusCode::kDataCorrupt, "'{}': expected a JSON object on each line",
                      shown_on_a_line(line, 48));
  for (const auto& [key, text] :
       {std::pair{"context", &pair.context}, std::pair{"continuation", &pair.continuation}}) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_string() ||
        found->get_ref<const std::string&>().empty())
      return make_error(StatusCode::kDataCorrupt, "{}: expected a text that is not empty", key);
    *text = found->get<std::string>();
  }
  return pair;
}

Result<std::vector<Pair>> read_pairs(const std::string& file) {
  BITNETC_ASSIGN_OR_RETURN(const std::string text, read_text(file));
  std::vector<Pair> pairs;
  std::string_view rest = text;
  for (int64_t number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    auto pair = parse_pair(line);
    if (!pair.ok())
      return pair.status().with_context(fmt::format("{}: line {}", printable_path(file), number));
    pairs.push_back(*std::move(pair));
  }
  if (pairs.empty())
    return make_error(StatusCode::kInvalidArgument, "{}: no pairs in it; expected a line for each",
                      printable_path(file));
  return pairs;
}

struct PairTokens {
  std::vector<int32_t> context, continuation;
};

// The pair is one text for the tokenizer, cut behind the tokens of its context. White space between
// the two goes with the continuation: tokens begin with it.
Result<PairTokens> tokenize(Pair pair, const Tokenizer& tokenizer) {
  const size_t last = pair.context.find_last_not_of(" \t\r\n");
  const size_t kept = last == std::string::npos ? 0 : last + 1;
  pair.continuation = pair.context.substr(kept) + pair.continuation;
  pair.context.resize(kept);
  PairTokens tokens;
  BITNETC_ASSIGN_OR_RETURN(tokens.context, tokenizer.encode(pair.context));
  BITNETC_ASSIGN_OR_RETURN(const auto all, tokenizer.encode(pair.context + pair.continuation));
  if (tokens.context.empty())
    return Status(StatusCode::kInvalidArgument, "the context has no tokens");
  if (all.size() <= tokens.context.size())
    return Status(StatusCode::kInvalidArgument, "the continuation adds no token to the context");
  tokens.continuation.assign(all.begin() + static_cast<ptrdiff_t>(tokens.context.size()),
                             all.end());
  return tokens;
}

struct Model {
  Engine engine;
  std::unique_ptr<Session> session;
};

Result<Model> open(const PerplexityOptions& options, CommandContext& context) {
  Model model;
  EngineOptions engine_options = context.engine_options(options.plan);
  engine_options.kv_type = options.kv_type;
  BITNETC_ASSIGN_OR_RETURN(model.engine, make_engine(options.model, engine_options));
  BITNETC_RETURN_IF_ERROR(expect_output(model.engine, ModelOutput::kLogits, options.model));
  BITNETC_ASSIGN_OR_RETURN(
      model.session, Session::create(model.engine.executable,
                                     {.threads = context.thread_count(options.plan.threads)}));
  return model;
}

// Begin-of-text where the tokenizer puts it in front of a text.
Result<std::optional<int32_t>> begin_id(const Engine& engine) {
  const std::optional<int32_t> bos = engine.model->description().generation.bos_id;
  BITNETC_ASSIGN_OR_RETURN(const std::vector<int32_t> added, engine.tokenizer->encode(""));
  return bos && !added.empty() && added.front() == *bos ? bos : std::nullopt;
}

Status score_whole_text(const PerplexityOptions& options, CommandContext& context) {
  BITNETC_ASSIGN_OR_RETURN(const std::string text, resolve_text(options.text, "text"));
  BITNETC_ASSIGN_OR_RETURN(const Model model, open(options, context));
  BITNETC_ASSIGN_OR_RETURN(const auto ids,
                           model.engine.tokenizer->encode(text, /*add_special=*/false));
  WindowOptions windows;
  windows.window =
      options.window.value_or(std::min(windows.window, model.session->context_tokens()));
  windows.stride = options.stride.value_or(windows.window);
  BITNETC_ASSIGN_OR_RETURN(windows.begin_id, begin_id(model.engine));
  ProgressBar bar("scoring");
  BITNETC_ASSIGN_OR_RETURN(const TextScore score, score_text(
                                                      *model.session, ids, windows,
                                                      [&](int64_t done, int64_t total) {
                                                        bar.update(static_cast<int>(done),
                                                                   static_cast<int>(total), "");
                                                      },
                                                      &interrupted()));
  bar.finish();
  const double nats = score.mean_nll() * static_cast<double>(score.nll.size());
  const double bits_per_byte = nats / std::numbers::ln2 / static_cast<double>(text.size());
  if (options.json) {
    write_json("perplexity", 1,
               {{"model", model.engine.model->file().origin()},
                {"perplexity", score.perplexity()},
                {"mean_nll", score.mean_nll()},
                {"standard_error", score.standard_error()},
                {"bits_per_byte", bits_per_byte},
                {"tokens", ids.size()},
                {"scored_tokens", score.nll.size()},
                {"text_bytes", text.size()},
                {"windows", score.windows},
                {"window", windows.window},
                {"stride", windows.stride},
                {"kv_type", kv_type_name(options.kv_type)},
                {"begin_of_text", windows.begin_id.has_value()}});
    return {};
  }
  print_out("perplexity  {:.4f}\n", score.perplexity());
  print_out("mean NLL    {:.6f} +- {:.6f} nats per token, {:.4f} bits per byte\n", score.mean_nll(),
            score.standard_error(), bits_per_byte);
  print_out("protocol    {} of {} tokens in {} window{} of {}, stride {}, {} begin-of-text\n",
            score.nll.size(), ids.size(), score.windows, plural(score.windows), windows.window,
            windows.stride, windows.begin_id ? "each behind" : "without");
  return {};
}

Status score_pairs(const PerplexityOptions& options, CommandContext& context) {
  BITNETC_ASSIGN_OR_RETURN(std::vector<Pair> pairs, read_pairs(options.pairs_file));
  BITNETC_ASSIGN_OR_RETURN(const Model model, open(options, context));
  auto rows = nlohmann::ordered_json::array();
  ProgressBar bar("scoring");
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto score = [&]() -> Result<ContinuationScore> {
      BITNETC_ASSIGN_OR_RETURN(const PairTokens tokens,
                               tokenize(std::move(pairs[i]), *model.engine.tokenizer));
      return score_continuation(*model.session, tokens.context, tokens.continuation,
                                &interrupted());
    }();
    BITNETC_RETURN_IF_ERROR(
        score.status().with_context(fmt::format("{}: pair {}", options.pairs_file, i + 1)));
    bar.update(static_cast<int>(i + 1), static_cast<int>(pairs.size()), "");
    rows.push_back({{"log_probability", score->log_probability},
                    {"tokens", score->tokens},
                    {"is_greedy", score->is_greedy}});
  }
  bar.finish();
  if (options.json) {
    write_json("pair-scores", 1,
               {{"model", model.engine.model->file().origin()},
                {"kv_type", kv_type_name(options.kv_type)},
                {"pairs", std::move(rows)}});
    return {};
  }
  print_out("  pair  ln p of continuation  tokens  greedy\n");
  for (size_t i = 0; i < rows.size(); ++i)
    print_out("{:6}  {:20.6f}  {:6}  {}\n", i + 1, rows[i]["log_probability"].get<double>(),
              rows[i]["tokens"].get<int64_t>(), rows[i]["is_greedy"].get<bool>() ? "yes" : "no");
  return {};
}

Status perplexity(const PerplexityOptions& options, CommandContext& context) {
  if (!options.pairs_file.empty()) {
    for (const auto& [given, name] : {std::pair{options.text.text.has_value(), "-p"},
                                      {!options.text.file.empty(), "-f"},
                                      {options.text.keep_newline, "--keep-newline"},
                                      {options.window.has_value(), "--window"},
                                      {options.stride.has_value(), "--stride"}})
      if (given)
        return make_error(StatusCode::kInvalidArgument, "--pairs and {}: expected one of them",
                          name);
    return score_pairs(options, context);
  }
  return score_whole_text(options, context);
}

}  // namespace

void add_perplexity_command(Command parent, CommandContext& context) {
  auto options = std::make_shared<PerplexityOptions>();
  Command command =
      parent.subcommand("perplexity", "Score how likely a model finds a text, or continuations");
  command.set_footer(
      "The text is cut into windows; every token is scored once (docs/command.md).\n"
      "Examples:\n"
      "  bitnetc perplexity -f story.txt\n"
      "  bitnetc perplexity model.bnc -f wiki.txt --window 2048 --stride 512 --json\n"
      "  bitnetc perplexity model.bnc --pairs tasks.jsonl --json");
  command.text("MODEL", options->model, "MODEL", ".bnc file, model folder or bundled name");
  add_text_options(command, options->text, "text");
  command.text("--pairs", options->pairs_file, "FILE",
               "Lines of {\"context\": \"...\", \"continuation\": \"...\"}; - is stdin");
  constexpr IntegerRange kPositions = {.least = 1, .most = std::numeric_limits<int32_t>::max()};
  command.integer("--window", options->window, kPositions,
                  "Positions of a window (default: 512, or the context if that is less)");
  command.integer("--stride", options->stride, kPositions,
                  "Tokens from one window to the next (default: the window)");
  add_threads_option(command, options->plan.threads);
  add_layout_option(command, options->plan.layout, "Weight layout (default: as compiled)");
  add_kv_option(command, options->kv_type);
  command.json_flag(options->json);
  command.verbosity_flags(true, "Say which layouts and kernels run");
  command.set_action([options, &context]() -> Result<int> {
    BITNETC_RETURN_IF_ERROR(perplexity(*options, context));
    return kExitOk;
  });
}

}  // namespace bitnetc
