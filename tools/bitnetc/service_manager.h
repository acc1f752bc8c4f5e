// What a service manager that started this process wants to know (systemd's Type=notify).
#pragma once

#include <string_view>

namespace bitnetc {

// Sends `state`, such as "READY=1", to a datagram socket: a path, or an abstract name behind "@".
// Does nothing without one; a manager that does not listen is no reason to fail.
void tell_service_manager(std::string_view socket_name, std::string_view state);

}  // namespace bitnetc
