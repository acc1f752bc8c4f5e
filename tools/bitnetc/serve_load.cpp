#include "tools/bitnetc/serve_load.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "tools/serve/http/client.h"

namespace bitnetc {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// What one request saw.
struct Answer {
  std::string failure;  // empty: all tokens came
  double first_token = 0;
  std::vector<double> between_tokens;
  int64_t tokens = 0;
};

// The events of a stream, with the time at which each came.
class StreamReader {
 public:
  StreamReader(Clock::time_point due, Answer& answer) : due_(due), answer_(answer) {}

  void push(std::string_view bytes) {
    text_ += bytes;
    for (size_t end = 0; (end = text_.find("\n\n")) != text_.npos; text_.erase(0, end + 2))
      take(std::string_view(text_).substr(0, end));
  }
  bool is_done() const { return is_done_; }
  const std::string& rest() const { return text_; }  // an error, where it was no stream

 private:
  // Usage in every chunk counts the tokens, whether or not they have made a character.
  void take(std::string_view event) {
    constexpr std::string_view kData = "data: ";
    if (!event.starts_with(kData)) return;
    event.remove_prefix(kData.size());
    if (event == "[DONE]") {
      is_done_ = true;
      return;
    }
    const auto chunk = nlohmann::json::parse(event, nullptr, /*allow_exceptions=*/false);
    if (!chunk.is_object() || chunk.contains("error")) {
      answer_.failure = std::string(event.substr(0, 200));
      return;
    }
    const auto usage = chunk.find("usage");
    if (usage == chunk.end() || !usage->is_object()) return;
    const int64_t tokens = usage->value("completion_tokens", int64_t{0});
    if (tokens <= answer_.tokens) return;
    const double now = seconds_since(due_);
    if (answer_.tokens == 0) {
      answer_.first_token = now;
    } else {
      const auto count = tokens - answer_.tokens;
      answer_.between_tokens.insert(answer_.between_tokens.end(), static_cast<size_t>(count),
                                    (now - last_) / static_cast<double>(count));
    }
    answer_.tokens = tokens;
    last_ = now;
  }

  const Clock::time_point due_;
  Answer& answer_;
  std::string text_;
  double last_ = 0;
  bool is_done_ = false;
};

std::string request_body(const LoadShape& shape, int request) {
  std::mt19937_64 random(shape.seed * 1'000'003 + static_cast<uint64_t>(request));
  std::vector<int64_t> ids(static_cast<size_t>(shape.prompt_tokens));
  for (int64_t& id : ids)
    id = static_cast<int64_t>(random() % static_cast<uint64_t>(shape.vocab_size));
  return nlohmann::json{
      {"prompt", ids},
      {"max_tokens", shape.text_tokens},
      {"temperature", 0},
      {"ignore_eos", true},
      {"stream", true},
      {"stream_options", {{"include_usage", true}, {"continuous_usage_stats", true}}}}
      .dump();
}

class Load {
 public:
  Load(int port, const LoadShape& shape, bool (*is_stopped)())
      : port_(port), is_stopped_(is_stopped), begin_(Clock::now()) {
    result_.shape = shape;
    if (shape.per_second <= 0) return;
    std::mt19937_64 random(shape.seed);
    double at = 0;
    for (int i = 0; i < shape.requests; ++i) {
      due_.push_back(at);
      // Exponential, from the same random numbers everywhere.
      const double uniform = (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53;
      at -= std::log(uniform) / shape.per_second;
    }
  }

  LoadResult run() {
    // In an open loop every request has a client of its own.
    const int count = due_.empty() ? result_.shape.clients : result_.shape.requests;
    std::vector<std::thread> clients;
    for (int i = 0; i < count; ++i) clients.emplace_back([this] { run_client(); });
    for (std::thread& each : clients) each.join();
    result_.seconds = seconds_since(begin_);
    std::ranges::sort(result_.first_token);
    std::ranges::sort(result_.between_tokens);
    return std::move(result_);
  }

 private:
  void run_client() {
    std::unique_ptr<serve::HttpClient> client;
    for (int number = 0; !is_stopped_() && (number = next_++) < result_.shape.requests;) {
      Clock::time_point due = Clock::now();
      if (!due_.empty()) {
        due = begin_ + std::chrono::duration_cast<Clock::duration>(
                           std::chrono::duration<double>(due_[static_cast<size_t>(number)]));
        std::this_thread::sleep_until(due);
      }
      take(ask(client, number, due));
    }
  }
  Answer ask(std::unique_ptr<serve::HttpClient>& client, int number, Clock::time_point due) {
    Answer answer;
    if (client == nullptr) {
      auto connected = serve::HttpClient::connect("127.0.0.1", port_);
      if (!connected.ok()) {
        answer.failure = connected.status().message();
        return answer;
      }
      client = *std::move(connected);
    }
    StreamReader reader(due, answer);
    const auto status = client->post("/v1/completions", request_body(result_.shape, number),
                                     [&](std::string_view bytes) { reader.push(bytes); });
    if (!status.ok()) {
      answer.failure = status.status().message();
      client.reset();
    } else if (*status != 200) {
      answer.failure = fmt::format("status {}: {}", *status, reader.rest().substr(0, 200));
    } else if (answer.failure.empty() &&
               (!reader.is_done() || answer.tokens != result_.shape.text_tokens)) {
      answer.failure = fmt::format("{} tokens of {}", answer.tokens, result_.shape.text_tokens);
    }
    return answer;
  }
  void take(Answer answer) {
    const std::lock_guard lock(mutex_);
    if (!answer.failure.empty()) {
      if (result_.failed++ == 0) result_.failure = answer.failure;
      return;
    }
    result_.text_tokens += answer.tokens;
    result_.first_token.push_back(answer.first_token);
    result_.between_tokens.insert(result_.between_tokens.end(), answer.between_tokens.begin(),
                                  answer.between_tokens.end());
  }

  const int port_;
  bool (*const is_stopped_)();
  const Clock::time_point begin_;
  std::vector<double> due_;  // seconds behind begin_, of an open loop
  std::atomic<int> next_{0};
  std::mutex mutex_;
  LoadResult result_;
};

}  // namespace

double quantile(const std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  const double rank = std::ceil(share * static_cast<double>(values.size()));
  return values[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

LoadResult put_load(int port, const LoadShape& shape, bool (*is_stopped)()) {
  return Load(port, shape, is_stopped).run();
}

std::string load_table(const std::vector<LoadResult>& results) {
  std::string table =
      "                              first token, ms       between tokens, ms\n"
      "load       asked  tokens/s     50 %   95 %   99 %     50 %   95 %   99 %\n";
  for (const LoadResult& each : results) {
    const std::string load =
        each.shape.per_second > 0
            ? fmt::format("{:g}/s", each.shape.per_second)
            : fmt::format("{} client{}", each.shape.clients, each.shape.clients == 1 ? "" : "s");
    const auto ms = [](const std::vector<double>& values, double share) {
      return quantile(values, share) * 1e3;
    };
    table += fmt::format(
        "{:<10} {:>5} {:>9.1f}  {:>7.1f}{:>7.1f}{:>7.1f}  {:>7.1f}{:>7.1f}{:>7.1f}\n", load,
        each.shape.requests, static_cast<double>(each.text_tokens) / each.seconds,
        ms(each.first_token, 0.5), ms(each.first_token, 0.95), ms(each.first_token, 0.99),
        ms(each.between_tokens, 0.5), ms(each.between_tokens, 0.95), ms(each.between_tokens, 0.99));
  }
  return table;
}

}  // namespace bitnetc
