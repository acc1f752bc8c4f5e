// HTTP through libcurl, which is opened when the first client is made. The only file that knows
// libcurl is http_client.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "runtime/cancel_token.h"
#include "runtime/status.h"

namespace bitnetc {

struct HttpRequest {
  std::string url;
  std::string bearer_token;  // sent to the host of `url` alone, not where it redirects to
  int64_t first_byte = 0;    // asks for the rest of the file from there
};

struct HttpResponse {
  int status = 0;  // after redirects; 206 where the server honours first_byte
  std::string content_type;
};

class HttpClient {
 public:
  // Error: kUnsupported where this system has no libcurl.
  static Result<std::unique_ptr<HttpClient>> create();
  ~HttpClient();

  // Called with the response before the first bytes of a body, and with every block of it. An
  // error stops the transfer and is returned.
  using OnBody = std::function<Status(const HttpResponse&, std::span<const uint8_t>)>;

  // GET. Any status is a response. Error: kIoError naming the URL and the reason (no host, refused,
  // cut off, too slow: under 1 kB/s for 30 s); kCancelled; those of `on_body`.
  Result<HttpResponse> get(const HttpRequest& request, const OnBody& on_body,
                           const CancelToken* cancel = nullptr);

 private:
  struct Impl;
  explicit HttpClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitnetc
