// One connection. All members are used by the server's thread alone; Reply is how others reach it.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tools/serve/http/message.h"
#include "tools/serve/http/server.h"

namespace bitnetc::serve {

using Clock = std::chrono::steady_clock;
using StreamSocket = boost::asio::generic::stream_protocol::socket;

// What connections share.
struct ConnectionHost {
  const HttpServerOptions& options;
  HttpHandler& handler;
  boost::asio::io_context& io;
  boost::asio::io_context& workers;  // runs in threads of its own
  bool is_draining = false;
  std::atomic<int64_t> open{0};
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(StreamSocket socket, ConnectionHost& host, bool is_local);
  ~Connection() { --host_.open; }

  void start();
  void tick(Clock::time_point now);  // looks at deadlines
  void drain();                      // ends behind the answer that is being given
  void close();
  // Nothing of a request has come, and nothing is being answered: since when it waits has the order
  // of when its time is over.
  bool is_idle() const;
  std::optional<Clock::time_point> deadline() const { return deadline_; }

  // What a Reply asks for. `serial`: the request that it answers; what comes too late is dropped.
  void send(uint64_t serial, const HttpResponse& response);
  void begin(uint64_t serial, const HttpResponse& head);
  void write(uint64_t serial, std::string_view bytes);
  void end(uint64_t serial);
  void abort(uint64_t serial);
  void when_gone(uint64_t serial, std::function<void()> gone);

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Error = boost::system::error_code;
  enum class Ending { kKeep, kClose, kReset };

  void expect_request();
  void read_more();
  void on_read(const Error& error, size_t bytes);
  void on_end_of_input();
  void parse();
  bool output_waits() const;  // so much that no further request is taken
  void on_head();
  void on_bad_request(const Error& error);
  void dispatch();
  void refuse(const HttpResponse& response);
  HttpRequest take_request();

  bool is_current(uint64_t serial) const { return answering_ && serial == serial_ && !closed_; }
  std::string head_of(const HttpResponse& response, bool is_stream);
  void put(std::string_view bytes);
  void write_more();
  void go_on();
  void on_written(const Error& error, size_t bytes);
  void finish_answer();
  void break_off();
  void end_connection();
  void tell_gone();
  void probe();

  StreamSocket socket_;
  ConnectionHost& host_;
  const bool is_local_;
  std::array<char, 8192> incoming_;   // of the read under way
  boost::beast::flat_buffer buffer_;  // not parsed yet
  std::optional<Parser> parser_;
  bool head_seen_ = false;  // of the request that is being read
  bool reading_ = false, input_ended_ = false, closed_ = false;
  std::optional<HttpResponse> refusal_;  // of the request that is being read

  uint64_t serial_ = 0;
  bool answering_ = false, streaming_ = false, chunked_ = false, is_head_request_ = false;
  bool keep_alive_ = false, is_http10_ = false;
  Ending ending_ = Ending::kKeep;
  bool lingering_ = false;  // only waits for the client to close
  std::function<void()> gone_;
  std::string out_, writing_;  // what waits; what is being written
  size_t written_ = 0;         // of writing_
  std::optional<Clock::time_point> deadline_, write_deadline_;
};

// The Responder of one request of a connection.
class Reply final : public Responder {
 public:
  Reply(std::shared_ptr<Connection> connection, boost::asio::io_context& io, uint64_t serial)
      : connection_(std::move(connection)), io_(io), serial_(serial) {}
  void send(HttpResponse response) override;
  void begin(HttpResponse head) override;
  void write(std::string bytes) override;
  void end() override;
  void abort() override;
  void when_gone(std::function<void()> gone) override;

 private:
  const std::shared_ptr<Connection> connection_;
  boost::asio::io_context& io_;
  const uint64_t serial_;
};

}  // namespace bitnetc::serve
