#include "tools/serve/http/connection.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/read.hpp>
#include <ctime>

namespace bitnetc::serve {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr size_t kMostWaitingBytes = 64 << 10;  // of requests behind the one that is answered
constexpr size_t kMostUnreadBytes = 1 << 20;    // of answers, before the next request is taken
constexpr std::chrono::seconds kLingerTime{1};
// A busy browser drops what it has not handed to the page when a stream breaks.
constexpr std::chrono::milliseconds kPauseBeforeBreak{100};

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  ::gmtime_r(&now, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

// Why the head cannot be trusted to say where the request ends or whom it is for; 0: nothing.
struct HeadFault {
  int status = 0;
  const char* message = "";
};
HeadFault head_fault(const HttpRequest& head, bool is_http10) {
  const auto count = [&](std::string_view name) {
    return std::ranges::count(head.headers, name, &HttpHeader::name);
  };
  if (const std::string* encoding = head.header("transfer-encoding");
      encoding && (count("transfer-encoding") > 1 || lower(*encoding) != "chunked" || is_http10))
    return {501, "the only transfer encoding is chunked, of HTTP/1.1"};
  if (count("host") > 1 || (count("host") == 0 && !is_http10))
    return {400, "expected one Host header"};
  return {};
}

}  // namespace

std::string_view reason_phrase(int status) {
  const auto phrase = http::obsolete_reason(static_cast<http::status>(status));
  return {phrase.data(), phrase.size()};
}

Connection::Connection(StreamSocket socket, ConnectionHost& host, bool is_local)
    : socket_(std::move(socket)), host_(host), is_local_(is_local) {
  ++host_.open;
}

void Connection::start() {
  expect_request();
  read_more();
}

// ---- reading

void Connection::expect_request() {
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(host_.options.most_head_bytes));
  parser_->body_limit(static_cast<uint64_t>(host_.options.most_body_bytes));
  parser_->eager(true);
  head_seen_ = false;
  refusal_.reset();
  deadline_ =
      Clock::now() + (buffer_.size() > 0 ? host_.options.head_time : host_.options.idle_time);
}

void Connection::read_more() {
  if (reading_ || input_ended_ || closed_) return;
  if ((answering_ || output_waits()) && buffer_.size() >= kMostWaitingBytes) return;
  reading_ = true;
  socket_.async_read_some(asio::buffer(incoming_),
                          [self = shared_from_this()](const Error& error, size_t bytes) {
                            self->on_read(error, bytes);
                          });
}

void Connection::on_read(const Error& error, size_t bytes) {
  reading_ = false;
  if (closed_) return;
  if (error && error != asio::error::eof) return close();
  if (lingering_) return error ? close() : read_more();
  if (error) {
    input_ended_ = true;
    return on_end_of_input();
  }
  const bool is_first = buffer_.size() == 0;
  buffer_.commit(asio::buffer_copy(buffer_.prepare(bytes), asio::buffer(incoming_), bytes));
  if (!answering_) {
    if (is_first && !head_seen_) deadline_ = Clock::now() + host_.options.head_time;
    parse();
  }
  read_more();
}

// The client has closed its side, or all of the connection: only writing tells which. While nothing
// is answered there is nothing to write.
void Connection::on_end_of_input() {
  if (!answering_) {
    if (output_waits() && buffer_.size() > 0) return;
    if (out_.empty() && writing_.empty()) return close();
    ending_ = Ending::kClose;
    return;
  }
  if (is_http10_ && !streaming_) return close();
  socket_.async_wait(StreamSocket::wait_error, [self = shared_from_this()](const Error& error) {
    if (error || self->closed_) return;
    pollfd state = {.fd = self->socket_.native_handle(), .events = 0, .revents = 0};
    if (::poll(&state, 1, 0) == 1 && (state.revents & (POLLERR | POLLHUP)) != 0) self->close();
  });
  probe();
}

// Something that means nothing to the client; where nobody is there any more, the system says so.
void Connection::probe() {
  if (!answering_ || !input_ended_) return;
  if (streaming_) {
    write(serial_, ": ping\n\n");
  } else if (!is_http10_) {
    put("HTTP/1.1 100 Continue\r\n\r\n");
  }
}

bool Connection::output_waits() const {
  return out_.size() + writing_.size() - written_ > kMostUnreadBytes;
}

void Connection::parse() {
  while (!answering_ && !closed_ && !output_waits() && buffer_.size() > 0) {
    Error error;
    const size_t used = parser_->put(buffer_.data(), error);
    buffer_.consume(used);
    if (error && error != http::error::need_more) return on_bad_request(error);
    if (!head_seen_ && parser_->is_header_done()) on_head();
    if (lingering_ || ending_ != Ending::kKeep) return;
    if (parser_->is_done()) return dispatch();
    if (error || used == 0) break;
  }
  // What the parser leaves is the beginning of a line that has not ended.
  if (!answering_ && !output_waits() && buffer_.size() > kMostWaitingBytes)
    refuse(host_.handler.error(400, "a line of a chunk or of a trailer is too long"));
}

