// Ctrl-C, SIGTERM and SIGHUP.
//
// The first signal asks the command to stop: what polls interrupted() ends cleanly and still
// reports. A command that is not back in main(), or has not called stop_gracefully(), within 150 ms
// (5 s where it has something to report) is ended there and then, with its temporary files
// removed. A second signal ends the process at once.
//
// A command that talks with its user calls interrupt_parts(): from then on Ctrl-C asks for the end
// of what is at hand, an answer or a line, and never ends the command by itself. SIGTERM and SIGHUP
// end it as before.
#pragma once

#include <atomic>

#include "runtime/cancel_token.h"

namespace bitnetc {

// Once, before any thread is made. A signal that the parent ignores (nohup, background jobs) stays
// ignored.
void install_signal_handlers();

const std::atomic<bool>& interrupted();
inline bool is_interrupted() {
  return interrupted();
}
// Stops the command as Ctrl-C would, without an end by force: nobody reads what it writes.
void request_stop();
// The command reports what it has done so far when it is stopped.
void give_time_to_report();
// The command has noticed that it should stop and now reports: it may take its time.
void stop_gracefully();

void interrupt_parts();
// Set by Ctrl-C after interrupt_parts(), and by what ends the command. Whoever ends a part takes it
// back.
CancelToken& part_stop();
// Can be read as soon as a signal has come that interrupt_parts() attends to, that of a terminal
// that has got another size or was given back among them; -1 before.
int signal_wake_fd();
// What an end by force leaves the terminal `fd` as: as it is now.
void keep_terminal(int fd);

// 128 + the signal, as the shell would say it; 0 without a signal.
int signal_exit_code();

}  // namespace bitnetc
