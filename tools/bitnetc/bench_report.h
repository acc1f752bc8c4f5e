// What `bitnetc bench` found of one model or several, as a table, JSON, CSV or a page with plots.
#pragma once

#include <span>
#include <string>

#include "tools/engine/bench.h"

namespace bitnetc {

// `models` has at least one.
void print_bench(std::span<const Bench> models);
void write_bench_json(std::span<const Bench> models);  // docs/json.md
std::string bench_csv(std::span<const Bench> models);
std::string bench_html(std::span<const Bench> models);

}  // namespace bitnetc
