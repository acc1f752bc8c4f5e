#include "runtime/status.h"

#include <cstdio>
#include <cstdlib>

namespace bitnetc {

const char* status_code_name(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return "ok";
    case StatusCode::kInvalidArgument: return "invalid argument";
    case StatusCode::kNotFound: return "not found";
    case StatusCode::kDataCorrupt: return "data corrupt";
    case StatusCode::kUnsupported: return "unsupported";
    case StatusCode::kIoError: return "i/o error";
    case StatusCode::kOutOfMemory: return "out of memory";
    case StatusCode::kDisqualified: return "disqualified";
    case StatusCode::kCancelled: return "cancelled";
  }
  return "unknown";
}

void check_failed(const char* file, int line, const char* condition, const std::string& values) {
  std::fprintf(stderr, "%s:%d: internal error: %s does not hold: %s\n", file, line, condition,
               values.c_str());
  std::abort();
}

}  // namespace bitnetc
