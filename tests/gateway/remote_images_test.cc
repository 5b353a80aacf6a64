#include "gateway/remote_images.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/errors.h"
#include "common/http_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/tls_server.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;
using Files = absl::StatusOr<std::vector<std::string>>;

constexpr int64_t kMaxBytes = 1000;

// Answers by path: /N with N times "x", /chunks/N the same in two chunks,
// /status/N with a status, /silent never.
class ImageServer {
 public:
  ImageServer() {
    auto server = HttpServer::Start(
        {.listen = {"127.0.0.1", 0}},
        HttpServer::Handler([this](std::shared_ptr<HttpExchange> exchange) {
          Answer(std::move(exchange));
        }));
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  int port() const { return server_->address().port; }
  int num_connections() const { return server_->num_connections(); }
  std::vector<HttpRequest> requests() const {
    absl::MutexLock lock(&mutex_);
    return requests_;
  }
  void WaitForRequests(size_t count) const {
    while (requests().size() < count) absl::SleepFor(absl::Milliseconds(1));
  }

 private:
  void Answer(std::shared_ptr<HttpExchange> exchange) {
    const std::string path = exchange->request().path;
    const int number = std::atoi(path.c_str() + path.rfind('/') + 1);
    const std::string body(static_cast<size_t>(number), 'x');
    {
      absl::MutexLock lock(&mutex_);
      requests_.push_back(exchange->request());
      if (path == "/silent") return held_.push_back(std::move(exchange));
    }
    if (path.rfind("/status/", 0) == 0) {
      return exchange->Respond(
          {.status = number, .headers = {{"Location", "/5"}}});
    }
    if (path.rfind("/chunks/", 0) != 0) {
      return exchange->Respond({.content_type = "text/html", .body = body});
    }
    exchange->Begin({});
    exchange->Write(body.substr(0, body.size() / 2));
    exchange->Write(body.substr(body.size() / 2));
    exchange->End();
  }

  mutable absl::Mutex mutex_;
  std::vector<HttpRequest> requests_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<HttpExchange>> held_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<HttpServer> server_;
};

// A port of loopback where nobody answers, but every connection is noticed.
class SilentPort {
 public:
  SilentPort()
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 8), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size),
              0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentPort() { close(fd_); }

  int port() const { return port_; }
  bool WasDialled() const {
    const int connection = accept(fd_, nullptr, nullptr);
    if (connection >= 0) close(connection);
    return connection >= 0;
  }

 private:
  const int fd_;
  int port_ = 0;
};

// A fetch and what came of it.
class Caller {
 public:
  Caller(RemoteImages& images, const std::vector<std::string>& urls,
         const std::vector<std::string>& hosts) {
    std::vector<ImageHost> allowed;
    for (const std::string& host : hosts) {
      allowed.push_back(*ParseImageHost(host));
    }
    std::vector<RemoteImage> wanted;
    for (const std::string& url : urls) {
      const auto checked = CheckRemoteUrl(url, allowed);
      EXPECT_TRUE(checked.ok()) << checked.status();
      wanted.push_back(
          {.url = *checked, .field = absl::StrCat("url[", wanted.size(), "]")});
    }
    fetch_ = images.NewFetch(wanted, [this](Files files) {
      files_ = std::move(files);
      done_.Notify();
    });
  }

  RemoteFetch& fetch() { return *fetch_; }
  Files Wait() {
    done_.WaitForNotification();
    return files_;
  }

 private:
  std::shared_ptr<RemoteFetch> fetch_;
  Files files_;
  absl::Notification done_;
};

class RemoteImagesTest : public testing::Test {
 protected:
  // From the image server, which is named by its address.
  std::string Url(absl::string_view path) const {
    return absl::StrCat(Host(), path);
  }
  std::string Host() const {
    return absl::StrCat("http://127.0.0.1:", server_.port());
  }
  Files Fetch(const std::vector<std::string>& urls) {
    return FetchFrom(Host(), urls);
  }
  Files FetchFrom(const std::string& host,
                  const std::vector<std::string>& urls) {
    RemoteImages images(options_);
    Caller caller(images, urls, {host});
    caller.fetch().Start();
    return caller.Wait();
  }
  void ResolveTo(std::vector<std::string> addresses) {
    options_.resolve = [this, addresses](const std::string&) {
      ++num_lookups_;
      return addresses;
    };
  }

