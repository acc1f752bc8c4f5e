#include "tools/serve/http/client.h"

#include <fmt/format.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

namespace bitnetc::serve {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

Status io_error(const char* what, const boost::system::error_code& error) {
  return make_error(StatusCode::kIoError, "{}: {}", what, error.message());
}

}  // namespace

struct HttpClient::Impl {
  std::string host;
  asio::io_context context;
  asio::ip::tcp::socket socket{context};
  beast::flat_buffer buffer;
};

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpClient::~HttpClient() = default;

Result<std::unique_ptr<HttpClient>> HttpClient::connect(const std::string& host, int port) {
  auto impl = std::make_unique<Impl>();
  impl->host = host;
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host, error);
  if (error) return io_error("an address", error);
  impl->socket.connect({address, static_cast<uint16_t>(port)}, error);
  if (error) return io_error("connecting", error);
  impl->socket.set_option(asio::ip::tcp::no_delay(true), error);
  return std::unique_ptr<HttpClient>(new HttpClient(std::move(impl)));
}

Result<int> HttpClient::post(const std::string& target, std::string body,
                             const std::function<void(std::string_view)>& on_body) {
  http::request<http::string_body> request(http::verb::post, target, 11, std::move(body));
  request.set(http::field::host, impl_->host);
  request.set(http::field::content_type, "application/json");
  request.prepare_payload();
  boost::system::error_code error;
  http::write(impl_->socket, request, error);
  if (error) return io_error("asking", error);
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  http::read_header(impl_->socket, impl_->buffer, parser, error);
  if (error) return io_error("the answer's head", error);
  char stretch[16 << 10];
  while (!parser.is_done()) {
    parser.get().body().data = stretch;
    parser.get().body().size = sizeof stretch;
    http::read_some(impl_->socket, impl_->buffer, parser, error);
    if (error == http::error::need_buffer) error = {};
    if (error) return io_error("the answer's body", error);
    const size_t size = sizeof stretch - parser.get().body().size;
    if (size > 0) on_body({stretch, size});
  }
  return static_cast<int>(parser.get().result_int());
}

}  // namespace bitnetc::serve
