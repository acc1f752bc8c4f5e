// The server: listens at once, answers 503 until it has a model, then serves it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "tools/serve/http/server.h"
#include "tools/serve/security.h"
#include "tools/serve/service.h"

namespace bitnetc::serve {

struct ServerOptions {
  HttpServerOptions http;
  SecurityOptions security;
  ServiceOptions service;
  std::chrono::milliseconds drain_time{30'000};
};

class Server {
 public:
  // Error: as HttpServer::listen().
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options);
  ~Server();  // ends what still runs

  std::string url() const;
  int port() const;
  void set_ready(std::unique_ptr<const ServedModel> model, std::unique_ptr<TokenEngine> engine);
  int64_t open_requests() const { return service_->open_requests; }
  // Takes no more requests, lets those that run end, for at most `drain_time`; then ends them, and
  // the server.
  void drain();

 private:
  class Handler;
  explicit Server(const ServerOptions& options);
  bool wait_for_requests(std::chrono::milliseconds most) const;

  const ServerOptions options_;
  std::unique_ptr<HttpServer> http_;  // outlives what answers through it
  std::unique_ptr<Service> service_;
  std::unique_ptr<Handler> handler_;
  std::thread thread_;
};

}  // namespace bitnetc::serve
