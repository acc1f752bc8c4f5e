#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "frontend/grammar/automaton.h"
#include "frontend/grammar/plain_runs.h"
#include "frontend/grammar/state.h"
#include "frontend/grammar/token_walk.h"
#include "frontend/grammar_filter.h"

namespace bitnetc {
namespace {

using grammar::Head;
using grammar::StateId;

// What can follow a state whatever is around its frame.
struct StateMask {
  std::vector<uint64_t> bits;
  std::vector<uint32_t> exits;  // nodes behind which the frame's callers go on
  const TokenTrie::Tree* tree = nullptr;
  grammar::Load load;  // the most that a byte took
  int64_t work = 0;    // that making it took

  size_t bytes() const { return bits.size() * 8 + exits.size() * 4 + 64; }
};

}  // namespace

struct TokenMasks::Impl {
  Impl(Grammar::Ptr its_grammar, TokenTrie::Ptr its_trie, std::vector<int32_t> its_end_ids,
       const TokenMaskOptions& its_options)
      : grammar(std::move(its_grammar)),
        trie(std::move(its_trie)),
        end_ids(std::move(its_end_ids)),
        options(its_options),
        automaton(grammar->automaton()),
        runs(automaton) {
    std::erase_if(end_ids, [](int32_t id) { return id < 0; });
    int32_t id_end = trie->id_end();
    for (const int32_t id : end_ids) id_end = std::max(id_end, id + 1);
    words = (static_cast<size_t>(id_end) + 63) / 64;
  }

  Mask compute(const GrammarState::Impl& state, bool may_end, bool as_first);
  // Of each head by itself, and what they may take together at most.
  grammar::Load add_each(const GrammarState::Impl& state, bool as_first,
                         std::vector<uint64_t>& bits);
  void add_together(const GrammarState::Impl& state, bool as_first, std::vector<uint64_t>& bits);
  const StateMask& state_mask(StateId state, bool as_first);
  void make_room(size_t bytes);

  const Grammar::Ptr grammar;
  const TokenTrie::Ptr trie;
  std::vector<int32_t> end_ids;
  const TokenMaskOptions options;
  const grammar::Automaton& automaton;
  size_t words = 0;

