// Which page holds the keys and values of which tokens: a radix tree whose edges are the ids of one
// page. A node is a page whose tokens stand behind those of its parents; only full pages have
// children, a page that is partly filled is a leaf. No two children of a node agree as far as the
// shorter one goes.
//
// Users keep nodes: who has a node has its parents too. What nobody uses may be evicted, leaf by
// leaf, the one that was used longest ago first. Used by one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "runtime/kv_cache.h"

namespace bitnetc {

class PrefixTree {
 public:
  class Node;
  using Ids = std::span<const int32_t>;  // of 1 to KvLayout::kPagePositions positions

  PrefixTree();
  // Checked: nobody uses a node.
  ~PrefixTree();
  PrefixTree(const PrefixTree&) = delete;
  PrefixTree& operator=(const PrefixTree&) = delete;

  // Above all pages; has no page itself.
  Node& root() { return *root_; }
  // The child of `at` that holds exactly `ids`, or null.
  Node* find(const Node& at, Ids ids) const;
  // The child of `at` that shares the most first ids with `ids`, at least one; null: none does.
  struct Likeness {
    Node* node = nullptr;
    int64_t count = 0;
  };
  Likeness closest(const Node& at, Ids ids) const;
  // The child of `at` that begins with `ids`: one that is there, which keeps its own page, or a new
  // one. A child that holds the first of `ids` alone goes.
  Node& add(Node& at, Ids ids, KvPage page);

  // One more user of a node whose parent has the same user, or is the root.
  void use(Node& node);
  // One user less of the node and of all its parents.
  void leave(Node& node);
  // As if it had been used now.
  void touch(Node& node);

  // Whether there was a leaf that nobody uses; it is gone then.
  bool evict();

  int64_t pages() const { return pages_; }
  int64_t pages_in_use() const { return pages_in_use_; }  // of nodes that have users
  int64_t evictions() const { return evictions_; }

 private:
  void remove(Node& leaf);
  void list(Node& node);

  const std::unique_ptr<Node> root_;
  std::map<uint64_t, Node*> idle_leaves_;  // without users, by last use
  uint64_t clock_ = 0;                     // of uses
  int64_t pages_ = 0, pages_in_use_ = 0;
  int64_t evictions_ = 0;
};

class PrefixTree::Node {
 public:
  // Null for the root.
  const KvPage& page() const { return page_; }
  int64_t users() const { return users_; }

 private:
  friend PrefixTree;
  struct Before {
    using is_transparent = void;
    bool operator()(Ids a, Ids b) const;
  };
  using Children = std::map<std::vector<int32_t>, std::unique_ptr<Node>, Before>;

  Node* parent_ = nullptr;
  Children::iterator place_;  // among the children of its parent
  KvPage page_;
  Children children_;
  int64_t users_ = 0;
  uint64_t last_use_ = 0;
  bool is_listed_ = false;  // in idle_leaves_
};

}  // namespace bitnetc
