#include "common/resolve_target.h"

#include <netdb.h>
#include <sys/socket.h>

#include <memory>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/host_port.h"

namespace tandem {
namespace {

std::string NumericHost(const addrinfo& address) {
  char host[NI_MAXHOST] = "";
  getnameinfo(address.ai_addr, address.ai_addrlen, host, sizeof(host), nullptr,
              0, NI_NUMERICHOST);
  return host;
}

}  // namespace

std::vector<std::string> ResolveTarget(absl::string_view target) {
  if (!absl::ConsumePrefix(&target, "dns:///")) return {std::string(target)};
  const auto name = ParseHostPort(target);
  if (!name.ok()) return {};
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(name->host.c_str(), nullptr, &hints, &found) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found,
                                                                 &freeaddrinfo);
  std::set<std::string> addresses;
  for (const addrinfo* it = found; it != nullptr; it = it->ai_next) {
    const std::string host = NumericHost(*it);
    if (!host.empty()) addresses.insert(HostPort{host, name->port}.ToString());
  }
  return {addresses.begin(), addresses.end()};
}

}  // namespace tandem
