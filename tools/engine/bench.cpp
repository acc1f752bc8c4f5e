#include "tools/engine/bench.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "autotune/limits.h"
#include "runtime/random.h"
#include "runtime/session.h"
#include "tools/engine/energy.h"
#include "tools/engine/matrices.h"
#include "tools/engine/stopwatch.h"

namespace bitnetc {
namespace {

// Of measuring a limit between two turns, at least.
constexpr int kReadingMs = 20, kMultiplyingMs = 20;

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t last = values.size() - 1;
  return (values[last / 2] + values[(last + 1) / 2]) / 2;
}

// Tokens that do not repeat themselves, the same for every kind of kernels.
class TokenStream {
 public:
  explicit TokenStream(int64_t vocab_size) : random_(1), vocab_size_(vocab_size) {}
  std::vector<int32_t> next(int64_t count) {
    std::vector<int32_t> tokens;
    for (int64_t i = 0; i < count; ++i)
      tokens.push_back(static_cast<int32_t>(random_.next() % static_cast<uint64_t>(vocab_size_)));
    return tokens;
  }

 private:
  Random random_;
  const int64_t vocab_size_;
};

class BenchRun {
  // One measurement per turn.
  struct Limits {
    std::vector<double> read_bandwidths, peaks;
  };

 public:
  BenchRun(const std::string& model, const BenchRequest& request, const EngineOptions& options,
           const std::function<void(int, int, const std::string&)>& progress)
      : model_(model), request_(request), options_(options), progress_(progress) {}

  Result<Bench> run();

 private:
  Status check_context(const Engine& engine) const;
  Status measure_threads(int threads);
  Status measure_depth(int threads, int64_t depth, std::vector<std::unique_ptr<Session>>& sessions);
  Status repeat(BenchRow& row, Session& session, bool counts);
  Status generate(Session& session, int64_t count);
  double kv_bytes(const BenchTest& test) const;
  void add_limits(std::span<const BenchRow> rows, int threads, Limits& limits) const;
  void set_limits(BenchRow& row, const Limits& limits, const Session& session) const;
  // Of engines_ and of a number of threads' sessions.
  size_t index_of(GeneratorKind kind) const {
    return static_cast<size_t>(std::ranges::find(request_.kinds, kind) - request_.kinds.begin());
  }
  void tell(const std::string& what) { progress_(done_++, total_, what); }

