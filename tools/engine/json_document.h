// The JSON documents of the command (docs/json.md).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "runtime/sampler.h"

namespace bitnetc {

// `members` behind "schema" ("bitnetc.<schema>") and "version". Bytes of strings that are not UTF-8
// (paths, what a model wrote) become U+FFFD.
std::string json_document(const char* schema, int version, const nlohmann::ordered_json& members);

// The settings of a sampler that options set, without the seed.
nlohmann::ordered_json sampling_json(const SamplingParams& sampling);

}  // namespace bitnetc
