// Answers that take their time: streams, workers, clients that leave.
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/http_server.h"
#include "common/http_wire.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/common/http_client.h"

namespace tandem {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kGet[] = "GET /a HTTP/1.1\r\n\r\n";

// Keeps its exchanges for the test to answer.
class HttpStreamingTest : public testing::Test {
 protected:
  void Start(HttpServer::Options options = {}) {
    options.listen = {"127.0.0.1", 0};
    auto server = HttpServer::Start(
        options, [this](std::shared_ptr<HttpExchange> exchange) {
          exchange->Watch({.on_written =
                               [this] {
                                 absl::MutexLock lock(&mutex_);
                                 ++num_written_;
                               },
                           .on_gone =
                               [this] {
                                 absl::MutexLock lock(&mutex_);
                                 ++num_gone_;
                               }});
          absl::MutexLock lock(&mutex_);
          exchanges_.push_back(std::move(exchange));
        });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void TearDown() override { server_.reset(); }

  // Waits for exchange number `index`.
  std::shared_ptr<HttpExchange> Exchange(size_t index) {
    absl::MutexLock lock(&mutex_);
    const auto is_there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return exchanges_.size() > index;
    };
    mutex_.Await(absl::Condition(&is_there));
    return exchanges_[index];
  }
  void Forget() {
    absl::MutexLock lock(&mutex_);
    exchanges_.clear();
  }
  void AwaitGone(int num) {
    absl::MutexLock lock(&mutex_);
    const auto are_gone = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return num_gone_ == num;
    };
    mutex_.Await(absl::Condition(&are_gone));
  }
  void AwaitWritten(int num) {
    absl::MutexLock lock(&mutex_);
    const auto are_written = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return num_written_ == num;
    };
    mutex_.Await(absl::Condition(&are_written));
  }
  int num_gone() {
    absl::MutexLock lock(&mutex_);
    return num_gone_;
  }
  int port() const { return server_->address().port; }

  absl::Mutex mutex_;
  std::vector<std::shared_ptr<HttpExchange>> exchanges_ ABSL_GUARDED_BY(mutex_);
  int num_written_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_gone_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpStreamingTest, EachPieceIsAChunkThatArrivesByItself) {
  Start();
  RawConnection client(port());
  client.Send(kGet);
  const auto exchange = Exchange(0);
  exchange->Begin({.content_type = "text/event-stream"});
  exchange->Write("data: 1\n\n");
  const std::string head = client.ReadUntil("data: 1\n\n\r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(head, HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(head, EndsWith("\r\n\r\n9\r\ndata: 1\n\n\r\n"));
  exchange->Write("data: 22\n\n");
  EXPECT_EQ(client.ReadUntil("22\n\n\r\n"), "a\r\ndata: 22\n\n\r\n");
  exchange->End();
  EXPECT_EQ(client.ReadUntil("0\r\n\r\n"), "0\r\n\r\n");
  // The connection goes on.
  client.Send(kGet);
  Exchange(1)->Respond({.body = "whole"});
  EXPECT_THAT(client.ReadUntil("whole"), HasSubstr("Content-Length: 5\r\n"));
  EXPECT_EQ(num_gone(), 0);
}

TEST_F(HttpStreamingTest, AnOldClientGetsAStreamThatEndsWithTheConnection) {
  Start();
  RawConnection client(port());
  client.Send("GET / HTTP/1.0\r\n\r\n");
  const auto exchange = Exchange(0);
  exchange->Begin({});
  exchange->Write("one");
  exchange->Write("two");
  exchange->End();
  const std::string answer = client.ReadToEnd();
  EXPECT_THAT(answer, Not(HasSubstr("Transfer-Encoding")));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nonetwo"));
}

TEST_F(HttpStreamingTest, AClientThatLeavesBeforeTheAnswerIsNoticed) {
  Start();
  {
    RawConnection client(port());
    client.Send(kGet);
    Exchange(0);
  }
  AwaitGone(1);
  Exchange(0)->Respond({.body = "nobody reads this"});
  while (server_->num_connections() > 0) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(server_->num_exchanges(), 0);
}

TEST_F(HttpStreamingTest, AClientThatLeavesAStreamIsNoticed) {
  Start();
  {
    RawConnection client(port());
    client.Send(kGet);
    Exchange(0)->Begin({});
    Exchange(0)->Write("piece");
    client.ReadUntil("piece");
  }
  AwaitGone(1);
  Exchange(0)->Write("another");
  Exchange(0)->End();
}

TEST_F(HttpStreamingTest, WhoWatchesTooLateHearsItToo) {
  Start();
  {
    RawConnection client(port());
    client.Send(kGet);
    Exchange(0);
  }
  AwaitGone(1);
  absl::Notification gone;
  Exchange(0)->Watch(
      {.on_written = nullptr, .on_gone = [&] { gone.Notify(); }});
  gone.WaitForNotification();
}

TEST_F(HttpStreamingTest, AClientThatDoesNotReadIsGivenUp) {
  HttpServer::Options options;
  options.write_timeout = absl::Milliseconds(50);
  Start(options);
  RawConnection client(port());
  client.Send(kGet);
  Exchange(0)->Begin({});
  // More than the buffers of two sockets hold.
  for (int i = 0; i < 64; ++i) Exchange(0)->Write(std::string(1 << 20, 'x'));
  AwaitGone(1);
}

TEST_F(HttpStreamingTest, AnExchangeThatNobodyAnswersIs500) {
  Start();
  RawConnection client(port());
  client.Send(kGet);
  Exchange(0);
  Forget();
  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 500 "));
}

TEST_F(HttpStreamingTest, AStreamThatIsDroppedEndsWithoutItsLastChunk) {
  Start();
  RawConnection client(port());
  client.Send(kGet);
  Exchange(0)->Begin({});
  Exchange(0)->Write("piece");
  client.ReadUntil("piece\r\n");
  Forget();
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST_F(HttpStreamingTest, TheTimerRingsUntilTheAnswerIsComplete) {
  Start();
  RawConnection client(port());
  client.Send(kGet);
  absl::Notification rang;
  Exchange(0)->SetTimer(absl::Milliseconds(1), [&] { rang.Notify(); });
  rang.WaitForNotification();
  bool rang_late = false;
  Exchange(0)->SetTimer(absl::Milliseconds(20), [&] { rang_late = true; });
  Exchange(0)->Respond({.body = "end"});
  client.ReadUntil("end");
  absl::SleepFor(absl::Milliseconds(40));
  server_.reset();
  EXPECT_FALSE(rang_late);
}

TEST_F(HttpStreamingTest, LargeBodiesGoToWorkersAndAreCountedTogether) {
  HttpServer::Options options;
  options.num_workers = 1;
  options.max_body_bytes = 1 << 20;
  options.max_buffered_bytes = 300'000;
  Start(options);
  const std::string half(200'000, 'a');
  const std::string request =
      absl::StrCat("POST /a HTTP/1.1\r\nContent-Length: 200000\r\n\r\n", half);
  RawConnection first(port());
  first.Send(request);
  Exchange(0)->Respond({.body = "done"});
  EXPECT_THAT(first.ReadUntil("done"), HasSubstr("200 OK"));
  // One that is still being read leaves too little for the next.
  RawConnection slow(port());
  slow.Send(request.substr(0, request.size() - 1));
  RawConnection second(port());
  std::string answer;
  while (answer.empty()) {  // until what `slow` sent has arrived
    second.Send(request);
    absl::SleepFor(absl::Milliseconds(5));
    if (server_->num_exchanges() == 0) answer = second.ReadToEnd();
  }
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 429 "));
}

TEST_F(HttpStreamingTest, ABodyThatDripsIsGivenUp) {
  HttpServer::Options options;
  options.body_timeout = absl::Milliseconds(50);
  options.max_body_bytes = 1000;
  Start(options);
  RawConnection client(port());
  client.Send("POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n");
  while (client.Send("x")) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_EQ(server_->num_exchanges(), 0);
}

TEST_F(HttpStreamingTest, TellsWhoExpectsItToGoOn) {
  HttpServer::Options options;
  options.max_body_bytes = 4;
  Start(options);
  RawConnection client(port());
  client.Send(
      "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("body");
  Exchange(0)->Respond({.body = "taken"});
  EXPECT_THAT(client.ReadUntil("taken"), HasSubstr("200 OK"));
}

TEST_F(HttpStreamingTest, ATooLargeBodyIsRefusedWhereTheClientHearsIt) {
  HttpServer::Options options;
  options.max_body_bytes = 10;
  options.refusal = [](int status, absl::string_view why) {
    return HttpResponse{.status = status,
                        .content_type = "application/json",
                        .body = absl::StrCat("{\"why\":\"", why, "\"}")};
  };
  Start(options);
  // It is still sending when it is refused; declared, and in chunks.
  EXPECT_THAT(AskHttp(port(), absl::StrCat("POST / HTTP/1.1\r\nContent-Length: "
                                           "3000000\r\n\r\n",
                                           std::string(3'000'000, 'x'))),
              EndsWith("{\"why\":\"body too large\"}"));
  EXPECT_THAT(AskHttp(port(),
                      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "b\r\n12345678901\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
  for (const char* length : {"-1", "x", "1 2"}) {
    EXPECT_THAT(AskHttp(port(), absl::StrCat("POST / HTTP/1.1\r\nContent-"
                                             "Length: ",
                                             length, "\r\n\r\n")),
                StartsWith("HTTP/1.1 400 "));
  }
}

TEST_F(HttpStreamingTest, DrainLetsWhatIsInFlightFinish) {
  Start();
  RawConnection idle(port()), busy(port());
  idle.Send(kGet);
  Exchange(0)->Respond({.body = "first"});
  idle.ReadUntil("first");
  busy.Send(kGet);
  const auto exchange = Exchange(1);
  const absl::Notification hurry;
  std::thread drain([&] { server_->Drain(absl::InfiniteDuration(), hurry); });
  EXPECT_EQ(idle.ReadToEnd(), "");
  EXPECT_FALSE(RawConnection(port()).connected());
  exchange->Respond({.body = "last"});
  EXPECT_THAT(busy.ReadToEnd(), HasSubstr("Connection: close\r\n"));
  drain.join();
  EXPECT_EQ(server_->num_exchanges(), 0);
}

TEST_F(HttpStreamingTest, DrainEndsWhenItIsToldToHurry) {
  Start();
  RawConnection busy(port());
  busy.Send(kGet);
  Exchange(0);
  absl::Notification hurry;
  std::thread drain([&] { server_->Drain(absl::InfiniteDuration(), hurry); });
  hurry.Notify();
  drain.join();
  server_.reset();
  EXPECT_EQ(num_gone(), 1);
  Exchange(0)->Write("into the void");  // an exchange outlives its server
}

TEST_F(HttpStreamingTest, ManyClientsOnManyThreads) {
  HttpServer::Options options;
  options.num_threads = 4;
  Start(options);
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([this] {
      for (int j = 0; j < 20; ++j) {
        RawConnection client(port());
        client.Send(kGet);
        if (j % 3 == 0) continue;  // leaves
        client.ReadUntil("0\r\n\r\n");
      }
    });
  }
  for (size_t i = 0; i < 8 * 20; ++i) {
    const auto exchange = Exchange(i);
    exchange->Begin({});
    exchange->Write("piece");
    exchange->End();
  }
  for (std::thread& client : clients) client.join();
  while (server_->num_connections() > 0) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(server_->num_exchanges(), 0);
}

TEST(HttpWire, ANewlineInAHeaderStartsNoOther) {
  const std::string head =
      HttpHead({.headers = {{"x-request-id", "a\r\nSet-Cookie: b"}}}, {},
               /*has_length=*/true);
  EXPECT_THAT(head, HasSubstr("x-request-id: aSet-Cookie: b\r\n"));
}

}  // namespace
}  // namespace tandem
