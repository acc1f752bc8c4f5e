// What a model thinks before it answers: a block between tags at the beginning of its text, apart
// from the answer behind it. Chat templates of such models know the tags
// (ChatTemplate::knows_thinking).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bitnetc {

inline constexpr std::string_view kThinkTag = "<think>", kThinkEndTag = "</think>";

// Where a text is when it begins.
enum class ThinkPlace {
  kNone,      // behind what is thought, or nothing is: all of it is the answer
  kMayBegin,  // a block may come first
  kInside,    // in the block, which the prompt has opened
  kGoesOn,    // in the block, of which the prompt has more than the tag
};

// A stretch of a text: `thought` comes first.
struct ThinkSplit {
  std::string thought, answer;

  bool operator==(const ThinkSplit&) const = default;
};

// Splits a text while it is written: however it is cut into stretches, the joined parts are the
// same. White space behind the tags and before the closing one belongs to neither part. A text that
// ends in the block is thought, a text without a block is the answer as it is. Text is held back
// while it may be part of a tag or white space beside one.
class ThinkReader {
 public:
  explicit ThinkReader(ThinkPlace place);

  ThinkSplit push(std::string_view text);
  ThinkSplit finish();  // what was held back
  // Whether it is open still if there is a block.
  bool is_undecided() const { return place_ == Place::kStart; }
  // How many bytes from the beginning of the text are of the block, its tags included; while it is
  // open, those so far.
  size_t block_bytes() const;

 private:
  enum class Place { kStart, kBlock, kBehindBlock, kAnswer };
  bool read_start();  // whether there is more to read, as of the next
  bool read_block(std::string& thought);
  bool read_behind_block();

  Place place_;
  std::string held_;
  bool has_thought_ = false;  // a thought has begun
  size_t bytes_ = 0;          // of the text so far
  size_t block_end_ = 0;
};

}  // namespace bitnetc
