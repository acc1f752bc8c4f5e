// An HTTP/1.1 server: TCP or a Unix socket, kept connections, pipelining, chunked bodies, limits,
// and clients that go away, which it notices at once. One thread does all input and output.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "runtime/status.h"
#include "tools/serve/http/message.h"

namespace bitnetc::serve {

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 0;             // 0: any that is free
  std::string socket_path;  // a Unix socket instead, mode 0660
  int64_t most_head_bytes = 16 << 10;
  int64_t most_body_bytes = 8 << 20;
  int64_t most_connections = 1024;
  int workers = 2;  // threads that handle requests
  std::chrono::milliseconds head_time{10'000}, body_time{60'000};
  std::chrono::milliseconds idle_time{75'000};   // of a kept connection
  std::chrono::milliseconds stall_time{60'000};  // of a client that reads nothing
};

class HttpServer {
 public:
  // Bound and listening; `handler` outlives the server. Error: kInvalidArgument for a host that is
  // no address, kIoError for one that cannot be had.
  static Result<std::unique_ptr<HttpServer>> listen(const HttpServerOptions& options,
                                                    HttpHandler& handler);
  ~HttpServer();

  int port() const;
  std::string url() const;  // "http://127.0.0.1:8080", "unix:/path"

  void run();  // until stop()
  // Any thread may call these. drain(): no new connections; those that answer end behind their
  // answer, the others now.
  void drain();
  void stop();
  int64_t connections() const;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitnetc::serve
