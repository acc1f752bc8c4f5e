#include "tools/bitnetc/json_output.h"

#include <nlohmann/json.hpp>

#include "tools/bitnetc/console.h"

namespace bitnetc {

using nlohmann::ordered_json;

std::string json_document(const char* schema, int version, const ordered_json& members) {
  ordered_json document = {{"schema", std::string("bitnetc.") + schema}, {"version", version}};
  document.update(members);
  return document.dump(2, ' ', /*ensure_ascii=*/false, ordered_json::error_handler_t::replace);
}

void write_json(const char* schema, int version, const ordered_json& members) {
  write_text_out(json_document(schema, version, members) + "\n");
}

void write_json_error(int exit_code, const std::string& message) {
  write_json("error", 1, {{"exit_code", exit_code}, {"message", message}});
}

}  // namespace bitnetc
