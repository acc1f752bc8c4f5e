#include "autotune/tuning/trials.h"

namespace bitnetc {

Result<Contestant> Trials::enter(const BuiltKernel& built) {
  BITNETC_ASSIGN_OR_RETURN(const double tables_s, this->tables_s(built.table_form));
  BITNETC_RETURN_IF_ERROR(workload_.check(builder_, built, tokens_));
  // A fifth to a few milliseconds: a call with many tokens would be disturbed each time on a busy
  // machine.
  constexpr int64_t kMostMacs = int64_t{1} << 28;
  const int64_t pieces = workload_.pieces(tokens_, pool_.size(), kMostMacs);
  if (pieces > 1)
    return Contestant([this, built, pieces](int64_t calls) {
      return workload_.run_pieces(built, tokens_, pool_, pieces, calls) *
             static_cast<double>(calls);
    });
  return Contestant([this, built, tables_s](int64_t calls) {
    return workload_.run(built, tokens_, WeightRegime::kMemory, pool_, calls) +
           static_cast<double>(calls) * tables_s;
  });
}

Result<double> Trials::tables_s(TableForm form) {
  if (form == TableForm::kNone) return 0.0;
  if (tokens_ > 1)
    return make_error(StatusCode::kUnsupported, "looks up the sums of one token, not of {}",
                      tokens_);
  if (const auto known = tables_s_.find(form); known != tables_s_.end()) return known->second;
  BITNETC_ASSIGN_OR_RETURN(const double alone_s, workload_.build_tables(builder_, target_, form));
  return tables_s_[form] = alone_s / pool_.size();
}

}  // namespace bitnetc
