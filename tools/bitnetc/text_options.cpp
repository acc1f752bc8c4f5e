#include "tools/bitnetc/text_options.h"

#include <fmt/format.h>

namespace bitnetc {

void add_text_options(Command& command, TextInput& input, const char* what) {
  command.maybe_empty_text("-p,--prompt", input.text, "TEXT", fmt::format("The {}", what));
  command.text("-f,--file", input.file, "FILE",
               fmt::format("Read the {} from a file ('-': stdin, also the default)", what));
  command.flag("--keep-newline", input.keep_newline,
               "Keep the newline at the end of a file or of stdin (default: one is left out)");
}

}  // namespace bitnetc
