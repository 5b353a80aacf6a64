#include "gateway/chat_session.h"

#include <numeric>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "common/errors.h"
#include "common/grpc_status.h"
#include "gmock/gmock.h"
#include "tests/fakes/fake_clock.h"
#include "tests/gateway/chat_fixture.h"

namespace tandem {
namespace {

using testing::ElementsAre;

class ChatSessionTest : public ChatFixture {};

TEST_F(ChatSessionTest, StreamsTokensInOrderAndTheAccountsLast) {
  StartGateway();
  const ChatAnswer answer = Chat(TextRequest());
  ASSERT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_EQ(answer.text(), "Hello, world.");
  EXPECT_THAT(answer.token_ids(), ElementsAre(1, 2, 3, 4));
  ASSERT_EQ(answer.chunks.size(), 4u);
  for (const v1::ChatChunk& chunk : answer.chunks) {
    const bool is_last = &chunk == &answer.chunks.back();
    EXPECT_EQ(chunk.finish_reason() != v1::FINISH_REASON_UNSPECIFIED, is_last);
    EXPECT_EQ(chunk.has_usage(), is_last);
    EXPECT_EQ(chunk.prompt_tokens(),
              &chunk == &answer.chunks.front() ? 5u : 0u);
    EXPECT_EQ(chunk.has_timings_ms(), is_last);
    EXPECT_EQ(chunk.id(), answer.chunks[0].id());
    EXPECT_EQ(chunk.model(), "fake");
    EXPECT_GT(chunk.created(), 0);
    EXPECT_THAT(chunk.system_fingerprint(), testing::HasSubstr("f00d"));
  }
  EXPECT_EQ(answer.chunks.back().finish_reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(answer.chunks.back().usage().prompt_tokens(), 5u);
  EXPECT_EQ(answer.chunks.back().usage().completion_tokens(), 4u);
  EXPECT_EQ(Requests(absl::StatusCode::kOk), 1);
  ExpectIdle();
}

TEST_F(ChatSessionTest, AUnaryAnswerEqualsTheStream) {
  StartGateway();
  const ChatAnswer streamed = Chat(ImageRequest());
  ASSERT_TRUE(streamed.status.ok()) << streamed.status;
  grpc::ClientContext context;
  v1::ChatResponse response;
  ASSERT_TRUE(stub().ChatUnary(&context, ImageRequest(), &response).ok());
  const v1::ChatChunk& last = streamed.chunks.back();
  EXPECT_EQ(response.text(), streamed.text());
  EXPECT_EQ(std::vector<uint32_t>(response.token_ids().begin(),
                                  response.token_ids().end()),
            streamed.token_ids());
  EXPECT_EQ(response.finish_reason(), last.finish_reason());
  EXPECT_EQ(response.usage().SerializeAsString(),
            last.usage().SerializeAsString());
  EXPECT_EQ(response.model(), last.model());
  EXPECT_EQ(response.system_fingerprint(), last.system_fingerprint());
  EXPECT_NE(response.id(), last.id());
  EXPECT_TRUE(response.has_timings_ms());
  ExpectIdle();
}

TEST_F(ChatSessionTest, ImagesComeInTheirOrderFromWhoeverHoldsThem) {
  StartGateway({.num_vision = 3});
  const ChatAnswer answer =
      Chat(ImageRequest({{448, 448}, {896, 448}, {448, 896}, {896, 896}}));
  ASSERT_TRUE(answer.status.ok()) << answer.status;
  const v1::GenerateRequest request = llm_[0]->requests().at(0);
  ASSERT_EQ(request.images_size(), 4);
  std::vector<uint32_t> tiles;
  for (const v1::ImageRef& image : request.images()) {
    tiles.push_back(image.num_tiles());
  }
  EXPECT_THAT(tiles, ElementsAre(1, 3, 3, 5));
  ASSERT_EQ(request.messages(0).content_size(), 5);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(request.messages(0).content(i).image_index(),
              static_cast<uint32_t>(i));
  }
  ExpectIdle();
  // Each was released where it had been put.
  for (const v1::ImageRef& image : request.images()) {
    for (const auto& vision : vision_) {
      v1::GetVisionInfoResponse info;
      vision->GetInfo(nullptr, nullptr, &info);
      EXPECT_EQ(vision->releases().count(image.handle()),
                image.replica_id() == info.info().replica_id() ? 1u : 0u);
    }
  }
}

TEST_F(ChatSessionTest, EqualPicturesMeetTheSameReplica) {
  StartGateway({.num_vision = 4});
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(Chat(ImageRequest()).status.ok());
    ExpectIdle();
  }
  std::vector<int> puts;
  for (const auto& vision : vision_) puts.push_back(vision->num_puts());
  EXPECT_THAT(puts, testing::UnorderedElementsAre(0, 0, 0, 5));
}

// Moves a clock where time passes in the services, and nowhere else.
TEST_F(ChatSessionTest, StagesTileTheRequest) {
  FakeClock clock;
  clock.JumpCalendar(absl::Now() - clock.Now());
  StartGateway({.clock = &clock});
  FakeLlmService::Script script;
  script.hold_after = 1;
  script.timings.set_prefill(7);
  script.timings.set_encode(30);
  script.timings.set_decode(20);
  llm_[0]->SetScript(script);
  llm_[0]->SetBeforeAnswer([&] { clock.Advance(absl::Milliseconds(37)); });
  vision_[0]->HoldPuts();
  std::thread puts([&] {
    WaitUntil([&] { return vision_[0]->num_puts_held() == 1; });
    clock.Advance(absl::Milliseconds(5));
    vision_[0]->ReleasePuts();
  });
  grpc::ClientContext context;
  bool is_first = true;
  const ChatAnswer answer = Chat(ImageRequest(), context, [&] {
    if (!std::exchange(is_first, false)) return;
    clock.Advance(absl::Milliseconds(20));
    llm_[0]->Release();
  });
  puts.join();
  ASSERT_TRUE(answer.status.ok()) << answer.status;
  const v1::Timings& timings = answer.chunks.back().timings_ms();
  EXPECT_DOUBLE_EQ(timings.queue(), 0);
  EXPECT_DOUBLE_EQ(timings.encode(), 30);
  EXPECT_DOUBLE_EQ(timings.time_to_first_token(), 5 + 30 + 7);
  EXPECT_DOUBLE_EQ(timings.decode(), 20);
  EXPECT_DOUBLE_EQ(timings.total(), 5 + 30 + 7 + 20);
  ExpectIdle();
  double until_first_token = 0, all = 0;
  for (int i = 0; i < static_cast<int>(Stage::kCount); ++i) {
    const Stage stage = static_cast<Stage>(i);
    const double sum = gateway_metrics_.stage_duration_seconds[stage]
                           .Collect()
                           .histogram.sample_sum;
    all += sum;
    if (stage <= Stage::kFirstToken) until_first_token += sum;
  }
  const auto seconds = [](prometheus::Histogram& histogram) {
    return histogram.Collect().histogram.sample_sum;
  };
  EXPECT_NEAR(until_first_token, 0.042, 1e-9);
  EXPECT_NEAR(
      until_first_token,
      seconds(gateway_metrics_.time_to_first_token_seconds[ImageCount::k1]),
      1e-9);
  EXPECT_NEAR(
      all,
      seconds(gateway_metrics_
                  .request_duration_seconds[Api::kGrpc][Streaming::kYes]),
      1e-9);
  // Three gaps of one answer: 20 ms and what came at once.
  EXPECT_NEAR(seconds(gateway_metrics_.inter_token_latency_seconds), 0.020,
              1e-9);
  EXPECT_NEAR(seconds(gateway_metrics_.time_per_output_token_seconds),
              0.020 / 3, 1e-9);
}

TEST_F(ChatSessionTest, WaitingForAPlaceIsTheQueuesTime) {
  FakeClock clock;
  clock.JumpCalendar(absl::Now() - clock.Now());
  Setup setup{.clock = &clock};
  setup.engine.admission.max_in_flight = 1;
  StartGateway(setup);
  llm_[0]->SetScript({.hold_after = 0});
  std::thread first([&] { EXPECT_TRUE(Chat(TextRequest()).status.ok()); });
  WaitUntil([&] { return llm_[0]->num_held() == 1; });
  ChatAnswer answer;
  std::thread second([&] { answer = Chat(TextRequest()); });
  WaitUntil([&] { return engine().admission().queued() == 1; });
  clock.Advance(absl::Milliseconds(11));
  llm_[0]->Release();
  first.join();
  second.join();
  ASSERT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_DOUBLE_EQ(answer.chunks.back().timings_ms().queue(), 11);
  EXPECT_DOUBLE_EQ(answer.chunks.back().timings_ms().time_to_first_token(), 11);
  ExpectIdle();
}

TEST_F(ChatSessionTest, AnAnswerWithoutATokenHasAnEndToo) {
  StartGateway();
  FakeLlmService::Script script;
  script.pieces = {""};
  llm_[0]->SetScript(script);
  EXPECT_TRUE(Chat(TextRequest()).status.ok());
  ExpectIdle();
}

TEST_F(ChatSessionTest, TextNeedsNoVisionService) {
  StartGateway({.num_vision = 0});
  EXPECT_TRUE(Chat(TextRequest()).status.ok());
  const absl::Status status = Chat(ImageRequest()).status;
  EXPECT_EQ(ErrorReason(status), reason::kBackendUnavailable);
  EXPECT_EQ(ErrorMetadataOf(status)["service"], "vision");
  EXPECT_EQ(llm_[0]->requests().size(), 1u);
  ExpectIdle();
}

TEST_F(ChatSessionTest, APromptGoesToTheLlmServiceAsItIs) {
  StartGateway({.num_vision = 0});
  const ChatAnswer answer = Chat(PromptRequest("<|im_end|> once"));
  ASSERT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_EQ(answer.text(), "Hello, world.");
  EXPECT_EQ(answer.chunks.back().usage().prompt_tokens(), 15u);
  EXPECT_THAT(answer.chunks.back().id(), testing::StartsWith("cmpl-"));
  const v1::GenerateRequest request = llm_[0]->requests().at(0);
  EXPECT_EQ(request.prompt(), "<|im_end|> once");
  EXPECT_EQ(request.messages_size(), 0);
  EXPECT_EQ(request.images_size(), 0);
  ExpectIdle();
}

TEST_F(ChatSessionTest, TakesEitherMessagesOrAPrompt) {
  StartGateway();
  v1::ChatRequest both = TextRequest();
  both.set_prompt("x");
  EXPECT_EQ(ErrorField(Chat(both).status), "prompt");
  EXPECT_EQ(ErrorField(Chat(PromptRequest("")).status), "prompt");
  EXPECT_EQ(llm_[0]->requests().size(), 0u);
  const absl::Status status =
      Chat(PromptRequest(std::string(1024, 'x'))).status;
  EXPECT_EQ(ErrorReason(status), reason::kContextLengthExceeded);
  ExpectIdle();
}

TEST_F(ChatSessionTest, NoReadyLlmServiceIsSaidBeforeAnImageIsPut) {
  v1::GetLlmInfoResponse loading = FakeLlmService::DefaultInfo();
  loading.mutable_info()->set_ready(false);
  AddLlm().SetInfo(loading);
  StartGateway();
  const absl::Status status = Chat(ImageRequest()).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), reason::kBackendUnavailable);
  EXPECT_EQ(ErrorMetadataOf(status)["service"], "llm");
  EXPECT_TRUE(RetryDelay(status).has_value());
  EXPECT_EQ(vision_[0]->num_puts(), 0);
  EXPECT_EQ(Retries(Backend::kLlm, absl::StatusCode::kUnavailable), 0);
  ExpectIdle();
}

