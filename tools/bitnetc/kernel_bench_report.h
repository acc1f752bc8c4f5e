// The measurements of `bitnetc kernel bench` as text, as JSON and as a page to look at.
#pragma once

#include <string>

#include "tools/bitnetc/kernel_bench.h"

namespace bitnetc {

void print_kernel_bench(const KernelBench& bench);
// {"schema": "bitnetc.kernel-bench", ...} on stdout.
void write_kernel_bench_json(const KernelBench& bench);
// One self-contained page with inline drawings and no scripts. `options`: where what tuning knows
// of the same shapes is read from.
std::string kernel_bench_html(const KernelBench& bench, const EngineOptions& options);

std::string today();  // "2026-11-21 13:30 UTC"

}  // namespace bitnetc
