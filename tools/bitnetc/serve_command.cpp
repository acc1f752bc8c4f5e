// bitnetc serve: a model behind HTTP.
#include "tools/bitnetc/commands.h"

#ifdef BITNETC_HAVE_SERVE
#include <chrono>
#include <memory>
#include <thread>

#include "runtime/printable.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/load_served_model.h"
#include "tools/bitnetc/plan_options.h"
#include "tools/bitnetc/service_manager.h"
#include "tools/bitnetc/signals.h"
#include "tools/serve/server.h"
#endif

namespace bitnetc {

#ifdef BITNETC_HAVE_SERVE
namespace {

constexpr double kBytesPerMiB = 1 << 20;

struct ServeOptions {
  ServedModelOptions model;
  std::optional<std::string> host;
  std::optional<int> port;
  std::string key_file;
  std::vector<std::string> keys;
  serve::ServerOptions server;
  int64_t body_mib = 8;
  double timeout_s = 0, drain_s = 30;
  bool insecure = false, no_web = false;
};

std::chrono::milliseconds milliseconds_of(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1e3));
}

// What needs no model is said before one is opened.
Status settle_security(ServeOptions& options) {
  serve::SecurityOptions& security = options.server.security;
  security.api_keys = options.keys;
  BITNETC_RETURN_IF_ERROR(serve::check_names(security));
  if (!options.key_file.empty()) {
    BITNETC_ASSIGN_OR_RETURN(const auto keys, serve::read_key_file(options.key_file));
    security.api_keys.insert(security.api_keys.end(), keys.begin(), keys.end());
    if (serve::is_readable_by_others(options.key_file))
      print_note(fmt::format("{}: others than you may read the keys (chmod 600)",
                             printable_path(options.key_file)));
  }
  security.host = options.server.http.host;
  const bool is_open = security.api_keys.empty() && options.server.http.socket_path.empty() &&
                       !serve::is_loopback(security.host);
  if (is_open && !options.insecure)
    return make_error(StatusCode::kInvalidArgument,
                      "--host {}: whoever reaches this machine could use the model; give "
                      "--api-key or --api-key-file, or --insecure",
                      printable(security.host));
  return {};
}

// As someone on this machine may type it.
void say_how_to_ask(const ServeOptions& options, const std::string& url) {
  const serve::HttpServerOptions& http = options.server.http;
  const bool is_socket = !http.socket_path.empty();
  const std::string base = is_socket ? "http://localhost"
                           : serve::is_any_address(http.host)
                               ? fmt::format("http://127.0.0.1{}", url.substr(url.rfind(':')))
                               : url;
  print_err(
      "try:  curl {}{}{}/v1/completions -d '{{\"prompt\": \"Once upon a time\", "
      "\"max_tokens\": 32}}'\n",
      is_socket ? fmt::format("--unix-socket {} ", printable_path(http.socket_path)) : "",
      options.server.security.api_keys.empty() ? "" : "-H \"Authorization: Bearer $KEY\" ", base);
  if (!is_socket && options.server.service.has_page) print_err("chat:  {}/ in a browser\n", base);
}

void say_ready(const ServeOptions& options, const serve::ServedModel& model, double kv_bytes,
               const std::string& url) {
  print_out("{} is served at {}\n", model.id, url);
  flush_out();
  if (verbosity() == Verbosity::kQuiet) return;
  print_err("context {} tokens, {} requests at once, at most {:.0f} MiB of keys and values\n",
            model.context_tokens, options.model.parallel, kv_bytes / kBytesPerMiB);
  if (model.writes_text() && options.server.service.log_format == serve::LogFormat::kText)
    say_how_to_ask(options, url);
}

void say_stopping(const ServeOptions& options, int64_t requests) {
  if (requests == 0 || verbosity() == Verbosity::kQuiet) return;
  const std::string text = fmt::format(
      "stopping: {} request{} may end within {:g} s (--drain-timeout); once more ends them\n",
      requests, plural(requests), options.drain_s);
  const bool is_json = options.server.service.log_format == serve::LogFormat::kJson;
  write_log_line(is_json ? serve::message_as_json(text) : text);
}

Status settle_address(ServeOptions& options) {
  serve::HttpServerOptions& http = options.server.http;
  if (!http.socket_path.empty() && (options.host || options.port))
    return make_error(StatusCode::kInvalidArgument, "{} and --socket: expected one of them",
                      options.host ? "--host" : "--port");
  if (options.host && options.host->empty())
    return make_error(StatusCode::kInvalidArgument, "--host '': expected an address or a name");
  http.host = options.host.value_or("127.0.0.1");
  http.port = options.port.value_or(8080);
  return {};
}

