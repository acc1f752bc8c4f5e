#include "tests/support/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <stdexcept>

namespace bitnetc::test {
namespace {

std::string read_head(int connection) {
  std::string head;
  char byte = 0;
  while (!head.ends_with("\r\n\r\n") && ::recv(connection, &byte, 1, 0) == 1) head += byte;
  return head;
}

HttpCall parse_head(const std::string& head) {
  HttpCall call;
  const size_t begin = head.find(' ') + 1;
  call.path = head.substr(begin, head.find(' ', begin) - begin);
  for (size_t line = head.find("\r\n") + 2; line < head.size();) {
    const size_t end = head.find("\r\n", line), colon = head.find(": ", line);
    if (colon < end) {
      std::string name = head.substr(line, colon - line);
      std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
      call.headers[name] = head.substr(colon + 2, end - colon - 2);
    }
    line = end + 2;
  }
  return call;
}

void send_all(int connection, const std::string& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t sent = ::send(connection, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (sent <= 0) return;  // the client has gone
    at += static_cast<size_t>(sent);
  }
}

}  // namespace

HttpServer::HttpServer(std::function<HttpAnswer(const HttpCall&)> answer)
    : answer_(std::move(answer)), socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(socket_, generic, length) != 0 || ::listen(socket_, 16) != 0 ||
      ::getsockname(socket_, generic, &length) != 0)
    throw std::runtime_error("no port for a test server");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

HttpServer::~HttpServer() {
  stops_ = true;
  thread_.join();
  ::close(socket_);
}

std::string HttpServer::url() const {
  return "http://127.0.0.1:" + std::to_string(port_);
}

std::vector<HttpCall> HttpServer::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

void HttpServer::serve() {
  while (!stops_) {
    pollfd waiting = {.fd = socket_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 50) != 1) continue;
    const int connection = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    serve_one(connection);
    ::close(connection);
  }
}

void HttpServer::serve_one(int connection) {
  const HttpCall call = parse_head(read_head(connection));
  {
    const std::lock_guard lock(mutex_);
    calls_.push_back(call);
  }
  const HttpAnswer answer = answer_(call);
  std::string head = "HTTP/1.1 " + std::to_string(answer.status) +
                     " Said\r\nConnection: close\r\nContent-Type: " + answer.content_type +
                     "\r\nContent-Length: " + std::to_string(answer.body.size()) + "\r\n";
  for (const auto& [name, value] : answer.headers) head += name + ": " + value + "\r\n";
  send_all(connection, head + "\r\n" + answer.body.substr(0, answer.cut_after));
}

}  // namespace bitnetc::test
