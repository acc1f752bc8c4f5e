// Sends the input to an HTTP server over a Unix socket, as all that a client says. What comes back
// is nothing or answers of HTTP/1, the server ends the connection, and goes on serving.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <thread>

#include "runtime/status.h"
#include "tools/serve/http/server.h"

namespace bitnetc::serve {
namespace {

class Echo final : public HttpHandler {
 public:
  std::optional<HttpResponse> refuse(const HttpRequest&) override { return std::nullopt; }
  bool is_quick(const HttpRequest& request) override { return request.target != "/worker"; }
  void handle(HttpRequest request, std::shared_ptr<Responder> responder) override {
    if (request.target != "/stream") return responder->send({.body = std::move(request.body)});
    responder->begin({});
    responder->write(std::move(request.body));
    responder->end();
  }
  HttpResponse error(int status, const std::string& message) override {
    return {.status = status, .body = message};
  }
};

class Running {
 public:
  Running() {
    char folder[] = "/tmp/bitnetc_fuzz_XXXXXX";
    BITNETC_CHECK(::mkdtemp(folder) != nullptr, "no folder");
    path_ = std::string(folder) + "/socket";
    auto server = HttpServer::listen({.socket_path = path_, .most_body_bytes = 4096}, echo_);
    BITNETC_CHECK(server.ok(), "{}", server.status().message());
    server_ = *std::move(server);
    thread_ = std::thread([this] { server_->run(); });
  }
  ~Running() {
    server_->stop();
    thread_.join();
    ::unlink(path_.c_str());
    ::rmdir(path_.substr(0, path_.rfind('/')).c_str());
  }

  // All that the server says to `bytes` until it ends the connection.
  std::string say(std::string_view bytes) const {
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    BITNETC_CHECK(
        ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
        "the server is gone");
    // It may have refused and closed before all is sent.
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    ::shutdown(socket, SHUT_WR);
    std::string answer;
    char part[4096];
    for (ssize_t size = 0; (size = ::recv(socket, part, sizeof part, 0)) > 0;)
      answer.append(part, static_cast<size_t>(size));
    ::close(socket);
    return answer;
  }

 private:
  Echo echo_;
  std::string path_;
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
};

}  // namespace
}  // namespace bitnetc::serve

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bitnetc::serve::Running running;
  // Well below what a socket holds: the server's answers never wait for us.
  if (size > 16 << 10) return 0;
  const std::string answer = running.say({reinterpret_cast<const char*>(data), size});
  BITNETC_CHECK(answer.empty() || answer.starts_with("HTTP/1."), "{}", answer);
  return 0;
}
