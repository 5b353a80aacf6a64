#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace tandem {

// An https server on 127.0.0.1 with a key of its own, and a certificate that it
// has signed itself. Answers every request with the same bytes, one connection
// after the other.
class TlsServer {
 public:
  // `subject`: what the certificate is valid for: "IP:127.0.0.1",
  // "DNS:example.com".
  TlsServer(const std::string& subject, std::string answer);
  ~TlsServer();

  int port() const;
  const std::string& certificate() const;  // PEM
  // Requests that were read to the end of their heads.
  int num_requests() const;
  // The name that the last client asked for (SNI).
  std::string server_name() const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tandem
