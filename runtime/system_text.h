// The files through which the system describes itself, behind a function, so that tests can
// describe another one.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace bitnetc {

// Contents of a file, or nothing when it cannot be read.
using ReadText = std::function<std::optional<std::string>(const std::string& path)>;

// Of the file system.
std::optional<std::string> read_system_text(const std::string& path);

}  // namespace bitnetc
