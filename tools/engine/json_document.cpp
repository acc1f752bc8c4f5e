#include "tools/engine/json_document.h"

#include <nlohmann/json.hpp>

namespace bitnetc {

using nlohmann::ordered_json;

std::string json_document(const char* schema, int version, const ordered_json& members) {
  ordered_json document = {{"schema", std::string("bitnetc.") + schema}, {"version", version}};
  document.update(members);
  return document.dump(2, ' ', /*ensure_ascii=*/false, ordered_json::error_handler_t::replace);
}

ordered_json sampling_json(const SamplingParams& sampling) {
  return {{"temperature", sampling.temperature},
          {"top_k", sampling.top_k},
          {"top_p", sampling.top_p},
          {"min_p", sampling.min_p},
          {"repeat_penalty", sampling.repeat_penalty},
          {"repeat_last_n", sampling.repeat_last_n}};
}

}  // namespace bitnetc
