#include "tools/serve/security.h"

#include <arpa/inet.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <fstream>

#include "runtime/printable.h"
#include "tools/serve/router.h"

namespace bitnetc::serve {
namespace {

// "localhost:8080" -> "localhost", "[::1]:80" -> "::1"
std::string without_port(std::string_view host) {
  if (host.starts_with('[')) return std::string(host.substr(1, host.find(']') - 1));
  return std::string(host.substr(0, host.rfind(':')));
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool is_address(const std::string& host) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

std::string_view without_blanks_around(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// What a header can show.
bool is_key(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

// Takes as long for every key of the same length, right or wrong.
bool is_same_key(std::string_view shown, std::string_view key) {
  unsigned difference = shown.size() == key.size() ? 0 : 1;
  for (size_t i = 0; i < key.size(); ++i) {
    const char c = i < shown.size() ? shown[i] : '\0';
    difference |= static_cast<unsigned char>(c) ^ static_cast<unsigned char>(key[i]);
  }
  return difference == 0;
}

// Of "Authorization: Bearer KEY" or "x-api-key: KEY"; empty: none.
std::string_view shown_key(const HttpRequest& request) {
  constexpr std::string_view kBearer = "bearer ";
  if (const std::string* header = request.header("authorization");
      header && equals_ignoring_case(std::string_view(*header).substr(0, kBearer.size()), kBearer))
    return std::string_view(*header).substr(kBearer.size());
  if (const std::string* header = request.header("x-api-key")) return *header;
  return {};
}

}  // namespace

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" ||
         (host.starts_with("127.") && is_address(std::string(host)));
}

bool is_any_address(std::string_view host) {
  return host == "0.0.0.0" || host == "::";
}

Status check_names(const SecurityOptions& options) {
  for (const std::string& each : options.api_keys)
    if (!is_key(each))
      return make_error(StatusCode::kInvalidArgument,
                        "--api-key: expected visible ASCII characters, without blanks");
  for (const std::string& each : options.cors_origins) {
    const size_t scheme = each.find("://");
    const bool is_origin = scheme != each.npos && scheme > 0 && each.size() > scheme + 3 &&
                           each.find('/', scheme + 3) == each.npos;
    if (!is_origin && each != "*")
      return make_error(StatusCode::kInvalidArgument,
                        "--cors-origin '{}': expected a scheme, a name and perhaps a port, as in "
                        "https://chat.example, or *",
                        printable(each));
  }
  for (const std::string& each : options.allowed_hosts)
    if (each.find_first_of("/ *") != each.npos)
      return make_error(StatusCode::kInvalidArgument,
                        "--allowed-host '{}': expected a name, as in models.example",
                        printable(each));
  return {};
}

Result<std::vector<std::string>> read_key_file(const std::string& path) {
  std::ifstream file(path);
  if (!file)
    return make_error(StatusCode::kNotFound, "--api-key-file {}: cannot be read",
                      printable_path(path));
  std::vector<std::string> keys;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    std::string_view key = line;
    if (constexpr std::string_view kMark = "\xef\xbb\xbf"; ++number == 1 && key.starts_with(kMark))
      key.remove_prefix(kMark.size());
    key = without_blanks_around(key.substr(0, key.find('#')));
    if (key.empty()) continue;
    if (!is_key(key))
      return make_error(StatusCode::kInvalidArgument,
                        "--api-key-file {}: line {}: expected a key of visible ASCII characters, "
                        "without blanks",
                        printable_path(path), number);
    keys.emplace_back(key);
  }
  if (keys.empty())
    return make_error(StatusCode::kInvalidArgument, "--api-key-file {}: no keys in it",
                      printable_path(path));
  return keys;
}

bool is_readable_by_others(const std::string& path) {
  struct stat facts = {};
  return ::stat(path.c_str(), &facts) == 0 && (facts.st_mode & 077) != 0;
}

bool Security::is_own_host(std::string_view host) const {
  const std::string name = without_port(host);
  if (is_loopback(name) || equals_ignoring_case(name, "localhost") ||
      equals_ignoring_case(name, options_.host))
    return true;
  // A page that is led here by its own name cannot say an address.
  if (is_any_address(options_.host) && is_address(name)) return true;
  return std::ranges::any_of(options_.allowed_hosts, [&](const std::string& each) {
    return equals_ignoring_case(name, each) || equals_ignoring_case(host, each);
  });
}

// Of this server's own pages, or as --cors-origin says.
bool Security::is_allowed_origin(const HttpRequest& request, const std::string& origin) const {
  const std::string* host = request.header("host");
  if (host && (origin == "http://" + *host || origin == "https://" + *host)) return true;
  return std::ranges::any_of(options_.cors_origins, [&](const std::string& each) {
    return each == "*" || each == origin;
  });
}

std::optional<ApiError> Security::check_sender(const HttpRequest& request) const {
  const auto refuse = [](int status, std::string message) {
    return ApiError{.status = status, .message = std::move(message), .code = "forbidden"};
  };
  const std::string* host = request.header("host");
  std::vector<std::string_view> names;
  if (host) names.emplace_back(*host);
  if (const auto name = name_in_target(request.target); !name.empty()) names.push_back(name);
  for (const std::string_view each : names)
    if (!request.is_local_socket && !is_own_host(each))
      return refuse(403,
                    fmt::format("this server does not answer to the name '{}' (--allowed-host)",
                                printable(each, 200)));
  const std::string* origin = request.header("origin");
  if (!origin) return std::nullopt;
  const bool is_safe = request.method == "GET" || request.method == "HEAD";
  if (!is_safe && !is_allowed_origin(request, *origin))
    return refuse(403, "pages of this origin may not use the server (--cors-origin)");
  const std::string* type = request.header("content-type");
  if (request.method == "POST" && !(type && type->starts_with("application/json")))
    return refuse(415, "a page must send application/json");
  return std::nullopt;
}

Checked<int> Security::check_key(const HttpRequest& request) const {
  if (options_.api_keys.empty()) return 0;
  const std::string_view shown = shown_key(request);
  int found = 0;
  for (size_t i = 0; i < options_.api_keys.size(); ++i)
    if (is_same_key(shown, options_.api_keys[i])) found = static_cast<int>(i) + 1;
  if (found != 0) return found;
  return ApiError{.status = 401,
                  .type = "authentication_error",
                  .message = shown.empty() ? "an API key is needed: Authorization: Bearer KEY"
                                           : "the API key is wrong",
                  .code = "invalid_api_key"};
}

std::vector<HttpHeader> Security::cors_headers(const HttpRequest& request) const {
  const std::string* origin = request.header("origin");
  if (!origin || options_.cors_origins.empty() || !is_allowed_origin(request, *origin)) return {};
  return {{"access-control-allow-origin", *origin},
          {"vary", "origin"},
          {"access-control-allow-methods", "GET, POST, OPTIONS"},
          // Clients send headers about themselves; the star alone leaves out authorization.
          {"access-control-allow-headers", "authorization, *"},
          {"access-control-expose-headers", "x-request-id, x-bitnetc-ignored"},
          {"access-control-max-age", "600"}};
}

}  // namespace bitnetc::serve
