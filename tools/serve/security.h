// Who may ask: names that the server answers to, web pages that may use it, API keys.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/serve/api/error.h"
#include "tools/serve/http/message.h"

namespace bitnetc::serve {

struct SecurityOptions {
  std::string host = "127.0.0.1";          // that the server is bound to
  std::vector<std::string> allowed_hosts;  // names besides it and the loopback ones
  std::vector<std::string> cors_origins;   // "https://chat.example"
  std::vector<std::string> api_keys;       // none: everybody may ask
};

// "127.0.0.1", "localhost", "::1".
bool is_loopback(std::string_view host);
// Any address of this machine: "0.0.0.0", "::".
bool is_any_address(std::string_view host);
// Error: kInvalidArgument where a name, an origin or a key could never be one of a request.
Status check_names(const SecurityOptions& options);
// Keys of a file: one a line, '#' begins a comment. Error: kNotFound; kInvalidArgument without any,
// and for what no request could show.
Result<std::vector<std::string>> read_key_file(const std::string& path);
// Whether others than the owner may read the file.
bool is_readable_by_others(const std::string& path);

class Security {
 public:
  explicit Security(SecurityOptions options) : options_(std::move(options)) {}

  // A Host that is somebody else's name (DNS rebinding), an Origin that is another page's.
  std::optional<ApiError> check_sender(const HttpRequest& request) const;
  // The place of the key that the request shows, from 1; 0: none is needed. Error: 401.
  Checked<int> check_key(const HttpRequest& request) const;
  // For an allowed Origin; empty without one.
  std::vector<HttpHeader> cors_headers(const HttpRequest& request) const;

 private:
  bool is_own_host(std::string_view host) const;
  bool is_allowed_origin(const HttpRequest& request, const std::string& origin) const;

  const SecurityOptions options_;
};

}  // namespace bitnetc::serve
