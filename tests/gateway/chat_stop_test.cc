// Requests that end early: whose client goes away, stops reading, or runs out
// of time, wherever they are.
#include <atomic>
#include <functional>
#include <ostream>
#include <string>
#include <thread>
#include <tuple>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/channel.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "tests/fakes/fake_clock.h"
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
    std::thread stopper;
    if (by() == By::kDeadline) {
      // Longer than any machine takes to get there.
      SetDeadline(absl::Now() + absl::Seconds(5), context);
    } else {
      stopper = std::thread([&] {
        WaitUntil([&] { return IsThere(); });
        context.TryCancel();
      });
    }
    ChatAnswer answer = Chat(ImageRequest({{448, 448}, {896, 448}}), context);
    if (stopper.joinable()) stopper.join();
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
    testing::Values(std::tuple(At::kQueue, By::kCancel),
                    std::tuple(At::kPrefill, By::kCancel),
                    std::tuple(At::kStream, By::kCancel),
                    std::tuple(At::kQueue, By::kDeadline),
                    std::tuple(At::kPut, By::kDeadline),
                    std::tuple(At::kPrefill, By::kDeadline),
                    std::tuple(At::kStream, By::kDeadline)),
    [](const auto& info) {
      return NameOf(std::get<At>(info.param)) +
             (std::get<By>(info.param) == By::kCancel ? "Cancel" : "Deadline");
    });

class SessionStopTest : public ChatFixture {
 protected:
  void StartHeld(int hold_after, absl::Duration reader_timeout,
                 Clock* clock = nullptr) {
    Setup setup{.clock = clock};
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

// On a clock that stands still where somebody might be slow.
TEST_F(SessionStopTest, AReaderThatWaitsForTheModelIsNotSlow) {
  FakeClock clock;
  clock.JumpCalendar(absl::Now() - clock.Now());
  StartHeld(/*hold_after=*/1, absl::Milliseconds(50), &clock);
  SessionCaller caller(engine(), TextRequest(), absl::Seconds(120),
                       /*takes_chunks=*/true, &clock);
  caller.session().Start();
  WaitUntil([&] { return caller.num_continued() == 1; });
  clock.Advance(absl::Milliseconds(200));
  absl::SleepFor(absl::Milliseconds(300));  // several looks at it
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
  // Before it got there everything is idle too.
  WaitUntil([&] { return llm_[0]->requests().size() == 1; });
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

// Calls back whenever it is asked for the monotonic time.
class HookedClock final : public Clock {
 public:
  explicit HookedClock(std::function<void()> hook) : hook_(std::move(hook)) {}
  absl::Time Now() override { return real_.Now(); }
  absl::Duration Monotonic() override {
    hook_();
    return real_.Monotonic();
  }
  void SleepFor(absl::Duration duration) override { real_.SleepFor(duration); }

 private:
  RealClock real_;
  const std::function<void()> hook_;
};

// Start hangs in the choice of a replica, whose pool is locked, while the try
// is there to be cancelled.
TEST_F(SessionStopTest, CancelIsHeardWhileStartRuns) {
  FakeLlmService& llm = AddLlm();
  llm.SetScript({.hold_after = 0});
  BackendPool no_vision({.kind = Backend::kVision, .targets = {}}, AskVision(),
                        gateway_metrics_, /*grpc_metrics=*/nullptr);
  BackendPool llms(
      {.kind = Backend::kLlm, .targets = {{"llm", llm.InProcessChannel()}}},
      AskLlm(), gateway_metrics_, /*grpc_metrics=*/nullptr);
  llms.WaitUntilAsked(absl::InfiniteDuration());
  absl::Notification is_locked, go;
  std::thread locker;
  std::atomic<bool> is_starting = false;
  std::atomic<int> num_asked = 0;
  // Twice as it starts: for its timer, and as the try is made.
  HookedClock clock([&] {
    if (!is_starting || num_asked++ > 0) return;
    locker = std::thread([&] {
      EXPECT_TRUE(llms.Check([&](const BackendInfo&) {
                        is_locked.Notify();
                        go.WaitForNotification();
                        return absl::OkStatus();
                      })
                      .ok());
    });
    is_locked.WaitForNotification();
  });
  ChatEngine engine({}, clock, no_vision, llms, gateway_metrics_);
  SessionCaller caller(engine, TextRequest(), absl::Seconds(120));
  is_starting = true;
  std::thread starter([&] { caller.session().Start(); });
  WaitUntil([&] { return num_asked == 2; });
  caller.session().Cancel();
  go.Notify();
  locker.join();
  starter.join();
  EXPECT_EQ(caller.Wait().code(), absl::StatusCode::kCancelled);
  WaitUntil([&] { return llm.num_calls() == 0; });
  EXPECT_EQ(engine.admission().in_flight(), 0);
}

TEST_F(SessionStopTest, AnImageThatWasOnItsWayIsReleasedToo) {
  StartHeld(/*hold_after=*/-1, absl::Seconds(30));
  vision_[0]->HoldPuts();
  SessionCaller caller(engine(), ImageRequest({{448, 448}, {896, 448}}),
                       absl::Seconds(120));
  caller.session().Start();
  WaitUntil([&] { return vision_[0]->num_puts_held() == 2; });
  caller.session().Cancel();
  vision_[0]->ReleasePuts();
  EXPECT_EQ(caller.Wait().code(), absl::StatusCode::kCancelled);
  ExpectIdle();
  EXPECT_EQ(vision_[0]->releases().size(), 2u);
  EXPECT_EQ(llm_[0]->requests().size(), 0u);
  EXPECT_EQ(gateway_metrics_.cancelled_in_parse.Value(), 1);
}

// A client gives up at its own deadline, which is earlier than the one that it
// could say: 100 seconds and more travel in whole seconds.
TEST_F(SessionStopTest, ADeadlineThatWasRoundedUpIsOne) {
  FakeClock clock;
  clock.JumpCalendar(absl::Now() - clock.Now());
  StartHeld(/*hold_after=*/0, absl::Hours(1), &clock);
  const auto stop_after = [&](absl::Duration elapsed) {
    SessionCaller caller(engine(), TextRequest(), absl::Seconds(150),
                         /*takes_chunks=*/true, &clock);
    caller.session().Start();
    clock.Advance(elapsed);
    caller.session().Cancel();
    return caller.Wait().code();
  };
  EXPECT_EQ(stop_after(absl::Seconds(148)), absl::StatusCode::kCancelled);
  EXPECT_EQ(stop_after(absl::Milliseconds(149'100)),
            absl::StatusCode::kDeadlineExceeded);
  ExpectIdle();
}

TEST_F(SessionStopTest, AJumpOfTheCalendarEndsNothing) {
  FakeClock clock;
  clock.JumpCalendar(absl::Now() - clock.Now());
  StartHeld(/*hold_after=*/0, absl::Hours(1), &clock);
  SessionCaller caller(engine(), TextRequest(), absl::Seconds(120),
                       /*takes_chunks=*/true, &clock);
  caller.session().Start();
  WaitUntil([&] { return llm_[0]->num_held() == 1; });
  clock.JumpCalendar(absl::Hours(2));
  caller.session().Cancel();
  EXPECT_EQ(caller.Wait().code(), absl::StatusCode::kCancelled);
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
}

}  // namespace
}  // namespace tandem
