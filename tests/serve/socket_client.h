// A client of raw bytes: what it sends is what a test says.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <string>

namespace bitnetc::serve::test {

struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  bool is_whole = false;  // its end was there
};

class SocketClient {
 public:
  explicit SocketClient(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval most = {.tv_sec = 30, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~SocketClient() { close(); }
  SocketClient(const SocketClient&) = delete;
  SocketClient& operator=(const SocketClient&) = delete;

  void send(const std::string& bytes) {
    for (size_t sent = 0; sent < bytes.size();) {
      const ssize_t now = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) return;
      sent += static_cast<size_t>(now);
    }
  }
  void end_sending() { ::shutdown(socket_, SHUT_WR); }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }

  // The next answer, interim ones (100) passed over.
  Answer read(bool is_head = false) {
    Answer answer;
    do {
      answer = {};
      const std::string head = until("\r\n\r\n");
      if (head.empty()) return answer;
      answer.status = std::stoi(head.substr(9, 3));
      for (size_t at = head.find("\r\n"); at != head.npos;) {
        const size_t end = head.find("\r\n", at + 2);
        const std::string line = head.substr(at + 2, end - at - 2);
        if (const size_t colon = line.find(": "); colon != line.npos)
          answer.headers[line.substr(0, colon)] = line.substr(colon + 2);
        at = end;
      }
    } while (answer.status == 100);
    if (is_head || answer.status == 204) {
      answer.is_whole = true;
    } else if (answer.headers.contains("transfer-encoding")) {
      read_chunks(answer);
    } else if (answer.headers.contains("content-length")) {
      answer.body = exactly(std::stoul(answer.headers["content-length"]), answer.is_whole);
    } else {
      while (more()) continue;
      answer.body = std::exchange(buffer_, {});
    }
    return answer;
  }
  // Waits for bytes; false: the server has closed the connection.
  bool more() {
    char bytes[4096];
    const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
    if (got > 0) buffer_.append(bytes, static_cast<size_t>(got));
    return got > 0;
  }
  const std::string& buffer() const { return buffer_; }

 private:
  std::string until(const std::string& mark) {
    while (buffer_.find(mark) == buffer_.npos)
      if (!more()) return {};
    const size_t end = buffer_.find(mark);
    std::string taken = buffer_.substr(0, end);
    buffer_.erase(0, end + mark.size());
    return taken;
  }
  std::string exactly(size_t count, bool& is_whole) {
    while (buffer_.size() < count)
      if (!more()) break;
    is_whole = buffer_.size() >= count;
    std::string taken = buffer_.substr(0, count);
    buffer_.erase(0, taken.size());
    return taken;
  }
  void read_chunks(Answer& answer) {
    for (;;) {
      const std::string size = until("\r\n");
      if (size.empty()) return;
      bool is_whole = false;
      const std::string chunk = exactly(std::stoul(size, nullptr, 16) + 2, is_whole);
      if (!is_whole) return;
      answer.body += chunk.substr(0, chunk.size() - 2);
      if (chunk.size() == 2) {
        answer.is_whole = true;
        return;
      }
    }
  }

  int socket_;
  std::string buffer_;
};

inline std::string http_post(const std::string& target, const std::string& body,
                             const std::string& headers = "") {
  return "POST " + target + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
         headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
inline std::string http_get(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

}  // namespace bitnetc::serve::test
