// `bitnetc serve` as a user starts and stops it.
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "tests/support/cli_fixture.h"
#include "tools/engine/engine.h"
#include "tools/serve/engine/served_model.h"

namespace bitnetc::test {
namespace {

class ServeCommand : public CliFixture {};

TEST_F(ServeCommand, SaysWhereItListensAndEndsPolitely) {
  ASSERT_EQ(bitnetc({"run", "-p", "x", "-n", "1", "-q"}).exit_code, 0);
  for (const int signal : {SIGTERM, SIGINT}) {
    const auto result = bitnetc_with({"serve", "--port", "0", "--drain-timeout", "1"},
                                     {.interrupt_after_ms = 3000, .signal = signal});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_TRUE(result.out.starts_with("fairytale-6m is served at http://127.0.0.1:"))
        << result.out;
    EXPECT_NE(result.err.find("context 1024 tokens, 16 requests at once"), std::string::npos);
    EXPECT_NE(result.err.find("/ in a browser"), std::string::npos);
    EXPECT_LT(result.ended_after_ms, 20'000);
  }
}

TEST_F(ServeCommand, TellsAServiceManagerWhatItDoes) {
  const std::string path = folder_.file("notify");
  const int manager = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(::bind(manager, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const auto result = bitnetc_with(
      {"serve", "--port", "0"},
      {.environment = {{"NOTIFY_SOCKET", path}}, .interrupt_after_ms = 5000, .signal = SIGTERM});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const std::string_view expected : {"READY=1", "STOPPING=1"}) {
    char said[32] = {};
    const ssize_t size = ::recv(manager, said, sizeof said, MSG_DONTWAIT);
    EXPECT_EQ(std::string_view(said, static_cast<size_t>(std::max<ssize_t>(size, 0))), expected);
  }
  ::close(manager);
}

TEST_F(ServeCommand, ThePageCanBeLeftOut) {
  const auto result = bitnetc_with({"serve", "--port", "0", "--no-web"},
                                   {.interrupt_after_ms = 3000, .signal = SIGTERM});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("try:"), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find("in a browser"), std::string::npos) << result.err;
}

TEST_F(ServeCommand, OpenAddressesNeedAKey) {
  const auto open = bitnetc({"serve", "--host", "0.0.0.0", "--port", "0"});
  EXPECT_EQ(open.exit_code, 2);
  EXPECT_NE(open.err.find("--insecure"), std::string::npos) << open.err;
  const auto empty = bitnetc({"serve", "--api-key-file", "/dev/null"});
  EXPECT_EQ(empty.exit_code, 2) << empty.err;
  const auto missing = bitnetc({"serve", "--api-key-file", folder_.file("none")});
  EXPECT_EQ(missing.exit_code, 3) << missing.err;
}

TEST_F(ServeCommand, WrongUseIsSaidBeforeAModelIsOpened) {
  EXPECT_EQ(bitnetc({"serve", "--port", "65536"}).exit_code, 2);
  EXPECT_EQ(bitnetc({"serve", "--parallel", "0"}).exit_code, 2);
  EXPECT_EQ(bitnetc({"serve", "--log-format", "xml"}).exit_code, 2);
  EXPECT_EQ(bitnetc({"serve", "no-such-model", "--port", "0"}).exit_code, 3);
  EXPECT_EQ(bitnetc({"serve", "--socket", folder_.file("s"), "--port", "1"}).exit_code, 2);
  EXPECT_EQ(bitnetc({"serve", "--cors-origin", "chat.example"}).exit_code, 2);
  EXPECT_EQ(bitnetc({"serve", "--host", "", "--api-key", "k"}).exit_code, 2);
  const auto host = bitnetc({"serve", "--host", "no.such.host.invalid", "--insecure"});
  EXPECT_EQ(host.exit_code, 2) << host.err;
  const auto context = bitnetc({"serve", "--port", "0", "--ctx", "4096"});
  EXPECT_EQ(context.exit_code, 2) << context.err;
}

// Equal fingerprints promise equal answers.
TEST(ServedModel, FingerprintsTellWhatAnswersDependOn) {
  const auto fingerprint = [](KvType type, const std::string& chat_template, int threads) {
    EngineOptions options{.plan = {.threads = threads}, .kv_type = type};
    Engine engine = *make_engine(BITNETC_SOURCE_DIR "/tools/models/fairytale-6m", options);
    return serve::make_served_model(engine, {.template_source = chat_template}, 0)->fingerprint;
  };
  const std::string plain = fingerprint(KvType::kF16, "", 1);
  EXPECT_EQ(plain, fingerprint(KvType::kF16, "", 2));
  EXPECT_NE(plain, fingerprint(KvType::kI8, "", 1));
  EXPECT_NE(plain, fingerprint(KvType::kF16, "{{ messages }}", 1));
}

}  // namespace
}  // namespace bitnetc::test
