// Small random grammars over "a" and "b", written as GBNF, and their languages by enumeration: what
// a rule matches is computed as a set of texts, without any automaton.
#pragma once

#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace bitnetc::test {

using Language = std::set<std::string>;  // its texts up to a length

struct RandomNode {
  char kind = 'l';  // l literal, s sequence, c choice, * + ? repetitions, r rule
  std::string text;
  std::vector<RandomNode> parts;
  size_t rule = 0;
};

class RandomGrammar {
 public:
  RandomGrammar(unsigned seed, size_t rules) : random_(seed) {
    for (size_t i = 0; i < rules; ++i) bodies_.push_back(node(3, rules));
  }

  std::string gbnf() const {
    std::string text;
    for (size_t i = 0; i < bodies_.size(); ++i)
      text += name(i) + " ::= " + written(bodies_[i]) + "\n";
    return text;
  }

  // The texts of the root of at most `length` bytes.
  Language language(size_t length) const {
    std::vector<Language> known(bodies_.size());
    for (bool grows = true; grows;) {
      grows = false;
      for (size_t i = 0; i < bodies_.size(); ++i) {
        Language now = matched(bodies_[i], known, length);
        grows |= now.size() != known[i].size();
        known[i] = std::move(now);
      }
    }
    return known[0];
  }

 private:
  static std::string name(size_t rule) { return rule == 0 ? "root" : "r" + std::to_string(rule); }

  size_t below(size_t count) { return random_() % count; }

  RandomNode node(int depth, size_t rules) {
    const size_t kind = depth == 0 ? below(3) : below(10);
    if (kind < 2) return {.kind = 'l', .text = below(2) == 0 ? "a" : "b"};
    if (kind == 2) return {.kind = 'r', .rule = below(rules)};
    if (kind == 3) return {.kind = 'l', .text = below(4) == 0 ? "" : "ab"};
    RandomNode made{.kind = kind < 7 ? 's' : 'c'};
    if (kind == 9) made.kind = "*+?"[below(3)];
    const size_t parts = kind == 9 ? 1 : 2 + below(2);
    for (size_t i = 0; i < parts; ++i) made.parts.push_back(node(depth - 1, rules));
    return made;
  }

  static std::string written(const RandomNode& at) {
    if (at.kind == 'l') return "\"" + at.text + "\"";
    if (at.kind == 'r') return name(at.rule);
    std::string text = "(";
    for (size_t i = 0; i < at.parts.size(); ++i)
      text += (i == 0 ? "" : at.kind == 'c' ? " | " : " ") + written(at.parts[i]);
    text += ")";
    return at.kind == 's' || at.kind == 'c' ? text : text + at.kind;
  }

  static Language joined(const Language& left, const Language& right, size_t length) {
    Language found;
    for (const std::string& a : left)
      for (const std::string& b : right)
        if (a.size() + b.size() <= length) found.insert(a + b);
    return found;
  }

  static Language matched(const RandomNode& at, const std::vector<Language>& known, size_t length) {
    if (at.kind == 'l') return at.text.size() <= length ? Language{at.text} : Language{};
    if (at.kind == 'r') return known[at.rule];
    const Language first = matched(at.parts[0], known, length);
    if (at.kind == '?' || at.kind == '*' || at.kind == '+') {
      Language all = at.kind == '+' ? first : Language{""};
      if (at.kind == '?') all.insert(first.begin(), first.end());
      for (size_t before = all.size() + 1; at.kind != '?' && before != all.size();) {
        before = all.size();
        const Language more = joined(all, first, length);
        all.insert(more.begin(), more.end());
      }
      return all;
    }
    Language all = first;
    for (size_t i = 1; i < at.parts.size(); ++i) {
      const Language next = matched(at.parts[i], known, length);
      if (at.kind == 's') {
        all = joined(all, next, length);
      } else {
        all.insert(next.begin(), next.end());
      }
    }
    return all;
  }

  std::mt19937 random_;
  std::vector<RandomNode> bodies_;
};

}  // namespace bitnetc::test
