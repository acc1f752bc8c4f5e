// What is remembered of a file that a model was read from.
#pragma once

#include <string_view>

#include "runtime/mapped_file.h"
#include "runtime/model_config.h"

namespace bitnetc {

// Name, size and digest. Reads the whole file, a part at a time so that little of it is resident at
// once.
SourceFile describe_source(const MappedFile& file);

// The bytes of a file of text, as long as it is mapped.
std::string_view text_of(const MappedFile& file);

}  // namespace bitnetc
