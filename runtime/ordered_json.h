// JSON from outside, read in time that is linear in its length whatever its shape, with the keys of
// objects in their order. The parser of the library searches an object before it inserts a key, and
// one with a callback searches the parent behind every object. Pure functions: any thread may call
// them.
#pragma once

#include <cstddef>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "runtime/status.h"

namespace bitnetc {

struct JsonLimits {
  size_t depth = 64;   // of arrays and objects inside one another
  size_t keys = 4096;  // of one object: who looks a key up searches them all
};

// A whole document, UTF-8. Of a key that is there twice the last value counts, at the first place.
// Error, to be read behind the document's name: kUnsupported with the limit that is passed, "is
// nested deeper than 64"; kInvalidArgument for what is no JSON, "parse error at line 1, ...".
Result<nlohmann::ordered_json> parse_ordered_json(std::string_view text,
                                                  const JsonLimits& limits = {});

// What an exception says, printable and cut, without the name that the JSON library gives its own:
// "parse error at line 1, column 2: ...".
std::string json_error_text(const std::exception& error);

}  // namespace bitnetc
