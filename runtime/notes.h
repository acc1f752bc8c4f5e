// Where the library tells its user what happened on the way: what was repacked, measured again,
// ignored. Nothing in the library prints; whoever calls it passes a sink, and the command's sink
// writes to stderr. A failure is not a note: it is the Status that is returned.
#pragma once

#include <string>
#include <string_view>

namespace bitnetc {

// What a note is about, so that a sink can choose what it shows.
enum class NoteKind {
  kModel,  // what the frontend found in a source model: "float masters: quantised with absmean ..."
  kIgnoredKey,      // a key of a source model that cannot change the result; one note per key
  kCompiled,        // what was compiled, how large it is and how long it took
  kCache,           // a folder or an entry of the cache directory that cannot be used
  kSelection,       // who declined to make a kernel and why; one note per selection, if asked for
  kWaiting,         // what is waited for
  kObserver,        // what a JitObserver cannot write
  kProfile,         // a part of this machine's profile that cannot be used
  kMemory,          // memory that is not locked or placed as it was asked for
  kBackEnd,         // a back-end that cannot be opened, and what runs in its place
  kRepacked,        // matrices that run in another layout than they are stored in
  kFallback,        // the operations that run on slower kernels than they should, in one note
  kFallbackReason,  // why one of them does; one note per operation
  kKernels,         // the kernels that run, as lines of text
  kTuning,          // what tuning did and what it left
  kContest,         // one contest of tuning: predicted against measured times
};

// How far a long task is. `task`: "compiling"; `what`: the item that was just finished.
struct Progress {
  std::string_view task;
  int done = 0, total = 0;
  std::string_view what;
};

// Implementations may be called from any thread.
class Notes {
 public:
  virtual ~Notes() = default;
  virtual void note(NoteKind kind, const std::string& text) = 0;
  virtual void progress(const Progress& progress) = 0;
};

// Drops everything.
Notes& no_notes();

}  // namespace bitnetc
