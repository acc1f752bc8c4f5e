// Command-line values that several commands take: matmul shapes, layouts, threads.
#pragma once

#include <string>
#include <vector>

#include "codegen/kernel_spec.h"
#include "runtime/status.h"

namespace bitnetc {

// The whole of `text` as a number within [least, most]. Error: kInvalidArgument naming the option.
Result<int64_t> parse_number(const char* option, std::string_view text, int64_t least,
                             int64_t most);

// "2560x6912" or "2560x6912:residual"; a layout and a number of tokens are not part of it.
Result<MatmulSpec> parse_shape(const std::string& text);
Result<std::vector<MatmulSpec>> parse_shapes(const std::vector<std::string>& texts);
// The matmuls of a layer of BitNet-b1.58-2B-4T: q|k|v, attention output, gate|up, down.
std::vector<std::string> example_shapes();
// "2560x6912 residual"
std::string shape_title(const MatmulSpec& spec);

Result<std::vector<LayoutId>> parse_layouts(const std::vector<std::string>& names);

// Each within 1 and the CPUs this process may use.
Result<std::vector<int>> parse_threads(const std::vector<std::string>& texts);
std::vector<int> one_and_all_threads();
// What a run uses: `asked` if it is not 0, else BITNETC_THREADS, else every CPU this process may use.
int thread_count(int asked);

}  // namespace bitnetc
