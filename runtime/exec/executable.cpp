#include "runtime/executable.h"

#include "runtime/executor.h"
#include "runtime/steps/screen_steps.h"
#include "runtime/steps/sparse_steps.h"

namespace bitnetc {
namespace {

// Of the head, over the passes that `screened` counts.
double head_bytes(const ScreenOperands& head, const ScreenStats& screened) {
  const auto rows = static_cast<double>(head.n);
  const double table = rows * static_cast<double>(head.table_row_bytes);
  const auto passes = static_cast<double>(screened.passes);
  const auto all_passes = passes + static_cast<double>(screened.full_passes);
  if (screened.head_rows == 0) return table;
  const auto per_pass = [&](int64_t count) {
    return rows * static_cast<double>(count) / static_cast<double>(screened.head_rows);
  };
  // Of every row also its step and an error.
  constexpr double kRowFacts = 2 * sizeof(float);
  const double screen = rows * (static_cast<double>(head.row_bytes[0]) + kRowFacts) +
                        per_pass(screened.refined) * static_cast<double>(head.row_bytes[1]) +
                        per_pass(screened.computed) * static_cast<double>(head.table_row_bytes);
  return (passes * screen + static_cast<double>(screened.full_passes) * table) / all_passes;
}

}  // namespace

double Executable::bytes_per_token(const ScreenStats& screened, bool skipping) const {
  double total = screen ? head_bytes(*screen, screened) : 0;
  for (const auto& step : steps) {
    if (!runs_in_pass(step->rows(), skips_neurons && skipping)) continue;
    const bool is_screened = step->operation() == "screen" || step->operation() == "head";
    if (!screen || !is_screened) total += static_cast<double>(step->weight_bytes());
  }
  return total;
}

std::optional<double> Executable::neurons_read(std::string_view operation) const {
  double sum = 0;
  int count = 0;
  for (const auto& step : steps) {
    if (step->operation() != operation) continue;
    const auto share = static_cast<const SparseStep&>(*step).share_read();
    if (!share) continue;
    sum += *share;
    ++count;
  }
  return count > 0 ? std::optional(sum / count) : std::nullopt;
}

}  // namespace bitnetc