Result<int> serve_model(ServeOptions& options, CommandContext& context) {
  BITNETC_RETURN_IF_ERROR(settle_address(options));
  BITNETC_RETURN_IF_ERROR(settle_security(options));
  BITNETC_RETURN_IF_ERROR(
      locate_model(options.model.model, context.settings().program_dir).status());
  options.server.http.most_body_bytes = options.body_mib << 20;
  options.server.drain_time = milliseconds_of(options.drain_s);
  options.server.service.timeout_ns = static_cast<int64_t>(options.timeout_s * 1e9);
  options.server.service.parallel = options.model.parallel;
  options.server.service.page_positions = KvLayout::kPagePositions;
  options.server.service.version = BITNETC_VERSION;
  options.server.service.has_page = !options.no_web;
  if (verbosity() == Verbosity::kQuiet) options.server.service.log_line = nullptr;
  BITNETC_ASSIGN_OR_RETURN(const auto server, serve::Server::start(options.server));
  BITNETC_ASSIGN_OR_RETURN(ServedEngine loaded, load_served_model(options.model, context));
  give_time_to_report();
  const serve::ServedModel& model = *loaded.model;
  server->set_ready(std::move(loaded.model), std::move(loaded.engine));
  say_ready(options, model, loaded.kv_bytes, server->url());
  tell_service_manager(context.options.notify_socket, "READY=1");
  constexpr std::chrono::milliseconds kLook{20};
  while (!is_interrupted() && output_failure().ok()) std::this_thread::sleep_for(kLook);
  stop_gracefully();
  tell_service_manager(context.options.notify_socket, "STOPPING=1");
  say_stopping(options, server->open_requests());
  server->drain();
  return kExitOk;
}

void add_network_options(Command& command, ServeOptions& options) {
  serve::ServerOptions& server = options.server;
  command.maybe_empty_text("--host", options.host, "ADDRESS",
                           "Address to listen on (default: 127.0.0.1)");
  command.integer("--port", options.port, {.least = 0, .most = 65535},
                  "Port to listen on; 0: any that is free (default: 8080)");
  command.text("--socket", server.http.socket_path, "PATH", "Listen on a Unix socket instead");
  command.repeated_text("--api-key", options.keys, "KEY",
                        "A key that requests must show (may be repeated)");
  command.text("--api-key-file", options.key_file, "FILE", "Keys, one a line");
  command.repeated_text("--allowed-host", server.security.allowed_hosts, "NAME",
                        "A further name in the Host header (may be repeated)");
  command.repeated_text("--cors-origin", server.security.cors_origins, "ORIGIN",
                        "Web pages of this origin may use the server; '*': all of them");
  command.flag("--no-web", options.no_web, "Serve no page to chat in at /");
  command.flag("--insecure", options.insecure, "Serve other machines without keys");
}

void add_limit_options(Command& command, ServeOptions& options) {
  add_capacity_options(command, options.model);
  command.number("--timeout", options.timeout_s, kSecondsRange,
                 "Most seconds of a request (default: none)");
  command.integer("--max-body", options.body_mib, {.least = 1, .most = 1024},
                  "Most MiB of a request's body (default: 8)");
  command.number("--drain-timeout", options.drain_s, kSecondsRange,
                 "Seconds that running requests have when the server is stopped (default: 30)");
}

}  // namespace

void add_serve_command(Command parent, CommandContext& context) {
  auto options = std::make_shared<ServeOptions>();
  Command command = parent.subcommand("serve", "Serve a model over HTTP");
  command.set_footer(
      "Speaks the protocols of OpenAI, Anthropic and llama.cpp (docs/serve.md).\n"
      "Examples:\n"
      "  bitnetc serve\n"
      "  bitnetc serve ~/models/bitnet-b1.58-2B-4T --port 9000 --parallel 8\n"
      "  bitnetc serve model.bnc --host 0.0.0.0 --api-key-file keys.txt\n"
      "  bitnetc serve model.bnc --socket /run/bitnetc.sock");
  add_served_model_options(command, options->model);
  command.text("--name", options->model.name, "NAME",
               "What clients call the model (default: its file's)");
  add_network_options(command, *options);
  add_limit_options(command, *options);
  options->server.service.log_line = [](const std::string& line) { write_log_line(line); };
  command.choice(
      "--log-format", {"text", "json", "none"}, "How a request is noted on stderr (default: text)",
      [options](const std::string& name) {
        serve::ServiceOptions& service = options->server.service;
        service.log_format = name == "json" ? serve::LogFormat::kJson : serve::LogFormat::kText;
        if (name == "none") service.log_line = nullptr;
        if (name == "json") set_message_format(serve::message_as_json);
      });
  command.verbosity_flags(true, "Say which layouts and kernels run, and what was ignored");
  command.set_action([options, &context] { return serve_model(*options, context); });
}

#else

void add_serve_command(Command parent, CommandContext&) {
  Command command = parent.subcommand("serve", "Serve a model over HTTP (not in this build)");
  command.set_action([]() -> Result<int> {
    return Status(StatusCode::kUnsupported,
                  "this build has no server: configure it with -DBITNETC_SERVE=ON");
  });
}

#endif

}  // namespace bitnetc
