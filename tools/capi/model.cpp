// Opening a model, and what is known of it.
#include <dlfcn.h>

#include <filesystem>

#include "runtime/cpu_allowance.h"
#include "runtime/kernel_store.h"
#include "runtime/options.h"
#include "tools/capi/handles.h"
#include "tools/capi/structs.h"

namespace bitnetc::capi {
namespace {

// Hands notes to the callbacks of a bitnetc_model_options.
class CallbackNotes final : public Notes {
 public:
  explicit CallbackNotes(const bitnetc_model_options& options) : options_(options) {}

  void note(NoteKind kind, const std::string& text) override {
    if (options_.on_note == nullptr) return;
    const std::lock_guard lock(mutex_);
    options_.on_note(options_.user_data, level_of(kind), text.c_str());
  }
  void progress(const Progress& progress) override {
    if (options_.on_progress == nullptr) return;
    const std::lock_guard lock(mutex_);
    options_.on_progress(options_.user_data, std::string(progress.task).c_str(), progress.done,
                         progress.total);
  }

 private:
  static bitnetc_note_level level_of(NoteKind kind) {
    switch (kind) {
      case NoteKind::kIgnoredKey:
      case NoteKind::kSelection:
      case NoteKind::kFallbackReason:
      case NoteKind::kKernels:
      case NoteKind::kContest: return BITNETC_NOTE_DETAIL;
      case NoteKind::kModel:
      case NoteKind::kCompiled:
      case NoteKind::kCache:
      case NoteKind::kWaiting:
      case NoteKind::kObserver:
      case NoteKind::kProfile:
      case NoteKind::kMemory:
      case NoteKind::kBackEnd:
      case NoteKind::kRepacked:
      case NoteKind::kFallback:
      case NoteKind::kTuning: return BITNETC_NOTE_INFO;
    }
    return BITNETC_NOTE_INFO;
  }

