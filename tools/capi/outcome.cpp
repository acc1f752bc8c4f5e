#include "tools/capi/outcome.h"

#include "runtime/printable.h"

namespace bitnetc::capi {
namespace {

bitnetc_status code_of(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return BITNETC_OK;
    case StatusCode::kInvalidArgument: return BITNETC_INVALID_ARGUMENT;
    case StatusCode::kNotFound: return BITNETC_NOT_FOUND;
    case StatusCode::kDataCorrupt: return BITNETC_DATA_CORRUPT;
    case StatusCode::kUnsupported: return BITNETC_UNSUPPORTED;
    case StatusCode::kIoError: return BITNETC_IO_ERROR;
    case StatusCode::kOutOfMemory: return BITNETC_OUT_OF_MEMORY;
    case StatusCode::kDisqualified: return BITNETC_DISQUALIFIED;
    case StatusCode::kCancelled: return BITNETC_CANCELLED;
  }
  return BITNETC_INTERNAL;
}

// A constant in place of the text where there was no memory for it.
struct LastError {
  std::string text;
  const char* constant = "";
};
thread_local LastError last_error;

}  // namespace

Outcome::Outcome(const Status& status) : code(code_of(status.code())), message(status.message()) {}

bitnetc_status report(const Outcome& outcome) noexcept {
  if (outcome.code == BITNETC_OK) return BITNETC_OK;
  return report(outcome.code, outcome.message.c_str());
}

bitnetc_status report(bitnetc_status code, const char* message) noexcept {
  constexpr size_t kMostBytes = 1200;
  try {
    last_error.text = printable(message, kMostBytes);
    last_error.constant = nullptr;
  } catch (...) {
    last_error.constant = "out of memory";
  }
  return code;
}

extern "C" BITNETC_API const char* bitnetc_last_error() {
  return last_error.constant ? last_error.constant : last_error.text.c_str();
}

extern "C" BITNETC_API const char* bitnetc_version() {
  return BITNETC_VERSION;
}

extern "C" BITNETC_API int32_t bitnetc_abi_version() {
  return BITNETC_ABI_VERSION;
}

extern "C" BITNETC_API const char* bitnetc_status_name(bitnetc_status status) {
  switch (status) {
    case BITNETC_OK: return status_code_name(StatusCode::kOk);
    case BITNETC_INVALID_ARGUMENT: return status_code_name(StatusCode::kInvalidArgument);
    case BITNETC_NOT_FOUND: return status_code_name(StatusCode::kNotFound);
    case BITNETC_DATA_CORRUPT: return status_code_name(StatusCode::kDataCorrupt);
    case BITNETC_UNSUPPORTED: return status_code_name(StatusCode::kUnsupported);
    case BITNETC_IO_ERROR: return status_code_name(StatusCode::kIoError);
    case BITNETC_OUT_OF_MEMORY: return status_code_name(StatusCode::kOutOfMemory);
    case BITNETC_DISQUALIFIED: return status_code_name(StatusCode::kDisqualified);
    case BITNETC_CANCELLED: return status_code_name(StatusCode::kCancelled);
    case BITNETC_CONTEXT_FULL: return "context full";
    case BITNETC_BUFFER_TOO_SMALL: return "buffer too small";
    case BITNETC_BUSY: return "busy";
    case BITNETC_INTERNAL: return "internal error";
  }
  return "unknown";
}

}  // namespace bitnetc::capi
