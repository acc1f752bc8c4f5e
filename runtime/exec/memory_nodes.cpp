#include "runtime/memory_nodes.h"

#include <fmt/ranges.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <sstream>

namespace bitnetc {
namespace {

constexpr int kMostNodes = 1024;  // of Linux
using Mask = unsigned long;       // NOLINT(google-runtime-int): of set_mempolicy(2)
constexpr int kMaskBits = 8 * sizeof(Mask);

// Consumes a number at the beginning of `text`.
std::optional<int> take_number(std::string_view& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || number >= kMostNodes) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

bool take(std::string_view& text, char wanted) {
  if (!text.starts_with(wanted)) return false;
  text.remove_prefix(1);
  return true;
}

// Of a file with such a list alone; nothing where it cannot be read.
std::optional<std::vector<int>> list_in(const ReadText& read, const std::string& path) {
  const auto text = read(path);
  if (!text) return std::nullopt;
  auto nodes = parse_node_list(*text);
  if (!nodes.ok()) return std::nullopt;
  return *std::move(nodes);
}

// The line "Mems_allowed_list:	0-1" of /proc/self/status.
std::optional<std::vector<int>> allowed_nodes(const ReadText& read) {
  constexpr std::string_view kKey = "Mems_allowed_list:";
  std::istringstream lines(read("/proc/self/status").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(kKey)) continue;
    const size_t at = line.find_first_not_of(" \t", kKey.size());
    auto nodes = parse_node_list(std::string_view(line).substr(std::min(at, line.size())));
    if (nodes.ok()) return *std::move(nodes);
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<int>> parse_node_list(std::string_view text) {
  const auto malformed = [whole = text] {
    return make_error(StatusCode::kDataCorrupt,
                      "list of memory nodes '{}': expected numbers below {} such as 0-1,3", whole,
                      kMostNodes);
  };
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  std::vector<int> nodes;
  while (!text.empty()) {
    const auto first = take_number(text);
    const auto last = first && take(text, '-') ? take_number(text) : first;
    if (!first || !last || *last < *first) return malformed();
    for (int node = *first; node <= *last; ++node) nodes.push_back(node);
    if (!text.empty() && (!take(text, ',') || text.empty())) return malformed();
  }
  return nodes;
}

std::vector<int> memory_nodes(const ReadText& read) {
  const std::string folder = "/sys/devices/system/node";
  auto nodes = list_in(read, folder + "/has_memory");
  if (!nodes) nodes = list_in(read, folder + "/online");
  if (!nodes) return {};
  if (const auto allowed = allowed_nodes(read))
    std::erase_if(*nodes, [&](int node) { return std::ranges::count(*allowed, node) == 0; });
  return *nodes;
}

Status interleave_memory(const std::vector<int>& nodes) {
  Mask mask[kMostNodes / kMaskBits] = {};
  for (const int node : nodes) mask[node / kMaskBits] |= Mask{1} << (node % kMaskBits);
  // The kernel takes one bit less than it is told.
  if (::syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, mask, kMostNodes + 1) == 0) return {};
  return make_error(StatusCode::kUnsupported, "memory cannot be spread over nodes {}: {}",
                    fmt::join(nodes, ", "), std::strerror(errno));
}

}  // namespace bitnetc