TEST_F(ChatSessionTest, RefusesServicesThatDoNotFitTogether) {
  v1::ServiceInfo info = FakeVisionInfo(format_);
  info.set_fingerprint("beef");
  AddVision().SetInfo(info);
  StartGateway();
  const absl::Status status = Chat(ImageRequest()).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(status), reason::kEmbeddingIncompatible);
  EXPECT_EQ(ErrorMetadataOf(status)["check"], "fingerprint");
  EXPECT_EQ(vision_[0]->num_puts(), 0);
  EXPECT_TRUE(Chat(TextRequest()).status.ok());
  ExpectIdle();
}

TEST_F(ChatSessionTest, PairsWhatFitsInAMixedFleet) {
  v1::GetLlmInfoResponse other = FakeLlmService::DefaultInfo();
  other.mutable_info()->set_fingerprint("beef");
  AddLlm().SetInfo(other);
  AddLlm();
  StartGateway();
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(Chat(ImageRequest()).status.ok());
  }
  EXPECT_EQ(llm_[0]->requests().size(), 0u);
  EXPECT_EQ(llm_[1]->requests().size(), 4u);
  ExpectIdle();
}

TEST_F(ChatSessionTest, PicturesGoToAnLlmServiceThatTakesThem) {
  v1::GetLlmInfoResponse blind = FakeLlmService::DefaultInfo();
  blind.set_accepts_images(false);
  AddLlm().SetInfo(blind);
  AddLlm();
  StartGateway();
  for (int i = 0; i < 10; ++i) {
    v1::ChatRequest request = ImageRequest();
    request.set_prompt_cache_key(absl::StrCat("conversation ", i));
    EXPECT_TRUE(Chat(request).status.ok());
  }
  EXPECT_EQ(llm_[0]->requests().size(), 0u);
  EXPECT_EQ(llm_[1]->requests().size(), 10u);
  ExpectIdle();
}

