// Whether a compiled model makes sense: a pure look at its description and sections, before a
// kernel is chosen or memory is taken. What passes can be linked and run without reading or writing
// outside its buffers.
#pragma once

#include "runtime/compiled_model.h"
#include "runtime/status.h"

namespace bitnetc {

// The steps against what their operations declare (codegen/operations), the buffers, the sections
// and the config: every operand there, of the right type and width, written before it is read;
// every number a spec shares with the config equal; one embed first, one head last, one attention
// per layer. Error: kDataCorrupt in one line: file, step, operand, value, what was expected.
Status check_program(const CompiledModel& model);

// The values in the sections: finite floats, packed codes that are trits. Reads all weights once.
// Error: kDataCorrupt naming the section and the first offending element.
Status check_values(const CompiledModel& model);

// CompiledModel::open and both checks: how a program opens a file that somebody gave it.
Result<std::shared_ptr<const CompiledModel>> open_checked(const std::string& path);

}  // namespace bitnetc
