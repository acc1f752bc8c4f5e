// What the rest of the server sees of HTTP: requests, answers, and what one answers through.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bitnetc::serve {

struct HttpHeader {
  std::string name, value;
};

struct HttpRequest {
  std::string method, target;       // as they came: "GET", "/v1/models?x=1"
  std::vector<HttpHeader> headers;  // names in lower case
  std::string body;
  bool is_local_socket = false;  // came over a Unix socket

  // The value of the first header of this name, in lower case; null: none.
  const std::string* header(std::string_view name) const {
    for (const HttpHeader& each : headers)
      if (each.name == name) return &each.value;
    return nullptr;
  }
};

struct HttpResponse {
  int status = 200;
  std::vector<HttpHeader> headers;  // content-length, connection and date are added
  std::string body;
};

// Answers one request. Every member may be called by any thread and never blocks; calls behind the
// end of the answer have no effect.
class Responder {
 public:
  virtual ~Responder() = default;
  virtual void send(HttpResponse response) = 0;  // the whole answer
  virtual void begin(HttpResponse head) = 0;     // a stream: write() follows
  virtual void write(std::string bytes) = 0;
  virtual void end() = 0;
  // What was written goes out, then the connection breaks: whoever reads sees that more would have
  // come.
  virtual void abort() = 0;
  // Called at most once, by the server's thread, when the client has gone before the end; at once
  // where it has gone already.
  virtual void when_gone(std::function<void()> gone) = 0;
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // When the head is there, before the body is: the answer where the request is refused. By the
  // server's thread.
  virtual std::optional<HttpResponse> refuse(const HttpRequest& head) = 0;
  // Whether handle() takes no time: then the server's own thread calls it, else one of its workers.
  virtual bool is_quick(const HttpRequest& request) = 0;
  virtual void handle(HttpRequest request, std::shared_ptr<Responder> responder) = 0;
  // The answer to what is no request that could be handled.
  virtual HttpResponse error(int status, const std::string& message) = 0;
};

// "Not Found"
std::string_view reason_phrase(int status);

}  // namespace bitnetc::serve