TEST_F(ChatSessionTest, NoLlmServiceThatTakesPicturesIsSaidBeforeOneIsPut) {
  v1::GetLlmInfoResponse blind = FakeLlmService::DefaultInfo();
  blind.set_accepts_images(false);
  AddLlm().SetInfo(blind);
  StartGateway();
  const absl::Status status = Chat(ImageRequest()).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), reason::kBackendUnavailable);
  EXPECT_EQ(status.message(), "no llm service that takes images is ready");
  EXPECT_TRUE(RetryDelay(status).has_value());
  EXPECT_EQ(vision_[0]->num_puts(), 0);
  EXPECT_TRUE(Chat(TextRequest()).status.ok());
  ExpectIdle();
}

TEST_F(ChatSessionTest, CutsAsManyTilesAsBothServicesWould) {
  v1::ServiceInfo info = FakeVisionInfo(format_);
  info.set_max_tiles(2);
  AddVision().SetInfo(info);
  StartGateway();
  EXPECT_EQ(engine().GetModel("", nullptr)->max_tiles(), 2u);
  EXPECT_TRUE(Chat(ImageRequest({{896, 896}})).status.ok());
  EXPECT_LE(llm_[0]->requests().at(0).images(0).num_tiles(), 3u);
  ExpectIdle();
}

