// Requests over one kept connection to a server of this machine, for measuring it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/status.h"

namespace bitnetc::serve {

class HttpClient {
 public:
  // Error: kIoError.
  static Result<std::unique_ptr<HttpClient>> connect(const std::string& host, int port);
  ~HttpClient();

  // POSTs JSON, tells `on_body` of the answer's body stretch by stretch, as it arrives, and gives
  // the status. Error: kIoError for an answer that is cut; the connection is of no use any more.
  Result<int> post(const std::string& target, std::string body,
                   const std::function<void(std::string_view)>& on_body);

 private:
  struct Impl;
  explicit HttpClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitnetc::serve
