// bitnetc pull, from a hub that the test serves.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/cli_fixture.h"
#include "tests/support/http_server.h"
#include "tools/engine/hub/file_digest.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kFailure = 1, kUsage = 2, kBadModel = 3;
constexpr char kCommit[] = "0123456789abcdef0123456789abcdef01234567";

std::string digest_of(DigestKind kind, const std::string& bytes) {
  const auto digest = FileDigest::create(kind, static_cast<int64_t>(bytes.size()));
  EXPECT_TRUE(digest.ok()) << digest.status().message();
  (*digest)->update({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  return (*digest)->hex();
}

class PullTest : public CliFixture {
 protected:
  PullTest() {
    ModelFiles model = make_packed_model({}, 1);
    write_model(model, folder_.path() / "source");
    for (const auto& entry : fs::directory_iterator(folder_.path() / "source"))
      files_[entry.path().filename().string()] = read_file(entry.path());
    files_["README.md"] = "not a part of the model";
    large_ = {"model.safetensors"};
  }

  json listing() const {
    json siblings = json::array();
    for (const auto& [name, bytes] : files_) {
      json entry = {{"rfilename", name},
                    {"size", bytes.size()},
                    {"blobId", digest_of(DigestKind::kGitBlob, bytes)}};
      if (large_.contains(name))
        entry["lfs"] = {{"size", bytes.size()},
                        {"sha256", digest_of(DigestKind::kSha256, bytes)},
                        {"pointerSize", 130}};
      siblings.push_back(entry);
    }
    return {{"id", "owner/name"}, {"sha", kCommit}, {"siblings", siblings}};
  }

  // What a hub answers; a test's `change` comes last.
  HttpAnswer answer(const HttpCall& call) const {
    HttpAnswer answer;
    const std::string files = std::string("/owner/name/resolve/") + kCommit + "/";
    if (call.path == "/api/models/owner/name/revision/main?blobs=true") {
      answer.content_type = "application/json";
      answer.body = listing().dump();
    } else if (call.path.starts_with(files) && files_.contains(call.path.substr(files.size()))) {
      answer.body = files_.at(call.path.substr(files.size()));
      if (const auto range = call.headers.find("range"); range != call.headers.end()) {
        answer.status = 206;
        answer.body = answer.body.substr(std::stoul(range->second.substr(6)));
      }
    } else {
      answer.status = 404;
    }
    if (change_) change_(call, answer);
    return answer;
  }

  ProcessResult pull(std::vector<std::string> more = {},
                     std::map<std::string, std::string> environment = {}) {
    std::vector<std::string> arguments = {"pull", "owner/name", "-o", target()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    environment.emplace("HF_ENDPOINT", server_.url() + "/");
    return bitnetc(arguments, environment);
  }
  std::string target() const { return folder_.file("pulled"); }

  std::map<std::string, std::string> files_;
  std::set<std::string> large_;
  std::function<void(const HttpCall&, HttpAnswer&)> change_;
  HttpServer server_{[this](const HttpCall& call) { return answer(call); }};
};

// Vectors of FIPS 180 and of git itself (`git hash-object`).
TEST(FileDigest, IsThatOfOthers) {
  EXPECT_EQ(digest_of(DigestKind::kSha256, "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest_of(DigestKind::kGitBlob, "hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
}

TEST_F(PullTest, BringsTheFilesOfAModelAndItRuns) {
  const ProcessResult result = pull();
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("owner/name at 0123456789ab, 0 of them"), std::string::npos)
      << result.out;
  EXPECT_EQ(read_file(fs::path(target()) / "model.safetensors"), files_["model.safetensors"]);
  EXPECT_FALSE(fs::exists(fs::path(target()) / "README.md"));
  EXPECT_EQ(server_.calls().back().path,
            std::string("/owner/name/resolve/") + kCommit + "/config.json");
  EXPECT_EQ(bitnetc({"run", target(), "-p", "a", "-n", "2", "-q"}).exit_code, 0);
  const size_t calls = server_.calls().size();
  EXPECT_EQ(pull().exit_code, 0);
  EXPECT_EQ(server_.calls().size(), calls + 1);  // the listing alone
}

TEST_F(PullTest, GoesOnWhereAConnectionBroke) {
  int cuts = 0;
  change_ = [&](const HttpCall& call, HttpAnswer& answer) {
    if (call.path.ends_with("model.safetensors") && cuts < 3) {
      ++cuts;
      answer.cut_after = 20000;
    }
  };
  ASSERT_EQ(pull().exit_code, 0);
  EXPECT_EQ(read_file(fs::path(target()) / "model.safetensors"), files_["model.safetensors"]);
  std::vector<std::string> ranges;
  for (const HttpCall& call : server_.calls())
    if (call.headers.contains("range")) ranges.push_back(call.headers.at("range"));
  EXPECT_EQ(ranges, (std::vector<std::string>{"bytes=20000-", "bytes=40000-", "bytes=60000-"}));
}

TEST_F(PullTest, TheNextCommandGoesOnToo) {
  change_ = [&](const HttpCall& call, HttpAnswer& answer) {
    if (call.path.ends_with("model.safetensors"))
      answer.cut_after = call.headers.contains("range") ? 0 : 30000;
  };
  const ProcessResult broken = pull();
  EXPECT_EQ(broken.exit_code, kFailure) << broken.err;
  EXPECT_NE(broken.err.find("model.safetensors: 30000 of "), std::string::npos) << broken.err;
  EXPECT_FALSE(fs::exists(fs::path(target()) / "config.json"));
  change_ = nullptr;
  ASSERT_EQ(pull().exit_code, 0);
  EXPECT_EQ(read_file(fs::path(target()) / "model.safetensors"), files_["model.safetensors"]);
  for (const auto& entry : fs::directory_iterator(target()))
    EXPECT_NE(entry.path().extension(), ".part");
}

TEST_F(PullTest, AServerWithoutRangesStartsAgain) {
  bool was_cut = false;
  change_ = [&](const HttpCall& call, HttpAnswer& answer) {
    if (!call.path.ends_with("model.safetensors")) return;
    answer.status = 200;
    answer.body = files_["model.safetensors"];
    if (!std::exchange(was_cut, true)) answer.cut_after = 10000;
  };
  ASSERT_EQ(pull().exit_code, 0);
  EXPECT_EQ(read_file(fs::path(target()) / "model.safetensors"), files_["model.safetensors"]);
}

TEST_F(PullTest, RefusesWhatIsNotTheFile) {
  const auto expect = [&](const std::string& message, int code = kBadModel) {
    const ProcessResult result = pull();
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
    EXPECT_FALSE(fs::exists(fs::path(target()) / "model.safetensors"));
    EXPECT_FALSE(fs::exists(fs::path(target()) / "config.json"));
  };
  const auto of_weights = [&](const std::function<void(HttpAnswer&)>& change) {
    change_ = [change](const HttpCall& call, HttpAnswer& answer) {
      if (call.path.ends_with("model.safetensors")) change(answer);
    };
  };
  of_weights([](HttpAnswer& answer) { answer.body[100] ^= 1; });
  expect("has another checksum");
  of_weights([](HttpAnswer& answer) {
    answer.content_type = "text/html; charset=utf-8";
    answer.body = "<!DOCTYPE html><html></html>";
  });
  expect("the answer is a web page");
  of_weights([](HttpAnswer& answer) {
    answer.body = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
  });
  expect("Git LFS");
  of_weights([](HttpAnswer& answer) { answer.body += "x"; });
  expect("more than the");
  of_weights([](HttpAnswer& answer) { answer.status = 403; });
  expect("status 403");
  of_weights([](HttpAnswer& answer) { answer.status = 503; });
  expect("status 503", kFailure);
}

TEST_F(PullTest, RefusesAListingThatIsNone) {
  const auto expect = [&](const std::string& body, const std::string& message) {
    change_ = [body](const HttpCall& call, HttpAnswer& answer) {
      if (call.path.starts_with("/api/")) answer.body = body;
    };
    const ProcessResult result = pull();
    EXPECT_EQ(result.exit_code, kBadModel) << result.err;
    EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
  };
  expect("<html>", "is it a model hub?");
  expect("{}", "sha: expected a commit");
  json document = listing();
  document.erase("siblings");
  expect(document.dump(), "siblings: expected a list");
  document["siblings"] = {{{"rfilename", "config.json"}}};
  expect(document.dump(), "expected rfilename, size and a digest");
  // A name that leads out of the folder is passed over.
  document = listing();
  for (json& entry : document["siblings"])
    entry["rfilename"] = "../" + entry["rfilename"].get<std::string>();
  change_ = [body = document.dump()](const HttpCall& call, HttpAnswer& answer) {
    if (call.path.starts_with("/api/")) answer.body = body;
  };
  EXPECT_EQ(pull().exit_code, kUsage);
  EXPECT_FALSE(fs::exists(folder_.file("model.safetensors")));
}

TEST_F(PullTest, TokensAreSentAndNeverShown) {
  change_ = [&](const HttpCall& call, HttpAnswer& answer) {
    const auto token = call.headers.find("authorization");
    if (token == call.headers.end() || token->second != "Bearer hf_secret")
      answer = {.status = 401};
  };
  const ProcessResult refused = pull();
  EXPECT_EQ(refused.exit_code, kBadModel);
  EXPECT_NE(refused.err.find("set HF_TOKEN"), std::string::npos) << refused.err;
  const ProcessResult result = pull({}, {{"HF_TOKEN", "hf_secret"}});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ((result.out + result.err).find("hf_secret"), std::string::npos);
}

TEST_F(PullTest, OneFileOfSeveral) {
  files_ = {{"a.gguf", "GGUF a"}, {"b.gguf", "GGUF b"}};
  const ProcessResult several = pull();
  EXPECT_EQ(several.exit_code, kUsage);
  EXPECT_NE(several.err.find("expected --file with one of a.gguf, b.gguf"), std::string::npos)
      << several.err;
  EXPECT_EQ(pull({"--file", "b.gguf"}).exit_code, 0);
  EXPECT_EQ(read_file(fs::path(target()) / "b.gguf"), "GGUF b");
  EXPECT_FALSE(fs::exists(fs::path(target()) / "a.gguf"));
  EXPECT_EQ(pull({"--file", "c.gguf"}).exit_code, kUsage);
}

TEST_F(PullTest, NamesOfRepositories) {
  const ProcessResult list = bitnetc({"pull", "--list"});
  EXPECT_NE(list.out.find("microsoft/bitnet-b1.58-2B-4T"), std::string::npos);
  for (const char* name : {"nothing", "a/b/c", "../x", "a/..", "/x", "x/", "a b/c"}) {
    const ProcessResult result = bitnetc({"pull", name});
    EXPECT_EQ(result.exit_code, kUsage) << name;
    EXPECT_NE(result.err.find("expected a repository such as"), std::string::npos) << result.err;
  }
}

TEST_F(PullTest, NoServer) {
  const ProcessResult result = pull({}, {{"HF_ENDPOINT", "http://127.0.0.1:1"}});
  EXPECT_EQ(result.exit_code, kFailure);
  EXPECT_NE(result.err.find("http://127.0.0.1:1/api/models/owner/name"), std::string::npos)
      << result.err;
}

}  // namespace
}  // namespace bitnetc::test
