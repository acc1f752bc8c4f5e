#include "tools/bitnetc/json_output.h"

#include <nlohmann/json.hpp>

#include "tools/bitnetc/console.h"
#include "tools/engine/json_document.h"

namespace bitnetc {

using nlohmann::ordered_json;

void write_json(const char* schema, int version, const ordered_json& members) {
  write_text_out(json_document(schema, version, members) + "\n");
}

void write_json_error(int exit_code, const std::string& message) {
  write_json("error", 1, {{"exit_code", exit_code}, {"message", message}});
}

}  // namespace bitnetc
