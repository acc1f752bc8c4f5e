// bitnetc bench serve: how the server answers under load.
#include "tools/bitnetc/commands.h"

#ifdef BITNETC_HAVE_SERVE
#include <memory>
#include <nlohmann/json.hpp>

#include "autotune/machine.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/json_output.h"
#include "tools/bitnetc/load_served_model.h"
#include "tools/bitnetc/serve_load.h"
#include "tools/bitnetc/signals.h"
#include "tools/serve/server.h"
#endif

namespace bitnetc {

#ifdef BITNETC_HAVE_SERVE
namespace {

struct BenchServeOptions {
  ServedModelOptions model;
  std::vector<int> clients;
  std::optional<double> per_second;
  int requests = 32;
  LoadShape shape;
  bool json = false;
};

nlohmann::ordered_json json_of(const std::vector<double>& values) {
  return {{"p50", quantile(values, 0.5)},
          {"p95", quantile(values, 0.95)},
          {"p99", quantile(values, 0.99)}};
}

void write_load_json(const BenchServeOptions& options, const serve::ServedModel& model,
                     const std::vector<LoadResult>& results) {
  auto rows = nlohmann::ordered_json::array();
  for (const LoadResult& each : results) {
    nlohmann::ordered_json row = {
        {"requests", each.shape.requests},
        {"failed", each.failed},
        {"seconds", each.seconds},
        {"text_tokens", each.text_tokens},
        {"tokens_per_second", static_cast<double>(each.text_tokens) / each.seconds},
        {"first_token_seconds", json_of(each.first_token)},
        {"between_tokens_seconds", json_of(each.between_tokens)}};
    row[each.shape.per_second > 0 ? "requests_per_second" : "clients"] =
        each.shape.per_second > 0 ? nlohmann::ordered_json(each.shape.per_second)
                                  : nlohmann::ordered_json(each.shape.clients);
    rows.push_back(std::move(row));
  }
  write_json("bench-serve", 1,
             {{"model", model.id},
              {"machine", describe(this_machine())},
              {"prompt_tokens", options.shape.prompt_tokens},
              {"generated_tokens", options.shape.text_tokens},
              {"interrupted", is_interrupted()},
              {"rows", std::move(rows)},
              {"bitnetc_version", BITNETC_VERSION}});
}

std::vector<LoadShape> shapes_of(const BenchServeOptions& options) {
  std::vector<LoadShape> shapes;
  LoadShape shape = options.shape;
  shape.requests = options.requests;
  if (options.per_second) {
    shape.per_second = *options.per_second;
    return {shape};
  }
  const std::vector<int> defaults = {1, 4, 16};
  for (const int clients : options.clients.empty() ? defaults : options.clients) {
    shape.clients = clients;
    shapes.push_back(shape);
  }
  return shapes;
}

Result<int> bench_serve(BenchServeOptions& options, CommandContext& context) {
  if (options.per_second && !options.clients.empty())
    return Status(StatusCode::kInvalidArgument, "expected only one of --clients and --rate");
  // Whoever is loaded beyond that measures how requests are refused.
  options.model.most_waiting = std::max(options.model.most_waiting, options.requests);
  serve::ServerOptions server_options;
  server_options.service.parallel = options.model.parallel;
  server_options.service.page_positions = KvLayout::kPagePositions;
  server_options.service.version = BITNETC_VERSION;
  BITNETC_ASSIGN_OR_RETURN(const auto server, serve::Server::start(server_options));
  BITNETC_ASSIGN_OR_RETURN(ServedEngine loaded, load_served_model(options.model, context));
  const serve::ServedModel& model = *loaded.model;
  if (!model.writes_text())
    return Status(StatusCode::kInvalidArgument,
                  "the model is a text encoder; this measures how texts are written");
  if (options.shape.prompt_tokens + options.shape.text_tokens > model.context_tokens)
    return make_error(StatusCode::kInvalidArgument,
                      "--prompt {} and --gen {}: the context has {} tokens",
                      options.shape.prompt_tokens, options.shape.text_tokens, model.context_tokens);
  options.shape.vocab_size = model.config.vocab_size;
  server->set_ready(std::move(loaded.model), std::move(loaded.engine));
  give_time_to_report();
  std::vector<LoadResult> results;
  Status failure;
  for (LoadShape shape : shapes_of(options)) {
    if (is_interrupted()) break;
    // Prompts are new every time: nothing of one load is reused by the next.
    shape.seed = results.size() + 1;
    results.push_back(put_load(server->port(), shape, is_interrupted));
    const LoadResult& last = results.back();
    if (last.failed > 0 && !is_interrupted())
      failure = make_error(StatusCode::kIoError, "{} of {} requests failed; the first: {}",
                           last.failed, shape.requests, last.failure);
  }
  if (options.json)
    write_load_json(options, model, results);
  else
    print_out("{}", load_table(results));
  stop_gracefully();
  server->drain();
  if (!failure.ok()) return failure;
  return kExitOk;
}

}  // namespace

void add_bench_serve_command(Command parent, CommandContext& context) {
  auto options = std::make_shared<BenchServeOptions>();
  Command command = parent.subcommand("serve", "How the server answers under load");
  command.set_footer(
      "Starts the server on a loopback port and streams completions of random tokens from it.\n"
      "Examples:\n"
      "  bitnetc bench serve 2b.bnc --clients 1,4,16 --prompt 128 --gen 64\n"
      "  bitnetc bench serve 2b.bnc --rate 2 --requests 100");
  add_served_model_options(command, options->model);
  add_capacity_options(command, options->model);
  command.integer("--clients", options->clients, {.least = 1, .most = 1000},
                  "Closed loop: as many clients, each asks again once it is answered "
                  "(default: 1,4,16)");
  command.number("--rate", options->per_second,
                 {.least = 0, .most = 1e6, .expected = "a number above 0", .above_least = true},
                 "Open loop: requests a second, at random times");
  command.integer("--requests", options->requests, {.least = 1, .most = 100'000},
                  "Requests of each load, of all clients together (default: 32)");
  command.integer("--prompt", options->shape.prompt_tokens, {.least = 1, .most = 1 << 20},
                  "Tokens of a prompt (default: 128)");
  command.integer("--gen", options->shape.text_tokens, {.least = 1, .most = 1 << 20},
                  "Tokens of a text (default: 64)");
  command.json_flag(options->json);
  command.verbosity_flags(true, "Say which layouts and kernels run");
  command.set_action([options, &context] { return bench_serve(*options, context); });
}

#else

void add_bench_serve_command(Command, CommandContext&) {}

#endif

}  // namespace bitnetc
