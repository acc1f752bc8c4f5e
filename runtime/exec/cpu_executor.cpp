#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <map>
#include <optional>

#include "runtime/exec/pass.h"
#include "runtime/exec/rope_rows.h"
#include "runtime/exec/screen_state.h"
#include "runtime/exec/work_claims.h"
#include "runtime/executor.h"
#include "runtime/kernel_args.h"
#include "runtime/rounding.h"
#include "runtime/steps/screen_steps.h"

namespace bitnetc {
namespace {

// The memory behind one program buffer; grows with the largest pass so far.
class BufferMemory {
 public:
  explicit BufferMemory(const BufferInfo& info) : info_(info) {}

  // `copies`: one of each worker, or one.
  Pass::Storage reserve(int64_t rows, int64_t positions, int64_t copies) {
    const auto element_bytes = static_cast<int64_t>(bitnetc::element_bytes(info_.type));
    // Copies begin on cache lines of their own.
    const int64_t elements = round_up(info_.fixed + info_.per_row * rows +
                                          info_.per_position * round_up(positions, kAttentionChunk),
                                      static_cast<int64_t>(kCacheLineBytes) / element_bytes);
    const auto bytes = static_cast<size_t>(elements * element_bytes * copies);
    if (bytes > memory_.bytes()) {
      memory_ = {};  // what a pass leaves is of no use to the next
      memory_ = Buffer<uint8_t>(bytes);
    }
    return {.base = memory_.data(),
            .element_bytes = element_bytes,
            .row_elements = info_.per_row,
            .worker_elements = copies > 1 ? elements : 0,
            .scored = info_.scored};
  }
  size_t bytes() const { return memory_.bytes(); }

 private:
  const BufferInfo info_;
  Buffer<uint8_t> memory_;
};

// Worker 0 decides after every step whether all stop before the next one, so that all meet at the
// same barriers. Two slots: while one is read, only the other may be written.
class StopSign {
 public:
  void decide(int64_t step, bool stop) { slots_[step % 2] = stop; }
  bool stops(int64_t step) const { return slots_[step % 2]; }

 private:
  bool slots_[2] = {};
};

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

struct CpuExecutor::Impl {
  Impl(std::shared_ptr<const Executable> linked, const CpuExecutorOptions& options)
      : executable(std::move(linked)),
        pool(std::make_shared<KvPool>(executable->kv, options.page_limit, options.lock_pages)),
        threads(options.threads, options.pin_threads),
        claims(threads.size()),
        head_tiles(static_cast<size_t>(executable->kv.kv_heads)),
        skips_neurons(options.skip_neurons && executable->skips_neurons) {
    for (const BufferInfo& info : executable->buffers) memory.emplace_back(info);
    for (const Executable::Rotation& rotation : executable->rotations) ropes.emplace_back(rotation);
    if (options.screen && executable->screen != nullptr) screen.emplace(*executable->screen);
  }

  Status check(std::span<const BatchRow> batch) const;
  Status reserve_pages(std::span<const BatchRow> batch);
  void prepare(std::span<const BatchRow> batch);
  void find_runs();
  bool walk(std::span<const std::unique_ptr<const LinkedStep>> steps, const CancelToken* cancel);
  void call_tap(const LinkedStep& step) const;
  Status check_logits() const;

  std::shared_ptr<const Executable> executable;
  std::shared_ptr<KvPool> pool;
  ThreadPool threads;
  WorkClaims claims;
  std::vector<std::atomic<int32_t>> head_tiles;  // Pass::head_tiles
  const bool skips_neurons;
  std::vector<BufferMemory> memory;  // by Executable::buffers
  std::vector<RopeRows> ropes;       // by Executable::rotations
  std::optional<ScreenState> screen;
  StepTap tap;
  PassObserver observer;
  std::vector<StepTime> times;  // of the pass; only where it is observed
  Buffer<float> normed;

