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
Result<SchemaJson> merge_schemas(SchemaJson a, const SchemaJson& b, const std::string& pointer);

Status schema_error(StatusCode code, const std::string& pointer, const std::string& text);

}  // namespace bitnetc::grammar