  const bitnetc_model_options& options_;
  std::mutex mutex_;
};

// The folder of the command that this library was installed with: bundled models are found from
// there. Empty where the library does not know its own file.
std::string program_dir() {
  Dl_info info = {};
  if (::dladdr(reinterpret_cast<const void*>(&bitnetc_version), &info) == 0) return {};
  std::error_code error;
  const auto file = std::filesystem::canonical(info.dli_fname, error);
  if (error) return {};
  return (file.parent_path() / BITNETC_LIBRARY_TO_PROGRAM).lexically_normal().string();
}

Status check_switch(const char* name, int32_t value) {
  if (value == 0 || value == 1) return {};
  return make_error(StatusCode::kInvalidArgument, "{} is {}, expected 0 or 1", name, value);
}

// `value` may be NULL.
Status check_choice(const char* name, const char* value, const std::vector<std::string>& choices) {
  if (value == nullptr || std::ranges::count(choices, value) > 0) return {};
  return make_error(StatusCode::kInvalidArgument, "{} '{}': expected one of {}", name, value,
                    fmt::join(choices, ", "));
}

Status check_options(const bitnetc_model_options& options) {
  constexpr int kMostThreads = 1024;
  BITNETC_RETURN_IF_ERROR(check_switch("lock_memory", options.lock_memory));
  BITNETC_RETURN_IF_ERROR(check_switch("skip_memory_check", options.skip_memory_check));
  if (options.threads < 0 || options.threads > kMostThreads)
    return make_error(StatusCode::kInvalidArgument, "threads is {}, expected 0 (all) to {}",
                      options.threads, kMostThreads);
  BITNETC_RETURN_IF_ERROR(check_choice("layout", options.layout, layout_choices()));
  return check_choice("kv_type", options.kv_type, kv_type_choices());
}

// A template that cannot be read takes nothing from a model but conversations.
void read_template(OpenModel& open) {
  const ModelDescription& description = open.description();
  if (description.chat_template.empty()) {
    open.template_problem =
        make_error(StatusCode::kNotFound, "{}: the model has no chat template", open.name);
    return;
  }
  auto made =
      ChatTemplate::create(description.chat_template, "chat_template", description.special_tokens);
  open.template_problem = made.status();
  if (!made.ok()) return;
  open.chat_template = *std::move(made);
  open.end_of_answer = open.chat_template->end_of_answer(*open.engine.tokenizer);
}

Result<std::shared_ptr<OpenModel>> open_model(const std::string& name,
                                              const bitnetc_model_options& options) {
  CallbackNotes notes(options);
  const std::string cache_dir = options.cache_dir ? options.cache_dir : default_cache_dir();
  KernelStore store(cache_dir, notes);
  auto open = std::make_shared<OpenModel>();
  open->name = name.empty() ? kBundledModel : name;
  open->threads = options.threads > 0 ? options.threads : usable_cpu_count();
  const EngineOptions engine_options{
      .settings = {.cache_dir = cache_dir,
                   .program_dir = program_dir(),
                   .build = {.store = &store}},
      .plan = {.layout = options.layout ? options.layout : "", .threads = open->threads},
      .memory = {.lock = options.lock_memory != 0, .check = options.skip_memory_check == 0},
      .kv_type = options.kv_type ? *parse_kv_type(options.kv_type) : KvType::kF16,
      .notes = &notes,
      .cancel = token_of(options.cancel)};
  BITNETC_ASSIGN_OR_RETURN(open->engine, make_engine(name, engine_options));
  read_template(*open);
  return open;
}

bitnetc_model_info info_of(const OpenModel& open) {
  const ModelDescription& description = open.description();
  const ModelConfig& config = description.config;
  return {.size = 0,
          .name = open.name.c_str(),
          .path = open.engine.model->file().origin().c_str(),
          .family = config.family.c_str(),
          .context_tokens = config.max_positions,
          .vocab_size = static_cast<int32_t>(config.vocab_size),
          .hidden_size = static_cast<int32_t>(config.hidden_size),
          .layers = static_cast<int32_t>(config.layers),
          .threads = open.threads,
          .begin_token = description.generation.bos_id.value_or(-1),
          .is_encoder = config.output == ModelOutput::kHidden,
          .has_chat_template = open.chat_template != nullptr,
          .reserved = 0};
}

}  // namespace

extern "C" BITNETC_API bitnetc_status bitnetc_model_open(const char* name,
                                                         const bitnetc_model_options* options,
                                                         bitnetc_model** model) {
  return guarded([&]() -> Outcome {
    BITNETC_RETURN_IF_ERROR(need(model, "model"));
    bitnetc_model_options known = {};
    BITNETC_RETURN_IF_ERROR(read_struct(options, "bitnetc_model_options", known));
    BITNETC_RETURN_IF_ERROR(check_options(known));
    BITNETC_ASSIGN_OR_RETURN(auto open, open_model(name ? name : "", known));
    *model = new bitnetc_model{std::move(open)};
    return {};
  });
}

extern "C" BITNETC_API void bitnetc_model_free(bitnetc_model* model) {
  delete model;
}

extern "C" BITNETC_API bitnetc_status bitnetc_model_get_info(const bitnetc_model* model,
                                                             bitnetc_model_info* info) {
  return guarded([&]() -> Outcome {
    BITNETC_RETURN_IF_ERROR(need(model, "model"));
    return write_struct(info_of(*model->open), "bitnetc_model_info", info);
  });
}

extern "C" BITNETC_API bitnetc_status bitnetc_cancel_create(bitnetc_cancel** cancel) {
  return guarded([&]() -> Outcome {
    BITNETC_RETURN_IF_ERROR(need(cancel, "cancel"));
    *cancel = new bitnetc_cancel;
    return {};
  });
}

extern "C" BITNETC_API void bitnetc_cancel_request(bitnetc_cancel* cancel) {
  if (cancel != nullptr) cancel->token.store(true, std::memory_order_relaxed);
}

extern "C" BITNETC_API void bitnetc_cancel_reset(bitnetc_cancel* cancel) {
  if (cancel != nullptr) cancel->token.store(false, std::memory_order_relaxed);
}

extern "C" BITNETC_API void bitnetc_cancel_free(bitnetc_cancel* cancel) {
  delete cancel;
}

}  // namespace bitnetc::capi
