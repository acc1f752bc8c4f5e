// A model and its engine as `bitnetc serve` and `bitnetc bench serve` run them.
#pragma once

#include <memory>
#include <string>

#include "runtime/kv_type.h"
#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/command_line.h"
#include "tools/bitnetc/memory_options.h"
#include "tools/serve/engine/served_model.h"
#include "tools/serve/engine/token_engine.h"

namespace bitnetc {

struct ServedModelOptions {
  std::string model, name, template_file;
  int64_t context = 0, kv_memory_mib = 0;  // 0: as many as the model has; by `parallel`
  int parallel = 16, most_waiting = 64;
  PlanRequest plan = {.usage = Usage::kServer};
  KvType kv_type = KvType::kF16;
  MemoryOptions memory;
};

// MODEL, --chat-template, the options of plan, memory and keys and values.
void add_served_model_options(Command& command, ServedModelOptions& options);
// --ctx, --kv-memory, --parallel, --max-queue.
void add_capacity_options(Command& command, ServedModelOptions& options);

struct ServedEngine {
  std::unique_ptr<const serve::ServedModel> model;
  std::unique_ptr<serve::TokenEngine> engine;
  double kv_bytes = 0;
};
Result<ServedEngine> load_served_model(const ServedModelOptions& options, CommandContext& context);

}  // namespace bitnetc