  const std::string& model_;
  const BenchRequest& request_;
  const EngineOptions& options_;
  const std::function<void(int, int, const std::string&)>& progress_;
  std::vector<Engine> engines_;  // by kind
  std::optional<EnergyMeter> energy_;
  Bench bench_;
  int done_ = 0, total_ = 0;
};

Status BenchRun::check_context(const Engine& engine) const {
  const int64_t most = engine.model->description().config.max_positions;
  int64_t longest = 0;
  for (const BenchTest& test : request_.tests) {
    const int64_t positions = test.depth + test.tokens();
    if (positions > most)
      return make_error(StatusCode::kInvalidArgument,
                        "{} takes {} positions, the model was made for {}", test.name(), positions,
                        most);
    longest = std::max(longest, positions);
  }
  return expect_memory(engine, longest, options_);
}

Result<Bench> BenchRun::run() {
  for (const GeneratorKind kind : request_.kinds) {
    EngineOptions options = options_;
    options.settings.build.fastest = std::max(kind, options.settings.build.fastest);
    BITNETC_ASSIGN_OR_RETURN(Engine engine, make_engine(model_, options));
    BITNETC_RETURN_IF_ERROR(expect_output(engine, ModelOutput::kLogits, model_));
    engines_.push_back(std::move(engine));
  }
  BITNETC_RETURN_IF_ERROR(check_context(engines_[0]));
  const BncReader& file = engines_[0].model->file();
  bench_.model = file.origin();
  bench_.kv_type = options_.kv_type;
  bench_.model_bytes = static_cast<double>(file.size_bytes());
  if (auto meter = EnergyMeter::open(); meter.ok()) {
    energy_ = *std::move(meter);
  } else {
    bench_.energy = meter.status().message();
  }
  total_ =
      static_cast<int>(request_.threads.size() * request_.kinds.size() * request_.tests.size()) *
      (request_.repeats + 1);
  for (const int threads : request_.threads) {
    const Status status = measure_threads(threads);
    if (status.code() == StatusCode::kCancelled) {
      bench_.interrupted = true;
      break;
    }
    BITNETC_RETURN_IF_ERROR(status);
  }
  std::erase_if(bench_.rows, [](const BenchRow& row) { return row.seconds.empty(); });
  return std::move(bench_);
}

Status BenchRun::measure_threads(int threads) {
  std::vector<std::unique_ptr<Session>> sessions;
  for (const Engine& engine : engines_) {
    BITNETC_ASSIGN_OR_RETURN(
        auto session, Session::create(engine.executable, {.threads = threads,
                                                          .screen = !request_.full_head,
                                                          .skip_neurons = !request_.dense_ffn,
                                                          .lock_pages = engine.memory_is_locked}));
    sessions.push_back(std::move(session));
  }
  std::vector<int64_t> depths;
  for (const BenchTest& test : request_.tests) depths.push_back(test.depth);
  std::ranges::sort(depths);
  depths.erase(std::unique(depths.begin(), depths.end()), depths.end());
  for (const int64_t depth : depths)
    BITNETC_RETURN_IF_ERROR(measure_depth(threads, depth, sessions));
  for (const auto& session : sessions)
    if (const Status locked = session->lock_status(); !locked.ok())
      options_.notes->note(NoteKind::kMemory, locked.message());
  return {};
}

// All kinds and tests of a depth take turns with the limits, so that what disturbs the
// machine disturbs them alike.
Status BenchRun::measure_depth(int threads, int64_t depth,
                               std::vector<std::unique_ptr<Session>>& sessions) {
  for (const auto& session : sessions) {
    TokenStream tokens(session->vocab_size());
    BITNETC_RETURN_IF_ERROR(session->append(tokens.next(depth - session->position()),
                                            options_.cancel, {.kind = LogitsNeed::Kind::kTop}));
  }
  const size_t first = bench_.rows.size();
  for (const BenchTest& test : request_.tests)
    for (const GeneratorKind kind : request_.kinds)
      if (test.depth == depth)
        bench_.rows.push_back({.test = test, .threads = threads, .kind = kind, .seconds = {}});
  Limits limits;
  for (int turn = 0; turn <= request_.repeats; ++turn) {
    if (turn > 0) add_limits(std::span(bench_.rows).subspan(first), threads, limits);
    for (size_t i = first; i < bench_.rows.size(); ++i) {
      BenchRow& row = bench_.rows[i];
      const size_t kind = index_of(row.kind);
      tell(fmt::format("{}, {} threads, {}", row.test.name(), threads, kind_name(row.kind)));
      BITNETC_RETURN_IF_ERROR(repeat(row, *sessions[kind], turn > 0));
    }
  }
  for (size_t i = first; i < bench_.rows.size(); ++i)
    set_limits(bench_.rows[i], limits, *sessions[index_of(bench_.rows[i].kind)]);
  return {};
}

// Those that the rows are compared with.
void BenchRun::add_limits(std::span<const BenchRow> rows, int threads, Limits& limits) const {
  const auto has = [&](bool (BenchTest::*kind)() const) {
    return std::ranges::any_of(rows, [&](const BenchRow& row) { return (row.test.*kind)(); });
  };
  if (has(&BenchTest::only_generates))
    limits.read_bandwidths.push_back(
        measure_read_bandwidth_of(engines_[0].model->file().bytes(), threads, kReadingMs));
  const std::optional<Isa> tier = options_.settings.target.best_tier();
  if (has(&BenchTest::only_reads))
    limits.peaks.push_back(tier ? measure_int8_peak(*tier, threads, kMultiplyingMs) : 0);
}

void BenchRun::set_limits(BenchRow& row, const Limits& limits, const Session& session) const {
  const Engine& engine = engines_[index_of(row.kind)];
  if (row.test.only_generates()) {
    row.bytes_per_token =
        engine.executable->bytes_per_token(session.screen_stats(), !request_.dense_ffn) +
        kv_bytes(row.test);
    row.read_bandwidth = median(limits.read_bandwidths);
  } else if (row.test.only_reads()) {
    for (const MatrixGroup& each : matrix_groups(engine.model->description().program))
      row.operations_per_token += 2 * static_cast<double>(each.count * each.spec.n * each.spec.k);
    row.peak_operations = median(limits.peaks);
  }
}

// Keys and values that a generated token reads in the mean.
double BenchRun::kv_bytes(const BenchTest& test) const {
  const double positions =
      static_cast<double>(test.depth) + static_cast<double>(test.generated) / 2;
  return positions * static_cast<double>(engines_[0].executable->kv.position_bytes());
}

Status BenchRun::generate(Session& session, int64_t count) {
  TokenStream tokens(session.vocab_size());
  const LogitsNeed need{.kind =
                            request_.full_head ? LogitsNeed::Kind::kAll : LogitsNeed::Kind::kTop};
  for (const int32_t token : tokens.next(count))
    BITNETC_RETURN_IF_ERROR(session.append({&token, 1}, options_.cancel, need));
  return {};
}

Status BenchRun::repeat(BenchRow& row, Session& session, bool counts) {
  TokenStream tokens(session.vocab_size());
  const std::vector<int32_t> prompt = tokens.next(row.test.prompt);
  double before = 0, after = 0;
  if (energy_) {
    BITNETC_ASSIGN_OR_RETURN(before, energy_->joules());
  }
  const Stopwatch watch;
  BITNETC_RETURN_IF_ERROR(
      session.append(prompt, options_.cancel, {.kind = LogitsNeed::Kind::kTop}));
  BITNETC_RETURN_IF_ERROR(generate(session, row.test.generated));
  const double seconds = watch.seconds();
  if (energy_) {
    BITNETC_ASSIGN_OR_RETURN(after, energy_->joules());
  }
  session.truncate(row.test.depth);
  if (!counts) return {};
  row.seconds.push_back(seconds);
  const auto repeats = static_cast<double>(row.seconds.size());
  const double each = (after - before) / static_cast<double>(row.test.tokens());
  row.joules_per_token += (each - row.joules_per_token) / repeats;
  return {};
}

}  // namespace