void Connection::on_head() {
  head_seen_ = true;
  deadline_ = Clock::now() + host_.options.body_time;
  const auto& message = parser_->get();
  is_http10_ = message.version() < 11;
  is_head_request_ = message.method() == http::verb::head;
  HttpRequest head = take_request();
  if (const HeadFault fault = head_fault(head, is_http10_); fault.status != 0)
    return refuse(host_.handler.error(fault.status, fault.message));
  refusal_ = host_.handler.refuse(head);
  const std::string* expect = head.header("expect");
  if (parser_->is_done() || is_http10_ || expect == nullptr || lower(*expect) != "100-continue")
    return;
  if (refusal_) return refuse(*refusal_);
  put("HTTP/1.1 100 Continue\r\n\r\n");
}

void Connection::on_bad_request(const Error& error) {
  is_http10_ = head_seen_ && is_http10_;
  is_head_request_ = head_seen_ && is_head_request_;
  if (error == http::error::body_limit)
    return refuse(host_.handler.error(
        413, fmt::format("the body is larger than {} bytes", host_.options.most_body_bytes)));
  if (error == http::error::header_limit)
    return refuse(host_.handler.error(
        431, fmt::format("the head is larger than {} bytes", host_.options.most_head_bytes)));
  refuse(host_.handler.error(400, fmt::format("no HTTP request: {}", error.message())));
}

// Answers what has not been read to its end, so that the connection cannot be used again.
void Connection::refuse(const HttpResponse& response) {
  answering_ = true;
  keep_alive_ = false;
  ++serial_;
  send(serial_, response);
}

// The body stays in the parser until it is done.
HttpRequest Connection::take_request() {
  auto& message = parser_->get();
  HttpRequest request{.method = std::string(message.method_string()),
                      .target = std::string(message.target()),
                      .is_local_socket = is_local_};
  for (const auto& field : message)
    request.headers.push_back(
        {lower(std::string(field.name_string())), std::string(field.value())});
  return request;
}

void Connection::dispatch() {
  deadline_.reset();
  answering_ = true;
  streaming_ = false;
  ++serial_;
  keep_alive_ = parser_->get().keep_alive() && !host_.is_draining;
  if (refusal_) return send(serial_, *refusal_);
  HttpRequest request = take_request();
  request.body = std::move(parser_->get().body());
  auto reply = std::make_shared<Reply>(shared_from_this(), host_.io, serial_);
  if (host_.handler.is_quick(request))
    return host_.handler.handle(std::move(request), std::move(reply));
  asio::post(host_.workers, [&handler = host_.handler, request = std::move(request),
                             reply = std::move(reply)]() mutable {
    handler.handle(std::move(request), std::move(reply));
  });
}

// ---- answering

std::string Connection::head_of(const HttpResponse& response, bool is_stream) {
  if (host_.is_draining) keep_alive_ = false;
  chunked_ = is_stream && !is_http10_;
  if (is_stream && !chunked_) keep_alive_ = false;
  std::string head = fmt::format("HTTP/1.{} {} {}\r\ndate: {}\r\n", is_http10_ ? 0 : 1,
                                 response.status, reason_phrase(response.status), http_date());
  for (const HttpHeader& each : response.headers)
    head += fmt::format("{}: {}\r\n", each.name, each.value);
  if (chunked_) {
    head += "transfer-encoding: chunked\r\n";
  } else if (!is_stream && response.status != 204 && response.status != 304) {
    head += fmt::format("content-length: {}\r\n", response.body.size());
  }
  if (!keep_alive_) {
    head += "connection: close\r\n";
  } else if (is_http10_) {
    head += "connection: keep-alive\r\n";
  }
  return head + "\r\n";
}

void Connection::send(uint64_t serial, const HttpResponse& response) {
  if (!is_current(serial) || streaming_) return;
  std::string bytes = head_of(response, /*is_stream=*/false);
  if (!is_head_request_) bytes += response.body;
  put(bytes);
  finish_answer();
}

void Connection::begin(uint64_t serial, const HttpResponse& head) {
  if (!is_current(serial) || streaming_) return;
  streaming_ = true;
  put(head_of(head, /*is_stream=*/true));
}

void Connection::write(uint64_t serial, std::string_view bytes) {
  if (!is_current(serial) || !streaming_ || bytes.empty()) return;
  if (chunked_)
    put(fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes));
  else
    put(bytes);
}

void Connection::end(uint64_t serial) {
  if (!is_current(serial) || !streaming_) return;
  if (chunked_) put("0\r\n\r\n");
  finish_answer();
}

