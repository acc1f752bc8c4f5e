// The line of seconds over bytes that `bitnetc bench` fits through several models, in words, as
// JSON and as a part of its page.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tools/engine/bench_cost.h"

namespace bitnetc {

// Nothing, null or an empty text for no lines.
void print_cost(const std::vector<CostLine>& lines);
nlohmann::ordered_json cost_json(const std::vector<CostLine>& lines);  // docs/json.md
std::string cost_html(const std::vector<CostLine>& lines);

}  // namespace bitnetc
