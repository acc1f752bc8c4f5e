// A web server for tests, on a free port of the loopback interface. It answers one request per
// connection, each on the server's one thread, with what a test's function says.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace bitnetc::test {

struct HttpCall {
  std::string path;                            // "/a/b?c=d"
  std::map<std::string, std::string> headers;  // names in lower case
};

struct HttpAnswer {
  int status = 200;
  std::string content_type = "application/octet-stream";
  std::map<std::string, std::string> headers = {};
  std::string body = {};
  size_t cut_after = std::string::npos;  // bytes of the body, then the connection breaks
};

class HttpServer {
 public:
  explicit HttpServer(std::function<HttpAnswer(const HttpCall&)> answer);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::string url() const;  // "http://127.0.0.1:PORT"
  std::vector<HttpCall> calls() const;

 private:
  void serve();
  void serve_one(int connection);

  std::function<HttpAnswer(const HttpCall&)> answer_;
  int socket_ = -1;
  int port_ = 0;
  std::atomic<bool> stops_{false};
  mutable std::mutex mutex_;
  std::vector<HttpCall> calls_;
  std::thread thread_;
};

}  // namespace bitnetc::test
