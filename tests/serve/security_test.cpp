// Hosts, origins, keys, routes.
#include "tools/serve/security.h"

#include <gtest/gtest.h>

#include "tests/support/model_folder.h"
#include "tools/serve/router.h"

namespace bitnetc::serve {
namespace {

HttpRequest request(std::vector<HttpHeader> headers, const std::string& method = "POST") {
  headers.push_back({"content-type", "application/json"});
  return {.method = method, .target = "/v1/completions", .headers = std::move(headers)};
}

int status(const SecurityOptions& options, const HttpRequest& its_request) {
  const auto error = Security(options).check_sender(its_request);
  return error ? error->status : 200;
}

TEST(Security, AnswersToItsOwnNamesAlone) {
  for (const char* host :
       {"localhost", "localhost:80", "LocalHost", "127.0.0.1:8080", "127.3.2.1", "[::1]:8080"})
    EXPECT_EQ(status({}, request({{"host", host}})), 200) << host;
  for (const char* host : {"evil.example", "evil.example:8080", "localhost.evil.example",
                           "127.0.0.1.evil.example", "10.0.0.1", ""})
    EXPECT_EQ(status({}, request({{"host", host}})), 403) << host;
  EXPECT_EQ(status({.allowed_hosts = {"api.example"}}, request({{"host", "api.example:1"}})), 200);
  EXPECT_EQ(status({.host = "10.0.0.1"}, request({{"host", "10.0.0.1:1"}})), 200);
  EXPECT_EQ(status({.host = "0.0.0.0"}, request({{"host", "10.0.0.7:1"}})), 200);
  EXPECT_EQ(status({.host = "0.0.0.0"}, request({{"host", "evil.example"}})), 403);
  HttpRequest absolute = request({{"host", "localhost"}});
  absolute.target = "http://evil.example/v1/models";
  EXPECT_EQ(status({}, absolute), 403);
  HttpRequest local = request({{"host", "whatever"}});
  local.is_local_socket = true;
  EXPECT_EQ(status({}, local), 200);
}

TEST(Security, PagesOfOtherOriginsMayNotAsk) {
  const std::vector<HttpHeader> foreign = {{"host", "localhost:1"}, {"origin", "http://evil"}};
  EXPECT_EQ(status({}, request(foreign)), 403);
  EXPECT_EQ(status({}, request(foreign, "GET")), 200);  // which no page may read
  EXPECT_TRUE(Security({}).cors_headers(request(foreign, "GET")).empty());
  EXPECT_EQ(status({.cors_origins = {"http://evil"}}, request(foreign)), 200);
  EXPECT_EQ(status({.cors_origins = {"http://other"}}, request(foreign)), 403);
  EXPECT_EQ(Security({.cors_origins = {"*"}}).cors_headers(request(foreign))[0].value,
            "http://evil");
  const std::vector<HttpHeader> own = {{"host", "localhost:1"}, {"origin", "http://localhost:1"}};
  EXPECT_EQ(status({}, request(own)), 200);
  EXPECT_EQ(status({}, {.method = "POST", .headers = own}), 415);  // no JSON: a simple request
}

TEST(Security, KeysAreShownAsBearerOrXApiKey) {
  const Security security({.api_keys = {"one", "two"}});
  const auto place = [&](std::vector<HttpHeader> headers) {
    auto key = security.check_key(request(std::move(headers)));
    return key.ok() ? *key : -key.error().status;
  };
  EXPECT_EQ(place({{"authorization", "Bearer one"}}), 1);
  EXPECT_EQ(place({{"authorization", "bearer two"}}), 2);
  EXPECT_EQ(place({{"x-api-key", "two"}}), 2);
  EXPECT_EQ(place({{"authorization", "Bearer"}, {"x-api-key", "two"}}), 2);
  for (const char* wrong : {"", "on", "onee", "One", "one two"})
    EXPECT_EQ(place({{"authorization", std::string("Bearer ") + wrong}}), -401) << wrong;
  EXPECT_EQ(place({}), -401);
  EXPECT_EQ(*Security({}).check_key(request({})), 0);
}

TEST(Router, FindsRoutesAndSaysWhichMethodsAPathTakes) {
  const auto pattern = [](const char* method, const char* target) {
    const RouteMatch match = find_route(method, target);
    return match.route ? std::string(match.route->pattern) : "none: " + match.allowed;
  };
  EXPECT_EQ(pattern("GET", "/?x=1"), "/");
  EXPECT_EQ(pattern("GET", "http://localhost:1"), "/");
  EXPECT_EQ(pattern("POST", "/v1/chat/completions"), "/v1/chat/completions");
  EXPECT_EQ(pattern("POST", "/v1/messages?beta=true"), "/v1/messages");
  EXPECT_EQ(pattern("HEAD", "/v1/models"), "/v1/models");
  EXPECT_EQ(pattern("GET", "http://localhost:1/health"), "/health");
  EXPECT_EQ(pattern("GET", "/v1/models/a/b:c"), "/v1/models/*");
  EXPECT_EQ(pattern("GET", "/v1/models/a%2Fb:c"), "/v1/models/*");
  EXPECT_EQ(pattern("GET", "/v1/models/"), "none: ");
  EXPECT_EQ(pattern("GET", "/nope"), "none: ");
  EXPECT_EQ(pattern("GET", "/v1/completions"), "none: POST, OPTIONS");
  EXPECT_EQ(pattern("DELETE", "/v1/models"), "none: GET, HEAD, OPTIONS");
}

TEST(Router, AWrongPathIsToldTheNearest) {
  EXPECT_EQ(nearest_path("/embeddings"), "/v1/embeddings");
  EXPECT_EQ(nearest_path("/completions?x=1"), "/v1/completions");
  EXPECT_EQ(nearest_path("/v1/chat/completion"), "/v1/chat/completions");
  EXPECT_EQ(nearest_path("/v1/v1/models"), "/v1/models");
  EXPECT_EQ(nearest_path("/"), "");
  EXPECT_EQ(nearest_path("/favicon.ico"), "");
}

TEST(Security, KeysOfAFileAreWhatRequestsCanShow) {
  const bitnetc::test::TempFolder folder;
  const auto keys = [&](const std::string& text) {
    bitnetc::test::write_file(folder.file("keys"), text);
    return read_key_file(folder.file("keys"));
  };
  EXPECT_EQ(*keys("\xef\xbb\xbfone\r\n\n# none\n  two  # the second\n"),
            (std::vector<std::string>{"one", "two"}));
  EXPECT_NE(keys("one\nse cret\n").status().message().find("line 2"), std::string::npos);
  EXPECT_FALSE(keys("schl\xc3\xbcssel\n").ok());
  EXPECT_FALSE(keys("# none\n").ok());
}

TEST(Security, NamesThatNoRequestCouldHaveAreErrors) {
  for (const char* good : {"https://chat.example", "http://localhost:3000", "*"})
    EXPECT_TRUE(check_names({.cors_origins = {good}}).ok()) << good;
  for (const char* bad : {"chat.example", "https://chat.example/", "https://", ""})
    EXPECT_FALSE(check_names({.cors_origins = {bad}}).ok()) << bad;
  EXPECT_TRUE(check_names({.allowed_hosts = {"api.example", "api.example:80"}}).ok());
  EXPECT_FALSE(check_names({.allowed_hosts = {"http://api.example"}}).ok());
}

TEST(Router, OnlyHealthAndThePageAreOpenToAll) {
  for (const Route& each : routes())
    EXPECT_EQ(each.is_open, each.handle == handle_health || each.handle == handle_live ||
                                each.handle == handle_page)
        << each.pattern;
}

}  // namespace
}  // namespace bitnetc::serve
