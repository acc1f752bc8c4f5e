#include "tools/bitnetc/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>

namespace bitnetc {

void tell_service_manager(std::string_view socket_name, std::string_view state) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const bool is_name = socket_name.starts_with('/') || socket_name.starts_with('@');
  if (!is_name || socket_name.size() >= sizeof address.sun_path) return;
  socket_name.copy(address.sun_path, socket_name.size());
  // An abstract name begins with a zero byte.
  if (socket_name.starts_with('@')) address.sun_path[0] = '\0';
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_name.size());
  ::sendto(socket, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
           reinterpret_cast<const sockaddr*>(&address), size);
  ::close(socket);
}

}  // namespace bitnetc
