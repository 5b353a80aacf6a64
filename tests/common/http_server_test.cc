#include "common/http_server.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/admin_server.h"
#include "common/version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/common/http_client.h"

namespace tandem {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

HttpServer::Options Loopback() { return {.listen = {"127.0.0.1", 0}}; }

// Answers what it was asked.
HttpResponse Echo(const HttpRequest& request) {
  if (request.path == "/throw") throw std::runtime_error("handler failed");
  return {.body = absl::StrCat(request.method, " ", request.path, " ",
                               request.query, " ", request.headers.size(), " ",
                               request.body, "\n"),
          .headers = {{"X-Test", "yes"}}};
}

class HttpServerTest : public testing::Test {
 protected:
  void Start(const HttpServer::Options& options) {
    auto server = HttpServer::Start(options, Echo);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  int port() const { return server_->address().port; }
  std::string Exchange(absl::string_view request) {
    return AskHttp(port(), request);
  }

  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, Answers) {
  Start(Loopback());
  const std::string answer =
      Exchange("GET /a/b?c=d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("X-Test: yes\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; charset=utf-8\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nGET /a/b c=d 2 \n"));
}

TEST_F(HttpServerTest, AHeadHasTheLengthAndNoBody) {
  Start(Loopback());
  const std::string answer =
      Exchange("HEAD /x HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 11\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, OneConnectionCarriesManyRequests) {
  Start(Loopback());
  RawConnection connection(port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(connection.Send(absl::StrCat("GET /", i, " HTTP/1.1\r\n\r\n")));
    EXPECT_THAT(connection.ReadUntil(" \n"),
                HasSubstr(absl::StrCat("GET /", i)));
  }
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Start(Loopback());
  const std::string answers = Exchange(
      "GET /one HTTP/1.1\r\n\r\nGET /two HTTP/1.1\r\nConnection: "
      "close\r\n\r\n");
  const size_t one = answers.find("GET /one"), two = answers.find("GET /two");
  ASSERT_NE(two, std::string::npos);
  EXPECT_LT(one, two);
}

TEST_F(HttpServerTest, ReadsBodiesUpToTheBound) {
  HttpServer::Options options = Loopback();
  options.max_body_bytes = 4;
  Start(options);
  EXPECT_THAT(Exchange("POST / HTTP/1.1\r\nContent-Length: 4\r\nConnection: "
                       "close\r\n\r\nbody"),
              EndsWith("POST /  2 body\n"));
  EXPECT_THAT(Exchange("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nbody!"),
              StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpServerTest, AHandlerThatThrowsAnswers500) {
  Start(Loopback());
  EXPECT_THAT(Exchange("GET /throw HTTP/1.1\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(Exchange("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, RefusesWhatIsNoHttpAndLargeHeaders) {
  HttpServer::Options options = Loopback();
  options.max_header_bytes = 1024;
  Start(options);
  EXPECT_THAT(Exchange("\x16\x03\x01 not http at all\r\n\r\n"),
              StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(
      Exchange("GET / HTTP/1.1\r\nX: " + std::string(2000, 'a') + "\r\n\r\n"),
      StartsWith("HTTP/1.1 431 "));
}

TEST_F(HttpServerTest, ClosesSlowAndIdleClients) {
  HttpServer::Options options = Loopback();
  options.header_timeout = absl::Milliseconds(50);
  options.idle_timeout = absl::Milliseconds(50);
  Start(options);
  EXPECT_EQ(Exchange(""), "");                       // says nothing
  EXPECT_EQ(Exchange("GET / HTTP/1.1\r\nHos"), "");  // never ends its header
  EXPECT_THAT(Exchange("GET / HTTP/1.1\r\n\r\n"),
              EndsWith("GET /  0 \n"));  // then idle
  RawConnection dripping(port());  // one byte at a time does not buy more time
  while (dripping.Send("x")) absl::SleepFor(absl::Milliseconds(5));
}

TEST_F(HttpServerTest, RefusesConnectionsOverTheBound) {
  HttpServer::Options options = Loopback();
  options.max_connections = 2;
  Start(options);
  auto first = std::make_unique<RawConnection>(port());
  RawConnection second(port());
  for (RawConnection* connection : {first.get(), &second}) {
    connection->Send("GET / HTTP/1.1\r\n\r\n");
    EXPECT_THAT(connection->ReadUntil(" \n"), HasSubstr("200 OK"));
  }
  EXPECT_EQ(server_->num_connections(), 2);
  const std::string refusal = Exchange("GET / HTTP/1.1\r\n\r\n");
  EXPECT_THAT(refusal, StartsWith("HTTP/1.1 429 "));
  EXPECT_THAT(refusal, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(refusal, EndsWith("too many connections\n"));
  EXPECT_EQ(server_->num_connections(), 2);
  first.reset();
  while (server_->num_connections() > 1) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_THAT(Exchange("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"),
              HasSubstr("200 OK"));
}

TEST_F(HttpServerTest, ClosesConnectionsOverTwiceTheBoundUnanswered) {
  HttpServer::Options options = Loopback();
  options.max_connections = 1;
  Start(options);
  RawConnection taken(port());
  taken.Send("GET / HTTP/1.1\r\n\r\n");
  taken.ReadUntil(" \n");
  // Those that were refused stay for a moment, unless the client is slow.
  std::vector<std::unique_ptr<RawConnection>> surplus;
  std::string answer = "not asked";
  while (!answer.empty() && surplus.size() < 100) {
    surplus.push_back(std::make_unique<RawConnection>(port()));
    answer = surplus.back()->ReadToEnd();
  }
  EXPECT_EQ(answer, "");
  EXPECT_GT(surplus.size(), 1U);
}

TEST_F(HttpServerTest, StopsWithConnectionsOpen) {
  Start(Loopback());
  RawConnection open(port());
  open.Send("GET / HTTP/1.1\r\n\r\n");
  open.ReadUntil(" \n");
  const int port_before = port();
  server_.reset();
  EXPECT_EQ(open.ReadToEnd(), "");
  EXPECT_FALSE(RawConnection(port_before).connected());
}

TEST_F(HttpServerTest, SaysWhyItCannotListen) {
  Start(Loopback());
  const auto second = HttpServer::Start({.listen = server_->address()}, Echo);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(second.status().message(),
            absl::StrCat("cannot listen on 127.0.0.1:", port(),
                         ": Address already in use"));
}

class AdminServerTest : public testing::Test {
 protected:
  void SetUp() override {
    health_.AddCondition("weights");
    auto admin =
        AdminServer::Start({"127.0.0.1", 0}, "tandem-x", health_, metrics_);
    ASSERT_TRUE(admin.ok()) << admin.status();
    admin_ = *std::move(admin);
  }
  std::string Ask(absl::string_view method, absl::string_view path) {
    return AskHttp(admin_->address().port,
                   absl::StrCat(method, " ", path,
                                " HTTP/1.1\r\nConnection: close\r\n\r\n"));
  }
  Health health_;
  Metrics metrics_{{.backend = "none"}, health_};
  std::unique_ptr<AdminServer> admin_;
};

TEST_F(AdminServerTest, ProbesFollowHealth) {
  EXPECT_THAT(Ask("GET", "/healthz"), HasSubstr("200 OK"));
  EXPECT_THAT(Ask("GET", "/startupz"), HasSubstr("503"));
  EXPECT_THAT(Ask("GET", "/readyz"), EndsWith("\r\n\r\nwaiting for weights\n"));
  health_.SetCondition("weights", true);
  EXPECT_THAT(Ask("GET", "/readyz"), HasSubstr("200 OK"));
  EXPECT_THAT(Ask("GET", "/startupz"), HasSubstr("200 OK"));
  health_.Drain();
  EXPECT_THAT(Ask("GET", "/readyz"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(Ask("GET", "/startupz"), HasSubstr("200 OK"));
  EXPECT_THAT(Ask("GET", "/healthz"), HasSubstr("200 OK"));
  health_.AddHeartbeat("cpu", {}, [] { return absl::Hours(1); });
  EXPECT_THAT(Ask("GET", "/healthz"), StartsWith("HTTP/1.1 503 "));
}

TEST_F(AdminServerTest, ServesMetricsAndVersion) {
  const std::string metrics = Ask("GET", "/metrics");
  EXPECT_THAT(
      metrics,
      HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(metrics, HasSubstr("\ntandem_ready 0\n"));
  EXPECT_THAT(
      Ask("GET", "/version"),
      EndsWith(absl::StrCat("{\"program\":\"tandem-x\",\"version\":\"",
                            Version(), "\",\"commit\":\"", Commit(), "\"}\n")));
  EXPECT_THAT(Ask("HEAD", "/healthz"), EndsWith("\r\n\r\n"));
}

TEST_F(AdminServerTest, RefusesEverythingElse) {
  EXPECT_THAT(Ask("GET", "/"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask("POST", "/elsewhere"), StartsWith("HTTP/1.1 404 "));
  const std::string refused = Ask("DELETE", "/metrics");
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(refused, HasSubstr("Allow: GET, HEAD\r\n"));
}

}  // namespace
}  // namespace tandem
