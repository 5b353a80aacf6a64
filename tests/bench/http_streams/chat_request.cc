#include "tests/bench/http_streams/chat_request.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace tandem {

std::string ChatRequestBytes(absl::string_view address, int num_tokens) {
  const std::string body = absl::StrCat(
      R"({"model":"fake","stream":true,"max_tokens":)", num_tokens,
      R"(,"messages":[{"role":"user","content":"Count, please."}]})");
  return absl::StrCat("POST /v1/chat/completions HTTP/1.1\r\nHost: ", address,
                      "\r\nContent-Type: application/json\r\n"
                      "x-tandem-timings: 1\r\nContent-Length: ",
                      body.size(), "\r\n\r\n", body);
}

int Connect(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return -1;
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(std::atoi(address.c_str() + colon + 1));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &name.sin_addr);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0) {
    return fd;
  }
  close(fd);
  return -1;
}

bool SendAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(sent);
  }
  return true;
}

absl::Duration MonotonicNow() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace tandem