void Connection::abort(uint64_t serial) {
  if (!is_current(serial)) return;
  ++serial_;  // what the answer still says comes too late
  gone_ = nullptr;
  const auto pause = std::make_shared<asio::steady_timer>(host_.io, kPauseBeforeBreak);
  pause->async_wait([self = shared_from_this(), pause](const Error&) { self->break_off(); });
}

void Connection::break_off() {
  if (closed_) return;
  answering_ = false;
  // Without chunks an ordinary end would look like the end of the stream.
  ending_ = streaming_ && !chunked_ ? Ending::kReset : Ending::kClose;
  if (out_.empty() && writing_.empty()) end_connection();
}

void Connection::when_gone(uint64_t serial, std::function<void()> gone) {
  if (closed_ && serial == serial_) return gone();
  if (is_current(serial)) gone_ = std::move(gone);
}

void Connection::finish_answer() {
  answering_ = false;
  streaming_ = false;
  gone_ = nullptr;
  if (!keep_alive_ || (input_ended_ && buffer_.size() == 0)) {
    ending_ = Ending::kClose;
    if (out_.empty() && writing_.empty()) end_connection();
    return;
  }
  expect_request();
  parse();
  read_more();
}

void Connection::put(std::string_view bytes) {
  if (closed_) return;
  out_ += bytes;
  if (writing_.empty()) {
    write_deadline_ = Clock::now() + host_.options.stall_time;
    write_more();
  }
}

void Connection::write_more() {
  if (written_ == writing_.size()) {
    writing_.clear();
    std::swap(writing_, out_);
    written_ = 0;
  }
  if (writing_.empty()) {
    write_deadline_.reset();
    if (ending_ != Ending::kKeep) end_connection();
    return;
  }
  socket_.async_write_some(asio::buffer(writing_) + written_,
                           [self = shared_from_this()](const Error& error, size_t bytes) {
                             self->on_written(error, bytes);
                           });
}

void Connection::on_written(const Error& error, size_t bytes) {
  if (closed_) return;
  if (error) return close();
  write_deadline_ = Clock::now() + host_.options.stall_time;
  const bool has_waited = output_waits();
  written_ += bytes;
  write_more();
  if (has_waited && !output_waits() && !closed_ && !lingering_) go_on();
}

// Takes the requests that waited for the client to read.
void Connection::go_on() {
  if (!answering_) {
    deadline_ = Clock::now() + (head_seen_ || buffer_.size() > 0 ? host_.options.head_time
                                                                 : host_.options.idle_time);
    parse();
  }
  read_more();
  if (input_ended_ && !answering_) on_end_of_input();
}

// ---- the end

// What the client still sends is read and dropped for a moment: else the system would take back
// what was written.
void Connection::end_connection() {
  Error ignored;
  if (ending_ == Ending::kReset) {
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    return close();
  }
  if (input_ended_) return close();
  socket_.shutdown(StreamSocket::shutdown_send, ignored);
  lingering_ = true;
  buffer_.consume(buffer_.size());
  deadline_ = Clock::now() + kLingerTime;
  read_more();
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  Error ignored;
  socket_.close(ignored);
  tell_gone();
}

void Connection::tell_gone() {
  const auto gone = std::exchange(gone_, nullptr);
  if (answering_ && gone) gone();
}

bool Connection::is_idle() const {
  return !closed_ && !answering_ && !head_seen_ && buffer_.size() == 0 && out_.empty() &&
         writing_.empty();
}

void Connection::drain() {
  keep_alive_ = false;
  if (is_idle()) close();
}

void Connection::tick(Clock::time_point now) {
  if (closed_) return;
  if (write_deadline_ && now > *write_deadline_) return close();
  if (input_ended_) probe();
  if (output_waits()) return;
  if (!deadline_ || now <= *deadline_) return;
  const bool is_reading = head_seen_ || buffer_.size() > 0;
  if (lingering_ || !is_reading) return close();
  deadline_.reset();
  refuse(host_.handler.error(408, "the request did not arrive in time"));
}

// ---- Reply

void Reply::send(HttpResponse response) {
  asio::post(io_, [to = connection_, serial = serial_, response = std::move(response)] {
    to->send(serial, response);
  });
}
void Reply::begin(HttpResponse head) {
  asio::post(io_, [to = connection_, serial = serial_, head = std::move(head)] {
    to->begin(serial, head);
  });
}
void Reply::write(std::string bytes) {
  asio::post(io_, [to = connection_, serial = serial_, bytes = std::move(bytes)] {
    to->write(serial, bytes);
  });
}
void Reply::end() {
  asio::post(io_, [to = connection_, serial = serial_] { to->end(serial); });
}
void Reply::abort() {
  asio::post(io_, [to = connection_, serial = serial_] { to->abort(serial); });
}
void Reply::when_gone(std::function<void()> gone) {
  asio::post(io_, [to = connection_, serial = serial_, gone = std::move(gone)]() mutable {
    to->when_gone(serial, std::move(gone));
  });
}

}  // namespace bitnetc::serve
