#include "runtime/schedule/prefix_tree.h"

#include <algorithm>

namespace bitnetc {
namespace {

int64_t common_count(PrefixTree::Ids a, PrefixTree::Ids b) {
  return std::ranges::mismatch(a, b).in1 - a.begin();
}

bool begins_with(PrefixTree::Ids ids, PrefixTree::Ids first) {
  return common_count(ids, first) == std::ssize(first);
}

}  // namespace

bool PrefixTree::Node::Before::operator()(Ids a, Ids b) const {
  return std::ranges::lexicographical_compare(a, b);
}

PrefixTree::PrefixTree() : root_(std::make_unique<Node>()) {}

// From the leaves, so that a long branch needs no deep recursion.
PrefixTree::~PrefixTree() {
  while (evict()) continue;
  BITNETC_CHECK(pages_ == 0, "{} of {} pages have users", pages_in_use_, pages_);
}

PrefixTree::Node* PrefixTree::find(const Node& at, Ids ids) const {
  const auto child = at.children_.find(ids);
  return child == at.children_.end() ? nullptr : child->second.get();
}

// Nothing shares more with `ids` than its neighbours in the order of ids.
PrefixTree::Likeness PrefixTree::closest(const Node& at, Ids ids) const {
  Likeness best;
  const auto consider = [&](Node::Children::const_iterator child) {
    const int64_t count = common_count(ids, child->first);
    if (count > best.count) best = {.node = child->second.get(), .count = count};
  };
  const auto next = at.children_.lower_bound(ids);
  if (next != at.children_.end()) consider(next);
  if (next != at.children_.begin()) consider(std::prev(next));
  return best;
}

PrefixTree::Node& PrefixTree::add(Node& at, Ids ids, KvPage page) {
  BITNETC_CHECK(!ids.empty() && std::ssize(ids) <= KvLayout::kPagePositions, "{} ids of a page",
                ids.size());
  const auto next = at.children_.lower_bound(ids);
  if (next != at.children_.end() && begins_with(next->first, ids)) {
    touch(*next->second);
    return *next->second;
  }
  if (next != at.children_.begin()) {
    const auto before = std::prev(next);
    if (begins_with(ids, before->first)) remove(*before->second);
  }
  auto node = std::make_unique<Node>();
  node->parent_ = &at;
  node->page_ = std::move(page);
  Node& added = *node;
  added.place_ =
      at.children_.emplace(std::vector<int32_t>(ids.begin(), ids.end()), std::move(node)).first;
  ++pages_;
  list(at);  // it is no leaf any more
  touch(added);
  return added;
}

void PrefixTree::use(Node& node) {
  BITNETC_CHECK(node.parent_ == root_.get() || node.parent_->users_ > 0,
                "a node has a user that its parent has not");
  if (++node.users_ == 1) ++pages_in_use_;
  list(node);
}

// Parents later than children: a leaf goes before what it stands on.
void PrefixTree::leave(Node& node) {
  for (Node* at = &node; at != root_.get(); at = at->parent_) {
    BITNETC_CHECK(at->users_ > 0, "a node without users is left");
    if (--at->users_ == 0) --pages_in_use_;
    touch(*at);
  }
}

void PrefixTree::touch(Node& node) {
  if (node.is_listed_) idle_leaves_.erase(node.last_use_);
  node.is_listed_ = false;
  node.last_use_ = ++clock_;
  list(node);
}

// Among the leaves without users, or not.
void PrefixTree::list(Node& node) {
  const bool is_idle = &node != root_.get() && node.users_ == 0 && node.children_.empty();
  if (is_idle == node.is_listed_) return;
  node.is_listed_ = is_idle;
  if (is_idle) {
    idle_leaves_.emplace(node.last_use_, &node);
  } else {
    idle_leaves_.erase(node.last_use_);
  }
}

bool PrefixTree::evict() {
  if (idle_leaves_.empty()) return false;
  remove(*idle_leaves_.begin()->second);
  ++evictions_;
  return true;
}

void PrefixTree::remove(Node& leaf) {
  BITNETC_CHECK(leaf.is_listed_, "a node that has users or children is removed");
  idle_leaves_.erase(leaf.last_use_);
  Node& parent = *leaf.parent_;
  parent.children_.erase(leaf.place_);
  --pages_;
  list(parent);
}

}  // namespace bitnetc
