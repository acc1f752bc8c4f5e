#include "runtime/memory_need.h"

#include <algorithm>

#include "runtime/kernel_args.h"
#include "runtime/kv_cache.h"
#include "runtime/mapped_file.h"
#include "runtime/printable.h"
#include "runtime/rounding.h"

namespace bitnetc {
namespace {

int64_t buffer_bytes(const BufferInfo& info, int64_t rows, int64_t positions, int threads) {
  const int64_t elements = info.fixed + info.per_row * (info.scored ? 1 : rows) +
                           info.per_position * round_up(positions, kAttentionChunk);
  return elements * static_cast<int64_t>(element_bytes(info.type)) *
         (info.per_worker ? threads : 1);
}

std::string megabytes(int64_t bytes) {
  return fmt::format("{:.0f} MB", std::ceil(static_cast<double>(bytes) / 1e6));
}

std::string parts_of(const MemoryNeed& need) {
  std::string text = fmt::format("{} for its weights", megabytes(need.weights_bytes));
  if (need.positions > 0)
    text += fmt::format(", {} for {} positions of context, {} for work",
                        megabytes(need.context_bytes), need.positions, megabytes(need.work_bytes));
  return text;
}

}  // namespace

MemoryNeed memory_need(const CompiledModel& model, KvType kv_type, int64_t positions, int threads) {
  const ModelDescription& description = model.description();
  const ModelConfig& config = description.config;
  const KvLayout kv{.layers = config.layers,
                    .kv_heads = config.kv_heads,
                    .head_dim = config.head_dim,
                    .type = kv_type};
  MemoryNeed need{.weights_bytes = static_cast<int64_t>(model.file().size_bytes()),
                  .positions = positions,
                  .context_bytes = KvLayout::pages_for(positions) * kv.page_bytes()};
  const int64_t rows = std::min<int64_t>(positions, kMaxTokensPerCall);
  for (const BufferInfo& info : description.program.buffers)
    need.work_bytes += buffer_bytes(info, rows, positions, threads);
  return need;
}

Status check_memory(const std::string& path, const MemoryNeed& need,
                    const std::optional<MemoryAllowance>& allowance,
                    std::span<const uint8_t> mapped) {
  if (!allowance) return {};
  const int64_t missing = need.total_bytes() - allowance->available_bytes;
  if (missing <= 0) return {};
  // Every page is asked after, so only where the answer can matter.
  const int64_t there =
      allowance->kept_bytes < missing ? 0 : std::min(resident_bytes(mapped), allowance->kept_bytes);
  if (there >= missing) return {};
  return make_error(StatusCode::kOutOfMemory,
                    "{}: needs {} of memory ({}), but {} are available ({}): end other programs, "
                    "ask for less context or fewer tokens, or take a machine or a limit with more",
                    printable_path(path), megabytes(need.total_bytes() - there), parts_of(need),
                    megabytes(allowance->available_bytes), allowance->limited_by);
}

}  // namespace bitnetc