std::string BenchTest::name() const {
  std::string text;
  if (prompt > 0) text += fmt::format("pp{}", prompt);
  if (generated > 0) text += fmt::format("{}tg{}", text.empty() ? "" : "+", generated);
  if (depth > 0) text += fmt::format(" @ d{}", depth);
  return text;
}

double BenchRow::median_seconds() const {
  return median(seconds);
}

double BenchRow::tokens_per_second() const {
  return static_cast<double>(test.tokens()) / median_seconds();
}

double BenchRow::mean_rate() const {
  double sum = 0;
  for (const double each : seconds) sum += static_cast<double>(test.tokens()) / each;
  return sum / static_cast<double>(seconds.size());
}

double BenchRow::rate_deviation() const {
  if (seconds.size() < 2) return 0;
  const double mean = mean_rate();
  double squares = 0;
  for (const double each : seconds) {
    const double off = static_cast<double>(test.tokens()) / each - mean;
    squares += off * off;
  }
  return std::sqrt(squares / static_cast<double>(seconds.size() - 1));
}

double BenchRow::limit_share() const {
  if (read_bandwidth > 0) return tokens_per_second() * bytes_per_token / read_bandwidth;
  return peak_operations > 0 ? tokens_per_second() * operations_per_token / peak_operations : 0;
}

Result<Bench> run_bench(const std::string& model, const BenchRequest& request,
                        const EngineOptions& options,
                        const std::function<void(int, int, const std::string&)>& progress) {
  return BenchRun(model, request, options, progress).run();
}

}  // namespace bitnetc
