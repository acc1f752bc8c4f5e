// From what the engine returns or throws to what a C function returns: a number, and a line of text
// kept for the thread.
#pragma once

#include <exception>
#include <new>
#include <string>
#include <utility>

#include "runtime/status.h"
#include "tools/capi/bitnetc.h"

namespace bitnetc::capi {

// A Status, or one of the codes that only the C API has.
struct Outcome {
  Outcome() = default;
  Outcome(const Status& status);  // NOLINT(google-explicit-constructor)
  Outcome(bitnetc_status failed, std::string text) : code(failed), message(std::move(text)) {}

  bitnetc_status code = BITNETC_OK;
  std::string message;
};

// Keeps the message of a failure for bitnetc_last_error(). Never throws.
bitnetc_status report(const Outcome& outcome) noexcept;
// The same for a failure that leaves no memory for a message.
bitnetc_status report(bitnetc_status code, const char* message) noexcept;

// The body of every function that can fail: no exception leaves it.
template <typename Body>
bitnetc_status guarded(const Body& body) noexcept {
  try {
    return report(Outcome(body()));
  } catch (const std::bad_alloc&) {
    return report(BITNETC_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return report(BITNETC_INTERNAL, error.what());
  } catch (...) {
    return report(BITNETC_INTERNAL, "an exception of unknown type");
  }
}

// Error: kInvalidArgument where an argument that has to be there is NULL.
inline Status need(const void* argument, const char* name) {
  if (argument != nullptr) return {};
  return make_error(StatusCode::kInvalidArgument, "{} is NULL", name);
}
// The same for an array, which may be NULL where it is empty.
inline Status need_array(const void* array, size_t count, const char* name) {
  return count == 0 ? Status() : need(array, name);
}

}  // namespace bitnetc::capi
