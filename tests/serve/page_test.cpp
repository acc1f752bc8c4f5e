// The page at GET /: its files as they lie in tools/serve/web, what their headers promise, and who
// may read them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <set>
#include <sstream>

#include "tests/serve/socket_client.h"
#include "tools/serve/router.h"
#include "tools/serve/server.h"

namespace bitnetc::serve::test {
namespace {

struct PageFile {
  const char *path, *file, *type;
};
constexpr PageFile kFiles[] = {{"/", "index.html", "text/html; charset=utf-8"},
                               {"/page.css", "page.css", "text/css; charset=utf-8"},
                               {"/page.js", "page.js", "text/javascript; charset=utf-8"},
                               {"/icon.svg", "icon.svg", "image/svg+xml"}};

std::string bytes_of(const PageFile& file) {
  std::ifstream stream(std::string(BITNETC_SOURCE_DIR "/tools/serve/web/") + file.file);
  EXPECT_TRUE(stream.good()) << file.file;
  std::stringstream bytes;
  bytes << stream.rdbuf();
  return bytes.str();
}

// A server that has no model yet, and wants a key.
class Page : public testing::Test {
 protected:
  void start(bool has_page = true) {
    auto server =
        Server::start({.security = {.api_keys = {"key"}}, .service = {.has_page = has_page}});
    ASSERT_TRUE(server.ok()) << server.status().message();
    server_ = *std::move(server);
  }
  Answer ask(const std::string& method, const std::string& path, const std::string& headers = "",
             const std::string& host = "localhost") {
    SocketClient client(server_->port());
    client.send(fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n{}\r\n", method, path, host, headers));
    return client.read(method == "HEAD");
  }

  std::unique_ptr<Server> server_;
};

TEST_F(Page, EverybodyGetsItsFilesBeforeThereIsAModel) {
  start();
  for (const PageFile& each : kFiles) {
    const Answer answer = ask("GET", each.path);
    EXPECT_EQ(answer.status, 200) << each.path;
    EXPECT_EQ(answer.body, bytes_of(each)) << each.path;
    EXPECT_EQ(answer.headers.at("content-type"), each.type);
    const Answer head = ask("HEAD", each.path);
    EXPECT_EQ(head.status, 200) << each.path;
    EXPECT_EQ(head.headers.at("content-length"), std::to_string(answer.body.size()));
  }
  EXPECT_EQ(ask("GET", "/?from=bookmark").status, 200);
  EXPECT_EQ(ask("GET", "/v1/models").status, 401);
  EXPECT_EQ(ask("GET", "/index.html", "Authorization: Bearer key\r\n").status, 404);
  EXPECT_EQ(ask("POST", "/", "Authorization: Bearer key\r\nContent-Length: 0\r\n").status, 405);
  EXPECT_EQ(ask("GET", "/", "", "evil.example").status, 403);
}

TEST_F(Page, HeadersKeepItToItself) {
  start();
  for (const PageFile& each : kFiles) {
    const auto headers = ask("GET", each.path).headers;
    EXPECT_EQ(headers.at("x-content-type-options"), "nosniff");
    EXPECT_EQ(headers.at("referrer-policy"), "no-referrer");
    EXPECT_EQ(headers.at("cache-control"), "no-cache");
    const std::string& policy = headers.at("content-security-policy");
    for (const char* part :
         {"default-src 'none';", "script-src 'self';", "style-src 'self';", "connect-src 'self';",
          "frame-ancestors 'none';", "base-uri 'none';", "require-trusted-types-for 'script';"})
      EXPECT_NE(policy.find(part), policy.npos) << part;
    EXPECT_EQ(policy.find("unsafe"), policy.npos);
  }
}

TEST_F(Page, IsNotSentTwice) {
  start();
  std::set<std::string> tags;
  for (const PageFile& each : kFiles) {
    const std::string tag = ask("GET", each.path).headers.at("etag");
    EXPECT_TRUE(tag.size() == 18 && tag.starts_with('"') && tag.ends_with('"')) << tag;
    tags.insert(tag);
    for (const std::string& known : {tag, "W/" + tag, "\"0\", " + tag, std::string("*")}) {
      SocketClient client(server_->port());
      client.send(fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {}\r\n\r\n",
                              each.path, known));
      const Answer answer = client.read(/*is_head=*/true);
      EXPECT_EQ(answer.status, 304) << known;
      EXPECT_EQ(answer.headers.at("etag"), tag);
      EXPECT_FALSE(answer.headers.contains("content-length"));
      // The connection goes on where an answer without a body ends.
      client.send(http_get(each.path));
      EXPECT_EQ(client.read().body, bytes_of(each)) << known;
    }
    EXPECT_EQ(ask("GET", each.path, "If-None-Match: \"0123456789abcdef\"\r\n").status, 200);
  }
  EXPECT_EQ(tags.size(), std::size(kFiles));
}

TEST_F(Page, CanBeLeftOut) {
  start(/*has_page=*/false);
  for (const PageFile& each : kFiles) {
    EXPECT_EQ(ask("GET", each.path).status, 401) << each.path;
    EXPECT_EQ(ask("GET", each.path, "Authorization: Bearer key\r\n").status, 404) << each.path;
    EXPECT_EQ(find_route("GET", each.path, /*with_page=*/false).allowed, "") << each.path;
  }
  EXPECT_EQ(ask("GET", "/health").status, 503);
}

// What the policy forbids is not there either, and nothing names another server.
TEST(PageFiles, AreSmallAndMakeNoMarkupOfTexts) {
  size_t all = 0;
  for (const PageFile& each : kFiles) {
    std::string text = bytes_of(each);
    all += text.size();
    constexpr std::string_view kNamespace = "\"http://www.w3.org/2000/svg\"";
    if (const size_t at = text.find(kNamespace); at != text.npos) text.erase(at, kNamespace.size());
    for (const char* word :
         {"http:", "https:", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
          "eval(", "new Function", "<style", " style=", " onclick=\"", " onload=", "javascript:"})
      EXPECT_EQ(text.find(word), text.npos) << each.file << ": " << word;
  }
  EXPECT_LT(all, 40'000u);
}

}  // namespace
}  // namespace bitnetc::serve::test
