// The width of the terminal as the environment says it.
#pragma once

namespace bitnetc {

// COLUMNS; 0 where it is not set. Shells set it for every program, so a text that is no width is no
// error: it counts as not set.
int columns_of_environment();

}  // namespace bitnetc