  // Of the current or last pass.
  Pass pass;
  std::vector<Pass::Row> rows;
  std::vector<Pass::Run> runs;
  std::vector<int32_t> scored;
  std::vector<int32_t> scored_index;  // by row; -1: not scored
  std::vector<LogitsNeed> needs;      // of the scored rows
  std::vector<Pass::Storage> storage;
  std::vector<Pass::RopeTable> rope_tables;
  std::map<Sequence*, int64_t> appended;  // rows by sequence
  // Of scores() of screened rows; by row.
  mutable std::map<size_t, std::pair<std::vector<int32_t>, std::vector<float>>> selected;
};

namespace {

Status check_need(const LogitsNeed& need, size_t index, int64_t vocab_size) {
  if (need.kind == LogitsNeed::Kind::kTop && need.k < 1)
    return make_error(StatusCode::kInvalidArgument, "row {} needs {} logits, expected at least 1",
                      index, need.k);
  if (need.kind == LogitsNeed::Kind::kWithin && !(need.margin >= 0))
    return make_error(StatusCode::kInvalidArgument,
                      "row {} needs logits within {} of the largest, expected 0 or more", index,
                      need.margin);
  int64_t least = 0;
  for (const int32_t id : need.ids) {
    if (id < least || id >= vocab_size)
      return make_error(StatusCode::kInvalidArgument,
                        "row {} needs the logit of id {}, expected ascending ids of 0..{}", index,
                        id, vocab_size - 1);
    least = id + 1;
  }
  return {};
}

Status check_row(const BatchRow& row, size_t index, int64_t expected_position,
                 const ModelConfig& config) {
  if (row.token < 0 || row.token >= config.vocab_size)
    return make_error(StatusCode::kInvalidArgument, "token {} has id {}, expected 0..{}", index,
                      row.token, config.vocab_size - 1);
  if (row.position != expected_position)
    return make_error(StatusCode::kInvalidArgument,
                      "token {} is for position {}, but its sequence goes on at {}", index,
                      row.position, expected_position);
  if (row.position >= config.max_positions)
    return make_error(StatusCode::kInvalidArgument,
                      "token {} is for position {}: the model was made for {} positions", index,
                      row.position, config.max_positions);
  return check_need(row.need, index, config.vocab_size);
}

}  // namespace

Status CpuExecutor::Impl::check(std::span<const BatchRow> batch) const {
  if (batch.empty() || batch.size() > kMaxTokensPerCall)
    return make_error(StatusCode::kInvalidArgument, "a batch of {} rows, expected 1..{}",
                      batch.size(), kMaxTokensPerCall);
  const ModelConfig& config = executable->model->description().config;
  std::map<const Sequence*, int64_t> next;
  for (size_t i = 0; i < batch.size(); ++i) {
    const Sequence* sequence = batch[i].sequence;
    BITNETC_CHECK(sequence != nullptr && sequence->pool() == pool.get(),
                  "row {}: its sequence belongs to another executor", i);
    int64_t& position = next.emplace(sequence, sequence->length()).first->second;
    BITNETC_RETURN_IF_ERROR(check_row(batch[i], i, position, config));
    ++position;
  }
  return {};
}

Status CpuExecutor::Impl::reserve_pages(std::span<const BatchRow> batch) {
  appended.clear();
  for (const BatchRow& row : batch) ++appended[row.sequence];
  for (const auto& [sequence, count] : appended) BITNETC_RETURN_IF_ERROR(sequence->reserve(count));
  return {};
}

void CpuExecutor::Impl::prepare(std::span<const BatchRow> batch) {
  rows.clear();
  scored.clear();
  scored_index.assign(batch.size(), -1);
  needs.clear();
  selected.clear();
  int64_t positions = 0;
  for (size_t i = 0; i < batch.size(); ++i) {
    rows.push_back({.token = batch[i].token,
                    .position = batch[i].position,
                    .pages = batch[i].sequence->page_table().data()});
    positions = std::max(positions, batch[i].position + 1);
    if (batch[i].need.kind == LogitsNeed::Kind::kNone) continue;
    needs.push_back(batch[i].need);
    scored_index[i] = static_cast<int32_t>(scored.size());
    scored.push_back(static_cast<int32_t>(i));
  }

  // A tap sees what is written step by step.
  const bool own_copies = rows.size() == 1 && threads.size() > 1 && !tap;
  storage.clear();
  int64_t widest = 0;
  for (size_t b = 0; b < memory.size(); ++b) {
    const BufferInfo& info = executable->buffers[b];
    const size_t buffer_rows = info.scored ? scored.size() : rows.size();
    const bool copied = info.per_worker || (own_copies && executable->written_by_each[b]);
    storage.push_back(memory[b].reserve(static_cast<int64_t>(buffer_rows), positions,
                                        copied ? threads.size() : 1));
    widest = std::max(widest, info.per_row);
  }
  times.clear();
  if (observer) times.reserve(executable->steps.size());
  rope_tables.clear();
  for (RopeRows& rope : ropes) {
    rope.reserve(positions);
    rope_tables.push_back(rope.table());
  }
  if (tap && normed.size() < rows.size() * static_cast<size_t>(widest))
    normed = Buffer<float>(rows.size() * static_cast<size_t>(widest));
  pass = Pass{.rows = rows,
              .runs = {},
              .scored = scored,
              .storage = storage,
              .ropes = rope_tables,
              .kv = executable->kv,
              .workers = threads.size(),
              .skips_neurons = skips_neurons && rows.size() == 1,
              .has_own_copies = own_copies,
              .head_tiles = {},
              .screen = screen && !tap && screen->accepts(needs) ? &*screen : nullptr,
              .normed = tap ? normed.data() : nullptr,
              .normed_stride = widest};
  if (pass.screen != nullptr) pass.screen->begin(needs);
  if (own_copies && !observer) {  // who observes wants the time of every step
    pass.head_tiles = head_tiles;
    for (std::atomic<int32_t>& tiles : head_tiles) tiles = 0;  // a cancelled pass leaves some
  }
  find_runs();
}

// Runs are as long as leaves enough of them for all workers.
void CpuExecutor::Impl::find_runs() {
  runs.clear();
  const int64_t most = std::clamp<int64_t>(
      std::ssize(rows) * pass.kv.kv_heads / pass.enough_units(), 1, kMostAttentionRows);
  for (int64_t i = 0; i < std::ssize(rows); ++i) {
    const Pass::Row& row = rows[static_cast<size_t>(i)];
    const bool goes_on = i > 0 && runs.back().rows < most &&
                         row.pages == rows[static_cast<size_t>(i) - 1].pages &&
                         row.position == rows[static_cast<size_t>(i) - 1].position + 1;
    if (goes_on) {
      ++runs.back().rows;
    } else {
      runs.push_back({.row = i, .rows = 1});
    }
  }
  pass.runs = runs;
}

// All workers walk the same steps and meet after each one but those that each does for itself.
// Whether the pass ran to its end.
bool CpuExecutor::Impl::walk(std::span<const std::unique_ptr<const LinkedStep>> steps,
                             const CancelToken* cancel) {
  StopSign stop;
  std::atomic<bool> skipped = false;
  threads.run([&](int worker) {
    const bool keeps_time = worker == 0 && observer;
    int64_t turn = 0;
    for (const auto& step : steps) {
      const int64_t units = pass.includes(*step) ? step->units(pass) : 0;
      if (units == 0) continue;
      const int64_t begin_ns = keeps_time ? now_ns() : 0;
      const auto keep_time = [&] {
        if (!keeps_time) return;
        times.push_back({.step = step.get(),
                         .rows = pass.rows_of(*step),
                         .begin_ns = begin_ns,
                         .end_ns = now_ns()});
      };
      step->begin(pass, worker);
      if (pass.each_does(*step)) {
        step->run(pass, {0, units}, worker);
        keep_time();
        continue;
      }
      claims.each_piece(units, step->least_units(), worker, [&](Range piece) {
        // What is skipped here is never looked at: a token once cancelled stays so, and the pass
        // ends below.
        if (is_cancelled(cancel)) return skipped.store(true, std::memory_order_relaxed);
        step->run(pass, piece, worker);
      });
      if (worker == 0) stop.decide(turn, is_cancelled(cancel));
      threads.barrier();
      keep_time();
      if (stop.stops(turn)) return;
      ++turn;
      if (!tap) continue;
      if (worker == 0) call_tap(*step);
      threads.barrier();
    }
  });
  return !skipped.load() && !is_cancelled(cancel);
}

void CpuExecutor::Impl::call_tap(const LinkedStep& step) const {
  std::vector<StepOutput> outputs;
  for (const LinkedStep::Output& output : step.outputs()) {
    const auto buffer = static_cast<size_t>(output.slice.buffer);
    outputs.push_back(
        {.operand = output.operand,
         .type = executable->buffers[buffer].type,
         .data = storage[buffer].base + output.slice.column * storage[buffer].element_bytes,
         .columns = output.slice.columns,
         .stride = storage[buffer].row_elements});
  }
  if (step.operation() == "normquant")
    outputs.push_back({.operand = "normed",
                       .type = ElementType::kF32,
                       .data = normed.data(),
                       .columns = outputs.front().columns,
                       .stride = pass.normed_stride});
  tap(step, pass.rows_of(step), outputs);
}

Status CpuExecutor::Impl::check_logits() const {
  const BoundSlice& output = executable->output;
  const Pass::Storage& logits = storage[static_cast<size_t>(output.buffer)];
  for (size_t i = 0; i < scored.size(); ++i) {
    const auto* row = reinterpret_cast<const float*>(logits.base) +
                      static_cast<int64_t>(i) * logits.row_elements + output.column;
    const bool finite =
        std::all_of(row, row + output.columns, [](float logit) { return std::isfinite(logit); });
    if (!finite)
      return make_error(StatusCode::kDataCorrupt,
                        "the {} at position {} are not finite: the model's weights overflow",
                        executable->model->description().config.output == ModelOutput::kLogits
                            ? "logits"
                            : "hidden values",
                        rows[static_cast<size_t>(scored[i])].position);
  }
  return {};
}

Result<std::unique_ptr<CpuExecutor>> CpuExecutor::create(
    std::shared_ptr<const Executable> executable, const CpuExecutorOptions& options) {
  if (options.threads < 1)
    return make_error(StatusCode::kInvalidArgument, "threads = {}, expected at least 1",
                      options.threads);
  try {
    return std::unique_ptr<CpuExecutor>(
        new CpuExecutor(std::make_unique<Impl>(std::move(executable), options)));
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "no memory for an executor");
  }
}

CpuExecutor::CpuExecutor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CpuExecutor::~CpuExecutor() = default;

const Executable& CpuExecutor::executable() const {
  return *impl_->executable;
}
std::shared_ptr<KvPool> CpuExecutor::pool() const {
  return impl_->pool;
}
int CpuExecutor::threads() const {
  return impl_->threads.size();
}
void CpuExecutor::set_tap(StepTap tap) {
  impl_->tap = std::move(tap);
}
void CpuExecutor::set_observer(PassObserver observer) {
  impl_->observer = std::move(observer);
}

Status CpuExecutor::run(std::span<const BatchRow> rows, const CancelToken* cancel) {
  BITNETC_RETURN_IF_ERROR(impl_->check(rows));
  try {
    BITNETC_RETURN_IF_ERROR(impl_->reserve_pages(rows));
    impl_->prepare(rows);
  } catch (const std::bad_alloc&) {
    return make_error(StatusCode::kOutOfMemory, "no memory for a pass of {} rows", rows.size());
  }
  if (!impl_->walk(impl_->executable->steps, cancel))
    return Status(StatusCode::kCancelled, "stopped");
  for (const auto& [sequence, count] : impl_->appended) sequence->commit(count);
  if (impl_->observer) impl_->observer(impl_->times);
  Pass& pass = impl_->pass;
  if (pass.screen != nullptr) pass.screen->end();
  if (pass.screen != nullptr && !pass.screen->gave_up()) return {};  // what it computes is finite
  pass.screen = nullptr;
  return impl_->check_logits();
}

Status CpuExecutor::complete() {
  if (impl_->pass.screen == nullptr) return {};
  impl_->pass.screen = nullptr;
  impl_->selected.clear();
  impl_->times.clear();
  // The hidden rows are still in their buffer: nothing comes after the head.
  impl_->walk(std::span(impl_->executable->steps).last(1), nullptr);
  return impl_->check_logits();
}

ScreenStats CpuExecutor::screen_stats() const {
  return impl_->screen ? impl_->screen->stats() : ScreenStats();
}

Scores CpuExecutor::scores(size_t row) const {
  BITNETC_CHECK(row < impl_->scored_index.size() && impl_->scored_index[row] >= 0,
                "row {} has no logits", row);
  const BoundSlice& output = impl_->executable->output;
  const Pass::Storage& storage = impl_->storage[static_cast<size_t>(output.buffer)];
  const std::span<const float> all(reinterpret_cast<const float*>(storage.base) +
                                       impl_->scored_index[row] * storage.row_elements +
                                       output.column,
                                   static_cast<size_t>(output.columns));
  if (impl_->pass.screen == nullptr) return {.ids = {}, .logits = all};
  const auto scored_row = static_cast<int64_t>(impl_->scored_index[row]);
  auto [at, fresh] = impl_->selected.try_emplace(row);
  auto& [ids, logits] = at->second;
  if (fresh) {
    ids = impl_->screen->computed_ids(scored_row);
    for (const int32_t id : ids) logits.push_back(all[static_cast<size_t>(id)]);
  }
  return {.ids = ids,
          .logits = logits,
          .others = std::ssize(all) - std::ssize(ids),
          .others_below = impl_->screen->row(scored_row).threshold};
}

int64_t CpuExecutor::memory_bytes() const {
  auto total = static_cast<int64_t>(impl_->normed.bytes()) + impl_->pool->memory_bytes();
  for (const BufferMemory& buffer : impl_->memory) total += static_cast<int64_t>(buffer.bytes());
  for (const RopeRows& rope : impl_->ropes) total += rope.memory_bytes();
  return total + (impl_->screen ? impl_->screen->memory_bytes() : 0);
}

}  // namespace bitnetc
