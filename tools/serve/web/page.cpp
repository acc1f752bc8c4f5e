// GET / and the files that the page names: HTML, style, script and icon, out of the program itself.
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "tools/serve/api/surfaces.h"
#include "tools/serve/router.h"
#include "tools/serve/web/page_files.h"

namespace bitnetc::serve {
namespace {

// The page runs and loads what this server sends and nothing else, talks to nobody else, stands in
// no frame of another page, and cannot make markup out of a text (trusted types).
constexpr char kPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

struct PageFile {
  std::string_view path, type, bytes;
  std::string tag;  // quoted: changes when the bytes do
};

std::vector<PageFile> make_page_files() {
  std::vector<PageFile> files = {{"/", "text/html; charset=utf-8", kIndexHtml},
                                 {"/page.css", "text/css; charset=utf-8", kPageCss},
                                 {"/page.js", "text/javascript; charset=utf-8", kPageJs},
                                 {"/icon.svg", "image/svg+xml", kIconSvg}};
  for (PageFile& each : files)
    each.tag = fmt::format("\"{:016x}\"", XXH3_64bits(each.bytes.data(), each.bytes.size()));
  return files;
}

// Whether the client has these bytes: `known` is "*" or a list of tags.
bool has_tag(std::string_view known, const std::string& tag) {
  return known == "*" || known.find(tag) != known.npos;
}

}  // namespace

void handle_page(const ExchangePtr& exchange) {
  static const std::vector<PageFile> files = make_page_files();
  const HttpRequest& request = exchange->request();
  const auto file = std::ranges::find(files, path_of(request.target), &PageFile::path);
  HttpResponse response{.headers = {{"etag", file->tag},
                                    {"cache-control", "no-cache"},
                                    {"content-security-policy", kPolicy},
                                    {"x-content-type-options", "nosniff"},
                                    {"referrer-policy", "no-referrer"}}};
  const std::string* known = request.header("if-none-match");
  if (known && has_tag(*known, file->tag)) {
    response.status = 304;
  } else {
    response.headers.push_back({"content-type", std::string(file->type)});
    response.body = file->bytes;
  }
  exchange->send(std::move(response));
}

}  // namespace bitnetc::serve
