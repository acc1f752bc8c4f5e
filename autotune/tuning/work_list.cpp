#include "autotune/tuning/work_list.h"

#include <algorithm>
#include <iterator>
#include <tuple>

#include "runtime/thread_pool.h"

namespace bitnetc {
namespace {

// Shapes without what a job adds, each once, the biggest first.
std::vector<MatmulSpec> distinct_shapes(const std::vector<MatmulSpec>& shapes) {
  std::vector<MatmulSpec> list;
  for (MatmulSpec shape : shapes) {
    shape.m = 1;
    shape.layout = LayoutId::kI2S;
    if (std::find(list.begin(), list.end(), shape) == list.end()) list.push_back(shape);
  }
  const auto key = [](const MatmulSpec& spec) { return std::tuple(-spec.n * spec.k, spec); };
  std::sort(list.begin(), list.end(),
            [&](const MatmulSpec& a, const MatmulSpec& b) { return key(a) < key(b); });
  return list;
}

template <typename T>
std::vector<T> distinct(const std::vector<T>& values) {
  std::vector<T> list;
  for (const T& value : values)
    if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
  return list;
}

}  // namespace

ProfileKey TuneJob::key(const Target& target) const {
  return {.spec = spec, .target = target.name(), .threads = threads};
}

std::string TuneJob::text() const {
  std::string tokens = "many tokens";
  if (spec.m != kAnyM) tokens = fmt::format("{} token{}", spec.m, spec.m == 1 ? "" : "s");
  return fmt::format("{}x{}:{}{} {}, {}", spec.n, spec.k, epilogue_name(spec.epilogue),
                     spec.row_absmax ? " rowmax" : "", layout_name(spec.layout), tokens);
}

std::vector<std::vector<int>> token_waves(Effort effort) {
  std::vector<std::vector<int>> waves = {{1, kAnyM}, {2, 4, 8}};
  if (effort == Effort::kFull) waves.push_back({3, 5, 6, 7});
  return waves;
}

std::vector<TuneJob> make_work_list(const TuneRequest& request) {
  std::vector<LayoutId> layouts = distinct(request.layouts);
  if (layouts.empty()) layouts.assign(std::begin(kLayouts), std::end(kLayouts));
  std::vector<int> threads = distinct(request.threads);
  if (threads.empty()) threads = {usable_cpu_count()};
  const std::vector<MatmulSpec> shapes = distinct_shapes(request.shapes);
  std::vector<TuneJob> jobs;
  for (const std::vector<int>& wave : token_waves(request.effort))
    for (const int count : threads)
      for (const MatmulSpec& shape : shapes)
        for (const LayoutId layout : layouts)
          for (const int m : wave) {
            jobs.push_back({.spec = shape, .threads = count});
            jobs.back().spec.layout = layout;
            jobs.back().spec.m = m;
          }
  return jobs;
}

}  // namespace bitnetc