  ImageServer server_;
  std::atomic<int> num_lookups_ = 0;
  // The timeout is what a test that does not fail never sees.
  RemoteImages::Options options_ = {.timeout = absl::InfiniteDuration(),
                                    .max_bytes = kMaxBytes};
};

void ExpectError(const absl::Status& status, absl::StatusCode code,
                 const char* reason, const char* words) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_EQ(ErrorReason(status), reason) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(words));
  EXPECT_THAT(std::string(status.message()), HasSubstr("url[0]: "));
}

TEST_F(RemoteImagesTest, FetchesAllImagesInTheirOrder) {
  const Files files = Fetch({Url("/3"), Url("/chunks/5"), Url("/1000")});
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(*files, ElementsAre("xxx", "xxxxx", std::string(1000, 'x')));
}

TEST_F(RemoteImagesTest, SendsNothingButTheUrlAndAsksNoProxy) {
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  ASSERT_TRUE(Fetch({Url("/3?a=b#c")}).ok());
  const HttpRequest request = server_.requests().at(0);
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.query, "a=b");
  EXPECT_THAT(
      request.headers,
      UnorderedElementsAre(
          Pair("host", absl::StrCat("127.0.0.1:", server_.port())),
          Pair("user-agent", "tandem"), Pair("connection", "close"),
          Pair("accept", "image/jpeg, image/png, image/webp, image/bmp"),
          Pair("accept-encoding", "identity")));
}

TEST_F(RemoteImagesTest, RefusesWhatIsNot200AndFollowsNoRedirect) {
  for (const int status : {201, 204, 301, 302, 303, 307, 308, 404, 500}) {
    const Files files = Fetch({Url(absl::StrCat("/status/", status))});
    ExpectError(files.status(), absl::StatusCode::kInvalidArgument,
                reason::kFieldInvalid,
                absl::StrCat("answered ", status).c_str());
    EXPECT_EQ(ErrorField(files.status()), "url[0]");
  }
  for (const HttpRequest& request : server_.requests()) {
    EXPECT_THAT(request.path, HasSubstr("/status/"));
  }
}

TEST_F(RemoteImagesTest, EndsAtTheBoundOfBytes) {
  for (const char* path : {"/1001", "/chunks/1001"}) {
    ExpectError(Fetch({Url(path)}).status(), absl::StatusCode::kInvalidArgument,
                reason::kImageTooLarge, "over 1000 bytes");
  }
}

TEST_F(RemoteImagesTest, OneFailureEndsAllAndNamesItsImage) {
  const Files files = Fetch({Url("/silent"), Url("/status/404"), Url("/3")});
  EXPECT_EQ(ErrorField(files.status()), "url[1]");
}

TEST_F(RemoteImagesTest, AHostThatDoesNotAnswerInTimeIsUnavailable) {
  options_.timeout = absl::Milliseconds(50);
  const Files files = Fetch({Url("/silent")});
  ExpectError(files.status(), absl::StatusCode::kUnavailable,
              reason::kBackendUnavailable, "did not answer in 50ms");
  EXPECT_EQ(RetryDelay(files.status()), absl::Seconds(1));
}

TEST_F(RemoteImagesTest, ALookUpThatTakesLongIsUnavailable) {
  absl::Notification resolved;
  options_.timeout = absl::Milliseconds(20);
  options_.resolve = [&](const std::string&) {
    resolved.WaitForNotification();
    return std::vector<std::string>{"127.0.0.1"};
  };
  RemoteImages images(options_);
  Caller caller(images, {"https://images.test/a"}, {"images.test"});
  caller.fetch().Start();
  ExpectError(caller.Wait().status(), absl::StatusCode::kUnavailable,
              reason::kBackendUnavailable, "did not answer");
  resolved.Notify();
}

