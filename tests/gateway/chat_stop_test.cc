// Requests that end early: whose client goes away, stops reading, or runs out
// of time, wherever they are.
#include <atomic>
#include <ostream>
#include <string>
#include <thread>
#include <tuple>

#include "absl/time/clock.h"
#include "common/channel.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "tests/gateway/chat_fixture.h"

namespace tandem {
namespace {

enum class At { kQueue, kPut, kPrefill, kStream };
enum class By { kCancel, kDeadline };

std::string NameOf(At at) {
  switch (at) {
    case At::kQueue:
      return "Queue";
    case At::kPut:
      return "Put";
    case At::kPrefill:
      return "Prefill";
    case At::kStream:
      return "Stream";
  }
  return "";
}

class ChatStopTest : public ChatFixture,
                     public testing::WithParamInterface<std::tuple<At, By>> {
 protected:
  At at() const { return std::get<At>(GetParam()); }
  By by() const { return std::get<By>(GetParam()); }

  // Lets every request come as far as it is to come.
  void Arrange() {
    Setup setup;
    setup.engine.admission.max_in_flight = at() == At::kQueue ? 1 : 8;
    StartGateway(setup);
    FakeLlmService::Script script;
    if (at() != At::kPut) script.hold_after = at() == At::kStream ? 2 : 0;
    llm_[0]->SetScript(script);
    if (at() == At::kPut) vision_[0]->HoldPuts();
    if (at() == At::kQueue) {
      blocker_ =
          std::thread([this] { EXPECT_TRUE(Chat(TextRequest()).status.ok()); });
      WaitUntil([this] { return llm_[0]->num_held() == 1; });
    }
  }

  bool IsThere() {
    switch (at()) {
      case At::kQueue:
        return engine().admission().queued() == 1;
      case At::kPut:
        return vision_[0]->num_puts_held() == 2;
      case At::kPrefill:
      case At::kStream:
        return llm_[0]->num_held() == 1;
    }
    return false;
  }

  // Sends a request and stops it there.
  ChatAnswer SendAndStop() {
    grpc::ClientContext context;
    if (by() == By::kDeadline) {
      SetDeadline(absl::Now() + absl::Seconds(1), context);
    }
    std::atomic<bool> is_over = false;
    std::thread stopper([&] {
      WaitUntil([&] { return IsThere() || is_over; });
      if (by() == By::kCancel) context.TryCancel();
    });
    ChatAnswer answer = Chat(ImageRequest({{448, 448}, {896, 448}}), context);
    is_over = true;
    stopper.join();
    return answer;
  }

  std::thread blocker_;
};

TEST_P(ChatStopTest, EndsEverythingBehindIt) {
  Arrange();
  const ChatAnswer answer = SendAndStop();
  const absl::StatusCode code = by() == By::kCancel
                                    ? absl::StatusCode::kCancelled
                                    : absl::StatusCode::kDeadlineExceeded;
  EXPECT_EQ(answer.status.code(), code);
  WaitUntil([&] { return Requests(code) == 1; });
  if (blocker_.joinable()) {
    WaitUntil([&] { return engine().admission().queued() == 0; });
    llm_[0]->Release();
    blocker_.join();
  }
  ExpectIdle();
  const bool reached_llm = at() == At::kPrefill || at() == At::kStream;
  EXPECT_EQ(llm_[0]->num_cancelled(), reached_llm ? 1 : 0);
  EXPECT_EQ(vision_[0]->num_puts(), at() == At::kQueue ? 0 : 2);
  EXPECT_EQ(vision_[0]->releases().size(), reached_llm ? 2u : 0u);
  EXPECT_EQ(gateway_metrics_.cancelled_in_parse.Value(),
            by() == By::kCancel && !reached_llm ? 1 : 0);
  EXPECT_EQ(gateway_metrics_.admission_rejections[Rejection::kDeadline].Value(),
            by() == By::kDeadline && at() == At::kQueue ? 1 : 0);
  EXPECT_EQ(Retries(Backend::kVision, absl::StatusCode::kUnavailable) +
                Retries(Backend::kLlm, absl::StatusCode::kUnavailable),
            0);
}

INSTANTIATE_TEST_SUITE_P(
    Everywhere, ChatStopTest,
    testing::Combine(testing::Values(At::kQueue, At::kPut, At::kPrefill,
                                     At::kStream),
                     testing::Values(By::kCancel, By::kDeadline)),
    [](const auto& info) {
      return NameOf(std::get<At>(info.param)) +
             (std::get<By>(info.param) == By::kCancel ? "Cancel" : "Deadline");
    });

class SessionStopTest : public ChatFixture {
 protected:
  void StartHeld(int hold_after, absl::Duration reader_timeout) {
    Setup setup;
    setup.engine.admission.max_in_flight = 1;
    setup.engine.reader_timeout = reader_timeout;
    StartGateway(setup);
    llm_[0]->SetScript({.hold_after = hold_after});
  }
};

TEST_F(SessionStopTest, ADeadlineEndsTheWaitForAPlace) {
  StartHeld(/*hold_after=*/0, absl::Seconds(30));
  SessionCaller first(engine(), TextRequest(), absl::Seconds(120));
  first.session().Start();
  SessionCaller second(engine(), TextRequest(), absl::Milliseconds(100));
  second.session().Start();
  const absl::Status status = second.Wait();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ErrorReason(status), reason::kDeadlineExceeded);
  EXPECT_EQ(engine().admission().queued(), 0);
  EXPECT_FALSE(first.is_done());
  llm_[0]->Release();
  EXPECT_TRUE(first.Wait().ok());
  ExpectIdle();
}

TEST_F(SessionStopTest, AReaderThatStopsLosesItsAnswer) {
  StartHeld(/*hold_after=*/-1, absl::Milliseconds(200));
  SessionCaller caller(engine(), ImageRequest(), absl::Seconds(120),
                       /*takes_chunks=*/false);
  caller.session().Start();
  const absl::Status status = caller.Wait();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ErrorReason(status), reason::kSlowConsumer);
  EXPECT_EQ(caller.num_chunks(), 1);
  ExpectIdle();
}

