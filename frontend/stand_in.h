// Files that stand where a model's file should be: what `git clone` without LFS leaves, and web
// pages that a download saved under the file's name.
#pragma once

#include <string_view>

#include "runtime/status.h"

namespace bitnetc {

// Error: kDataCorrupt, saying what a file that begins with `bytes` is instead of the model's file
// and how to get that one; the caller adds the path as context. Neither JSON nor a .safetensors
// file can begin like these.
Status check_is_not_stand_in(std::string_view bytes);

}  // namespace bitnetc
