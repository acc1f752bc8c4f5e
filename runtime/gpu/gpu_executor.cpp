#include "runtime/gpu_executor.h"

#include <algorithm>
#include <map>
#include <utility>

#include "runtime/exec/batch_rows.h"
#include "runtime/exec/rope_rows.h"
#include "runtime/gpu/launch_list.h"
#include "runtime/kernel_args.h"

namespace bitnetc {
namespace {

// Passes of more rows do work enough to hide what their launches take, and would each need a graph
// of their own.
constexpr size_t kMostGraphRows = 16;

// Memory of a GPU that grows with the largest pass so far; what it held is lost then.
class GrowingBlock {
 public:
  Status reserve(GpuDevice& gpu, size_t bytes) {
    if (bytes <= memory_.bytes) return {};
    memory_ = {};
    BITNETC_ASSIGN_OR_RETURN(memory_, gpu.allocate(bytes));
    return {};
  }
  std::byte* at() const { return memory_.address; }
  size_t bytes() const { return memory_.bytes; }

 private:
  DeviceMemory memory_;
};

// Cosines and sines of one rotation, on the host and on the GPU.
class GpuRope {
 public:
  explicit GpuRope(const Executable::Rotation& rotation) : rows_(rotation) {}

  Status reserve(GpuDevice& gpu, int64_t positions) {
    if (positions <= rows_.rows()) return {};
    rows_.reserve(positions);
    const Pass::RopeTable host = rows_.table();
    const auto bytes = static_cast<size_t>(rows_.rows() * host.half) * sizeof(float);
    BITNETC_RETURN_IF_ERROR(block_.reserve(gpu, 2 * bytes));
    BITNETC_RETURN_IF_ERROR(gpu.upload(block_.at(), host.cos, bytes));
    BITNETC_RETURN_IF_ERROR(gpu.upload(block_.at() + bytes, host.sin, bytes));
    table_ = {.cos = reinterpret_cast<const float*>(block_.at()),
              .sin = reinterpret_cast<const float*>(block_.at() + bytes),
              .half = host.half};
    return {};
  }
  const Pass::RopeTable& table() const { return table_; }
  size_t bytes() const { return block_.bytes(); }

 private:
  RopeRows rows_;
  GrowingBlock block_;
  Pass::RopeTable table_;
};

}  // namespace

struct GpuExecutor::Impl {
  Impl(std::shared_ptr<const Executable> linked, const GpuExecutorOptions& options,
       std::unique_ptr<GpuStream> work)
      : executable(std::move(linked)),
        gpu(*executable->gpu),
        pool(std::make_shared<KvPool>(executable->kv, options.page_limit, /*lock=*/false, gpu)),
        batch(executable->model->description().config, *pool),
        buffers(executable->buffers.size()),
        launches(gpu),
        stream(std::move(work)) {
    for (const Executable::Rotation& rotation : executable->rotations) ropes.emplace_back(rotation);
  }

  Status begin_pass();  // until stream->wait() the GPU works on it
  Status prepare();
  Status place_pages();
  Status place_buffers();
  void take_down();
  Status launch();
  Status launch_graph();
  Status fetch_output();
  const float* output() const { return reinterpret_cast<const float*>(fetched.address); }
  int64_t output_stride() const {
    return executable->buffers[static_cast<size_t>(executable->output.buffer)].per_row;
  }

  std::shared_ptr<const Executable> executable;
  GpuDevice& gpu;
  std::shared_ptr<KvPool> pool;
  BatchRows batch;
  std::vector<GrowingBlock> buffers;  // by Executable::buffers
  std::vector<GpuRope> ropes;         // by Executable::rotations
  GrowingBlock page_tables, args;
  DeviceMemory fetched;  // on the host: f32 [scored][output_stride()], and what lies around

  // Of the current or last pass.
  Pass pass;
  std::vector<Pass::Run> runs;
  std::vector<Pass::Storage> storage;
  std::vector<Pass::RopeTable> rope_tables;
  std::vector<const uint16_t*> tables;  // of all sequences, one after the other
  LaunchList launches;

