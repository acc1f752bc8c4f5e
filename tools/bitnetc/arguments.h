// Values that several commands take from the command line: matmul shapes, layouts, threads.
#pragma once

#include <string>
#include <vector>

#include "codegen/kernel_spec.h"
#include "runtime/status.h"
#include "tools/bitnetc/command_line.h"

namespace bitnetc {

// "2560x6912" or "2560x6912:residual"; a layout and a number of tokens are not part of it.
Result<MatmulSpec> parse_shape(const std::string& text);
Result<std::vector<MatmulSpec>> parse_shapes(const std::vector<std::string>& texts);
// The matmuls of a layer of BitNet-b1.58-2B-4T: q|k|v, attention output, gate|up, down.
std::vector<std::string> example_shapes();
// "2560x6912 residual"
std::string shape_title(const MatmulSpec& spec);

Result<std::vector<LayoutId>> parse_layouts(const std::vector<std::string>& names);

IntegerRange usable_thread_range();  // 1 to the CPUs this process may use
std::vector<int> one_and_all_threads();

}  // namespace bitnetc
