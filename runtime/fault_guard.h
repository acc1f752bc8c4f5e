// Runs a function that may crash, in this thread, and survives SIGILL, SIGSEGV, SIGBUS and SIGFPE
// raised by it. For freshly generated code and for instructions that may not be there: CPUID can promise
// some that a hypervisor then refuses.
//
// Handlers are installed once for the process, at the first use; a signal that is not ours goes on
// to whatever handler was there before. Thread-safe, and a guarded function may guard another. It must
// not own anything: when it crashes, no destructor of its frames runs.
#pragma once

namespace bitnetc {

using GuardedFunction = void (*)(void* state);

// Returns 0 if `function` returned, else the number of the signal that stopped it.
int run_guarded(GuardedFunction function, void* state);

}  // namespace bitnetc