TEST_F(RemoteImagesTest, AHostThatIsNotThereIsUnavailable) {
  options_.resolve = [](const std::string&) {
    return absl::NotFoundError("no such name");
  };
  ExpectError(FetchFrom("images.test", {"https://images.test/"}).status(),
              absl::StatusCode::kUnavailable, reason::kBackendUnavailable,
              "the name is not found");
  int port = 0;
  {
    const SilentPort closed;
    port = closed.port();
  }
  const std::string host = absl::StrCat("http://127.0.0.1:", port);
  ExpectError(FetchFrom(host, {host}).status(), absl::StatusCode::kUnavailable,
              reason::kBackendUnavailable, "refused");
}

TEST_F(RemoteImagesTest, OpensNoSocketToAnAddressThatIsNotPublic) {
  const SilentPort port;
  const std::string host = absl::StrCat("images.test:", port.port());
  for (const char* address :
       {"127.0.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1", "169.254.169.254",
        "10.0.0.1", "192.168.0.1", "fd00::1", "fe80::1", "224.0.0.1",
        "no address"}) {
    ResolveTo({address, "127.0.0.1"});
    ExpectError(
        FetchFrom(host, {absl::StrCat("https://", host, "/latest")}).status(),
        absl::StatusCode::kInvalidArgument, reason::kFieldInvalid,
        "no address of the public internet");
  }
  EXPECT_FALSE(port.WasDialled());
}

TEST_F(RemoteImagesTest, DialsTheAddressThatWasCheckedAndLooksUpOnce) {
  options_.resolve = [this](const std::string& name) {
    EXPECT_EQ(name, "images.test");
    return ++num_lookups_ == 1 ? std::vector<std::string>{"127.0.0.1"}
                               : std::vector<std::string>{"127.0.0.2"};
  };
  const std::string host = absl::StrCat("http://images.test:", server_.port());
  EXPECT_TRUE(FetchFrom(host, {absl::StrCat(host, "/3")}).ok());
  EXPECT_EQ(num_lookups_, 1);
  EXPECT_EQ(server_.requests().at(0).Header("host"),
            absl::StrCat("images.test:", server_.port()));
}

TEST_F(RemoteImagesTest, LooksNamesUpAsTheSystemDoes) {
  const std::string host = absl::StrCat("http://localhost:", server_.port());
  EXPECT_TRUE(FetchFrom(host, {absl::StrCat(host, "/3")}).ok());
  const SilentPort port;
  const std::string other = absl::StrCat("localhost:", port.port());
  ExpectError(FetchFrom(other, {absl::StrCat("https://", other)}).status(),
              absl::StatusCode::kInvalidArgument, reason::kFieldInvalid,
              "no address of the public internet");
  EXPECT_FALSE(port.WasDialled());
}

TEST_F(RemoteImagesTest, AnAddressIsNotLookedUp) {
  ResolveTo({});
  EXPECT_TRUE(Fetch({Url("/3")}).ok());
  EXPECT_EQ(num_lookups_, 0);
}

TEST_F(RemoteImagesTest, TriesTheNextAddress) {
  ResolveTo({"::1", "127.0.0.1"});  // the server listens at the second alone
  const std::string host = absl::StrCat("http://images.test:", server_.port());
  EXPECT_TRUE(FetchFrom(host, {absl::StrCat(host, "/3")}).ok());
}

TEST_F(RemoteImagesTest, CancelClosesTheConnection) {
  RemoteImages images(options_);
  Caller caller(images, {Url("/silent")}, {Host()});
  caller.fetch().Start();
  server_.WaitForRequests(1);
  caller.fetch().Cancel();
  EXPECT_TRUE(absl::IsCancelled(caller.Wait().status()));
  caller.fetch().Cancel();
  while (server_.num_connections() > 0) absl::SleepFor(absl::Milliseconds(1));
}

