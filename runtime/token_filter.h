// Which tokens may come next, told by whoever knows the language of the text. A sampler has a
// filter of its own and tells it of every token that it draws. Not thread-safe; forks are apart.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

namespace bitnetc {

class TokenFilter {
 public:
  virtual ~TokenFilter() = default;

  // A bit of each id, 64 ids a word, the lowest first; 1: it may come next. Ids beyond the words
  // may not. Valid until the next call of accept().
  virtual std::span<const uint64_t> allowed() = 0;
  // `id` comes next. Whether it may; if not, nothing changes.
  virtual bool accept(int32_t id) = 0;
  // Whether the text may end here.
  virtual bool may_end() const = 0;
  // One that goes on from here, apart from this one.
  virtual std::unique_ptr<TokenFilter> fork() const = 0;
};

}  // namespace bitnetc
