// Options of commands that run a model, about where its memory lies.
#pragma once

#include "runtime/session.h"
#include "tools/bitnetc/command_line.h"
#include "tools/engine/engine.h"

namespace bitnetc {

struct MemoryOptions {
  bool lock = false, interleave = false, no_check = false;

  MemoryRequest request() const { return {.lock = lock, .check = !no_check}; }
};

// --mlock, --numa off|interleave, --no-memory-check
void add_memory_options(Command& command, MemoryOptions& options);

// Spreads over the memory nodes, if that was asked for, what is touched from now on. Called before
// a model is opened and before there are other threads. What cannot be is noted.
void place_memory(const MemoryOptions& options);

// A note where keys and values of a session that has run are not locked as was asked for.
void note_unlocked_pages(const Session& session);

}  // namespace bitnetc
