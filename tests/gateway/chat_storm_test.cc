// Many requests at once while everything fails at random; then all must be as
// before.
#include <algorithm>
#include <atomic>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "common/channel.h"
#include "common/errors.h"
#include "common/request_id.h"
#include "gmock/gmock.h"
#include "tests/gateway/chat_fixture.h"

namespace tandem {
namespace {

constexpr int kNumRequests = 200;

FakeLlmService::Script RandomScript(std::mt19937& random) {
  FakeLlmService::Script script;
  script.pieces.assign(1 + random() % 20, "x");
  script.pieces_before_status =
      static_cast<int>(random() % (script.pieces.size() + 1));
  const auto of_image = [](absl::StatusCode code, absl::string_view reason) {
    return MakeError(code, reason, "an image failed", {{"image", "0"}});
  };
  switch (random() % 8) {
    case 0:
      script.status = absl::UnavailableError("gone");
      break;
    case 1:
      script.status = absl::CancelledError("stopping");
      break;
    case 2:
      script.status =
          MakeError(absl::StatusCode::kInternal, reason::kNumericFault, "NaN");
      break;
    case 3:
      script.pieces_before_status = 0;
      script.status =
          of_image(absl::StatusCode::kNotFound, reason::kEmbeddingExpired);
      break;
    case 4:
      script.pieces_before_status = 0;
      script.status =
          of_image(absl::StatusCode::kDataLoss, reason::kEmbeddingCorrupt);
      break;
  }
  return script;
}

class ChatStormTest : public ChatFixture {
 protected:
  // One client, all of whose choices come from its number.
  void RunClient(int number) {
    std::mt19937 random(static_cast<unsigned>(number));
    const std::vector<std::pair<int, int>> sizes(random() % 4, {448, 448});
    const v1::ChatRequest request =
        sizes.empty() ? TextRequest() : ImageRequest(sizes);
    const std::string id = absl::StrCat("client-", number);
    grpc::ClientContext context;
    SetRequestId(id, context);
    int chunks_to_cancel = -1;
    switch (random() % 4) {
      case 0:
        chunks_to_cancel = static_cast<int>(random() % 3);
        break;
      case 1:
        SetDeadline(absl::Now() + absl::Milliseconds(60 + random() % 200),
                    context);
        break;
    }
    if (chunks_to_cancel == 0) context.TryCancel();
    int num_chunks = 0;
    const ChatAnswer answer = Chat(request, context, [&] {
      if (++num_chunks == chunks_to_cancel) context.TryCancel();
    });
    CheckAnswer(answer);
    if (absl::IsCancelled(answer.status) ||
        absl::IsDeadlineExceeded(answer.status)) {
      absl::MutexLock lock(&mutex_);
      cut_off_.insert(id);
    }
  }

  // Every token once and in order; the accounts if and only if it is whole.
  static void CheckAnswer(const ChatAnswer& answer) {
    const std::vector<uint32_t> ids = answer.token_ids();
    for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(ids[i], i + 1);
    if (answer.status.ok()) {
      ASSERT_FALSE(answer.chunks.empty());
      EXPECT_TRUE(answer.chunks.back().has_usage());
    }
    if (ErrorReason(answer.status) == reason::kPeerLost) {
      EXPECT_EQ(ErrorMetadataOf(answer.status).at("tokensSent"),
                absl::StrCat(ids.size()));
    }
  }

  absl::Mutex mutex_;
  std::set<std::string> cut_off_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(ChatStormTest, ConservesEverything) {
  Setup setup{.num_vision = 3, .num_llm = 2};
  setup.engine.admission.max_in_flight = 24;
  setup.engine.admission.max_queued = kNumRequests;
  StartGateway(setup);
  std::mt19937 random(20260131);
  for (int i = 0; i < 3 * kNumRequests / 2; ++i) {
    llm_[i % 2]->SetNextScript(RandomScript(random));
  }
  std::atomic<bool> is_over = false;
  std::thread trouble([&] {
    while (!is_over) {
      vision_[random() % 3]->FailPuts(absl::UnavailableError("gone"));
      absl::SleepFor(absl::Milliseconds(5));
    }
  });
  std::vector<std::thread> clients;
  for (int i = 0; i < kNumRequests; ++i) {
    clients.emplace_back([this, i] { RunClient(i); });
  }
  for (std::thread& client : clients) client.join();
  is_over = true;
  trouble.join();

  const Admission& admission = engine().admission();
  WaitUntil([&] {
    return gateway_metrics_.requests_in_flight[Api::kGrpc].Value() == 0 &&
           admission.in_flight() == 0;
  });
  EXPECT_EQ(admission.queued(), 0);
  EXPECT_EQ(admission.image_bytes(), 0);
  for (const auto& llm : llm_) {
    WaitUntil([&] { return llm->num_calls() == 0; });
  }
  absl::MutexLock lock(&mutex_);
  for (const auto& vision : vision_) {
    // A reference that was made while its caller went away is known to nobody;
    // the vision service forgets it by itself. Every other one is released.
    WaitUntil([&] {
      const std::vector<std::string> holders = vision->holders();
      return std::all_of(
          holders.begin(), holders.end(),
          [&](const std::string& id) { return cut_off_.contains(id); });
    });
    for (const auto& [handle, times] : vision->releases()) {
      EXPECT_EQ(times, 1) << handle;
    }
  }
  double counted = 0;
  for (int code = 0; code <= 16; ++code) {
    counted += Requests(static_cast<absl::StatusCode>(code));
  }
  // A client that went away at once may never have been heard of.
  EXPECT_LE(counted, kNumRequests);
  EXPECT_GE(counted, kNumRequests - static_cast<double>(cut_off_.size()));
  EXPECT_GT(Requests(absl::StatusCode::kOk), 0);
  EXPECT_GT(Requests(absl::StatusCode::kUnavailable), 0);
}

}  // namespace
}  // namespace tandem
