// The one JSON document that `--json` writes to stdout (docs/json.md).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "runtime/status.h"

namespace bitnetc {

// json_document() to stdout, with a newline.
void write_json(const char* schema, int version, const nlohmann::ordered_json& members);

// {"schema": "bitnetc.error", "version": 1, "exit_code": ..., "message": ...} to stdout.
void write_json_error(int exit_code, const std::string& message);

}  // namespace bitnetc
