// The tree against a list of paths that does the same slowly.
#include "runtime/schedule/prefix_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace bitnetc {
namespace {

using Ids = std::vector<int32_t>;

constexpr KvLayout kLayout{.layers = 1, .kv_heads = 1, .head_dim = 16};

Ids full_page(int32_t first) {
  Ids ids(KvLayout::kPagePositions, 0);
  ids[0] = first;
  return ids;
}

class Tree : public testing::Test {
 protected:
  KvPage page() { return *pool_.take(); }

  KvPool pool_{kLayout};
  PrefixTree tree_;
};

TEST_F(Tree, FindsWholePagesAndTheLikestPart) {
  PrefixTree::Node& one = tree_.add(tree_.root(), full_page(1), page());
  PrefixTree::Node& part = tree_.add(one, Ids{5, 6, 7}, page());
  EXPECT_EQ(tree_.find(tree_.root(), full_page(1)), &one);
  EXPECT_EQ(tree_.find(tree_.root(), full_page(2)), nullptr);
  EXPECT_EQ(tree_.closest(one, Ids{5, 6, 9}).node, &part);
  EXPECT_EQ(tree_.closest(one, Ids{5, 6, 9}).count, 2);
  EXPECT_EQ(tree_.closest(one, Ids{6}).node, nullptr);
  EXPECT_EQ(tree_.closest(one, Ids{}).node, nullptr);
  EXPECT_EQ(tree_.closest(tree_.root(), Ids{1, 0}).count, 2);
}

TEST_F(Tree, TheLongerPageStays) {
  PrefixTree::Node& shorter = tree_.add(tree_.root(), Ids{1, 2}, page());
  EXPECT_EQ(&tree_.add(tree_.root(), Ids{1, 2}, page()), &shorter);
  EXPECT_EQ(&tree_.add(tree_.root(), Ids{1}, page()), &shorter);
  EXPECT_EQ(tree_.pages(), 1);
  const PrefixTree::Node& longer = tree_.add(tree_.root(), Ids{1, 2, 3}, page());
  EXPECT_EQ(tree_.pages(), 1);
  EXPECT_EQ(&tree_.add(tree_.root(), Ids{1, 2}, page()), &longer);
  EXPECT_EQ(tree_.evictions(), 0);
  EXPECT_EQ(pool_.pages_in_use(), 1);
}

TEST_F(Tree, WhatIsUsedStaysAndTheOldestGoesFirst) {
  PrefixTree::Node& a = tree_.add(tree_.root(), full_page(1), page());
  PrefixTree::Node& b = tree_.add(a, full_page(2), page());
  tree_.add(tree_.root(), Ids{9}, page());
  tree_.use(a);
  tree_.use(b);
  EXPECT_EQ(tree_.pages_in_use(), 2);
  EXPECT_TRUE(tree_.evict());
  EXPECT_FALSE(tree_.evict());
  EXPECT_EQ(tree_.pages(), 2);
  tree_.leave(b);
  tree_.add(tree_.root(), Ids{9}, page());
  EXPECT_TRUE(tree_.evict());  // b, then what it stood on
  EXPECT_EQ(tree_.find(a, full_page(2)), nullptr);
  tree_.touch(a);
  EXPECT_TRUE(tree_.evict());
  EXPECT_EQ(tree_.find(tree_.root(), full_page(1)), &a);
  EXPECT_TRUE(tree_.evict());
  EXPECT_FALSE(tree_.evict());
  EXPECT_EQ(tree_.evictions(), 4);
  EXPECT_EQ(pool_.pages_in_use(), 0);
}

// A path of pages from the root; the last may be a part of a page.
struct Path {
  std::vector<Ids> pages;
  PrefixTree::Node* node = nullptr;
  int64_t users = 0;
  uint64_t last_use = 0;
};

bool is_child(const Path& path, const Path* parent) {
  const size_t depth = parent == nullptr ? 0 : parent->pages.size();
  return path.pages.size() == depth + 1 &&
         (parent == nullptr ||
          std::equal(parent->pages.begin(), parent->pages.end(), path.pages.begin()));
}

int64_t common(const Ids& a, const Ids& b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

class SlowTree {
 public:
  std::vector<Path> paths;
  uint64_t clock = 0;

  Path* any_full(std::mt19937& random) {  // null: the root
    std::vector<Path*> full;
    for (Path& path : paths)
      if (std::ssize(path.pages.back()) == KvLayout::kPagePositions) full.push_back(&path);
    const size_t at = random() % (full.size() + 1);
    return at == full.size() ? nullptr : full[at];
  }
  int64_t closest(const Path* parent, const Ids& ids) const {
    int64_t best = 0;
    for (const Path& path : paths)
      if (is_child(path, parent)) best = std::max(best, common(ids, path.pages.back()));
    return best;
  }
  bool is_leaf(const Path& path) const {
    return std::ranges::none_of(paths, [&](const Path& other) { return is_child(other, &path); });
  }
  // Index of what must go; paths.size(): nothing may.
  size_t victim() const {
    size_t best = paths.size();
    for (size_t i = 0; i < paths.size(); ++i)
      if (paths[i].users == 0 && is_leaf(paths[i]) &&
          (best == paths.size() || paths[i].last_use < paths[best].last_use))
        best = i;
    return best;
  }
};

// Pages of few different ids, so that many begin alike.
Ids random_page(std::mt19937& random) {
  Ids ids(random() % 3 == 0 ? 1 + random() % 4 : KvLayout::kPagePositions, 0);
  for (size_t i = 0; i < std::min<size_t>(3, ids.size()); ++i)
    ids[i] = static_cast<int32_t>(random() % 2);
  return ids;
}

void add_page(PrefixTree& tree, SlowTree& slow, KvPool& pool, std::mt19937& random) {
  const Path* parent = slow.any_full(random);
  PrefixTree::Node& at = parent == nullptr ? tree.root() : *parent->node;
  const Ids ids = random_page(random);
  ASSERT_EQ(tree.closest(at, ids).count, slow.closest(parent, ids));
  std::vector<Ids> pages = parent == nullptr ? std::vector<Ids>() : parent->pages;
  PrefixTree::Node& node = tree.add(at, ids, *pool.take());
  const auto covers = [&](const Path& path) {
    return is_child(path, parent) && common(ids, path.pages.back()) == std::ssize(ids);
  };
  // Several may begin like this; the first in the order of ids counts.
  auto there = slow.paths.end();
  for (auto path = slow.paths.begin(); path != slow.paths.end(); ++path)
    if (covers(*path) && (there == slow.paths.end() || path->pages.back() < there->pages.back()))
      there = path;
  if (there != slow.paths.end()) {
    ASSERT_EQ(there->node, &node);
    there->last_use = ++slow.clock;
    return;
  }
  const auto is_covered = [&](const Path& path) {
    return is_child(path, parent) &&
           common(path.pages.back(), ids) == std::ssize(path.pages.back());
  };
  const auto covered = std::ranges::find_if(slow.paths, is_covered);
  if (covered != slow.paths.end()) slow.paths.erase(covered);
  pages.push_back(ids);
  slow.paths.push_back({.pages = pages, .node = &node, .last_use = ++slow.clock});
}

// Uses or leaves a whole path.
void change_users(PrefixTree& tree, SlowTree& slow, std::vector<std::vector<Ids>>& used,
                  std::mt19937& random) {
  const auto each_on = [&](const std::vector<Ids>& pages, const auto& visit) {
    for (size_t depth = 1; depth <= pages.size(); ++depth)
      for (Path& path : slow.paths)
        if (path.pages.size() == depth &&
            std::equal(path.pages.begin(), path.pages.end(), pages.begin()))
          visit(path);
  };
  if (!used.empty() && random() % 2 == 0) {
    const auto pages = used.begin() + static_cast<ptrdiff_t>(random() % used.size());
    std::vector<Path*> path;
    each_on(*pages, [&](Path& at) { path.push_back(&at); });
    ASSERT_EQ(path.size(), pages->size());
    tree.leave(*path.back()->node);
    for (size_t i = path.size(); i > 0; --i) {
      --path[i - 1]->users;
      path[i - 1]->last_use = ++slow.clock;
    }
    used.erase(pages);
  } else if (Path* const last = slow.any_full(random); last != nullptr) {
    used.push_back(last->pages);
    each_on(used.back(), [&](Path& path) {
      tree.use(*path.node);
      ++path.users;
    });
  }
}

TEST(TreeModel, DoesWhatAListDoesSlowly) {
  for (uint32_t seed = 0; seed < 8; ++seed) {
    std::mt19937 random(seed);
    KvPool pool(kLayout);
    PrefixTree tree;
    SlowTree slow;
    std::vector<std::vector<Ids>> used;
    for (int step = 0; step < 1500; ++step) {
      switch (random() % 4) {
        case 0: change_users(tree, slow, used, random); break;
        case 1: {
          const size_t victim = slow.victim();
          ASSERT_EQ(tree.evict(), victim < slow.paths.size());
          if (victim < slow.paths.size())
            slow.paths.erase(slow.paths.begin() + static_cast<ptrdiff_t>(victim));
          break;
        }
        default: ASSERT_NO_FATAL_FAILURE(add_page(tree, slow, pool, random)); break;
      }
      ASSERT_EQ(tree.pages(), std::ssize(slow.paths)) << "seed " << seed << ", step " << step;
      ASSERT_EQ(pool.pages_in_use(), tree.pages());
      ASSERT_EQ(tree.pages_in_use(),
                std::ranges::count_if(slow.paths, [](const Path& path) { return path.users > 0; }));
    }
    while (!used.empty()) change_users(tree, slow, used, random);
  }
}

}  // namespace
}  // namespace bitnetc
