// A sink that keeps what it was told, for tests of what the library says.
#pragma once

#include <fmt/ranges.h>

#include <mutex>
#include <string>
#include <vector>

#include "runtime/notes.h"

namespace bitnetc::test {

class CollectedNotes final : public Notes {
 public:
  void note(NoteKind kind, const std::string& text) override {
    const std::lock_guard lock(mutex_);
    kinds_.push_back(kind);
    texts_.push_back(text);
  }
  void progress(const Progress&) override {}

  // All of it, a line per note; forgotten then.
  std::string take() {
    const std::lock_guard lock(mutex_);
    const std::string all = fmt::format("{}", fmt::join(texts_, "\n"));
    texts_.clear();
    kinds_.clear();
    return all;
  }
  std::vector<std::string> texts() const {
    const std::lock_guard lock(mutex_);
    return texts_;
  }
  std::vector<NoteKind> kinds() const {
    const std::lock_guard lock(mutex_);
    return kinds_;
  }

 private:
  mutable std::mutex mutex_;  // guards what follows
  std::vector<NoteKind> kinds_;
  std::vector<std::string> texts_;
};

}  // namespace bitnetc::test