TEST_F(ChatSessionTest, RefusesWhatItDoesNotServe) {
  StartGateway();
  v1::ChatRequest other_model = TextRequest();
  other_model.set_model("another");
  const absl::Status model = Chat(other_model).status;
  EXPECT_EQ(model.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(model), reason::kModelNotFound);
  v1::ChatRequest two_answers = TextRequest();
  two_answers.set_n(2);
  const absl::Status n = Chat(two_answers).status;
  EXPECT_EQ(n.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorField(n), "n");
  EXPECT_EQ(ErrorField(Chat(v1::ChatRequest()).status), "messages");
  EXPECT_EQ(llm_[0]->requests().size(), 0u);
  EXPECT_EQ(Requests(absl::StatusCode::kInvalidArgument), 2);
  ExpectIdle();
}

TEST_F(ChatSessionTest, RefusesMoreThanItHasPlacesFor) {
  Setup setup;
  setup.engine.admission = {.max_in_flight = 1, .max_queued = 0};
  StartGateway(setup);
  llm_[0]->SetScript({.hold_after = 0});
  std::thread first([&] { EXPECT_TRUE(Chat(TextRequest()).status.ok()); });
  WaitUntil([&] { return llm_[0]->num_held() == 1; });
  const absl::Status status = Chat(TextRequest()).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), reason::kOverloaded);
  EXPECT_TRUE(RetryDelay(status).has_value());
  llm_[0]->Release();
  first.join();
  ExpectIdle();
}

