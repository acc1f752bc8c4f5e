// What `bitnetc bench` found, as a table, JSON, CSV or a page with plots.
#pragma once

#include <string>

#include "tools/engine/bench.h"

namespace bitnetc {

void print_bench(const Bench& bench);
void write_bench_json(const Bench& bench);  // docs/json.md
std::string bench_csv(const Bench& bench);
std::string bench_html(const Bench& bench);

}  // namespace bitnetc
