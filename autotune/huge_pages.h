// Which page sizes this system gives. A token reads all weights once from end to end: the CPU looks
// up an address every 4 KiB with small pages, every 2 MiB with huge pages.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace bitnetc {

struct HugePageState {
  // Settings of the system: "always", "madvise", "never", ...; empty where it has no transparent
  // huge pages.
  std::string anonymous, defrag, shared_memory;
  int64_t page_bytes = 0;  // of a huge page; 0 when the system does not say
  int64_t reserved_pages = 0, free_reserved_pages = 0;  // set aside by the administrator

  bool operator==(const HugePageState&) const = default;
};
HugePageState huge_page_state();

// How much of an anonymous region of this size becomes huge pages on request; nothing if the system
// does not tell. Takes the memory for a moment.
std::optional<int64_t> advised_huge_bytes(int64_t bytes);

// How much of the mappings around `mapped` consists of huge pages, at most its size; nothing if the
// system does not tell.
std::optional<int64_t> huge_bytes_of(std::span<const uint8_t> mapped);

// The readers of what the system says, for tests.

// "always [madvise] never" -> "madvise"; empty where nothing is chosen.
std::string chosen_word(std::string_view text);
// The number of a line "HugePages_Free:    12" or "AnonHugePages:  2048 kB" of /proc/meminfo; 0 if
// there is no such line.
int64_t number_after(std::string_view text, std::string_view key);
// The sum of all kinds of huge pages in those mappings of /proc/self/smaps that overlap [begin,
// end).
int64_t huge_bytes_in_smaps(std::string_view smaps, uint64_t begin, uint64_t end);

}  // namespace bitnetc
