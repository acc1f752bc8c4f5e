#include "tools/serve/server.h"

#include <fmt/format.h>

#include "runtime/printable.h"
#include "tools/serve/router.h"

namespace bitnetc::serve {
namespace {

constexpr std::string_view kNoRoute = "?";

}  // namespace

class Server::Handler final : public HttpHandler {
 public:
  Handler(Service& service, const SecurityOptions& security)
      : service_(service), security_(security) {}

  std::optional<HttpResponse> refuse(const HttpRequest& head) override;
  bool is_quick(const HttpRequest& request) override { return find(request).route->is_quick; }
  void handle(HttpRequest request, std::shared_ptr<Responder> responder) override;
  HttpResponse error(int status, const std::string& message) override {
    return logged(HttpRequest{.method = "?"}, kNoRoute,
                  error_response({.status = status, .message = message}));
  }

 private:
  RouteMatch find(const HttpRequest& request) const {
    return find_route(request.method, request.target, service_.limits().has_page);
  }
  std::optional<ApiError> find_error(const HttpRequest& head, const Route* route) const;
  std::optional<ApiError> check_state(const Route& route) const;
  HttpResponse logged(const HttpRequest& request, std::string_view route, HttpResponse response);

  Service& service_;
  const Security security_;
};

namespace {

ErrorStyle style_of(const HttpRequest& request) {
  return request.target.starts_with("/v1/messages") ? ErrorStyle::kAnthropic : ErrorStyle::kOpenAi;
}

std::string no_such_path(std::string_view target) {
  const std::string nearest = nearest_path(target);
  return fmt::format("there is nothing at {}{}", printable(path_of(target), 200),
                     nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest));
}

bool is_plain(const HttpRequest& request) {
  const std::string* encoding = request.header("content-encoding");
  return encoding == nullptr || encoding->empty() || *encoding == "identity";
}

}  // namespace

std::optional<ApiError> Server::Handler::check_state(const Route& route) const {
  if (!route.needs_model) return std::nullopt;
  if (service_.state() == Service::State::kLoading || !service_.has_model())
    return unavailable("the model is being loaded");
  if (service_.state() == Service::State::kDraining && route.method == "POST")
    return unavailable("the server is shutting down");
  return std::nullopt;
}

std::optional<ApiError> Server::Handler::find_error(const HttpRequest& head,
                                                    const Route* route) const {
  if (const bool is_open = route != nullptr && route->is_open; !is_open) {
    const auto key = security_.check_key(head);
    if (!key.ok()) return key.error();
  }
  if (route == nullptr) return std::nullopt;
  if (!is_plain(head))
    return ApiError{.status = 415, .message = "compressed bodies are not supported"};
  return check_state(*route);
}

std::optional<HttpResponse> Server::Handler::refuse(const HttpRequest& head) {
  const RouteMatch match = find(head);
  const std::string_view name = match.route ? match.route->pattern : kNoRoute;
  std::optional<ApiError> error = security_.check_sender(head);
  if (!error && head.method == "OPTIONS" && !match.allowed.empty()) {
    HttpResponse answer{.status = 204, .headers = security_.cors_headers(head)};
    answer.headers.push_back({"allow", match.allowed});
    return logged(head, name, std::move(answer));
  }
  if (!error) error = find_error(head, match.route);
  if (!error && match.allowed.empty()) error = not_found(no_such_path(head.target), "not_found");
  if (!error && match.route == nullptr)
    error = ApiError{
        .status = 405, .message = "this path takes " + match.allowed, .code = "method_not_allowed"};
  if (!error) return std::nullopt;
  HttpResponse answer = error_response(*error, style_of(head));
  if (error->status == 405) answer.headers.push_back({"allow", match.allowed});
  for (HttpHeader& each : security_.cors_headers(head)) answer.headers.push_back(std::move(each));
  return logged(head, name, std::move(answer));
}

HttpResponse Server::Handler::logged(const HttpRequest& request, std::string_view route,
                                     HttpResponse response) {
  const bool is_known_method = request.method == "GET" || request.method == "POST" ||
                               request.method == "HEAD" || request.method == "OPTIONS";
  const AccessRecord record{.id = request_id_of(request),
                            .method = is_known_method ? request.method : "?",
                            .route = std::string(route),
                            .status = response.status,
                            .path = route == kNoRoute ? std::string(path_of(request.target)) : ""};
  response.headers.push_back({"x-request-id", record.id});
  service_.metrics().count(record);
  service_.log().write(record);
  return response;
}

void Server::Handler::handle(HttpRequest request, std::shared_ptr<Responder> responder) {
  const Route& route = *find(request).route;
  auto key = security_.check_key(request);
  AccessRecord record{
      .id = request_id_of(request), .method = request.method, .route = std::string(route.pattern)};
  if (key.ok() && *key > 0) record.key = fmt::format("key{}", *key);
  std::vector<HttpHeader> headers = security_.cors_headers(request);
  auto exchange = std::make_shared<Exchange>(service_, std::move(request), std::move(responder),
                                             std::move(record));
  exchange->listen();
  for (HttpHeader& each : headers) exchange->add_header(std::move(each));
  try {
    route.handle(exchange);
  } catch (const std::exception& failure) {
    exchange->send_error({.status = 500, .type = "server_error", .message = failure.what()});
  }
}

Server::Server(const ServerOptions& options)
    : options_(options),
      service_(std::make_unique<Service>(options.service)),
      handler_(std::make_unique<Handler>(*service_, options.security)) {}

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options) {
  std::unique_ptr<Server> server(new Server(options));
  BITNETC_ASSIGN_OR_RETURN(server->http_, HttpServer::listen(options.http, *server->handler_));
  server->thread_ = std::thread([http = server->http_.get()] { http->run(); });
  return server;
}

Server::~Server() {
  if (!thread_.joinable()) return;
  http_->stop();
  thread_.join();
}

std::string Server::url() const {
  return http_->url();
}
int Server::port() const {
  return http_->port();
}

void Server::set_ready(std::unique_ptr<const ServedModel> model,
                       std::unique_ptr<TokenEngine> engine) {
  service_->set_ready(std::move(model), std::move(engine));
}

bool Server::wait_for_requests(std::chrono::milliseconds most) const {
  const auto end = std::chrono::steady_clock::now() + most;
  while (service_->open_requests > 0) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

void Server::drain() {
  constexpr std::chrono::milliseconds kGoodbye{2000};
  service_->set_draining();
  http_->drain();
  if (!wait_for_requests(options_.drain_time) && service_->has_model()) {
    service_->engine().cancel_all();
    wait_for_requests(kGoodbye);
  }
  // What was answered goes out.
  const auto end = std::chrono::steady_clock::now() + kGoodbye;
  while (http_->connections() > 0 && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  http_->stop();
  thread_.join();
}

}  // namespace bitnetc::serve
