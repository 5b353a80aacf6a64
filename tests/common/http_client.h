#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace tandem {

// A TCP connection to loopback that sends exactly the bytes it is given.
class RawConnection {
 public:
  explicit RawConnection(int port)
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address),
                         sizeof(address)) == 0;
  }
  ~RawConnection() { close(fd_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  bool connected() const { return connected_; }

  // False once the peer has closed.
  bool Send(absl::string_view bytes) {
    return send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  // What arrives until `end` has, or the peer closes.
  std::string ReadUntil(absl::string_view end) {
    std::string all;
    char buffer[4096];
    while (end.empty() || !absl::StrContains(all, end)) {
      const ssize_t bytes = recv(fd_, buffer, sizeof(buffer), 0);
      if (bytes <= 0) break;
      all.append(buffer, static_cast<size_t>(bytes));
    }
    return all;
  }
  std::string ReadToEnd() { return ReadUntil(""); }

 private:
  const int fd_;
  bool connected_ = false;
};

// One request on a connection of its own.
inline std::string AskHttp(int port, absl::string_view request) {
  RawConnection connection(port);
  connection.Send(request);
  return connection.ReadToEnd();
}

}  // namespace tandem
