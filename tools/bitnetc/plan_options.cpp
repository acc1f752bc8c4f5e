#include "tools/bitnetc/plan_options.h"

#include <CLI/CLI.hpp>

namespace bitnetc {

void add_threads_option(CLI::App& command, int& threads) {
  command.add_option("-t,--threads", threads, "Threads (default: all CPUs this process may use)")
      ->check(CLI::Range(1, 1024));
}

void add_usage_option(CLI::App& command, Usage& usage) {
  std::vector<std::string> names;
  for (const Usage each : kUsages) names.emplace_back(usage_name(each));
  command
      .add_option_function<std::string>(
          "--for", [&usage](const std::string& name) { usage = *parse_usage(name); },
          "What layouts are chosen for (default: generation)")
      ->check(CLI::IsMember(names));
}

void add_layout_option(CLI::App& command, std::string& layout, const char* meaning) {
  command.add_option("--layout", layout, meaning)->check(CLI::IsMember(layout_choices()));
}

}  // namespace bitnetc
