#include "autotune/huge_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>

#include "runtime/rounding.h"

namespace bitnetc {
namespace {

constexpr size_t kUsualHugePageBytes = size_t{2} << 20;

// Empty where it cannot be read.
std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string setting(const char* name) {
  return text_of(std::string("/sys/kernel/mm/transparent_hugepage/") + name);
}

struct AddressRange {
  uint64_t begin = 0, end = 0;
};

// The line that opens a mapping: "7f1c2a000000-7f1c2a800000 rw-p 00000000 00:00 0".
std::optional<AddressRange> parse_mapping(std::string_view line) {
  AddressRange range;
  const char* const last = line.data() + line.size();
  const auto begin = std::from_chars(line.data(), last, range.begin, 16);
  if (begin.ec != std::errc() || begin.ptr == last || *begin.ptr != '-') return std::nullopt;
  const auto end = std::from_chars(begin.ptr + 1, last, range.end, 16);
  if (end.ec != std::errc() || end.ptr == last || *end.ptr != ' ') return std::nullopt;
  return range;
}

// Memory that a probe maps, given back by its owner.
class Mapping {
 public:
  explicit Mapping(size_t bytes)
      : bytes_(bytes),
        address_(
            ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
  ~Mapping() {
    if (ok()) ::munmap(address_, bytes_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  bool ok() const { return address_ != MAP_FAILED; }
  uint8_t* data() const { return static_cast<uint8_t*>(address_); }

 private:
  size_t bytes_;
  void* address_;
};

}  // namespace

std::string chosen_word(std::string_view text) {
  const size_t begin = text.find('['), end = text.find(']', begin);
  if (end == text.npos) return "";
  return std::string(text.substr(begin + 1, end - begin - 1));
}

int64_t number_after(std::string_view text, std::string_view key) {
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(key) || line.substr(key.size(), 1) != ":") continue;
    std::istringstream words(line.substr(key.size() + 1));
    int64_t number = 0;
    words >> number;
    return words ? number : 0;
  }
  return 0;
}

int64_t huge_bytes_in_smaps(std::string_view smaps, uint64_t begin, uint64_t end) {
  int64_t huge_kib = 0;
  bool inside = false;
  std::istringstream lines{std::string(smaps)};
  for (std::string line; std::getline(lines, line);) {
    if (const std::optional<AddressRange> mapping = parse_mapping(line))
      inside = mapping->begin < end && begin < mapping->end;
    if (!inside) continue;
    for (const char* kind :
         {"AnonHugePages", "ShmemPmdMapped", "FilePmdMapped", "Shared_Hugetlb", "Private_Hugetlb"})
      huge_kib += number_after(line, kind);
  }
  return huge_kib << 10;
}

HugePageState huge_page_state() {
  const std::string meminfo = text_of("/proc/meminfo");
  return {.anonymous = chosen_word(setting("enabled")),
          .defrag = chosen_word(setting("defrag")),
          .shared_memory = chosen_word(setting("shmem_enabled")),
          .page_bytes = number_after(meminfo, "Hugepagesize") << 10,
          .reserved_pages = number_after(meminfo, "HugePages_Total"),
          .free_reserved_pages = number_after(meminfo, "HugePages_Free")};
}

std::optional<int64_t> huge_bytes_of(std::span<const uint8_t> mapped) {
  const std::string smaps = text_of("/proc/self/smaps");
  if (smaps.empty()) return std::nullopt;
  const uint64_t begin = reinterpret_cast<uintptr_t>(mapped.data());
  return std::min(huge_bytes_in_smaps(smaps, begin, begin + mapped.size()),
                  static_cast<int64_t>(mapped.size()));
}

std::optional<int64_t> advised_huge_bytes(int64_t bytes) {
  const size_t wanted = static_cast<size_t>(bytes);
  const Mapping mapping(wanted + kUsualHugePageBytes);
  if (!mapping.ok()) return std::nullopt;
  const auto address = reinterpret_cast<uintptr_t>(mapping.data());
  uint8_t* const region = mapping.data() + (round_up(address, kUsualHugePageBytes) - address);
  ::madvise(region, wanted,
            MADV_HUGEPAGE);  // where it is refused, nothing becomes huge, and that is the answer
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  for (size_t offset = 0; offset < wanted; offset += page) region[offset] = 1;
  return huge_bytes_of({region, wanted});
}

}  // namespace bitnetc
