#include "tools/serve/http/server.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <thread>
#include <vector>

#include "runtime/printable.h"
#include "tools/serve/http/connection.h"

namespace bitnetc::serve {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Local = asio::local::stream_protocol;
using Error = boost::system::error_code;

constexpr std::chrono::milliseconds kTick{250};

// A socket file that nobody listens on was left behind and may go.
bool is_left_behind(const std::string& path) {
  struct stat facts = {};
  if (::lstat(path.c_str(), &facts) != 0 || !S_ISSOCK(facts.st_mode)) return false;
  asio::io_context io;
  Local::socket socket(io);
  Error error;
  socket.connect(Local::endpoint(path), error);
  return error == asio::error::connection_refused;
}

// Raises the limit of open files as far as the system lets it: so many connections and what else
// the process opens.
void allow_open_files(int64_t connections) {
  const auto needed = static_cast<rlim_t>(connections) + 256;
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return;
  limit.rlim_cur = std::min(needed, limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

struct HttpServer::Impl {
  Impl(const HttpServerOptions& its_options, HttpHandler& handler)
      : options(its_options),
        host{.options = options, .handler = handler, .io = io, .workers = work} {}
  ~Impl();

  Status open_tcp();
  Status open_local();
  template <typename Acceptor>
  void accept(Acceptor& acceptor);
  template <typename Acceptor>
  void accept_later(Acceptor& acceptor);
  void add(StreamSocket socket, bool is_local);
  bool close_longest_idle();
  void tick();
  template <typename Visit>
  void each_connection(const Visit& visit);
  void close_acceptors();
  Status start_workers();
  void stop_workers();  // waits for what they handle

  const HttpServerOptions options;
  ConnectionHost host;  // before what may hold connections to the last
  asio::io_context io{1};
  asio::io_context work;  // of the workers
  asio::executor_work_guard<asio::io_context::executor_type> goes_on = asio::make_work_guard(work);
  std::vector<std::thread> workers;
  std::optional<tcp::acceptor> tcp_acceptor;
  std::optional<Local::acceptor> local_acceptor;
  asio::steady_timer timer{io};
  std::list<std::weak_ptr<Connection>> connections;
  int port = 0;
  struct stat socket_facts = {};  // of the socket's file, which another server may have replaced
};

HttpServer::Impl::~Impl() {
  close_acceptors();
  stop_workers();
}

void HttpServer::Impl::stop_workers() {
  work.stop();
  for (std::thread& each : workers) each.join();
  workers.clear();
}

// Fewer where the system refuses more threads.
Status HttpServer::Impl::start_workers() {
  try {
    while (std::ssize(workers) < options.workers) workers.emplace_back([this] { work.run(); });
  } catch (const std::system_error& failure) {
    if (workers.empty())
      return make_error(StatusCode::kUnsupported, "no thread to handle requests: {}",
                        failure.what());
  }
  return {};
}

Status HttpServer::Impl::open_tcp() {
  Error error;
  tcp::resolver resolver(io);
  const auto found =
      resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
  if (error || found.empty())
    return make_error(StatusCode::kInvalidArgument, "--host '{}': no address of this machine ({})",
                      printable(options.host), error.message());
  const tcp::endpoint endpoint = found.begin()->endpoint();
  tcp_acceptor.emplace(io);
  const auto step = [&](const auto& action) {
    if (!error) action();
  };
  step([&] { tcp_acceptor->open(endpoint.protocol(), error); });
  step([&] { tcp_acceptor->set_option(tcp::acceptor::reuse_address(true), error); });
  step([&] { tcp_acceptor->bind(endpoint, error); });
  step([&] { tcp_acceptor->listen(asio::socket_base::max_listen_connections, error); });
  if (error)
    return make_error(StatusCode::kIoError, "cannot listen on {} port {}: {}",
                      printable(options.host), options.port, error.message());
  port = tcp_acceptor->local_endpoint().port();
  return {};
}

Status HttpServer::Impl::open_local() {
  const std::string& path = options.socket_path;
  sockaddr_un address = {};
  if (path.size() >= sizeof address.sun_path)
    return make_error(StatusCode::kInvalidArgument, "--socket {}: longer than {} bytes",
                      printable_path(path), sizeof address.sun_path - 1);
  if (is_left_behind(path)) ::unlink(path.c_str());
  Error error;
  local_acceptor.emplace(io);
  local_acceptor->open(Local(), error);
  if (!error) local_acceptor->bind(Local::endpoint(path), error);
  if (!error && ::chmod(path.c_str(), 0660) != 0)
    error = Error(errno, boost::system::system_category());
  if (!error) local_acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error)
    return make_error(StatusCode::kIoError, "cannot listen on {}: {}", printable_path(path),
                      error.message());
  ::lstat(path.c_str(), &socket_facts);
  return {};
}

template <typename Acceptor>
void HttpServer::Impl::accept(Acceptor& acceptor) {
  acceptor.async_accept([this, &acceptor](const Error& error, auto socket) {
    if (!acceptor.is_open()) return;
    if (error) return accept_later(acceptor);
    constexpr bool kIsLocal = std::is_same_v<decltype(socket), Local::socket>;
    Error ignored;
    if constexpr (!kIsLocal) socket.set_option(tcp::no_delay(true), ignored);
    add(StreamSocket(std::move(socket)), kIsLocal);
    accept(acceptor);
  });
}

// While the process may open no further file, every try fails at once.
template <typename Acceptor>
void HttpServer::Impl::accept_later(Acceptor& acceptor) {
  close_longest_idle();
  const auto pause = std::make_shared<asio::steady_timer>(io, kTick);
  pause->async_wait([this, &acceptor, pause](const Error&) {
    if (acceptor.is_open()) accept(acceptor);
  });
}

void HttpServer::Impl::add(StreamSocket socket, bool is_local) {
  if (host.open >= options.most_connections && !close_longest_idle()) return;  // closes it
  auto connection = std::make_shared<Connection>(std::move(socket), host, is_local);
  connections.push_back(connection);
  connection->start();
}

template <typename Visit>
void HttpServer::Impl::each_connection(const Visit& visit) {
  for (auto at = connections.begin(); at != connections.end();) {
    if (const auto connection = at->lock()) {
      visit(*connection);
      ++at;
    } else {
      at = connections.erase(at);
    }
  }
}

// So that clients that keep connections leave the server to others. Whether there was one.
bool HttpServer::Impl::close_longest_idle() {
  std::shared_ptr<Connection> longest;
  each_connection([&](Connection& each) {
    if (each.is_idle() && (!longest || each.deadline() < longest->deadline()))
      longest = each.shared_from_this();
  });
  if (longest) longest->close();
  return longest != nullptr;
}

void HttpServer::Impl::tick() {
  each_connection([now = Clock::now()](Connection& each) { each.tick(now); });
  timer.expires_after(kTick);
  timer.async_wait([this](const Error& error) {
    if (!error) tick();
  });
}

void HttpServer::Impl::close_acceptors() {
  Error ignored;
  if (tcp_acceptor) tcp_acceptor->close(ignored);
  if (local_acceptor && local_acceptor->is_open()) {
    local_acceptor->close(ignored);
    struct stat now = {};
    const bool is_own = ::lstat(options.socket_path.c_str(), &now) == 0 &&
                        now.st_dev == socket_facts.st_dev && now.st_ino == socket_facts.st_ino;
    if (is_own) ::unlink(options.socket_path.c_str());
  }
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::listen(const HttpServerOptions& options,
                                                       HttpHandler& handler) {
  auto impl = std::make_unique<Impl>(options, handler);
  allow_open_files(options.most_connections);
  BITNETC_RETURN_IF_ERROR(impl->start_workers());
  BITNETC_RETURN_IF_ERROR(options.socket_path.empty() ? impl->open_tcp() : impl->open_local());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

int HttpServer::port() const {
  return impl_->port;
}

std::string HttpServer::url() const {
  if (!impl_->options.socket_path.empty()) return "unix:" + impl_->options.socket_path;
  const bool is_v6 = impl_->options.host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("http://[{}]:{}", impl_->options.host, impl_->port)
               : fmt::format("http://{}:{}", impl_->options.host, impl_->port);
}

void HttpServer::run() {
  if (impl_->tcp_acceptor) impl_->accept(*impl_->tcp_acceptor);
  if (impl_->local_acceptor) impl_->accept(*impl_->local_acceptor);
  impl_->tick();
  impl_->io.run();
  // Handlers that still run reach closed connections only.
  impl_->each_connection([](Connection& each) { each.close(); });
  impl_->connections.clear();
  impl_->stop_workers();
}

void HttpServer::drain() {
  asio::post(impl_->io, [impl = impl_.get()] {
    impl->host.is_draining = true;
    impl->close_acceptors();
    impl->each_connection([](Connection& each) { each.drain(); });
  });
}

void HttpServer::stop() {
  impl_->io.stop();
}

int64_t HttpServer::connections() const {
  return impl_->host.open;
}

}  // namespace bitnetc::serve
