// Runs a function that may crash, in this thread, and survives SIGILL, SIGSEGV, SIGBUS and SIGFPE
// raised by it. For freshly generated code and for instructions that may not be there: CPUID can
// promise some that a hypervisor then refuses.
//
// Handlers are installed while at least one guarded function runs; the last one to end puts back
// what was there before, unless somebody has put a handler of his own in the place of ours
// meanwhile. A signal that is not ours goes on to the earlier handler. Thread-safe, and a guarded
// function may guard another. It must not own anything: when it crashes, no destructor of its
// frames runs.
#pragma once

namespace bitnetc {

using GuardedFunction = void (*)(void* state);

// Returns 0 if `function` returned, else the number of the signal that stopped it.
int run_guarded(GuardedFunction function, void* state);

}  // namespace bitnetc
