// bitnetc embed: texts in, a vector for each.
#include <memory>
#include <nlohmann/json.hpp>

#include "runtime/printable.h"
#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/json_output.h"
#include "tools/bitnetc/plan_options.h"
#include "tools/bitnetc/text_input.h"
#include "tools/engine/embedding.h"
#include "tools/engine/embedding_text.h"
#include "tools/engine/engine.h"

namespace bitnetc {
namespace {

constexpr char kAsTheModel[] = "model";

struct EmbedOptions {
  std::string model, file;
  std::vector<std::string> texts;
  std::optional<std::string> prompt_name;
  std::string pooling = kAsTheModel;
  PlanRequest plan = {.usage = Usage::kPrefill};
  KvType kv_type = KvType::kF16;
  bool truncate = false;
  bool json = false;
};

// Texts in the order of the input, and what became of each.
struct Embeddings {
  std::vector<std::string> texts;
  std::vector<TextIds> ids;
  std::vector<std::vector<float>> vectors;
};

// A JSON array of texts, or else a text per line.
Result<std::vector<std::string>> parse_texts(const std::string& bytes, const std::string& file) {
  std::vector<std::string> texts;
  if (const size_t first = bytes.find_first_not_of(" \t\r\n");
      first != std::string::npos && bytes[first] == '[') {
    const auto array = nlohmann::json::parse(bytes, nullptr, /*allow_exceptions=*/false);
    const auto is_text = [](const nlohmann::json& text) { return text.is_string(); };
    if (!array.is_array() || !std::ranges::all_of(array, is_text))
      return make_error(StatusCode::kDataCorrupt,
                        "{}: begins with '[', but is no JSON array of texts", printable_path(file));
    return array.get<std::vector<std::string>>();
  }
  for (size_t begin = 0; begin < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', begin), bytes.size());
    std::string line = bytes.substr(begin, end - begin);
    if (line.ends_with('\r')) line.pop_back();
    texts.push_back(std::move(line));
    begin = end + 1;
  }
  return texts;
}

Result<std::vector<std::string>> read_texts(const EmbedOptions& options) {
  if (!options.texts.empty() && !options.file.empty())
    return Status(StatusCode::kInvalidArgument, "-p and -f: expected one of them");
  if (!options.texts.empty()) return options.texts;
  const std::string file = options.file.empty() ? "-" : options.file;
  BITNETC_ASSIGN_OR_RETURN(std::string bytes, read_text(file));
  BITNETC_ASSIGN_OR_RETURN(auto texts,
                           parse_texts(without_byte_order_mark(std::move(bytes)), file));
  if (texts.empty())
    return make_error(StatusCode::kInvalidArgument, "{}: no texts in it", printable_path(file));
  return texts;
}

Pooling pooling_of(const EmbedOptions& options, const EncoderDefaults& defaults) {
  if (const auto asked = parse_pooling(options.pooling)) return *asked;
  if (!defaults.pooling)
    print_note(
        "the model does not say how rows are pooled: the last token's row is taken (--pooling)");
  return defaults.pooling.value_or(Pooling::kLast);
}

Result<std::vector<TextIds>> encode_all(const EmbedOptions& options, const Engine& engine,
                                        const std::vector<std::string>& texts) {
  const ModelDescription& model = engine.model->description();
  const auto prompt = embedding_prompt(options.prompt_name, model.encoder);
  if (!prompt.ok()) return prompt.status().with_context("--prompt-name");
  std::vector<TextIds> all;
  for (const std::string& text : texts) {
    auto ids = encode_for_embedding(*engine.tokenizer, *prompt + text, model.config.max_positions,
                                    options.truncate);
    if (!ids.ok()) return ids.status().with_context(fmt::format("text {}", all.size() + 1));
    all.push_back(*std::move(ids));
  }
  return all;
}

Result<Embeddings> embed_all(const EmbedOptions& options, const Engine& engine,
                             std::vector<std::string> texts, Executor& executor) {
  BITNETC_ASSIGN_OR_RETURN(auto ids, encode_all(options, engine, texts));
  Embeddings embeddings{.texts = std::move(texts), .ids = std::move(ids), .vectors = {}};
  ProgressBar bar("embedding");
  BITNETC_RETURN_IF_ERROR(embed_texts(
      executor, embeddings.ids, pooling_of(options, engine.model->description().encoder),
      [&](size_t text, std::vector<float> vector) {
        embeddings.vectors.push_back(std::move(vector));
        bar.update(static_cast<int>(text + 1), static_cast<int>(embeddings.texts.size()), "");
      },
      &interrupted()));
  bar.finish();
  return embeddings;
}

void print_json(const Engine& engine, const Embeddings& embeddings) {
  auto rows = nlohmann::ordered_json::array();
  for (size_t i = 0; i < embeddings.texts.size(); ++i)
    rows.push_back({{"text", embeddings.texts[i]},
                    {"ids", embeddings.ids[i]},
                    {"embedding", embeddings.vectors[i]}});
  write_json("embeddings", 1,
             {{"model", engine.model->file().origin()},
              {"kv_type", kv_type_name(engine.executable->kv.type)},
              {"embeddings", std::move(rows)}});
}

// The cosine of every pair, for a quick look; what programs read is --json.
void print_similarities(const Embeddings& embeddings) {
  constexpr size_t kMostRows = 16;
  const auto& vectors = embeddings.vectors;
  const size_t count = std::min(vectors.size(), kMostRows);
  print_out("{} vectors of {} numbers; cosine similarities:\n", vectors.size(),
            vectors.front().size());
  for (size_t row = 0; row < count; ++row) {
    std::string line = fmt::format("{:4}", row + 1);
    for (size_t column = 0; column < count; ++column)
      line += fmt::format(" {:6.3f}", cosine_similarity(vectors[row], vectors[column]));
    print_out("{}  {}\n", line, printable(embeddings.texts[row], 30));
  }
  if (vectors.size() > count)
    print_out("and {} more (--json has all of them)\n", vectors.size() - count);
}

Status embed(const EmbedOptions& options, CommandContext& context) {
  BITNETC_ASSIGN_OR_RETURN(std::vector<std::string> texts, read_texts(options));
  EngineOptions engine_options = context.engine_options(options.plan);
  engine_options.kv_type = options.kv_type;
  BITNETC_ASSIGN_OR_RETURN(const Engine engine, make_engine(options.model, engine_options));
  BITNETC_RETURN_IF_ERROR(expect_output(engine, ModelOutput::kHidden, options.model));
  BITNETC_ASSIGN_OR_RETURN(
      const auto executor,
      make_executor(engine.executable, {.threads = context.thread_count(options.plan.threads)}));
  BITNETC_ASSIGN_OR_RETURN(const Embeddings embeddings,
                           embed_all(options, engine, std::move(texts), *executor));
  options.json ? print_json(engine, embeddings) : print_similarities(embeddings);
  return {};
}

}  // namespace

void add_embed_command(Command parent, CommandContext& context) {
  auto options = std::make_shared<EmbedOptions>();
  Command command = parent.subcommand("embed", "Make a vector of each text, by a text encoder");
  command.set_footer(
      "Vectors have length 1; those of one text do not depend on the others.\n"
      "Examples:\n"
      "  bitnetc embed bitnet-embedding-0.6b -p \"a cat\" -p \"a dog\" -p \"a bond\"\n"
      "  bitnetc embed model.bnc -f passages.txt --json > vectors.json\n"
      "  bitnetc embed model.bnc -p \"who is it?\" --prompt-name query --json");
  command.text("MODEL", options->model, "MODEL",
               ".bnc or .gguf file, or folder, of a text encoder");
  command.require("MODEL");
  command.repeated_text("-p,--text", options->texts, "TEXT",
                        "A text (may be repeated, may be empty)", /*may_be_empty=*/true);
  command.text("-f,--file", options->file, "FILE",
               "A text per line, or a JSON array of texts ('-': stdin, also the default)");
  command.maybe_empty_text("--prompt-name", options->prompt_name, "NAME",
                           "Put the model's prompt of this name in front of each text; '': none");
  command.choice("--pooling", {kAsTheModel, "last", "mean", "first"},
                 "Which rows make the vector (default: as the model says, else the last)",
                 [options](const std::string& pooling) { options->pooling = pooling; });
  command.flag("--truncate", options->truncate,
               "Cut texts that are longer than the model's context; without it they are refused");
  add_threads_option(command, options->plan.threads);
  add_layout_option(command, options->plan.layout, "Weight layout (default: as compiled)");
  add_kv_option(command, options->kv_type);
  command.json_flag(options->json);
  command.verbosity_flags(true, "Say which layouts and kernels run");
  command.set_action([options, &context]() -> Result<int> {
    BITNETC_RETURN_IF_ERROR(embed(*options, context));
    return kExitOk;
  });
}

}  // namespace bitnetc
