// What becomes of signals that a file can raise: one line and an exit code instead of a crash.
#pragma once

namespace bitnetc {

// A file that is cut short while it is mapped (SIGBUS) ends the process with a line that names it
// and kExitBadModel; a limit on file sizes (SIGXFSZ) becomes an error of write(). Called once by
// main().
void install_file_fault_handlers();

}  // namespace bitnetc
