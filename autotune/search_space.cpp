#include "autotune/search_space.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>
#include <utility>

#include "codegen/matmul_plans.h"
#include "compiler/plan_source.h"
#include "runtime/kernel_args.h"

namespace bitnetc {
namespace {

// ---- constraints

// Of a panel decoded for one tile group, bytes. Panels have a byte a weight.
constexpr int64_t kMostPanelBytes = 64 << 10;
// Dot products in an iteration of the innermost loop.
constexpr int kMostProducts = 512;

// The fields that the rules below speak of; a family without one has its default.
PanelPlan plan_of(const Candidate& candidate) {
  return PanelPlan::from(candidate.plan);
}

int group_tiles(const Candidate& candidate) {
  return tile_group_size(candidate.spec, plan_of(candidate).tiles_per_step);
}

// What a candidate has to meet beside its generator's consent. These cut the space down; none is
// needed for correctness.
struct Constraint {
  const char* rule;
  const char* reason;
  bool (*holds)(const Candidate& candidate);
};

constexpr Constraint kConstraints[] = {
    {"tiles_per_step * 16 <= N, or the fewest tiles that a tile group can have",
     "the code for wider groups would never run",
     [](const Candidate& c) {
       return plan_of(c).tiles_per_step == 1 || group_tiles(c) == 2 ||
              plan_of(c).tiles_per_step <= c.spec.weight_layout().tiles();
     }},
    {"prefetch_bytes < bytes of the packed matrix", "beyond its end nothing is read",
     [](const Candidate& c) {
       return plan_of(c).prefetch_bytes == 0 ||
              plan_of(c).prefetch_bytes < c.spec.weight_layout().total_bytes();
     }},
    {"tiles_per_step * 16 * block_k <= 64 KiB",
     "a panel is written once and read once per batch of tokens: it must stay in a fraction of L2, "
     "beside "
     "activations and sums",
     [](const Candidate& c) {
       return group_tiles(c) * kTileRows * plan_of(c).block_k <= kMostPanelBytes;
     }},
    {"k_unroll * tiles_per_step * tokens <= 128",
     "512 dot products are 4 KiB of code and hide every loop; more would leave the cache of "
     "decoded instructions",
     [](const Candidate& c) {
       return c.spec.m == kAnyM || plan_of(c).k_unroll * (kUnrollColumns / kDotGroupColumns) *
                                           plan_of(c).tiles_per_step * c.spec.m <=
                                       kMostProducts;
     }},
    {"(k_unroll - 1) * 16 < K", "no iteration is longer than K; shorter ones make the same code",
     [](const Candidate& c) {
       return (plan_of(c).k_unroll - 1) * int64_t{kUnrollColumns} < c.spec.k;
     }},
};

bool meets_constraints(const Candidate& candidate) {
  return std::all_of(std::begin(kConstraints), std::end(kConstraints),
                     [&](const Constraint& constraint) { return constraint.holds(candidate); });
}

// ---- plans

bool is_accepted(const Candidate& candidate, const Target& target) {
  return candidate.generator->accepts(candidate.request(target)).ok();
}

KernelPlan effective_plan(const Candidate& candidate) {
  return candidate.generator->effective_plan(candidate.spec, candidate.plan);
}

// Candidates in the order in which they come, without those that do what one before does.
class CandidateList {
 public:
  void add(const Candidate& candidate) {
    const KernelPlan plan = effective_plan(candidate);
    for (size_t i = 0; i < list_.size(); ++i)
      if (list_[i].generator == candidate.generator && effective_plans_[i] == plan) return;
    list_.push_back(candidate);
    effective_plans_.push_back(plan);
  }
  void add_plan_of_grid(Candidate candidate, const Target& target) {
    candidate.plan = effective_plan(candidate);
    if (is_accepted(candidate, target) && meets_constraints(candidate)) add(candidate);
  }
  std::vector<Candidate> take() { return std::move(list_); }

