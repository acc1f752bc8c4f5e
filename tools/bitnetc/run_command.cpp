// bitnetc run: a prompt in, generated text out.
#include <sys/resource.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "autotune/limits.h"
#include "tools/bitnetc/chat_prompt.h"
#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/generation_options.h"
#include "tools/bitnetc/json_output.h"
#include "tools/bitnetc/output_option.h"
#include "tools/bitnetc/profile_report.h"
#include "tools/bitnetc/terminal.h"
#include "tools/bitnetc/text_options.h"
#include "tools/engine/engine.h"
#include "tools/engine/generate.h"
#include "tools/engine/json_document.h"
#include "tools/engine/npy.h"
#include "tools/engine/stopwatch.h"

namespace bitnetc {
namespace {

struct RunOptions {
  std::string model;
  TextInput prompt;
  ChatOptions chat;
  int max_tokens = 128;
  GenerationOptions generation;
  std::string logits_file, trace_file;
  bool profile = false;
  bool json = false;
};

// Options that exclude each other or make no sense; what needs no model is said before one is
// opened.
Status check_options(const RunOptions& run) {
  if (run.chat.prompt && (run.prompt.text || !run.prompt.file.empty()))
    return make_error(StatusCode::kInvalidArgument, "--chat-prompt and {}: expected one of them",
                      run.prompt.text ? "-p" : "-f");
  if (!run.trace_file.empty() && run.trace_file == run.logits_file)
    return make_error(StatusCode::kInvalidArgument, "--trace and --logits: expected two files");
  BITNETC_RETURN_IF_ERROR(check_chat_options(run.chat));
  return check_generation_options(run.generation);
}

struct Statistics {
  int threads = 1;
  size_t prompt_tokens = 0;
  double prompt_rate = 0, decode_rate = 0;  // tokens per second
  double first_token_ms = 0;                // after loading, from the first forward pass
  double load_ms = 0;                       // opening, linking, proving
  double decode_bytes_per_second = 0, read_bandwidth = 0;
  int64_t kernels_stored = 0;  // read from the cache directory instead of generated
  int64_t peak_memory_bytes = 0;
  ScreenStats screen;
  std::optional<double> up_read, down_read;  // Executable::neurons_read
  KvLayout kv;
  const GenerationResult* result = nullptr;
  const LinkReport* link = nullptr;
  const GpuProperties* gpu = nullptr;  // that ran the model; null: the CPU did
};

int64_t peak_memory_bytes() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

Statistics make_statistics(const Engine& engine, const Session& session,
                           const GenerationRequest& request, const GenerationResult& result,
                           double load_ms, CommandContext& context) {
  const int threads = session.threads();
  Statistics stats{
      .threads = threads,
      .prompt_tokens = request.prompt_ids.size(),
      .first_token_ms = result.first_token_seconds * 1e3,
      .load_ms = load_ms,
      .kernels_stored = context.kernel_store.hits(),
      .peak_memory_bytes = peak_memory_bytes(),  // before the bandwidth buffers
      .screen = session.screen_stats(),
      .kv = engine.executable->kv,
      .result = &result,
      .link = &engine.link_report,
      .gpu = engine.executable->gpu != nullptr ? &engine.executable->gpu->properties() : nullptr};
  if (session.skips_neurons()) {
    stats.up_read = engine.executable->neurons_read("sparseup");
    stats.down_read = engine.executable->neurons_read("sparsedown");
  }
  if (result.prompt_seconds > 0)
    stats.prompt_rate = static_cast<double>(stats.prompt_tokens) / result.prompt_seconds;
  if (result.decode_tokens > 0) {
    stats.decode_rate = result.decode_tokens / result.decode_seconds;
    stats.decode_bytes_per_second =
        result.decode_passes / result.decode_seconds *
        engine.executable->bytes_per_token(stats.screen, session.skips_neurons());
    // What was measured is the CPU's.
    if (engine.executable->gpu == nullptr)
      stats.read_bandwidth =
          remembered_read_bandwidth(context.options.cache_dir, threads, {.note = print_note});
  }
  return stats;
}

// Part of the rows of the head that screened passes looked at.
double share_of_head(int64_t rows, const ScreenStats& screen) {
  return screen.head_rows > 0 ? static_cast<double>(rows) / static_cast<double>(screen.head_rows)
                              : 0;
}

// `no_screen`: LinkReport::no_screen.
void print_screen(const ScreenStats& screen, const std::string& no_screen) {
  if (screen.passes + screen.full_passes == 0) {
    print_err("head        read in full for every token: {}\n",
              no_screen.empty() ? "every logit was asked for" : no_screen);
    return;
  }
  print_err(
      "head        screened in {} of {} passes: {:.3g} % of its rows needed the fine part, "
      "{:.3g} % were computed\n",
      screen.passes, screen.passes + screen.full_passes,
      100 * share_of_head(screen.refined, screen), 100 * share_of_head(screen.computed, screen));
}

void print_kv(const KvLayout& kv) {
  print_err("cache       keys and values as {}, {} per position\n", kv_type_name(kv.type),
            format_bytes(static_cast<double>(kv.position_bytes())));
}

void print_neurons(const Statistics& stats) {
  if (!stats.link->no_skipping.empty())
    print_err("neurons     none skipped: {}\n", stats.link->no_skipping);
  if (stats.up_read && stats.down_read)
    print_err("neurons     {:.3g} % of up and {:.3g} % of down were read per token\n",
              100 * *stats.up_read, 100 * *stats.down_read);
}

void print_statistics(const Statistics& stats) {
  const GenerationResult& result = *stats.result;
  print_err("\nprompt      {:5} tokens  {:9.1f} tokens/s   first token after {:.1f} ms\n",
            stats.prompt_tokens, stats.prompt_rate, stats.first_token_ms);
  if (stats.decode_rate > 0) {
    print_err("generation  {:5} tokens  {:9.1f} tokens/s   {:.2f} GB/s", result.ids.size(),
              stats.decode_rate, stats.decode_bytes_per_second / 1e9);
    if (stats.read_bandwidth > 0)
      print_err(", {:.0f} % of the measured read bandwidth of {:.1f} GB/s",
                100 * stats.decode_bytes_per_second / stats.read_bandwidth,
                stats.read_bandwidth / 1e9);
    print_err("\n");
  }
  if (stats.gpu != nullptr)
    print_err("device      {} (sm_{}, {})\n", stats.gpu->name, stats.gpu->sm, stats.gpu->driver);
  print_err(
      "stopped by {}; {} thread{}; peak memory {}; loaded in {:.1f} ms, {} kernels generated in "
      "{:.1f} ms ({} from the cache) and proven in {:.1f} ms\n",
      stop_reason_name(result.stop_reason), stats.threads, stats.threads == 1 ? "" : "s",
      format_bytes(static_cast<double>(stats.peak_memory_bytes)), stats.load_ms,
      stats.link->kernels.size(), static_cast<double>(stats.link->build_ns) / 1e6,
      stats.kernels_stored, static_cast<double>(stats.link->proof_ns) / 1e6);
  if (result.guessed > 0)
    print_err("guessed     {} tokens ahead, {} of them right\n", result.guessed,
              result.guessed_right);
  if (verbosity() == Verbosity::kVerbose) {
    print_kv(stats.kv);
    print_screen(stats.screen, stats.link->no_screen);
    print_neurons(stats);
  }
}

nlohmann::ordered_json json_of(const Statistics& stats) {
  const auto share = [](const std::optional<double>& read) { return read.value_or(1); };
  return {{"threads", stats.threads},
          {"load_ms", stats.load_ms},
          {"kernels_stored", stats.kernels_stored},
          {"kernel_build_ms", static_cast<double>(stats.link->build_ns) / 1e6},
          {"kernel_proof_ms", static_cast<double>(stats.link->proof_ns) / 1e6},
          {"first_token_ms", stats.first_token_ms},
          {"prompt_tokens_per_second", stats.prompt_rate},
          {"generation_tokens_per_second", stats.decode_rate},
          {"generation_bytes_per_second", stats.decode_bytes_per_second},
          {"read_bandwidth_bytes_per_second", stats.read_bandwidth},
          {"peak_memory_bytes", stats.peak_memory_bytes},
          {"guessed_tokens", stats.result->guessed},
          {"guessed_right", stats.result->guessed_right},
          {"neurons", {{"up_share", share(stats.up_read)}, {"down_share", share(stats.down_read)}}},
          {"head",
           {{"screened_passes", stats.screen.passes},
            {"full_passes", stats.screen.full_passes},
            {"refined_share", share_of_head(stats.screen.refined, stats.screen)},
            {"computed_share", share_of_head(stats.screen.computed, stats.screen)}}}};
}

// docs/json.md
void print_json(const Engine& engine, const Statistics& stats, const GenerationRequest& request,
                const StepProfile* profile) {
  const GenerationResult& result = *stats.result;
  nlohmann::ordered_json document = {
      {"text", result.text},
      {"stop_reason", stop_reason_name(result.stop_reason)},
      {"model", engine.model->file().origin()},
      {"ids", result.ids},
      {"prompt_ids", request.prompt_ids},
      {"seed", std::to_string(request.sampling.seed)},  // not every reader keeps 64 bits
      {"sampling", sampling_json(request.sampling)},
      {"kv_type", kv_type_name(stats.kv.type)},
      {"timings", json_of(stats)},
      {"bitnetc_version", BITNETC_VERSION}};
  if (profile) document["profile"] = json_of(*profile);
  if (verbosity() == Verbosity::kVerbose) {
    auto kernels = nlohmann::ordered_json::array();
    for (const LinkedKernel& kernel : stats.link->kernels)
      kernels.push_back(
          {{"name", kernel.name}, {"generator", kernel.generator}, {"steps", kernel.steps}});
    document["kernels"] = std::move(kernels);
  }
  write_json("run", 1, document);
}

// A prompt that says twice where it begins.
void print_prompt_notes(const GenerationDefaults& defaults, const Tokenizer& tokenizer,
                        std::span<const int32_t> prompt_ids) {
  const bool begins_twice = defaults.bos_id && prompt_ids.size() > 1 &&
                            prompt_ids[0] == *defaults.bos_id && prompt_ids[1] == prompt_ids[0];
  if (begins_twice)
    print_note(
        fmt::format("the prompt begins with {}, which is added anyway: now it is there "
                    "twice; leave it out",
                    tokenizer.token_text(prompt_ids[0]).value_or("begin-of-text")));
}

Result<GenerationRequest> make_request(const RunOptions& run, const std::string& prompt,
                                       const Grammar::Ptr& grammar, const Engine& engine,
                                       const std::string& program_dir) {
  GenerationRequest request{.max_tokens = run.max_tokens,
                            .stop_strings = run.generation.stop_strings,
                            .keep_prompt_logits = !run.logits_file.empty(),
                            .most_drafts = run.generation.most_drafts};
  ChatRequest chat;
  if (run.chat.prompt) {
    BITNETC_ASSIGN_OR_RETURN(chat, make_chat_request(run.chat, run.model, engine, program_dir));
    request.prompt_ids = std::move(chat.prompt_ids);
  } else {
    BITNETC_ASSIGN_OR_RETURN(request.prompt_ids, engine.tokenizer->encode(prompt));
  }
  if (request.prompt_ids.empty())
    return Status(StatusCode::kInvalidArgument,
                  "the prompt has no tokens; give at least one character");
  const GenerationDefaults& defaults = engine.model->description().generation;
  BITNETC_ASSIGN_OR_RETURN(request.sampling, sampling_params(run.generation.sampling, defaults));
  if (!run.generation.ignore_eos) {
    request.stop_ids = defaults.stop_ids;
    if (chat.end_of_answer) request.stop_ids.push_back(*chat.end_of_answer);
  }
  BITNETC_ASSIGN_OR_RETURN(request.sampling.filter, make_filter(grammar, engine, request.stop_ids));
  note_unsupported(defaults);
  print_prompt_notes(defaults, *engine.tokenizer, request.prompt_ids);
  return request;
}

// That the run may come to.
int64_t most_positions(const RunOptions& run, const GenerationRequest& request,
                       const Engine& engine) {
  const int64_t context = run.generation.context > 0
                              ? run.generation.context
                              : engine.model->description().config.max_positions;
  return std::min(context, std::ssize(request.prompt_ids) + request.max_tokens);
}

Result<std::unique_ptr<OutputFile>> open_run_output(const char* option, const std::string& path,
                                                    const RunOptions& run,
                                                    CommandContext& context) {
  return open_output_apart(
      option, path, run.model,
      {run.prompt.file, run.chat.template_file, run.generation.grammar.grammar_file,
       run.generation.grammar.schema_file},
      context);
}

Result<int> run_model(const RunOptions& run, CommandContext& context) {
  BITNETC_RETURN_IF_ERROR(check_options(run));
  BITNETC_ASSIGN_OR_RETURN(const Grammar::Ptr grammar, read_grammar(run.generation.grammar));
  // Before a prompt is waited for.
  BITNETC_RETURN_IF_ERROR(locate_model(run.model, context.settings().program_dir).status());
  BITNETC_ASSIGN_OR_RETURN(const auto logits_file,
                           open_run_output("--logits", run.logits_file, run, context));
  BITNETC_ASSIGN_OR_RETURN(const auto trace_file,
                           open_run_output("--trace", run.trace_file, run, context));
  std::string prompt;
  if (!run.chat.prompt) {
    BITNETC_ASSIGN_OR_RETURN(prompt, resolve_text(run.prompt, "prompt"));
  }
  const Stopwatch load_watch;
  place_memory(run.generation.memory);
  const EngineOptions options = engine_options(run.generation, context);
  BITNETC_ASSIGN_OR_RETURN(const Engine engine, make_engine(run.model, options));
  BITNETC_RETURN_IF_ERROR(expect_output(engine, ModelOutput::kLogits, run.model));
  BITNETC_ASSIGN_OR_RETURN(
      const GenerationRequest request,
      make_request(run, prompt, grammar, engine, context.settings().program_dir));
  BITNETC_RETURN_IF_ERROR(expect_memory(engine, most_positions(run, request, engine), options));
  BITNETC_ASSIGN_OR_RETURN(const auto session, make_session(run.generation, engine, context));
  const double load_ms = load_watch.seconds() * 1e3;
  give_time_to_report();

  StepProfile profile(/*keeps_trace=*/trace_file != nullptr);
  const bool watches_steps = run.profile || trace_file != nullptr;
  if (watches_steps && engine.executable->gpu != nullptr)
    return make_error(StatusCode::kUnsupported,
                      "--profile and --trace are of a CPU, not of --device {}",
                      run.generation.plan.device);
  if (watches_steps)
    session->set_observer([&](std::span<const StepTime> steps) { profile.add(steps); });
  const bool echoes = !run.json && stdout_is_terminal() && run.prompt.text;
  if (echoes) write_faint(prompt);
  const auto show = [&](std::string_view text) {
    if (!run.json) {
      write_text_out(text);
      flush_out();
    }
    return true;
  };
  BITNETC_ASSIGN_OR_RETURN(const GenerationResult result,
                           generate(*session, *engine.tokenizer, request, show, interrupted()));
  stop_gracefully();
  BITNETC_RETURN_IF_ERROR(output_failure());
  note_unlocked_pages(*session);
  if (echoes || (!run.json && !result.text.empty())) write_text_out("\n");
  if (logits_file) BITNETC_RETURN_IF_ERROR(write_npy(*logits_file, result.prompt_logits));
  if (trace_file) BITNETC_RETURN_IF_ERROR(profile.write_trace(*trace_file));

  const bool is_quiet = verbosity() == Verbosity::kQuiet;
  if (run.json || run.profile || !is_quiet) {
    const Statistics stats = make_statistics(engine, *session, request, result, load_ms, context);
    if (run.json) {
      print_json(engine, stats, request, run.profile ? &profile : nullptr);
    } else {
      if (!is_quiet) print_statistics(stats);
      if (run.profile) print_profile(profile, stats.read_bandwidth);
    }
  }
  return result.stop_reason == StopReason::kInterrupted ? kExitInterrupted : kExitOk;
}

}  // namespace

void add_run_command(Command parent, CommandContext& context) {
  auto run = std::make_shared<RunOptions>();
  Command command = parent.subcommand("run", "Generate text");
  command.set_footer(
      "Examples:\n"
      "  bitnetc run -p \"Once upon a time\" -n 64\n"
      "  bitnetc run ~/models/bitnet-b1.58-2B-4T -p \"The capital of France is\" --temp 0\n"
      "  bitnetc run model.bnc --system \"Be brief.\" --chat-prompt \"Why is it blue?\"\n"
      "  bitnetc run model.bnc -f story.txt --seed 7 --stop \"The End\"\n"
      "  echo \"Once\" | bitnetc run --json | jq .timings\n"
      "On a terminal the prompt is shown before the text; through a pipe only generated\n"
      "text is written.");
  command.text(
      "MODEL", run->model, "MODEL",
      fmt::format(".bnc or .gguf file, model folder or bundled name (default: {})", kBundledModel));
  add_text_options(command, run->prompt, "prompt");
  add_chat_options(command, run->chat);
  command.integer("-n,--predict", run->max_tokens, kCountRange,
                  "Most tokens to generate (default: 128)");
  add_generation_options(command, run->generation);
  command.text("--logits", run->logits_file, "FILE",
               "Write the float32 logits of the last prompt position to a .npy file");
  command.flag("--profile", run->profile, "Say where the time of a token goes, step by step");
  command.text("--trace", run->trace_file, "FILE",
               "Write when every step ran, for chrome://tracing or Perfetto");
  command.json_flag(run->json);
  command.verbosity_flags(true, "Say which layouts and kernels run, and what was ignored");
  command.set_action([run, &context] { return run_model(*run, context); });
}

}  // namespace bitnetc
