// A program on a terminal of its own, as a user sits before it: keys go in, what it draws comes
// out.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace bitnetc::test {

struct TerminalOptions {
  std::vector<std::string> arguments;              // argv[1...]
  std::map<std::string, std::string> environment;  // on top of a bare PATH and TERM=xterm
  int columns = 80;
};

class TerminalProgram {
 public:
  TerminalProgram(const std::string& program, const TerminalOptions& options);
  ~TerminalProgram();  // killed if it still runs
  TerminalProgram(const TerminalProgram&) = delete;
  TerminalProgram& operator=(const TerminalProgram&) = delete;

  // Control characters are keys: "\x03" is Ctrl-C.
  void type(std::string_view keys);
  // Reads until `text` comes behind what the last call waited for; false: it has not come within 30
  // seconds, or the program has ended.
  bool wait_for(std::string_view text);
  void signal(int number) const;
  void resize(int columns, int rows = 24);
  // Whether the terminal is as programs find it: it echoes and gives whole lines.
  bool is_cooked() const;
  // Reads to the end. 128 + signal when it was killed.
  int wait();

  const std::string& screen() const { return screen_; }  // all that came so far

 private:
  bool read_more(int timeout_ms);

  int master_ = -1, held_ = -1;
  pid_t child_ = -1;
  std::string screen_;
  size_t waited_to_ = 0;
};

}  // namespace bitnetc::test
