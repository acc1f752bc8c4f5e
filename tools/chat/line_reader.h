// Lines that a user types, or that come through a pipe. Used by one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/cancel_token.h"
#include "runtime/status.h"

namespace bitnetc::chat {

// How waiting for a line is ended before there is one.
struct ReadStop {
  CancelToken* stop = nullptr;  // set by a signal handler; taken back by the read that it ends
  int wake_fd = -1;             // can be read as soon as a signal has come
};

struct TypedLine {
  enum class Kind {
    kLine,
    kEnd,     // no more of them: end of file, Ctrl-D
    kStopped  // by ReadStop
  } kind = Kind::kLine;
  std::string text;  // without its end; of a line that was stopped, as far as it is known
  bool has_wrong_bytes = false;  // by an editor: they were not UTF-8, U+FFFD stands for them
};

class LineReader {
 public:
  virtual ~LineReader() = default;
  // Shows `prompt`, where there is somebody to see it, and waits. Error: kUnsupported for a line of
  // more than 64 MiB; kIoError.
  virtual Result<TypedLine> read(const std::string& prompt) = 0;
  // Offers the line again (cursor up).
  virtual void remember(const std::string& line) = 0;
};

// Reads lines as they come. `output`: of prompts; -1: none are shown.
std::unique_ptr<LineReader> make_plain_reader(int input, int output, const ReadStop& stop);

// Lines that are edited on a terminal, with `history` (the oldest first) and searching in it.
// `input` and `output` are terminals. Error: kUnsupported where the library for it or a locale of
// UTF-8 is missing.
Result<std::unique_ptr<LineReader>> make_line_editor(int input, int output, const ReadStop& stop,
                                                     const std::vector<std::string>& history);

// Waits until `input` can be read; false: stopped. `on_wake`: after a signal of any kind.
bool wait_for_input(int input, const ReadStop& stop, const std::function<void()>& on_wake);

}  // namespace bitnetc::chat
