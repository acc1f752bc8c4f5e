#include "tools/serve/exchange.h"

#include <fmt/ranges.h>

#include <cctype>
#include <random>

#include "tools/serve/service.h"

namespace bitnetc::serve {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// As it may stand in a header line.
std::string in_header(std::string text) {
  for (char& c : text)
    if (c < ' ' || c > '~') c = '?';
  return text.substr(0, 1000);
}

}  // namespace

std::string fresh_id(std::string_view prefix) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::string id(prefix);
  for (int i = 0; i < 24; ++i) id += kLetters[random() % kLetters.size()];
  return id;
}

std::string request_id_of(const HttpRequest& request) {
  const std::string* said = request.header("x-request-id");
  const auto may_stand = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
  };
  const bool is_good =
      said && !said->empty() && said->size() <= 128 && std::ranges::all_of(*said, may_stand);
  return is_good ? *said : fresh_id("req-");
}

Exchange::Exchange(Service& service, HttpRequest request, std::shared_ptr<Responder> responder,
                   AccessRecord record)
    : service_(service),
      request_(std::move(request)),
      responder_(std::move(responder)),
      id_(record.id),
      error_style_(request_.target.starts_with("/v1/messages") ? ErrorStyle::kAnthropic
                                                               : ErrorStyle::kOpenAi),
      record_(std::move(record)) {
  ++service_.open_requests;
}

Exchange::~Exchange() {
  finish(500);
}

void Exchange::listen() {
  responder_->when_gone([self = shared_from_this()] { self->on_gone(); });
}

void Exchange::on_gone() {
  std::function<void()> gone;
  {
    const std::lock_guard lock(mutex_);
    is_gone_ = true;
    gone = std::exchange(gone_, nullptr);
    if (!is_over_) record_.finish = "cancelled";
  }
  if (gone) gone();
}

void Exchange::when_gone(std::function<void()> gone) {
  {
    const std::lock_guard lock(mutex_);
    if (!is_gone_) {
      if (!is_over_) gone_ = std::move(gone);
      return;
    }
  }
  gone();
}

void Exchange::finish(int status) {
  AccessRecord record;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(is_over_, true)) return;
    gone_ = nullptr;
    record_.status = is_gone_ ? 499 : status;
    record_.total_s = seconds_since(start_);
    record = record_;
  }
  service_.metrics().count(record);
  service_.log().write(record);
  --service_.open_requests;
}

void Exchange::set_ignored(const std::vector<std::string>& fields) {
  if (!fields.empty())
    add_header({"x-bitnetc-ignored", in_header(fmt::format("{}", fmt::join(fields, ", ")))});
}

void Exchange::add_header(HttpHeader header) {
  const std::lock_guard lock(mutex_);
  headers_.push_back(std::move(header));
}

void Exchange::add_headers(HttpResponse& response) {
  const std::lock_guard lock(mutex_);
  response.headers.push_back({"x-request-id", id_});
  response.headers.insert(response.headers.end(), headers_.begin(), headers_.end());
}

void Exchange::send(HttpResponse response) {
  add_headers(response);
  const int status = response.status;
  finish(status);
  responder_->send(std::move(response));
}

void Exchange::send_json(const Json& json) {
  send({.headers = {{"content-type", "application/json"}}, .body = dump(json)});
}

void Exchange::send_error(const ApiError& error) {
  send(error_response(error, error_style_));
}

void Exchange::begin_stream() {
  HttpResponse head{.headers = {{"content-type", "text/event-stream"},
                                {"cache-control", "no-cache"},
                                {"x-accel-buffering", "no"}}};
  add_headers(head);
  responder_->begin(std::move(head));
}

void Exchange::write(std::string bytes) {
  responder_->write(std::move(bytes));
}

void Exchange::end_stream() {
  finish(200);
  responder_->end();
}

void Exchange::break_stream(std::string last_words) {
  finish(200);
  responder_->write(std::move(last_words));
  responder_->abort();
}

void Exchange::note_admitted() {
  service_.metrics().observe_queue(seconds_since(start_));
}

void Exchange::note_token() {
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  if (last_token_)
    service_.metrics().observe_token(std::chrono::duration<double>(now - *last_token_).count());
  else
    record_.first_token_s = seconds_since(start_);
  last_token_ = now;
  ++record_.text_tokens;
}

void Exchange::note_finish(const std::string& finish) {
  const std::lock_guard lock(mutex_);
  if (record_.finish.empty() || (finish != "stop" && !is_gone_)) record_.finish = finish;
}

void Exchange::note_prompt(int64_t tokens, int64_t cached) {
  const std::lock_guard lock(mutex_);
  record_.prompt_tokens += tokens;
  record_.cached_tokens += cached;
}

}  // namespace bitnetc::serve
