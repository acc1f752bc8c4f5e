// The HTTP server by itself, through sockets: framing, kept connections, limits, clients that go.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <ctime>
#include <filesystem>
#include <mutex>
#include <thread>

#include "tests/serve/socket_client.h"
#include "tests/support/model_folder.h"
#include "tools/serve/http/server.h"

namespace bitnetc::serve::test {
namespace {

// Says what it was asked; "/stream" streams it, "/slow" waits for finish(), "/cut" breaks off.
class EchoHandler final : public HttpHandler {
 public:
  std::optional<HttpResponse> refuse(const HttpRequest& head) override {
    if (head.target == "/refused") return error(403, "no");
    return std::nullopt;
  }
  bool is_quick(const HttpRequest& request) override { return request.target == "/quick"; }
  void handle(HttpRequest request, std::shared_ptr<Responder> responder) override {
    ++handled;
    const std::string text = request.method + " " + request.target + " " + request.body;
    if (request.target == "/slow") {
      const std::lock_guard lock(mutex_);
      slow_ = responder;
      responder->when_gone([this] {
        const std::lock_guard its_lock(mutex_);
        is_gone_ = true;
        changed_.notify_all();
      });
      changed_.notify_all();
    } else if (request.target == "/stream" || request.target == "/cut") {
      responder->begin({});
      responder->write(text.substr(0, 5));
      responder->write(text.substr(5));
      request.target == "/cut" ? responder->abort() : responder->end();
    } else {
      responder->send({.body = text});
    }
  }
  HttpResponse error(int status, const std::string& message) override {
    return {.status = status, .body = message};
  }

  std::atomic<int> handled = 0;

  bool wait_for_slow() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [this] { return slow_ != nullptr; });
  }
  bool is_gone_within(std::chrono::milliseconds most) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, most, [this] { return is_gone_; });
  }
  std::shared_ptr<Responder> take_slow() {
    const std::lock_guard lock(mutex_);
    return std::exchange(slow_, nullptr);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<Responder> slow_;
  bool is_gone_ = false;
};

class Http : public testing::Test {
 protected:
  void start(HttpServerOptions options = {}) {
    auto server = HttpServer::listen(options, handler_);
    ASSERT_TRUE(server.ok()) << server.status().message();
    server_ = *std::move(server);
    thread_ = std::thread([this] { server_->run(); });
  }
  void TearDown() override {
    handler_.take_slow();
    server_->stop();
    if (thread_.joinable()) thread_.join();
  }
  SocketClient client() const { return SocketClient(server_->port()); }

  EchoHandler handler_;
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
};

TEST_F(Http, ConnectionsAreKept) {
  start();
  SocketClient client(server_->port());
  for (int i = 0; i < 1000; ++i) {
    client.send(http_post(i % 2 == 0 ? "/a" : "/stream", std::to_string(i)));
    const Answer answer = client.read();
    ASSERT_TRUE(answer.is_whole);
    ASSERT_EQ(answer.body, fmt::format("POST /{} {}", i % 2 == 0 ? "a" : "stream", i));
    ASSERT_FALSE(answer.headers.contains("connection"));
  }
}

TEST_F(Http, PipelinedRequestsAreAnsweredInTheirOrder) {
  start();
  SocketClient client(server_->port());
  for (int round = 0; round < 50; ++round) {
    client.send(http_post("/a", std::string(3000, 'x')) + http_post("/stream", "2") +
                http_get("/quick") + http_post("/b", "4"));
    EXPECT_EQ(client.read().body, "POST /a " + std::string(3000, 'x'));
    EXPECT_EQ(client.read().body, "POST /stream 2");
    EXPECT_EQ(client.read().body, "GET /quick ");
    EXPECT_EQ(client.read().body, "POST /b 4");
  }
}

TEST_F(Http, BodiesMayComeInChunksAndPiecemeal) {
  start();
  SocketClient client(server_->port());
  const std::string request =
      "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  for (const char c : request) client.send(std::string(1, c));
  EXPECT_EQ(client.read().body, "POST /a abcde");
}

