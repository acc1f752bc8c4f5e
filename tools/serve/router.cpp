#include "tools/serve/router.h"

#include <fmt/format.h>

#include <vector>

#include "tools/engine/spelling.h"

namespace bitnetc::serve {
namespace {

constexpr Route quick(std::string_view pattern, void (*handle)(const ExchangePtr&)) {
  return {.method = "GET", .pattern = pattern, .handle = handle, .is_quick = true, .is_open = true};
}
constexpr Route get(std::string_view pattern, void (*handle)(const ExchangePtr&)) {
  return {
      .method = "GET", .pattern = pattern, .handle = handle, .is_quick = true, .needs_model = true};
}
constexpr Route post(std::string_view pattern, void (*handle)(const ExchangePtr&)) {
  return {.method = "POST", .pattern = pattern, .handle = handle, .needs_model = true};
}
// It holds no secrets, and asks for the key itself.
constexpr Route page(std::string_view pattern) {
  return quick(pattern, handle_page);
}

constexpr Route kRoutes[] = {
    page("/"),
    page("/page.css"),
    page("/page.js"),
    page("/icon.svg"),
    quick("/livez", handle_live),
    quick("/health", handle_health),
    quick("/v1/health", handle_health),
    quick("/readyz", handle_health),
    {.method = "GET", .pattern = "/metrics", .handle = handle_metrics, .is_quick = true},
    get("/v1/models", handle_models),
    get("/models", handle_models),
    get("/v1/models/*", handle_model),
    get("/props", handle_props),
    get("/slots", handle_slots),
    get("/tokenizer_info", handle_tokenizer_info),
    get("/api/version", handle_version),
    get("/api/tags", handle_tags),
    post("/tokenize", handle_tokenize),
    post("/detokenize", handle_detokenize),
    post("/apply-template", handle_apply_template),
    post("/completion", handle_native_completion),
    post("/v1/completions", handle_completions),
    post("/v1/chat/completions", handle_chat),
    post("/chat/completions", handle_chat),
    post("/v1/embeddings", handle_embeddings),
    post("/v1/messages", handle_messages),
    post("/v1/messages/count_tokens", handle_count_tokens),
    post("/v1/responses", handle_responses),
    post("/v1/responses/input_tokens", handle_input_tokens),
};

constexpr std::string_view kScheme = "http://";

bool matches(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with('*')) return pattern == path;
  pattern.remove_suffix(1);
  return path.starts_with(pattern) && path.size() > pattern.size();
}

}  // namespace

std::span<const Route> routes() {
  return kRoutes;
}

std::string_view name_in_target(std::string_view target) {
  if (!target.starts_with(kScheme)) return {};
  target.remove_prefix(kScheme.size());
  return target.substr(0, target.find_first_of("/?#"));
}

std::string_view path_of(std::string_view target) {
  if (target.starts_with(kScheme))
    target.remove_prefix(kScheme.size() + name_in_target(target).size());
  target = target.substr(0, target.find_first_of("?#"));
  return target.empty() ? "/" : target;
}

RouteMatch find_route(std::string_view method, std::string_view target, bool with_page) {
  const std::string_view path = path_of(target);
  RouteMatch match;
  for (const Route& each : kRoutes) {
    if (!matches(each.pattern, path) || (each.handle == handle_page && !with_page)) continue;
    const bool is_get = each.method == "GET";
    if (each.method == method || (is_get && method == "HEAD")) match.route = &each;
    match.allowed +=
        fmt::format("{}{}", match.allowed.empty() ? "" : ", ", is_get ? "GET, HEAD" : each.method);
  }
  if (!match.allowed.empty()) match.allowed += ", OPTIONS";
  return match;
}

std::string nearest_path(std::string_view target) {
  const std::string_view path = path_of(target);
  std::vector<std::string> paths;
  for (const Route& each : kRoutes) {
    if (each.handle == handle_page || each.pattern.ends_with('*')) continue;
    // The base of clients that put the version into it, or leave it out.
    if (path.size() > 1 && each.pattern.ends_with(path)) return std::string(each.pattern);
    paths.emplace_back(each.pattern);
  }
  return nearest_word(path, paths);
}

}  // namespace bitnetc::serve
