// The one JSON document that `--json` writes to stdout (docs/json.md).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "runtime/status.h"

namespace bitnetc {

// `members` behind "schema" ("bitnetc.<schema>") and "version". Bytes of strings that are not UTF-8
// (paths, what a model wrote) become U+FFFD.
std::string json_document(const char* schema, int version, const nlohmann::ordered_json& members);
// The same to stdout, with a newline.
void write_json(const char* schema, int version, const nlohmann::ordered_json& members);

// {"schema": "bitnetc.error", "version": 1, "exit_code": ..., "message": ...} to stdout.
void write_json_error(int exit_code, const std::string& message);

}  // namespace bitnetc
