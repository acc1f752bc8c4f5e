#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <optional>

#include "runtime/exec/batch_rows.h"
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
  Pass::Storage reserve(const BufferExtent& extent) {
    if (extent.bytes() > memory_.bytes()) {
      memory_ = {};  // what a pass leaves is of no use to the next
      memory_ = Buffer<uint8_t>(extent.bytes());
    }
    return extent.storage(memory_.data());
  }
  size_t bytes() const { return memory_.bytes(); }

 private:
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
        skips_neurons(options.skip_neurons && executable->skips_neurons),
        memory(executable->buffers.size()),
        batch(executable->model->description().config, *pool) {
    for (const Executable::Rotation& rotation : executable->rotations) ropes.emplace_back(rotation);
    if (options.screen && executable->screen != nullptr) screen.emplace(*executable->screen);
  }

  void prepare();
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
  BatchRows batch;
  std::vector<Pass::Run> runs;
  std::vector<Pass::Storage> storage;
  std::vector<Pass::RopeTable> rope_tables;
  // Of scores() of screened rows; by row.
  mutable std::map<size_t, std::pair<std::vector<int32_t>, std::vector<float>>> selected;
};

void CpuExecutor::Impl::prepare() {
  selected.clear();
  // A tap sees what is written step by step.
  const std::span<Pass::Row> rows = batch.rows();
  const bool own_copies = rows.size() == 1 && threads.size() > 1 && !tap;
  storage.clear();
  int64_t widest = 0;
  for (size_t b = 0; b < memory.size(); ++b) {
    const BufferInfo& info = executable->buffers[b];
    const bool copied = info.per_worker || (own_copies && executable->written_by_each[b]);
    storage.push_back(memory[b].reserve(BufferExtent(info, batch, copied ? threads.size() : 1)));
    widest = std::max(widest, info.per_row);
  }
  times.clear();
  if (observer) times.reserve(executable->steps.size());
  rope_tables.clear();
  for (RopeRows& rope : ropes) {
    rope.reserve(batch.positions());
    rope_tables.push_back(rope.table());
  }
  if (tap && normed.size() < rows.size() * static_cast<size_t>(widest))
    normed = Buffer<float>(rows.size() * static_cast<size_t>(widest));
  pass = Pass{.rows = rows,
              .runs = {},
              .scored = batch.scored(),
              .storage = storage,
              .ropes = rope_tables,
              .kv = executable->kv,
              .workers = threads.size(),
              .skips_neurons = skips_neurons && rows.size() == 1,
              .has_own_copies = own_copies,
              .head_tiles = {},
              .screen = screen && !tap && screen->accepts(batch.needs()) ? &*screen : nullptr,
              .normed = tap ? normed.data() : nullptr,
              .normed_stride = widest};
  if (pass.screen != nullptr) pass.screen->begin(batch.needs());
  if (own_copies && !observer) {  // who observes wants the time of every step
    pass.head_tiles = head_tiles;
    for (std::atomic<int32_t>& tiles : head_tiles) tiles = 0;  // a cancelled pass leaves some
  }
  // As long as leaves enough of them for all workers.
  runs = batch.runs(std::clamp<int64_t>(std::ssize(rows) * pass.kv.kv_heads / pass.enough_units(),
                                        1, kMostAttentionRows));
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
  return batch.check_finite(reinterpret_cast<const float*>(logits.base) + output.column,
                            output.columns, logits.row_elements);
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
  try {
    BITNETC_RETURN_IF_ERROR(impl_->batch.take(rows));
    impl_->prepare();
  } catch (const std::bad_alloc&) {
    return make_error(StatusCode::kOutOfMemory, "no memory for a pass of {} rows", rows.size());
  }
  if (!impl_->walk(impl_->executable->steps, cancel))
    return Status(StatusCode::kCancelled, "stopped");
  impl_->batch.commit();
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
  const int64_t scored_row = impl_->batch.scored_index(row);
  const BoundSlice& output = impl_->executable->output;
  const Pass::Storage& storage = impl_->storage[static_cast<size_t>(output.buffer)];
  const std::span<const float> all(reinterpret_cast<const float*>(storage.base) +
                                       scored_row * storage.row_elements + output.column,
                                   static_cast<size_t>(output.columns));
  if (impl_->pass.screen == nullptr) return {.ids = {}, .logits = all};
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
