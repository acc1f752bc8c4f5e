// AMX tile registers: eight KiB a thread, which Linux hands out only to a process that asks,
// because from then on its signal frames must have room for them.
//
// Who keeps tile state: nobody between two kernels. A kernel of the AMX tier configures the tiles
// it uses on entry (ldtilecfg) and gives all of them up before it returns (tilerelease). So a
// thread that waits, or runs another kernel, has none to be saved and restored, and no kernel finds
// another one's configuration.
#pragma once

#include "runtime/status.h"

namespace bitnetc {

// Asks the operating system to let all threads of this process use the tile registers, and runs a
// tile instruction to see that it was meant. Any thread may call it at any time; the system is
// asked once and later calls repeat its answer.
//   Error  kUnsupported with what the system answered, or the signal that the instruction raised
Status allow_amx_tiles();

}  // namespace bitnetc
