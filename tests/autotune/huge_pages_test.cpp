#include "autotune/huge_pages.h"

#include <gtest/gtest.h>

namespace bitnetc {
namespace {

TEST(HugePages, TheChosenWordIsInBrackets) {
  EXPECT_EQ(chosen_word("always [madvise] never\n"), "madvise");
  EXPECT_EQ(chosen_word("always defer defer+madvise madvise [never]"), "never");
  EXPECT_EQ(chosen_word("[always]"), "always");
  EXPECT_EQ(chosen_word("always madvise never"), "");
  EXPECT_EQ(chosen_word("]["), "");
  EXPECT_EQ(chosen_word(""), "");
}

TEST(HugePages, NumbersAreFoundByTheirWholeName) {
  const char* meminfo =
      "MemTotal:        8123456 kB\nAnonHugePages:      4096 kB\nHugePages_Total:      12\n"
      "HugePages_Free:        3\nHugepagesize:       2048 kB\n";
  EXPECT_EQ(number_after(meminfo, "HugePages_Total"), 12);
  EXPECT_EQ(number_after(meminfo, "HugePages_Free"), 3);
  EXPECT_EQ(number_after(meminfo, "Hugepagesize"), 2048);
  EXPECT_EQ(number_after(meminfo, "HugePages"), 0);
  EXPECT_EQ(number_after(meminfo, "Total"), 0);
  EXPECT_EQ(number_after("HugePages_Free: many\n", "HugePages_Free"), 0);
}

constexpr char kSmaps[] =
    "55d000000000-55d000001000 r--p 00000000 fe:00 123    /usr/bin/cat\n"
    "Size:                  4 kB\n"
    "AnonHugePages:         0 kB\n"
    "FilePmdMapped:         0 kB\n"
    "VmFlags: rd mr mw me\n"
    "7f0000000000-7f0000800000 rw-p 00000000 00:00 0 \n"
    "Size:               8192 kB\n"
    "AnonHugePages:      6144 kB\n"
    "ShmemPmdMapped:        0 kB\n"
    "7f0000800000-7f0001000000 r--s 00000000 fe:00 9      /models/ad model.bnc\n"
    "AnonHugePages:         0 kB\n"
    "FilePmdMapped:      2048 kB\n"
    "Private_Hugetlb:    2048 kB\n";

TEST(HugePages, OnlyMappingsOfTheRangeCount) {
  EXPECT_EQ(huge_bytes_in_smaps(kSmaps, 0x7f0000000000, 0x7f0000800000), 6 << 20);
  EXPECT_EQ(huge_bytes_in_smaps(kSmaps, 0x7f0000900000, 0x7f0000a00000), 4 << 20);
  EXPECT_EQ(huge_bytes_in_smaps(kSmaps, 0x7f00007fffff, 0x7f0000800001), 10 << 20);
  EXPECT_EQ(huge_bytes_in_smaps(kSmaps, 0x55d000000000, 0x55d000001000), 0);
  EXPECT_EQ(huge_bytes_in_smaps(kSmaps, 0x7f0001000000, 0x7f0002000000), 0);
  EXPECT_EQ(huge_bytes_in_smaps("nonsense\n", 0, ~uint64_t{0}), 0);
}

TEST(HugePages, WhatThisSystemDoesAgreesWithWhatItSays) {
  const HugePageState state = huge_page_state();
  const int64_t bytes = 8 << 20;
  const std::optional<int64_t> huge = advised_huge_bytes(bytes);
  if (!huge) GTEST_SKIP() << "this system has no /proc/self/smaps";
  EXPECT_GE(*huge, 0);
  EXPECT_LE(*huge, bytes);
  if (state.anonymous.empty() || state.anonymous == "never") {
    EXPECT_EQ(*huge, 0);
  }
}

TEST(HugePages, StaticDataIsInSmallPages) {
  const std::span<const uint8_t> text(reinterpret_cast<const uint8_t*>(kSmaps), sizeof(kSmaps));
  if (const std::optional<int64_t> huge = huge_bytes_of(text)) {
    EXPECT_LE(*huge, static_cast<int64_t>(text.size()));
  }
}

}  // namespace
}  // namespace bitnetc