TEST_F(SessionStopTest, AReaderThatWaitsForTheModelIsNotSlow) {
  StartHeld(/*hold_after=*/1, absl::Milliseconds(50));
  SessionCaller caller(engine(), TextRequest(), absl::Seconds(120));
  caller.session().Start();
  WaitUntil([&] { return caller.num_chunks() == 1; });
  absl::SleepFor(absl::Milliseconds(200));  // several looks at it
  EXPECT_FALSE(caller.is_done());
  llm_[0]->Release();
  EXPECT_TRUE(caller.Wait().ok());
  EXPECT_EQ(caller.num_chunks(), 4);
  ExpectIdle();
}

TEST_F(SessionStopTest, AConnectionThatIsNotReadIsLetGo) {
  Setup setup{.listens = true};
  setup.engine.reader_timeout = absl::Milliseconds(200);
  StartGateway(setup);
  FakeLlmService::Script script;  // more than any buffer on its way holds
  script.pieces.assign(300, std::string(200'000, 'x'));
  llm_[0]->SetScript(script);
  grpc::ClientContext context;
  const auto reader = stub().Chat(&context, ImageRequest());
  ExpectIdle();
  v1::ChatChunk chunk;
  while (reader->Read(&chunk)) {
  }
  EXPECT_FALSE(reader->Finish().ok());
  EXPECT_EQ(Requests(absl::StatusCode::kDeadlineExceeded), 1);
}

TEST_F(SessionStopTest, PicturesAreFreedWithTheFirstToken) {
  StartHeld(/*hold_after=*/1, absl::Seconds(30));
  SessionCaller caller(engine(), ImageRequest(), absl::Seconds(120));
  caller.session().Start();
  WaitUntil([&] { return caller.num_chunks() == 1; });
  EXPECT_EQ(engine().admission().image_bytes(), 0);
  EXPECT_EQ(engine().admission().in_flight(), 1);
  llm_[0]->Release();
  EXPECT_TRUE(caller.Wait().ok());
  ExpectIdle();
}

TEST_F(SessionStopTest, CancelIsSafeBeforeStart) {
  StartHeld(/*hold_after=*/0, absl::Seconds(30));
  SessionCaller caller(engine(), TextRequest(), absl::Seconds(120));
  caller.session().Cancel();
  EXPECT_EQ(caller.Wait().code(), absl::StatusCode::kCancelled);
  caller.session().Start();
  caller.session().Continue();
  caller.session().Cancel();
  EXPECT_EQ(llm_[0]->requests().size(), 0u);
  ExpectIdle();
}

TEST_F(SessionStopTest, CancelIsSafeAtAnyMoment) {
  StartHeld(/*hold_after=*/-1, absl::Seconds(30));
  for (int i = 0; i < 100; ++i) {
    SessionCaller caller(engine(), ImageRequest(), absl::Seconds(120));
    std::thread canceller([&] {
      absl::SleepFor(absl::Microseconds(37 * i));
      caller.session().Cancel();
    });
    caller.session().Start();
    const absl::Status status = caller.Wait();
    EXPECT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
    canceller.join();
    WaitUntil([&] { return engine().admission().in_flight() == 0; });
  }
  EXPECT_EQ(gateway_metrics_.requests_in_flight[Api::kGrpc].Value(), 0);
}

}  // namespace
}  // namespace tandem