TEST_F(RemoteImagesTest, OneThatWasCancelledBeforeItsStartFetchesNothing) {
  RemoteImages images(options_);
  Caller caller(images, {Url("/3")}, {Host()});
  caller.fetch().Cancel();
  caller.fetch().Start();
  EXPECT_TRUE(absl::IsCancelled(caller.Wait().status()));
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(RemoteImagesTest, TheEndCancelsWhatIsInFlight) {
  auto images = std::make_unique<RemoteImages>(options_);
  Caller running(*images, {Url("/silent")}, {Host()});
  running.fetch().Start();
  server_.WaitForRequests(1);
  images = nullptr;
  EXPECT_TRUE(absl::IsCancelled(running.Wait().status()));
  running.fetch().Cancel();
}

TEST_F(RemoteImagesTest, RefusesMoreThanItsBoundAndComesBackToIt) {
  options_.max_in_flight = 2;
  RemoteImages images(options_);
  Caller first(images, {Url("/silent")}, {Host()});
  first.fetch().Start();
  Caller second(images, {Url("/1"), Url("/2")}, {Host()});
  second.fetch().Start();
  const absl::Status busy = second.Wait().status();
  EXPECT_TRUE(absl::IsResourceExhausted(busy)) << busy;
  EXPECT_EQ(ErrorReason(busy), reason::kOverloaded);
  EXPECT_EQ(RetryDelay(busy), absl::Seconds(1));
  first.fetch().Cancel();
  Caller third(images, {Url("/1"), Url("/2")}, {Host()});
  third.fetch().Start();
  EXPECT_TRUE(third.Wait().ok());
}

class RemoteTlsTest : public RemoteImagesTest {
 protected:
  Files FetchFromTls(const TlsServer& server, const std::string& name) {
    const std::string host = absl::StrCat(name, ":", server.port());
    return FetchFrom(host, {absl::StrCat("https://", host, "/a")});
  }
  const std::string kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
};

TEST_F(RemoteTlsTest, TakesACertificateThatIsTrustedAndNamesTheHost) {
  const TlsServer server("IP:127.0.0.1", kAnswer);
  options_.trusted_certificates = server.certificate();
  const Files files = FetchFromTls(server, "127.0.0.1");
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(*files, ElementsAre("abc"));
  EXPECT_EQ(server.server_name(), "");
}

TEST_F(RemoteTlsTest, RefusesACertificateOfAnotherHost) {
  for (const char* subject : {"IP:127.0.0.2", "DNS:127.0.0.1.test"}) {
    const TlsServer server(subject, kAnswer);
    options_.trusted_certificates = server.certificate();
    ExpectError(FetchFromTls(server, "127.0.0.1").status(),
                absl::StatusCode::kInvalidArgument, reason::kFieldInvalid,
                "no certificate that is valid for it");
    EXPECT_EQ(server.num_requests(), 0);
  }
}

TEST_F(RemoteTlsTest, RefusesACertificateThatTheSystemDoesNotTrust) {
  const TlsServer server("IP:127.0.0.1", kAnswer);
  ExpectError(FetchFromTls(server, "127.0.0.1").status(),
              absl::StatusCode::kInvalidArgument, reason::kFieldInvalid,
              "no certificate that is valid for it");
  EXPECT_EQ(server.num_requests(), 0);
}

TEST_F(RemoteTlsTest, AnAnswerThatIsCutShortIsUnavailable) {
  const TlsServer server("IP:127.0.0.1", "HTTP/1.1 200 OK\r\n\r\nabc");
  options_.trusted_certificates = server.certificate();
  EXPECT_TRUE(absl::IsUnavailable(FetchFromTls(server, "127.0.0.1").status()));
}

TEST_F(RemoteTlsTest, AHostWithoutTlsIsUnavailable) {
  const std::string host = absl::StrCat("127.0.0.1:", server_.port());
  EXPECT_TRUE(absl::IsUnavailable(
      FetchFrom(host, {absl::StrCat("https://", host, "/3")}).status()));
  EXPECT_TRUE(server_.requests().empty());
}

}  // namespace
}  // namespace tandem
