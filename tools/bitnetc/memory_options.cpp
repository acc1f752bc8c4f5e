#include "tools/bitnetc/memory_options.h"

#include <fmt/ranges.h>

#include "runtime/memory_nodes.h"
#include "tools/bitnetc/console.h"

namespace bitnetc {
namespace {

constexpr char kOff[] = "off", kInterleave[] = "interleave";

}  // namespace

void add_memory_options(Command& command, MemoryOptions& options) {
  command.flag("--mlock", options.lock,
               "Lock weights, keys and values in memory, so that they are never paged out");
  command.choice("--numa", {kOff, kInterleave},
                 "Spread memory over the memory nodes, or leave it where it is first touched "
                 "(default: off)",
                 [&options](const std::string& name) { options.interleave = name == kInterleave; });
  command.flag("--no-memory-check", options.no_check, "Run also what does not fit in memory");
}

void place_memory(const MemoryOptions& options) {
  if (!options.interleave) return;
  const std::vector<int> nodes = memory_nodes();
  if (nodes.size() < 2)
    return print_note(
        "--numa interleave: this process has one memory node, so there is nothing to "
        "spread");
  if (const Status spread = interleave_memory(nodes); !spread.ok())
    return print_note("--numa interleave: " + spread.message());
  if (verbosity() == Verbosity::kVerbose)
    print_note(
        fmt::format("memory is spread over nodes {}; what of the model's file is in memory "
                    "already stays where it is",
                    fmt::join(nodes, ", ")));
}

void note_unlocked_pages(const Session& session) {
  if (const Status locked = session.lock_status(); !locked.ok()) print_note(locked.message());
}

}  // namespace bitnetc
