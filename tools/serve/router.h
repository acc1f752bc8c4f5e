// Which handler answers which request.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "tools/serve/api/surfaces.h"

namespace bitnetc::serve {

struct Route {
  std::string_view method, pattern;  // a '*' at the end stands for the rest of the path
  void (*handle)(const ExchangePtr&);
  bool is_quick = false;     // takes no time worth a worker
  bool is_open = false;      // needs no API key
  bool needs_model = false;  // answered with 503 while there is none, or none any more
};
std::span<const Route> routes();

// Of a target as it came, with a query or a host in front: "/v1/models".
std::string_view path_of(std::string_view target);

// "localhost:80" of "http://localhost:80/v1/models"; empty where the target is a path alone.
std::string_view name_in_target(std::string_view target);

struct RouteMatch {
  const Route* route = nullptr;  // null: none of this method
  std::string allowed;           // methods of the path, "GET, HEAD"; empty: no such path
};
// `target`: as it came. HEAD is GET. Without the page its files are no routes.
RouteMatch find_route(std::string_view method, std::string_view target, bool with_page = true);

// The path of a route that looks most like what was asked for; empty where none does.
std::string nearest_path(std::string_view target);

}  // namespace bitnetc::serve
