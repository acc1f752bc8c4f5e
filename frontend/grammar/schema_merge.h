// Two JSON schemas that hold both, as one.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "runtime/status.h"

namespace bitnetc::grammar {

using SchemaJson = nlohmann::ordered_json;

// Whether a keyword says nothing of what is valid.
bool is_annotation(const std::string& keyword);

// Error: kUnsupported with `pointer`, naming the keyword that cannot be joined.
Result<SchemaJson> merge_schemas(const SchemaJson& a, const SchemaJson& b,
                                 const std::string& pointer);

// Whether no value can be valid for both, as far as types, constants and required properties with
// constants tell.
bool are_exclusive(const SchemaJson& a, const SchemaJson& b);

Status schema_error(StatusCode code, const std::string& pointer, const std::string& text);

}  // namespace bitnetc::grammar
