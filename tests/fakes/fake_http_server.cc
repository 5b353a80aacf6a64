#include "tests/fakes/fake_http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tandem {
namespace {

void Send(int client, const std::string& bytes) {
  send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

// False where the client has gone.
bool Receive(int client, std::string& bytes) {
  char buffer[1 << 16];
  const ssize_t got = recv(client, buffer, sizeof(buffer), 0);
  if (got > 0) bytes.append(buffer, static_cast<size_t>(got));
  return got > 0;
}

// Bytes of the whole request, once its header is there.
size_t LengthOf(const std::string& request) {
  const size_t body = request.find("\r\n\r\n") + 4;
  const std::string head = absl::AsciiStrToLower(request.substr(0, body));
  const size_t field = head.find("content-length: ");
  size_t length = 0;
  if (field != std::string::npos) {
    const size_t digits = field + sizeof("content-length: ") - 1;
    (void)absl::SimpleAtoi(
        head.substr(digits, head.find('\r', digits) - digits), &length);
  }
  return body + length;
}

}  // namespace

FakeHttpServer::FakeHttpServer() : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  bind(listener_, any, size);
  listen(listener_, 16);
  getsockname(listener_, any, &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Loop(); });
}

FakeHttpServer::~FakeHttpServer() {
  shutdown(listener_, SHUT_RDWR);
  thread_.join();
  close(listener_);
}

void FakeHttpServer::Expect(Script script) {
  absl::MutexLock lock(&mutex_);
  scripts_.push_back(std::move(script));
}

std::vector<std::string> FakeHttpServer::requests() {
  absl::MutexLock lock(&mutex_);
  return requests_;
}

void FakeHttpServer::Loop() {
  while (true) {
    const int client = accept(listener_, nullptr, nullptr);
    if (client < 0) return;
    Serve(client);
    close(client);
  }
}

bool FakeHttpServer::Next(Script& script) {
  absl::MutexLock lock(&mutex_);
  if (scripts_.empty()) return false;
  script = std::move(scripts_.front());
  scripts_.pop_front();
  return true;
}

void FakeHttpServer::Serve(int client) {
  Script script;
  if (!Next(script)) return;
  std::string request;
  while (!absl::StrContains(request, "\r\n\r\n") ||
         (!script.impatient && request.size() < LengthOf(request))) {
    if (!Receive(client, request)) return;
  }
  {
    absl::MutexLock lock(&mutex_);
    requests_.push_back(request);
  }
  for (const std::string& bytes : script.writes) Send(client, bytes);
  while (script.hang && Receive(client, request)) {
  }
  // What is closed with bytes unread is reset, and the client may lose the
  // answer: a server that means well says that it is done and reads on.
  shutdown(client, SHUT_WR);
  while (script.impatient && Receive(client, request)) {
  }
}

std::string HttpAnswer(const std::string& status, const std::string& type,
                       const std::string& body,
                       const std::string& more_headers) {
  return absl::StrCat("HTTP/1.1 ", status, "\r\nContent-Type: ", type, "\r\n",
                      more_headers, "Content-Length: ", body.size(), "\r\n\r\n",
                      body);
}

std::string ChunkedHead(const std::string& type) {
  return absl::StrCat("HTTP/1.1 200 OK\r\nContent-Type: ", type,
                      "\r\nTransfer-Encoding: chunked\r\n\r\n");
}

std::string HttpChunk(const std::string& data) {
  return absl::StrFormat("%x\r\n%s\r\n", data.size(), data);
}

}  // namespace tandem