  // The launches of passes of few rows.
  struct Captured {
    LaunchList launches;
    std::byte* args_at;
    std::unique_ptr<GpuGraph> graph;
  };
  std::map<std::pair<size_t, size_t>, Captured> graphs;  // by rows and scored rows
  std::unique_ptr<GpuStream> stream;                     // ends before what its work reads
};

// The page tables of the batch's sequences go where kernels find them.
Status GpuExecutor::Impl::place_pages() {
  std::map<uint16_t* const*, int64_t> pages;  // of each table
  for (const Pass::Row& row : batch.rows()) {
    int64_t& seen = pages[row.pages];
    seen = std::max(seen, KvLayout::pages_for(row.position + 1));
  }
  tables.clear();
  std::map<uint16_t* const*, size_t> first;  // where each begins in `tables`
  for (const auto& [table, count] : pages) {
    first[table] = tables.size();
    tables.insert(tables.end(), table, table + count);
  }
  const size_t bytes = tables.size() * sizeof tables.front();
  BITNETC_RETURN_IF_ERROR(page_tables.reserve(gpu, bytes));
  const auto* const at = reinterpret_cast<const uint16_t* const*>(page_tables.at());
  for (Pass::Row& row : batch.rows()) row.kernel_pages = at + first[row.pages];
  return stream->upload(page_tables.at(), tables.data(), bytes);
}

// Every call of attention has scratch of its own, as every worker of a CPU has.
Status GpuExecutor::Impl::place_buffers() {
  storage.clear();
  const int64_t calls = std::ssize(runs) * executable->kv.kv_heads;
  for (size_t i = 0; i < buffers.size(); ++i) {
    const BufferInfo& info = executable->buffers[i];
    const BufferExtent extent(info, batch, info.per_position > 0 ? calls : 1);
    BITNETC_RETURN_IF_ERROR(buffers[i].reserve(gpu, extent.bytes()));
    storage.push_back(extent.storage(reinterpret_cast<uint8_t*>(buffers[i].at())));
  }
  return {};
}

Status GpuExecutor::Impl::prepare() {
  // As long as leaves a run for every multiprocessor.
  runs = batch.runs(std::clamp<int64_t>(
      std::ssize(batch.rows()) * executable->kv.kv_heads / gpu.properties().multiprocessors, 1,
      kMostAttentionRows));
  BITNETC_RETURN_IF_ERROR(place_buffers());
  BITNETC_RETURN_IF_ERROR(place_pages());
  rope_tables.clear();
  for (GpuRope& rope : ropes) {
    BITNETC_RETURN_IF_ERROR(rope.reserve(gpu, batch.positions()));
    rope_tables.push_back(rope.table());
  }
  pass = Pass{.rows = batch.rows(),
              .runs = runs,
              .scored = batch.scored(),
              .storage = storage,
              .ropes = rope_tables,
              .kv = executable->kv,
              .head_tiles = {},
              .recorder = &launches};
  return {};
}

void GpuExecutor::Impl::take_down() {
  launches.restart();
  for (const auto& step : executable->steps) {
    const int64_t units = pass.includes(*step) ? step->units(pass) : 0;
    if (units == 0) continue;
    launches.begin_step();
    step->begin(pass, 0);
    for (int64_t unit = 0; step->has_unit_scratch() && unit < units; ++unit)
      step->run(pass, {unit, unit + 1}, static_cast<int>(unit));
    if (!step->has_unit_scratch()) step->run(pass, {0, units}, 0);
  }
}

Status GpuExecutor::Impl::launch_graph() {
  const std::pair<size_t, size_t> key(batch.rows().size(), batch.scored().size());
  const auto known = graphs.find(key);
  const bool holds = known != graphs.end() && known->second.args_at == args.at() &&
                     known->second.launches.issues_as(launches);
  if (holds) return stream->launch(*known->second.graph);
  BITNETC_RETURN_IF_ERROR(stream->begin_capture());
  const Status issued = launches.issue(*stream, args.at());
  auto graph = stream->end_capture();
  BITNETC_RETURN_IF_ERROR(issued);
  BITNETC_RETURN_IF_ERROR(graph.status());
  const auto [at, fresh] = graphs.insert_or_assign(
      key, Captured{.launches = launches, .args_at = args.at(), .graph = *std::move(graph)});
  return stream->launch(*at->second.graph);
}

Status GpuExecutor::Impl::launch() {
  BITNETC_RETURN_IF_ERROR(launches.status());
  const std::span<const std::byte> calls = launches.args();
  BITNETC_RETURN_IF_ERROR(args.reserve(gpu, calls.size()));
  BITNETC_RETURN_IF_ERROR(stream->upload(args.at(), calls.data(), calls.size()));
  return batch.rows().size() <= kMostGraphRows ? launch_graph()
                                               : launches.issue(*stream, args.at());
}

Status GpuExecutor::Impl::fetch_output() {
  if (batch.scored().empty()) return {};
  const BoundSlice& slice = executable->output;
  const Pass::Storage& from = storage[static_cast<size_t>(slice.buffer)];
  const auto bytes =
      static_cast<size_t>(std::ssize(batch.scored()) * from.row_elements * from.element_bytes);
  if (bytes > fetched.bytes) {
    fetched = {};
    BITNETC_ASSIGN_OR_RETURN(fetched, gpu.allocate_host(bytes));
  }
  return stream->download(fetched.address, reinterpret_cast<const std::byte*>(from.base), bytes);
}

Status GpuExecutor::Impl::begin_pass() {
  BITNETC_RETURN_IF_ERROR(prepare());
  take_down();
  BITNETC_RETURN_IF_ERROR(launch());
  return fetch_output();
}

Result<std::unique_ptr<GpuExecutor>> GpuExecutor::create(
    std::shared_ptr<const Executable> executable, const GpuExecutorOptions& options) {
  BITNETC_CHECK(executable->gpu != nullptr, "an executable that is linked for a CPU");
  BITNETC_ASSIGN_OR_RETURN(std::unique_ptr<GpuStream> stream, executable->gpu->create_stream());
  return std::unique_ptr<GpuExecutor>(
      new GpuExecutor(std::make_unique<Impl>(std::move(executable), options, std::move(stream))));
}

GpuExecutor::GpuExecutor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GpuExecutor::~GpuExecutor() = default;

const Executable& GpuExecutor::executable() const {
  return *impl_->executable;
}
std::shared_ptr<KvPool> GpuExecutor::pool() const {
  return impl_->pool;
}

Status GpuExecutor::run(std::span<const BatchRow> rows, const CancelToken* cancel) {
  if (is_cancelled(cancel)) return Status(StatusCode::kCancelled, "stopped");
  BITNETC_RETURN_IF_ERROR(impl_->batch.take(rows));
  Status status = impl_->begin_pass();
  // What was begun reads memory of this executor, whatever came after it.
  if (const Status ended = impl_->stream->wait(); status.ok()) status = ended;
  BITNETC_RETURN_IF_ERROR(status);
  impl_->batch.commit();
  const BoundSlice& output = impl_->executable->output;
  return impl_->batch.check_finite(impl_->output() + output.column, output.columns,
                                   impl_->output_stride());
}

Status GpuExecutor::complete() {
  return {};
}

Scores GpuExecutor::scores(size_t row) const {
  const BoundSlice& output = impl_->executable->output;
  const int64_t scored_row = impl_->batch.scored_index(row);
  return {.ids = {},
          .logits = {impl_->output() + scored_row * impl_->output_stride() + output.column,
                     static_cast<size_t>(output.columns)}};
}

int64_t GpuExecutor::memory_bytes() const {
  size_t bytes = impl_->page_tables.bytes() + impl_->args.bytes();
  for (const GrowingBlock& buffer : impl_->buffers) bytes += buffer.bytes();
  for (const GpuRope& rope : impl_->ropes) bytes += rope.bytes();
  return impl_->pool->memory_bytes() + static_cast<int64_t>(bytes);
}

}  // namespace bitnetc
