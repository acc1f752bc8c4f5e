// One request and its answer: sets the headers that every answer has, writes the log line and
// counts when it ends. Any thread may call it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tools/serve/access_log.h"
#include "tools/serve/api/json.h"
#include "tools/serve/http/message.h"

namespace bitnetc::serve {

class Service;

class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  // `id`: what the client sees as x-request-id.
  Exchange(Service& service, HttpRequest request, std::shared_ptr<Responder> responder,
           AccessRecord record);
  ~Exchange();
  void listen();  // for the client going; once, behind the constructor

  Service& service() const { return service_; }
  const HttpRequest& request() const { return request_; }
  const std::string& id() const { return id_; }
  ErrorStyle error_style() const { return error_style_; }

  void set_ignored(const std::vector<std::string>& fields);  // listed in a header
  void add_header(HttpHeader header);

  void send(HttpResponse response);
  void send_json(const Json& json);
  void send_error(const ApiError& error);
  void begin_stream();
  void write(std::string bytes);
  void end_stream();
  void break_stream(std::string last_words);
  // Once; not called behind the end.
  void when_gone(std::function<void()> gone);

  // For the log and the metrics.
  void note_admitted();
  void note_token();
  void note_finish(const std::string& finish);
  void note_prompt(int64_t tokens, int64_t cached);  // adds

 private:
  using Clock = std::chrono::steady_clock;
  void add_headers(HttpResponse& response);
  void finish(int status);
  void on_gone();

  Service& service_;
  const HttpRequest request_;
  const std::shared_ptr<Responder> responder_;
  const std::string id_;
  const ErrorStyle error_style_;
  const Clock::time_point start_ = Clock::now();

  std::mutex mutex_;  // guards what follows
  AccessRecord record_;
  std::vector<HttpHeader> headers_;
  std::function<void()> gone_;
  std::optional<Clock::time_point> last_token_;
  bool is_over_ = false, is_gone_ = false;
};

// Letters, digits, '-', '_' and '.' of what the client calls the request, else a fresh name.
std::string request_id_of(const HttpRequest& request);
// "chatcmpl-" and 24 letters and digits.
std::string fresh_id(std::string_view prefix);

}  // namespace bitnetc::serve