TEST_F(Http, SaysContinueWhereItIsAskedTo) {
  start();
  SocketClient client(server_->port());
  client.send("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  while (client.buffer().empty()) ASSERT_TRUE(client.more());
  EXPECT_TRUE(client.buffer().starts_with("HTTP/1.1 100 Continue\r\n\r\n"));
  client.send("abc");
  EXPECT_EQ(client.read().body, "POST /a abc");
  client.send(
      "POST /refused HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  const Answer refused = client.read();
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.headers.at("connection"), "close");
}

TEST_F(Http, OldClientsGetALengthOrTheEndOfTheConnection) {
  start();
  SocketClient kept(server_->port());
  const std::string keep = "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
  for (int i = 0; i < 2; ++i) {
    kept.send(keep);
    const Answer answer = kept.read();
    EXPECT_EQ(answer.body, "GET /a ");
    EXPECT_EQ(answer.headers.at("connection"), "keep-alive");
  }
  SocketClient streamed(server_->port());
  streamed.send("GET /stream HTTP/1.0\r\n\r\n");
  const Answer answer = streamed.read();
  EXPECT_EQ(answer.body, "GET /stream ");
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_FALSE(answer.headers.contains("transfer-encoding"));
}

TEST_F(Http, HeadHasTheHeadersOfGetAndNoBody) {
  start();
  SocketClient client(server_->port());
  client.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n" + http_get("/b"));
  const Answer head = client.read(/*is_head=*/true);
  EXPECT_EQ(head.headers.at("content-length"), std::to_string(std::string("HEAD /a ").size()));
  EXPECT_EQ(client.read().body, "GET /b ");
}

TEST_F(Http, LimitsAreKept) {
  start({.most_head_bytes = 1024, .most_body_bytes = 1000});
  const auto answer_to = [&](const std::string& request) {
    SocketClient client(server_->port());
    client.send(request);
    const Answer answer = client.read();
    EXPECT_EQ(answer.headers.at("connection"), "close");
    EXPECT_FALSE(client.more());
    return answer.status;
  };
  EXPECT_EQ(answer_to(http_post("/a", std::string(1001, 'x'))), 413);
  EXPECT_EQ(answer_to("GET /a HTTP/1.1\r\nX: " + std::string(2000, 'x') + "\r\n\r\n"), 431);
  EXPECT_EQ(answer_to("nonsense\r\n\r\n"), 400);
  EXPECT_EQ(answer_to("POST /a HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), 400);
  EXPECT_EQ(
      answer_to("POST /a HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
      400);
  std::string chunked = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 30; ++i) chunked += "40\r\n" + std::string(64, 'x') + "\r\n";
  EXPECT_EQ(answer_to(chunked), 413);
}

TEST_F(Http, LinesOfChunksAndTrailersAreLimited) {
  start();
  const std::string head = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string much(200 << 10, '0');
  for (const std::string& body : {"5;" + much, much, "0\r\nx: " + much}) {
    SocketClient client(server_->port());
    client.send(head + body);
    EXPECT_EQ(client.read().status, 400);
    EXPECT_FALSE(client.more());
  }
}

TEST_F(Http, WhereARequestEndsAndWhomItIsForMustBeClear) {
  start();
  const auto status = [&](const std::string& headers, const std::string& version = "1.1") {
    SocketClient client(server_->port());
    client.send("POST /a HTTP/" + version + "\r\n" + headers + "\r\n" + http_get("/b"));
    const int first = client.read().status;
    EXPECT_EQ(client.read().status, 0) << headers;  // what follows is no request
    return first;
  };
  const std::string host = "Host: x\r\n";
  for (const char* encoding : {"xchunked", "gzip", "identity", "chunked, chunked"})
    EXPECT_EQ(status(host + "Transfer-Encoding: " + encoding + "\r\n"), 501) << encoding;
  // Here what follows is read as a chunk first.
  EXPECT_EQ(status(host + "Transfer-Encoding: gzip, chunked\r\n"), 400);
  EXPECT_EQ(status(host + "Transfer-Encoding: chunked\r\n", "1.0"), 400);
  EXPECT_EQ(status(host + host), 400);
  EXPECT_EQ(status(""), 400);
  EXPECT_EQ(status("Content-Length: 0\r\n", "1.0"), 200);
}

TEST_F(Http, NoFurtherRequestIsTakenWhileTheClientDoesNotRead) {
  start();
  SocketClient client(server_->port());
  const std::string body(1 << 20, 'x');
  constexpr int kRequests = 64;
  std::thread sender([&] {
    for (int i = 0; i < kRequests; ++i) client.send(http_post("/a", body));
    client.end_sending();
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(handler_.handled, kRequests / 2);
  for (int i = 0; i < kRequests; ++i) ASSERT_EQ(client.read().body, "POST /a " + body) << i;
  EXPECT_FALSE(client.more());
  sender.join();
}

TEST_F(Http, AnErrorBehindAHeadRequestHasItsBody) {
  start();
  SocketClient client(server_->port());
  client.send("HEAD /quick HTTP/1.1\r\nHost: x\r\n\r\nGARB AGE\r\n\r\n");
  EXPECT_EQ(client.read(/*is_head=*/true).status, 200);
  const Answer fault = client.read();
  EXPECT_EQ(fault.status, 400);
  EXPECT_TRUE(fault.is_whole);
}

TEST_F(Http, IdleConnectionsEnd) {
  start({.idle_time = std::chrono::milliseconds(300)});
  EXPECT_FALSE(SocketClient(server_->port()).more());
}

TEST_F(Http, SlowRequestsEnd) {
  using std::chrono::milliseconds;
  start({.head_time = milliseconds(300), .body_time = milliseconds(300)});
  SocketClient slow_head(server_->port());
  slow_head.send("GET /a HT");
  EXPECT_EQ(slow_head.read().status, 408);
  SocketClient slow_body(server_->port());
  slow_body.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab");
  EXPECT_EQ(slow_body.read().status, 408);
}

TEST_F(Http, AClientThatGoesIsNoticedWhileNothingIsWritten) {
  start();
  SocketClient client(server_->port());
  client.send(http_post("/slow", ""));
  ASSERT_TRUE(handler_.wait_for_slow());
  client.close();
  EXPECT_TRUE(handler_.is_gone_within(std::chrono::seconds(20)));
}

TEST_F(Http, AClientThatGoesIsNoticedInAQuietStream) {
  start();
  SocketClient client(server_->port());
  client.send(http_post("/slow", ""));
  ASSERT_TRUE(handler_.wait_for_slow());
  handler_.take_slow()->begin({});
  EXPECT_EQ(client.more(), true);
  client.close();
  EXPECT_TRUE(handler_.is_gone_within(std::chrono::seconds(20)));
}

TEST_F(Http, AClientThatHasSaidAllIsStillThere) {
  start();
  SocketClient client(server_->port());
  client.send(http_post("/slow", ""));
  ASSERT_TRUE(handler_.wait_for_slow());
  client.end_sending();
  EXPECT_FALSE(handler_.is_gone_within(std::chrono::milliseconds(600)));
  handler_.take_slow()->send({.body = "here"});
  EXPECT_EQ(client.read().body, "here");
}

TEST_F(Http, ABrokenStreamHasNoEnd) {
  start();
  SocketClient client(server_->port());
  client.send(http_get("/cut"));
  const Answer answer = client.read();
  EXPECT_EQ(answer.body, "GET /cut ");
  EXPECT_FALSE(answer.is_whole);
}

TEST_F(Http, DrainingEndsIdleConnectionsAndLetsAnswersEnd) {
  start();
  SocketClient busy(server_->port()), idle(server_->port());
  idle.send(http_get("/quick"));
  EXPECT_EQ(idle.read().status, 200);
  busy.send(http_post("/slow", ""));
  ASSERT_TRUE(handler_.wait_for_slow());
  server_->drain();
  EXPECT_FALSE(idle.more());
  handler_.take_slow()->send({.body = "done"});
  const Answer answer = busy.read();
  EXPECT_EQ(answer.body, "done");
  EXPECT_EQ(answer.headers.at("connection"), "close");
}

TEST_F(Http, AConnectionBeyondTheLimitTakesThePlaceOfTheLongestIdle) {
  start({.most_connections = 2});
  SocketClient one(server_->port()), two(server_->port());
  for (SocketClient* each : {&one, &two, &one}) {
    each->send(http_get("/a"));
    EXPECT_EQ(each->read().status, 200);
  }
  SocketClient three(server_->port());
  EXPECT_FALSE(two.more());
  three.send(http_get("/a"));
  EXPECT_EQ(three.read().status, 200);
  one.send(http_get("/a"));
  EXPECT_EQ(one.read().status, 200);
}

TEST_F(Http, WhereAllConnectionsAreBusyOneMoreIsClosed) {
  start({.most_connections = 2});
  SocketClient answered(server_->port()), asking(server_->port());
  answered.send(http_post("/slow", ""));
  ASSERT_TRUE(handler_.wait_for_slow());
  asking.send(
      "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
      "Expect: 100-continue\r\n\r\n");
  EXPECT_TRUE(asking.more());
  SocketClient one_more(server_->port());
  EXPECT_FALSE(one_more.more());
  asking.send("abc");
  EXPECT_EQ(asking.read().status, 200);
  handler_.take_slow()->send({.body = "done"});
  EXPECT_EQ(answered.read().body, "done");
}

// While the process may open no further file, the server waits instead of trying without a pause.
TEST_F(Http, WithoutAFreeFileConnectionsWaitAndTakeNoTime) {
  start();
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::dup(0);
  ::close(next);
  // The client's end is the last one.
  const rlimit full = {.rlim_cur = static_cast<rlim_t>(next) + 1, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &full), 0);
  SocketClient client(server_->port());
  client.send(http_get("/quick"));
  const std::clock_t used_before = std::clock();
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  const std::clock_t used = std::clock() - used_before;
  EXPECT_EQ(server_->connections(), 0);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_LT(used, CLOCKS_PER_SEC / 5);
  EXPECT_EQ(client.read().body, "GET /quick ");
}

TEST_F(Http, AUnixSocketIsTakenOverWhereNobodyListens) {
  bitnetc::test::TempFolder folder;
  const std::string path = folder.file("s");
  start({.socket_path = path});
  EXPECT_EQ(server_->url(), "unix:" + path);
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0660));
  EchoHandler other;
  EXPECT_FALSE(HttpServer::listen({.socket_path = path}, other).ok());
  const int left_behind = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  const std::string old_path = folder.file("old");
  old_path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(left_behind, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(left_behind);
  EXPECT_TRUE(HttpServer::listen({.socket_path = old_path}, other).ok());
}

TEST_F(Http, AServerThatEndsLeavesTheSocketOfAnother) {
  bitnetc::test::TempFolder folder;
  const std::string path = folder.file("s");
  start({.socket_path = path});
  EchoHandler other;
  {
    std::filesystem::remove(path);
    const auto second = HttpServer::listen({.socket_path = path}, other);
    ASSERT_TRUE(second.ok());
    server_->drain();
    while (server_->connections() > 0) std::this_thread::yield();
    server_->stop();
    thread_.join();
    thread_ = {};
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(Http, AddressesThatCannotBeHadAreErrors) {
  start();
  EchoHandler other;
  const auto taken = HttpServer::listen({.port = server_->port()}, other);
  EXPECT_EQ(taken.status().code(), StatusCode::kIoError);
  const auto unknown = HttpServer::listen({.host = "no.such.host.invalid"}, other);
  EXPECT_EQ(unknown.status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace bitnetc::serve::test