 private:
  std::vector<Candidate> list_;
  std::vector<KernelPlan> effective_plans_;
};

constexpr char kTiles = tiles_field().letter, kUnroll = unroll_field().letter;

// The values worth trying of a field; none where the family has no such field.
std::span<const int> values_of(PlanFields fields, char letter) {
  const PlanField* const field = find_field(fields, letter);
  return field != nullptr ? field->worth_trying : std::span<const int>();
}

// Calls body(plan) with every plan of a grid, from its field `first` on; fields without values keep
// those of `plan`.
template <typename Body>
void for_each_plan(PlanFields fields, const KernelPlan& plan, size_t first, const Body& body) {
  while (first < fields.size() && fields[first].worth_trying.empty()) ++first;
  if (first == fields.size()) return body(plan);
  for (const int each : fields[first].worth_trying)
    for_each_plan(fields, with_value(fields, plan, fields[first].letter, each), first + 1, body);
}

// Calls body(plan) with the plans that differ from the candidate's by one place of the grid in one
// field. Unrolling, which hardly matters but for tl2, goes to both ends.
template <typename Body>
void for_each_neighbour(const Candidate& candidate, const Body& body) {
  const PlanFields fields = candidate.generator->plan_fields();
  const KernelPlan plan = effective_plan(candidate);
  for (const PlanField& field : fields) {
    const auto differs_at = [&](int each) {
      Candidate neighbour = candidate;
      neighbour.plan = with_value(fields, candidate.plan, field.letter, each);
      return effective_plan(neighbour) != plan;
    };
    KernelPlan below = plan, above = plan;
    const bool to_both_ends = field.letter == kUnroll;
    for (const int each : field.worth_trying) {
      if (!differs_at(each)) continue;
      const KernelPlan neighbour = with_value(fields, plan, field.letter, each);
      if (each < field.of(plan) && (!to_both_ends || below == plan)) below = neighbour;
      if (each > field.of(plan) && (to_both_ends || above == plan)) above = neighbour;
    }
    for (const KernelPlan& neighbour : {below, above})
      if (neighbour != plan) body(neighbour);
  }
}

// ---- generators

constexpr Isa kTiers[] = {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx};

// A generator of kernels for a spec; `guess` is the rule of thumb's plan on a CPU whose best tier
// is the generator's: that is where its kernels would be used.
struct RuleOfThumb {
  Candidate guess;
  Isa tier;
};

// What is used where nothing is known: the choice of KernelBuilder::build with the rule of thumb's
// plans.
std::optional<Candidate> rule_of_thumb(const MatmulSpec& spec, const Target& target) {
  MatmulSpec any = spec;
  any.m = kAnyM;
  const HeuristicPlanSource plans;
  const KernelChoice choice = plans.choose(spec, target);
  const auto taken = first_acceptance({.spec = spec,
                                       .plan = choice.plan,
                                       .target = target,
                                       .any_m_plan = plans.choose(any, target).plan,
                                       .generator = choice.generator});
  if (!taken || taken->generator->kind() == GeneratorKind::kReference) return std::nullopt;
  return Candidate{taken->generator, std::get<MatmulSpec>(taken->request.spec),
                   taken->request.plan};
}

bool ignores_plans(const Generator& generator) {
  return std::ranges::all_of(generator.plan_fields(),
                             [](const PlanField& field) { return field.worth_trying.empty(); });
}

// The rule of thumb's plan, with fewer tiles where the generator's registers do not hold so many.
std::optional<Candidate> guess_for(const Generator& generator, const MatmulSpec& spec,
                                   const Target& target) {
  const PlanFields fields = generator.plan_fields();
  Candidate guess{&generator, spec, default_plan(fields)};
  if (!ignores_plans(generator))
    guess.plan = HeuristicPlanSource::plan_for(generator, spec, target);
  if (is_accepted(guess, target)) return guess;
  const std::span<const int> tiles = values_of(fields, kTiles);
  for (auto each = tiles.rbegin(); each != tiles.rend(); ++each) {
    guess.plan = with_value(fields, guess.plan, kTiles, *each);
    if (is_accepted(guess, target)) return guess;
  }
  return std::nullopt;
}

// A generator enters with kernels for the M of the spec, or, where it makes none, with those for
// any M.
std::optional<RuleOfThumb> find_rule_of_thumb(const Generator& generator, const MatmulSpec& spec,
                                              const Target& target) {
  MatmulSpec any = spec;
  any.m = kAnyM;
  for (const MatmulSpec& each : {spec, any}) {
    for (const Isa tier : kTiers) {
      const auto guess = guess_for(generator, each, target_for(tier));
      if (!guess) continue;
      if (is_accepted(*guess, target)) return RuleOfThumb{*guess, tier};
      break;
    }
  }
  return std::nullopt;
}

std::vector<RuleOfThumb> rules_of_thumb(const MatmulSpec& spec, const Target& target) {
  std::vector<RuleOfThumb> rules;
  for (const auto& generator : KernelBuilder::generators()) {
    if (generator->kind() == GeneratorKind::kReference) continue;
    if (const auto rule = find_rule_of_thumb(*generator, spec, target)) rules.push_back(*rule);
  }
  return rules;
}

// Kernels of a lower tier than this do the same work in more instructions. AMX multiplies many
// tokens only.
Isa lowest_quick_tier(const std::vector<RuleOfThumb>& rules) {
  Isa highest = Isa::kScalar;
  for (const RuleOfThumb& rule : rules) highest = std::max(highest, rule.tier);
  return std::min(highest, Isa::kAvx512Vnni);
}

// ---- words

struct Dimension {
  std::string_view name;        // ours
  std::string_view usual_name;  // of matrix multiplication
  std::string_view meaning;
};

constexpr Dimension dimension_of(const PlanField& field, std::string_view usual_name) {
  return {field.name, usual_name, field.meaning};
}

constexpr Dimension kDimensions[] = {
    {"generator", "microkernel",
     "family and instruction set: how weights are decoded or looked up"},
    {"layout", "packing of B", "of the matrix; chosen once for all M, so it is tuned apart"},
    {"m", "M", "tokens of a call: a kernel for 1 to 8 of them each, and one for any number"},
    dimension_of(tiles_field(), "nr = 16 x tiles"),
    dimension_of(tokens_field(), "mr"),
    dimension_of(unroll_field(), "unroll of kc by kr = 4"),
    dimension_of(prefetch_field(), "prefetch distance"),
    dimension_of(block_field(), "kc"),
    {"(fixed)", "mc, nc", "a call's tokens, at most 256; a thread's share of the row tiles"},
    {"(fixed)", "thread partition",
     "equal shares, taken piece by piece, finished by who is free (docs/decisions/0009)"},
    {"(fixed)", "pages", "4 KiB, as of a mapped file; huge ones gained nothing (decisions/0004)"},
    {"(fixed)", "table placement",
     "lookups read tables of words (AVX-512) or bytes (AVX2), made once per token for all tile "
     "groups"},
};

std::string describe_grid(PlanFields fields) {
  std::string text;
  for (const PlanField& each : fields)
    if (!each.worth_trying.empty())
      text += fmt::format("{}{} {}", text.empty() ? "" : "  ", each.letter,
                          fmt::join(each.worth_trying, ","));
  return text;
}

}  // namespace

std::string_view effort_name(Effort effort) {
  return effort == Effort::kQuick ? "quick" : "full";
}

std::optional<Effort> parse_effort(std::string_view name) {
  for (const Effort effort : {Effort::kQuick, Effort::kFull})
    if (effort_name(effort) == name) return effort;
  return std::nullopt;
}

KernelRequest Candidate::request(const Target& target) const {
  return {.spec = spec, .plan = plan, .target = target};
}

std::vector<Candidate> candidates(const MatmulSpec& spec, const Target& target, Effort effort) {
  if (!validate(spec).ok()) return {};
  const std::vector<RuleOfThumb> rules = rules_of_thumb(spec, target);
  const std::optional<Candidate> first = rule_of_thumb(spec, target);
  const Isa lowest_tier = lowest_quick_tier(rules);
  CandidateList list;
  if (first) list.add(*first);
  for (const RuleOfThumb& rule : rules) {
    const Candidate& guess = rule.guess;
    const auto add_with_plan = [&](const KernelPlan& plan) {
      list.add_plan_of_grid({guess.generator, guess.spec, plan}, target);
    };
    const bool is_first = first && first->generator == guess.generator;
    if (effort == Effort::kQuick && rule.tier < lowest_tier && !is_first) continue;
    if (meets_constraints(guess)) list.add(guess);
    if (is_first) for_each_neighbour(*first, add_with_plan);
    if (effort == Effort::kQuick) continue;
    const PlanFields fields = guess.generator->plan_fields();
    for_each_plan(fields, guess.plan, 0, add_with_plan);
  }
  return list.take();
}

std::string describe_search_space() {
  std::string text = "dimensions of a matmul Y[M,N] = X[M,K] W[N,K]^T\n";
  for (const Dimension& each : kDimensions)
    text += fmt::format("  {:<15} {:<22} {}\n", each.name, each.usual_name, each.meaning);
  text += "\nplans worth trying, by generator\n";
  for (const auto& generator : KernelBuilder::generators())
    if (const std::string grid = describe_grid(generator->plan_fields()); !grid.empty())
      text += fmt::format("  {:<29} {}\n", generator->name(), grid);
  text += "  static_matmul_*               one each: their code is fixed\n\nconstraints\n";
  for (const Constraint& each : kConstraints)
    text += fmt::format("  {}\n    {}\n", each.rule, each.reason);
  return text;
}

}  // namespace bitnetc
