#include "tools/engine/hub/http_client.h"

#include <curl/curl.h>

#include "runtime/printable.h"
#include "tools/engine/dynamic_library.h"

namespace bitnetc {
namespace {

// The functions of libcurl that are used.
struct Curl {
  decltype(::curl_easy_init)* easy_init = nullptr;
  decltype(::curl_easy_cleanup)* easy_cleanup = nullptr;
  decltype(::curl_easy_setopt)* easy_setopt = nullptr;
  decltype(::curl_easy_perform)* easy_perform = nullptr;
  decltype(::curl_easy_getinfo)* easy_getinfo = nullptr;
  decltype(::curl_easy_strerror)* easy_strerror = nullptr;
  decltype(::curl_easy_reset)* easy_reset = nullptr;

  static Result<Curl> open() {
    BITNETC_ASSIGN_OR_RETURN(const DynamicLibrary library,
                             DynamicLibrary::open("libcurl.so.4", "libcurl4"));
    Curl curl;
    BITNETC_RETURN_IF_ERROR(library.find("curl_easy_init", curl.easy_init));
    BITNETC_RETURN_IF_ERROR(library.find("curl_easy_cleanup", curl.easy_cleanup));
    BITNETC_RETURN_IF_ERROR(library.find("curl_easy_setopt", curl.easy_setopt));
    BITNETC_RETURN_IF_ERROR(library.find("curl_easy_perform", curl.easy_perform));
    BITNETC_RETURN_IF_ERROR(library.find("curl_easy_getinfo", curl.easy_getinfo));
    BITNETC_RETURN_IF_ERROR(library.find("curl_easy_strerror", curl.easy_strerror));
    BITNETC_RETURN_IF_ERROR(library.find("curl_easy_reset", curl.easy_reset));
    return curl;
  }
};

}  // namespace

struct HttpClient::Impl {
  Curl curl;
  CURL* handle = nullptr;

  // Of the request that runs.
  const OnBody* on_body = nullptr;
  const CancelToken* cancel = nullptr;
  Status refusal;

  template <typename Value>
  void set(CURLoption option, Value value) {
    curl.easy_setopt(handle, option, value);
  }

  HttpResponse response() const {
    HttpResponse response;
    long status = 0;
    const char* type = nullptr;
    curl.easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    curl.easy_getinfo(handle, CURLINFO_CONTENT_TYPE, &type);
    response.status = static_cast<int>(status);
    if (type != nullptr) response.content_type = type;
    return response;
  }

  static size_t take(char* data, size_t size, size_t count, void* self) {
    auto* const impl = static_cast<Impl*>(self);
    const size_t bytes = size * count;
    impl->refusal =
        (*impl->on_body)(impl->response(), {reinterpret_cast<const uint8_t*>(data), bytes});
    return impl->refusal.ok() ? bytes : 0;  // fewer than given stops the transfer
  }

  static int poll(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return is_cancelled(static_cast<Impl*>(self)->cancel) ? 1 : 0;
  }
};

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpClient::~HttpClient() {
  impl_->curl.easy_cleanup(impl_->handle);
}

Result<std::unique_ptr<HttpClient>> HttpClient::create() {
  auto impl = std::make_unique<Impl>();
  BITNETC_ASSIGN_OR_RETURN(impl->curl, Curl::open());
  impl->handle = impl->curl.easy_init();
  if (impl->handle == nullptr) return Status(StatusCode::kOutOfMemory, "libcurl cannot start");
  return std::unique_ptr<HttpClient>(new HttpClient(std::move(impl)));
}

Result<HttpResponse> HttpClient::get(const HttpRequest& request, const OnBody& on_body,
                                     const CancelToken* cancel) {
  constexpr long kSlowBytesPerSecond = 1000, kSlowSeconds = 30, kConnectSeconds = 30;
  constexpr long kMostRedirects = 10;
  Impl& impl = *impl_;
  impl.on_body = &on_body;
  impl.cancel = cancel;
  impl.refusal = {};
  impl.curl.easy_reset(impl.handle);
  impl.set(CURLOPT_URL, request.url.c_str());
  impl.set(CURLOPT_PROTOCOLS_STR, "http,https");
  impl.set(CURLOPT_USERAGENT, "bitnetc");
  impl.set(CURLOPT_FOLLOWLOCATION, 1L);
  impl.set(CURLOPT_MAXREDIRS, kMostRedirects);
  impl.set(CURLOPT_NOSIGNAL, 1L);
  impl.set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  impl.set(CURLOPT_LOW_SPEED_LIMIT, kSlowBytesPerSecond);
  impl.set(CURLOPT_LOW_SPEED_TIME, kSlowSeconds);
  impl.set(CURLOPT_WRITEFUNCTION, &Impl::take);
  impl.set(CURLOPT_WRITEDATA, &impl);
  impl.set(CURLOPT_NOPROGRESS, 0L);
  impl.set(CURLOPT_XFERINFOFUNCTION, &Impl::poll);
  impl.set(CURLOPT_XFERINFODATA, &impl);
  if (!request.bearer_token.empty()) {
    impl.set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
    impl.set(CURLOPT_XOAUTH2_BEARER, request.bearer_token.c_str());
  }
  const std::string range = fmt::format("{}-", request.first_byte);
  if (request.first_byte > 0) impl.set(CURLOPT_RANGE, range.c_str());
  const CURLcode code = impl.curl.easy_perform(impl.handle);
  BITNETC_RETURN_IF_ERROR(impl.refusal);
  if (is_cancelled(cancel)) return Status(StatusCode::kCancelled, "interrupted");
  if (code != CURLE_OK)
    return make_error(StatusCode::kIoError, "{}: {}", printable(request.url, 300),
                      impl.curl.easy_strerror(code));
  return impl.response();
}

}  // namespace bitnetc
