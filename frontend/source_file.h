// What is remembered of a file that a model was read from.
#pragma once

#include "runtime/mapped_file.h"
#include "runtime/model_config.h"

namespace bitnetc {

// Name, size and digest. Reads the whole file, a part at a time so that little of it is resident at
// once.
SourceFile describe_source(const MappedFile& file);

}  // namespace bitnetc