TEST_F(ChatSessionTest, OneConversationStaysWithItsLlmReplica) {
  StartGateway({.num_llm = 4});
  v1::ChatRequest request;
  v1::ChatMessage& system = *request.add_messages();
  system.set_role("system");
  system.add_content()->set_text("be brief");
  *request.add_messages() = TextRequest("first question").messages(0);
  for (int turn = 0; turn < 3; ++turn) {
    const ChatAnswer answer = Chat(request);
    ASSERT_TRUE(answer.status.ok());
    ExpectIdle();
    v1::ChatMessage& said = *request.add_messages();
    said.set_role("assistant");
    said.add_content()->set_text(answer.text());
    *request.add_messages() =
        TextRequest(absl::StrCat("question ", turn)).messages(0);
  }
  std::vector<size_t> met;
  for (const auto& llm : llm_) met.push_back(llm->requests().size());
  EXPECT_THAT(met, testing::UnorderedElementsAre(0, 0, 0, 3));
  // Others with the same system text go elsewhere too.
  for (int i = 0; i < 20; ++i) {
    request.mutable_messages(1)->mutable_content(0)->set_text(
        absl::StrCat("another first question ", i));
    ASSERT_TRUE(Chat(request).status.ok());
    ExpectIdle();
  }
  for (const auto& llm : llm_) EXPECT_GT(llm->requests().size(), 0u);
}

TEST_F(ChatSessionTest, APromptThatGrowsStaysWithItsLlmReplica) {
  StartGateway({.num_llm = 4});
  std::string prompt(256, 'x');
  for (int turn = 0; turn < 3; ++turn) {
    ASSERT_TRUE(Chat(PromptRequest(prompt)).status.ok());
    ExpectIdle();
    absl::StrAppend(&prompt, "and then? ", turn);
  }
  std::vector<size_t> met;
  for (const auto& llm : llm_) met.push_back(llm->requests().size());
  EXPECT_THAT(met, testing::UnorderedElementsAre(0, 0, 0, 3));
  for (int i = 0; i < 20; ++i) {  // others go elsewhere too
    ASSERT_TRUE(Chat(PromptRequest(absl::StrCat(i, " is even"))).status.ok());
    ExpectIdle();
  }
  for (const auto& llm : llm_) EXPECT_GT(llm->requests().size(), 0u);
}

TEST_F(ChatSessionTest, ASlowReaderDelaysNobodyElse) {
  StartGateway();
  FakeLlmService::Script script;
  script.pieces.assign(500, std::string(1000, 'x'));
  llm_[0]->SetScript(script);
  grpc::ClientContext slow_context;
  const auto slow = stub().Chat(&slow_context, TextRequest());
  v1::ChatChunk chunk;
  ASSERT_TRUE(slow->Read(&chunk));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Chat(TextRequest()).token_ids().size(), 500u);
  }
  int num_tokens = 1;
  while (slow->Read(&chunk)) ++num_tokens;
  EXPECT_EQ(num_tokens, 500);
  EXPECT_TRUE(slow->Finish().ok());
  ExpectIdle();
}

}  // namespace
}  // namespace tandem