  std::mutex mutex;  // guards what follows
  grammar::PlainRuns runs;
  std::unordered_map<uint64_t, StateMask> by_state;  // of later tokens: state * 2; of first: + 1
  std::unordered_map<std::string, Mask> by_key;
  size_t kept_bytes = 0;
};

TokenMasks::TokenMasks(Grammar::Ptr grammar, TokenTrie::Ptr trie, std::vector<int32_t> end_ids,
                       const TokenMaskOptions& options)
    : impl_(std::make_unique<Impl>(std::move(grammar), std::move(trie), std::move(end_ids),
                                   options)) {}
TokenMasks::~TokenMasks() = default;

const TokenTrie& TokenMasks::trie() const {
  return *impl_->trie;
}
const Grammar::Ptr& TokenMasks::grammar() const {
  return impl_->grammar;
}
bool TokenMasks::is_end(int32_t id) const {
  return std::ranges::find(impl_->end_ids, id) != impl_->end_ids.end();
}

TokenMasks::Mask TokenMasks::mask(const GrammarState& state, bool as_first) {
  Impl& impl = *impl_;
  as_first = as_first && impl.trie->has_first();
  std::string key = state.impl_->recognizer.key(state.impl_->heads);
  key.push_back(as_first ? '1' : '0');
  const std::lock_guard<std::mutex> lock(impl.mutex);
  if (const auto known = impl.by_key.find(key); known != impl.by_key.end()) return known->second;
  Mask made = impl.compute(*state.impl_, state.may_end(), as_first);
  const size_t bytes = impl.words * 8 + key.size() + 64;
  impl.make_room(bytes);
  impl.kept_bytes += bytes;
  impl.by_key.emplace(std::move(key), made);
  return made;
}

// All at once: what is needed again is made again.
void TokenMasks::Impl::make_room(size_t bytes) {
  if (kept_bytes + bytes <= options.cache_bytes) return;
  by_key.clear();
  by_state.clear();
  kept_bytes = 0;
}

// The same whatever was made before: its work is counted from the beginning.
const StateMask& TokenMasks::Impl::state_mask(StateId state, bool as_first) {
  const uint64_t key = uint64_t{state} * 2 + uint64_t{as_first};
  if (const auto known = by_state.find(key); known != by_state.end()) return known->second;
  StateMask made;
  made.bits.assign(words, 0);
  const bool runs_on =
      !as_first && runs.length(state, TokenTrie::kMostPlain) == TokenTrie::kMostPlain;
  if (runs_on) std::ranges::copy(trie->plain_ids(), made.bits.begin());
  made.tree = runs_on ? &trie->other_tree() : &trie->tree(as_first);
  grammar::Recognizer recognizer(automaton);
  int64_t work = options.most_work;
  made.load = grammar::TokenWalk(automaton, made.bits, work)
                  .walk(recognizer, {{state, grammar::kRootFrame}}, *made.tree, 0,
                        made.tree->nodes().size(), 0, &made.exits);
  if (runs_on) made.load.raise(runs.load());
  made.work = options.most_work - work;
  kept_bytes += made.bytes();
  return by_state.emplace(key, std::move(made)).first->second;
}

grammar::Load TokenMasks::Impl::add_each(const GrammarState::Impl& state, bool as_first,
                                         std::vector<uint64_t>& bits) {
  int64_t work = options.most_work;
  grammar::Recognizer recognizer = state.recognizer;
  grammar::TokenWalk walk(automaton, bits, work);
  grammar::Load together{.kept = recognizer.kept()};
  std::vector<Head> returns;
  for (const Head& head : state.heads) {
    if (automaton.only_accepts(head.state)) continue;
    const StateMask& own = state_mask(head.state, as_first);
    work -= own.work;
    for (size_t i = 0; i < words; ++i) bits[i] |= own.bits[i];
    together.add(own.load);
    if (own.exits.empty() || head.frame == grammar::kRootFrame) continue;
    returns.clear();
    recognizer.add_returns(head, 0, returns);
    const size_t returns_work = recognizer.load().work;
    // Exits below others go on beside them.
    std::vector<std::pair<size_t, grammar::Load>> above;
    grammar::Load most;
    for (const uint32_t exit : own.exits) {
      const TokenTrie::Node& node = own.tree->nodes()[exit];
      while (!above.empty() && above.back().first <= exit) above.pop_back();
      grammar::Load load =
          walk.walk(recognizer, returns, *own.tree, exit + 1, node.end, node.depth, nullptr);
      load.work += returns_work;
      if (!above.empty()) load.add(above.back().second);
      most.raise(load);
      above.emplace_back(node.end, load);
    }
    together.add(most);
    if (work <= 0) return grammar::Load::too_much();  // what the rest takes is not known
  }
  return together;
}

void TokenMasks::Impl::add_together(const GrammarState::Impl& state, bool as_first,
                                    std::vector<uint64_t>& bits) {
  int64_t work = options.most_work;
  grammar::Recognizer recognizer = state.recognizer;
  const TokenTrie::Tree& tree = trie->tree(as_first);
  grammar::TokenWalk(automaton, bits, work)
      .walk(recognizer, state.heads, tree, 0, tree.nodes().size(), 0, nullptr);
}

// Where heads together may come to a limit that each alone does not, they are followed together, as
// GrammarState::accept() does: it accepts every id of a mask.
TokenMasks::Mask TokenMasks::Impl::compute(const GrammarState::Impl& state, bool may_end,
                                           bool as_first) {
  make_room(0);
  auto bits = std::make_shared<std::vector<uint64_t>>(words, 0);
  if (add_each(state, as_first, *bits).is_too_much()) {
    bits->assign(words, 0);
    add_together(state, as_first, *bits);
  }
  for (const int32_t id : end_ids) {
    const uint64_t bit = uint64_t{1} << id % 64;
    uint64_t& word = (*bits)[static_cast<size_t>(id) / 64];
    word = may_end ? word | bit : word & ~bit;
  }
  return bits;
}

GrammarFilter::GrammarFilter(std::shared_ptr<TokenMasks> masks)
    : masks_(std::move(masks)), state_(masks_->grammar()) {}

std::span<const uint64_t> GrammarFilter::allowed() {
  if (has_ended_) return {};
  if (!mask_) mask_ = masks_->mask(state_, is_first_);
  return *mask_;
}

bool GrammarFilter::accept(int32_t id) {
  if (has_ended_) return false;
  if (masks_->is_end(id)) {
    has_ended_ = state_.may_end();
    return has_ended_;
  }
  const std::string_view text = masks_->trie().text(id, is_first_);
  if (text.empty() || !state_.accept(text)) return false;
  is_first_ = false;
  mask_.reset();
  return true;
}

std::unique_ptr<TokenFilter> GrammarFilter::fork() const {
  return std::make_unique<GrammarFilter>(*this);
}

}  // namespace bitnetc
