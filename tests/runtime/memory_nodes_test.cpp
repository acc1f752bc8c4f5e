#include "runtime/memory_nodes.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/child_process.h"
#include "tests/support/expect_error.h"

namespace bitnetc::test {
namespace {

using Files = std::map<std::string, std::string>;

std::vector<int> nodes_of(const Files& files) {
  return memory_nodes([&](const std::string& path) -> std::optional<std::string> {
    const auto found = files.find(path);
    return found == files.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(MemoryNodes, ListsAreReadAsLinuxWritesThem) {
  EXPECT_EQ(*parse_node_list("0\n"), (std::vector{0}));
  EXPECT_EQ(*parse_node_list("0-1,3,8-10\n"), (std::vector{0, 1, 3, 8, 9, 10}));
  EXPECT_EQ(*parse_node_list("\n"), std::vector<int>());
  for (const char* text : {"-1", "1-", "3-1", "0,", ",0", "0;1", "x", "1024", "0 1", "4294967296"})
    expect_error(parse_node_list(text), StatusCode::kDataCorrupt, {text, "0-1,3"});
}

TEST(MemoryNodes, AreThoseWithMemoryThatTheProcessMayUse) {
  const std::string folder = "/sys/devices/system/node/";
  Files files = {{folder + "online", "0-3\n"}};
  EXPECT_EQ(nodes_of(files), (std::vector{0, 1, 2, 3}));
  files[folder + "has_memory"] = "0,2-3\n";
  EXPECT_EQ(nodes_of(files), (std::vector{0, 2, 3}));
  files["/proc/self/status"] = "Name:\tbitnetc\nMems_allowed:\tc\nMems_allowed_list:\t2-3\n";
  EXPECT_EQ(nodes_of(files), (std::vector{2, 3}));
}

TEST(MemoryNodes, NoneWhereTheSystemDoesNotSay) {
  EXPECT_EQ(nodes_of({}), std::vector<int>());
  EXPECT_EQ(nodes_of({{"/sys/devices/system/node/has_memory", "garbage"}}), std::vector<int>());
}

// In a process of its own: the policy stays.
TEST(MemoryNodes, ThoseOfThisMachineCanBeInterleaved) {
  const std::vector<int> nodes = memory_nodes();
  if (nodes.empty()) GTEST_SKIP() << "this system has no list of memory nodes";
  EXPECT_EQ(in_child([&]() -> std::string {
              const Status done = interleave_memory(nodes);
              // Sandboxes refuse the call.
              if (done.message().ends_with("Operation not permitted")) return "";
              if (!done.ok()) return done.message();
              const std::vector<char> touched(size_t{1} << 20, 1);
              return touched.back() == 1 ? "" : "memory is not to be had";
            }),
            "");
  EXPECT_EQ(in_child([]() -> std::string {
              return interleave_memory({1000}).ok() ? "there is no node 1000" : "";
            }),
            "");
}

}  // namespace
}  // namespace bitnetc::test
