#include "tools/bitnetc/load_served_model.h"

#include <limits>

#include "runtime/memory_allowance.h"
#include "runtime/printable.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/plan_options.h"
#include "tools/bitnetc/text_input.h"
#include "tools/serve/engine/model_engine.h"

namespace bitnetc {
namespace {

constexpr int64_t kMostInt = std::numeric_limits<int32_t>::max();

// As many pages as `parallel` full contexts take, but at most half of the memory that is there.
int64_t page_limit(const ServedModelOptions& options, const KvLayout& layout, int64_t context) {
  const int64_t page_bytes = layout.page_bytes();
  if (options.kv_memory_mib > 0)
    return std::max<int64_t>(1, (options.kv_memory_mib << 20) / page_bytes);
  int64_t pages = options.parallel * KvLayout::pages_for(context);
  if (const auto memory = memory_allowance())
    pages = std::min(pages, memory->available_bytes / 2 / page_bytes);
  return std::max<int64_t>(pages, 1);
}

}  // namespace

void add_served_model_options(Command& command, ServedModelOptions& options) {
  command.text(
      "MODEL", options.model, "MODEL",
      fmt::format(".bnc or .gguf file, model folder or bundled name (default: {})", kBundledModel));
  command.text("--chat-template", options.template_file, "FILE",
               "Use this Jinja template instead of the model's");
  add_threads_option(command, options.plan.threads);
  add_device_option(command, options.plan.device);
  add_layout_option(command, options.plan.layout, "Weight layout (default: as compiled)");
  add_usage_option(command, options.plan.usage);
  add_kv_option(command, options.kv_type);
  add_memory_options(command, options.memory);
}

void add_capacity_options(Command& command, ServedModelOptions& options) {
  command.integer("-c,--ctx", options.context, {.least = 1, .most = kMostInt},
                  "Context of each request in tokens (default: the model's maximum)");
  command.integer("--kv-memory", options.kv_memory_mib, {.least = 1, .most = 1 << 24},
                  "Most MiB of keys and values, of all requests and kept prefixes together "
                  "(default: --parallel full contexts, at most half of the free memory)");
  command.integer("--parallel", options.parallel, {.least = 1, .most = kMaxTokensPerCall},
                  "Most texts that are written at once (default: 16)");
  command.integer("--max-queue", options.most_waiting, {.least = 1, .most = 1 << 20},
                  "Most texts that wait before requests are refused (default: 64)");
}

Result<ServedEngine> load_served_model(const ServedModelOptions& options, CommandContext& context) {
  place_memory(options.memory);
  EngineOptions engine_options = context.engine_options(options.plan);
  engine_options.memory = options.memory.request();
  engine_options.kv_type = options.kv_type;
  BITNETC_ASSIGN_OR_RETURN(Engine engine, make_engine(options.model, engine_options));
  const ModelDescription& description = engine.model->description();
  serve::ModelNames names{.id = options.name, .model_name = options.model};
  if (!options.template_file.empty()) {
    BITNETC_ASSIGN_OR_RETURN(names.template_source, read_text(options.template_file));
    names.template_origin = printable_path(options.template_file);
  }
  if (options.context > description.config.max_positions)
    return make_error(StatusCode::kInvalidArgument, "--ctx {}: the model has at most {}",
                      options.context, description.config.max_positions);
  BITNETC_ASSIGN_OR_RETURN(serve::ServedModel model,
                           serve::make_served_model(engine, names, options.context));
  BITNETC_RETURN_IF_ERROR(expect_memory(engine, model.context_tokens, engine_options));
  BITNETC_ASSIGN_OR_RETURN(
      auto created,
      make_executor(engine.executable, {.threads = context.thread_count(options.plan.threads),
                                        .lock_pages = engine.memory_is_locked}));
  const std::shared_ptr<Executor> executor = std::move(created);
  const KvLayout layout = executor->pool()->layout();
  const int64_t pages = page_limit(options, layout, model.context_tokens);
  if (model.writes_text() && pages < KvLayout::pages_for(model.context_tokens))
    print_note(
        fmt::format("there is memory for keys and values of {} positions, less than the "
                    "context of {}: longer requests are refused (--kv-memory)",
                    pages * KvLayout::kPagePositions, model.context_tokens));
  BITNETC_ASSIGN_OR_RETURN(
      auto token_engine,
      serve::make_model_engine(executor,
                               {.scheduler = {.most_running = options.parallel,
                                              .most_waiting = options.most_waiting,
                                              .context_tokens = model.context_tokens,
                                              .page_limit = pages},
                                .pooling = model.encoder.pooling.value_or(Pooling::kLast)}));
  const auto bytes = static_cast<double>(pages * layout.page_bytes());
  return ServedEngine{.model = std::make_unique<serve::ServedModel>(std::move(model)),
                      .engine = std::move(token_engine),
                      .kv_bytes = bytes};
}

}  // namespace bitnetc
