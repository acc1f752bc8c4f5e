// Structs whose first field says how large the caller's compiler thought they were, and arrays that
// the caller has made room in.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

#include "tools/capi/outcome.h"

namespace bitnetc::capi {

// The size of a struct in the first version of the ABI, which callers may have been compiled with.
// A struct that grows keeps its first size here, in a specialisation.
template <typename Struct>
inline constexpr size_t kFirstSize = sizeof(Struct);
template <>
inline constexpr size_t kFirstSize<bitnetc_model_options> =
    offsetof(bitnetc_model_options, lock_memory);

// More than any version of a struct will have: an uninitialised field, not a newer caller.
inline constexpr size_t kMostStructBytes = 4096;

// Error: kInvalidArgument for a size that this struct never had.
template <typename Struct>
Status check_size(const Struct& given, const char* name) {
  if (given.size >= kFirstSize<Struct> && given.size <= kMostStructBytes) return {};
  return make_error(StatusCode::kInvalidArgument, "{}.size is {}, expected sizeof({}), {}", name,
                    given.size, name, sizeof(Struct));
}

// Whether the caller uses what later versions may have: fields behind those known here, or the one
// that is reserved.
template <typename Struct>
bool has_unknown_fields(const Struct& given) {
  const std::span bytes(reinterpret_cast<const unsigned char*>(&given), given.size);
  const auto is_set = [](unsigned char byte) { return byte != 0; };
  if (bytes.size() > sizeof(Struct) && std::ranges::any_of(bytes.subspan(sizeof(Struct)), is_set))
    return true;
  if constexpr (requires { given.reserved; }) return given.reserved != 0;
  return false;
}

// What the caller gave, over the defaults in `known`; NULL leaves all of them.
// Error: as check_size(); kUnsupported for a newer caller who uses what is not known here.
template <typename Struct>
Status read_struct(const Struct* given, const char* name, Struct& known) {
  if (given == nullptr) return {};
  BITNETC_RETURN_IF_ERROR(check_size(*given, name));
  if (has_unknown_fields(*given))
    return make_error(StatusCode::kUnsupported,
                      "{} has fields that this library, version {}, does not know", name,
                      BITNETC_VERSION);
  std::memcpy(&known, given, std::min(given->size, sizeof(Struct)));
  return {};
}

// Fills the caller's struct, whose size stays; what is not known here becomes zero.
// Error: as check_size(), kInvalidArgument for NULL.
template <typename Struct>
Status write_struct(Struct known, const char* name, Struct* out) {
  BITNETC_RETURN_IF_ERROR(need(out, name));
  BITNETC_RETURN_IF_ERROR(check_size(*out, name));
  known.size = out->size;
  std::memset(static_cast<void*>(out), 0, known.size);
  std::memcpy(out, &known, std::min(known.size, sizeof(Struct)));
  return {};
}

// Copies `values` to the caller's array and their number to `count`; a capacity of 0 asks for the
// number alone.
template <typename Value>
Outcome write_array(std::span<const Value> values, const char* name, Value* out, size_t capacity,
                    size_t* count) {
  if (capacity > 0 && capacity < values.size()) {
    *count = values.size();
    return {BITNETC_BUFFER_TOO_SMALL,
            fmt::format("{} has room for {}, {} are needed", name, capacity, values.size())};
  }
  if (capacity > 0) {
    BITNETC_RETURN_IF_ERROR(need_array(out, values.size(), name));
    std::ranges::copy(values, out);
  }
  *count = values.size();
  return {};
}

}  // namespace bitnetc::capi
