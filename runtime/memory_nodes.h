// The memory nodes of the machine, and spreading memory over them. By default Linux puts a page on
// the node of the thread that touches it first.
#pragma once

#include <string_view>
#include <vector>

#include "runtime/status.h"
#include "runtime/system_text.h"

namespace bitnetc {

// Numbers of the nodes that have memory and that this process may use (its cpuset), ascending.
// Empty where the system does not say. `read` is asked for files below /sys and /proc.
std::vector<int> memory_nodes(const ReadText& read = read_system_text);

// "0-1,3" -> 0, 1, 3. Error: kDataCorrupt naming the text.
Result<std::vector<int>> parse_node_list(std::string_view text);

// From now on the pages that this thread and the threads it makes touch first are spread over
// `nodes` in turns, also those of files that are not in memory yet.
// Error: kUnsupported with the system's reason.
Status interleave_memory(const std::vector<int>& nodes);

}  // namespace bitnetc
