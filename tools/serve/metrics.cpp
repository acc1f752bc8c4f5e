#include "tools/serve/metrics.h"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <cstdio>
#include <mutex>

namespace bitnetc::serve {
namespace {

using prometheus::BuildCounter, prometheus::BuildGauge, prometheus::BuildHistogram;
using prometheus::Histogram;

const Histogram::BucketBoundaries kLong = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                           2.5,   5,    10,    25,   50,  100,  250};
const Histogram::BucketBoundaries kShort = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
                                            0.1,   0.2,   0.5,   1,    2,    5};

int64_t resident_bytes() {
  int64_t pages = 0, resident = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return resident * ::sysconf(_SC_PAGESIZE);
}

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests = BuildCounter()
                                                          .Name("bitnetc_requests_total")
                                                          .Help("Requests that have ended")
                                                          .Register(registry);
  prometheus::Family<prometheus::Counter>& prompt_tokens =
      BuildCounter()
          .Name("bitnetc_prompt_tokens_total")
          .Help("Tokens of prompts, computed or reused")
          .Register(registry);
  prometheus::Counter& computed = prompt_tokens.Add({{"source", "computed"}});
  prometheus::Counter& cached = prompt_tokens.Add({{"source", "cached"}});
  prometheus::Counter& generated = BuildCounter()
                                       .Name("bitnetc_generated_tokens_total")
                                       .Help("Tokens of texts")
                                       .Register(registry)
                                       .Add({});
  Histogram& histogram(const char* name, const char* help,
                       const Histogram::BucketBoundaries& buckets) {
    return BuildHistogram().Name(name).Help(help).Register(registry).Add({}, buckets);
  }
  Histogram& first_token = histogram("bitnetc_time_to_first_token_seconds",
                                     "From the request to its first token", kLong);
  Histogram& token =
      histogram("bitnetc_inter_token_seconds", "From a token to the next of its request", kShort);
  Histogram& queue =
      histogram("bitnetc_queue_seconds", "From the request to its place in the batch", kLong);
  Histogram& total =
      histogram("bitnetc_request_seconds", "From the request to the end of its answer", kLong);

  prometheus::Gauge& gauge(const char* name, const char* help,
                           const prometheus::Labels& labels = {}) {
    return BuildGauge().Name(name).Help(help).Register(registry).Add(labels);
  }
  prometheus::Gauge& waiting =
      gauge("vllm:num_requests_waiting", "Requests that wait for their place");
  prometheus::Gauge& running = gauge("vllm:num_requests_running", "Requests in the batch");
  prometheus::Gauge& usage =
      gauge("vllm:kv_cache_usage_perc", "Share of the KV pages that running requests use, 0 to 1");
  prometheus::Gauge& pages = gauge("bitnetc_kv_pages", "KV pages in use, kept prefixes included");
  prometheus::Gauge& kept = gauge("bitnetc_prefix_cache_pages", "KV pages in the tree of prefixes");
  prometheus::Gauge& evictions =
      gauge("bitnetc_prefix_cache_evictions", "Pages that were evicted from the tree so far");
  prometheus::Gauge& passes = gauge("bitnetc_passes", "Passes of the model so far");
  prometheus::Gauge& rows = gauge("bitnetc_pass_rows", "Rows of all passes so far");
  prometheus::Gauge& resident =
      gauge("process_resident_memory_bytes", "Resident memory of the process");
  prometheus::Family<prometheus::Gauge>& cache_info =
      BuildGauge().Name("vllm:cache_config_info").Help("Size of the KV cache").Register(registry);
  prometheus::Family<prometheus::Gauge>& build_info =
      BuildGauge().Name("bitnetc_build_info").Help("What runs").Register(registry);
  std::mutex mutex;  // held while the gauges are set and written
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::count(const AccessRecord& record) {
  impl_->requests
      .Add({{"route", record.route},
            {"code", std::to_string(record.status)},
            {"finish", record.finish}})
      .Increment();
  impl_->total.Observe(record.total_s);
  impl_->computed.Increment(static_cast<double>(record.prompt_tokens - record.cached_tokens));
  impl_->cached.Increment(static_cast<double>(record.cached_tokens));
  impl_->generated.Increment(static_cast<double>(record.text_tokens));
  if (record.first_token_s) impl_->first_token.Observe(*record.first_token_s);
}

void Metrics::observe_queue(double seconds) {
  impl_->queue.Observe(seconds);
}
void Metrics::observe_token(double seconds) {
  impl_->token.Observe(seconds);
}

std::string Metrics::text(const State& state) {
  const std::lock_guard lock(impl_->mutex);
  const SchedulerStats& stats = state.stats;
  const auto set = [](prometheus::Gauge& gauge, int64_t value) {
    gauge.Set(static_cast<double>(value));
  };
  set(impl_->waiting, stats.waiting);
  set(impl_->running, stats.running);
  const auto limit = static_cast<double>(std::max<int64_t>(stats.page_limit, 1));
  // Pages of prefixes that nobody uses are as good as free.
  impl_->usage.Set(stats.running == 0 ? 0 : static_cast<double>(stats.pages_in_use) / limit);
  set(impl_->pages, stats.pages_in_use);
  set(impl_->kept, stats.cached_pages);
  set(impl_->evictions, stats.evictions);
  set(impl_->passes, stats.passes);
  set(impl_->rows, stats.rows);
  set(impl_->resident, resident_bytes());
  impl_->cache_info
      .Add({{"block_size", std::to_string(state.page_positions)},
            {"num_gpu_blocks", std::to_string(stats.page_limit)}})
      .Set(1);
  impl_->build_info.Add({{"version", state.version}, {"model", state.fingerprint}}).Set(1);
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace bitnetc::serve
