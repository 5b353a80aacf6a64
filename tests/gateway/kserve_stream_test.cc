#include "gateway/kserve_stream.h"

#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "gmock/gmock.h"
#include "tests/fakes/fake_clock.h"
#include "tests/gateway/kserve_fixture.h"
#include "tests/gateway/kserve_request.h"

namespace tandem {
namespace {

using inference::ModelInferRequest;
using inference::ModelStreamInferResponse;
using testing::HasSubstr;
using testing::StartsWith;

bool IsFinal(const ModelStreamInferResponse& response) {
  const auto& parameters = response.infer_response().parameters();
  const auto found = parameters.find("triton_final_response");
  return found != parameters.end() && found->second.bool_param();
}

std::string Reason(const ModelStreamInferResponse& response) {
  const auto& parameters = response.infer_response().parameters();
  const auto found = parameters.find("error_reason");
  return found == parameters.end() ? "" : found->second.string_param();
}

// A client's side of one stream.
class Client {
 public:
  explicit Client(inference::GRPCInferenceService::Stub& stub)
      : stream_(stub.ModelStreamInfer(&context_)) {}

  void Send(const ModelInferRequest& request) {
    EXPECT_TRUE(stream_->Write(request));
  }
  void Send(const std::string& id, bool stream) {
    ModelInferRequest request = InferRequest(id);
    SetStream(stream, request);
    Send(request);
  }
  bool Read(ModelStreamInferResponse& response) {
    return stream_->Read(&response);
  }
  // All responses up to the last one of some request.
  std::vector<ModelStreamInferResponse> ReadToFinal() {
    std::vector<ModelStreamInferResponse> responses;
    do {
      if (!Read(responses.emplace_back())) {
        ADD_FAILURE() << "the stream has ended";
        break;
      }
    } while (!IsFinal(responses.back()));
    return responses;
  }
  void SendNoMore() { stream_->WritesDone(); }
  absl::Status Finish() { return FromGrpcStatus(stream_->Finish()); }
  absl::Status End() {
    SendNoMore();
    ModelStreamInferResponse rest;
    EXPECT_FALSE(Read(rest)) << rest.DebugString();
    return Finish();
  }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  const std::unique_ptr<
      grpc::ClientReaderWriter<ModelInferRequest, ModelStreamInferResponse>>
      stream_;
};

class KserveStreamTest : public KserveFixture {};

TEST_F(KserveStreamTest, AnAnswerComesPieceByPiece) {
  Serve();
  Client client(*kserve_);
  client.Send("q-1", /*stream=*/true);
  const auto responses = client.ReadToFinal();
  ASSERT_EQ(responses.size(), 4u);
  std::string text;
  for (size_t i = 0; i < responses.size(); ++i) {
    EXPECT_EQ(responses[i].error_message(), "");
    const inference::ModelInferResponse& one = responses[i].infer_response();
    EXPECT_EQ(one.id(), "q-1");
    EXPECT_EQ(one.model_name(), "vlm");
    EXPECT_EQ(OutputTokens(one), 1);
    EXPECT_EQ(OutputText(one, "finish_reason"), i == 3 ? "stop" : "");
    text += OutputText(one, "text_output");
  }
  EXPECT_EQ(text, "Hello, world.");
  EXPECT_TRUE(client.End().ok());
  EXPECT_EQ(KserveRequests(absl::StatusCode::kOk), 1);
  ExpectIdle();
}

TEST_F(KserveStreamTest, OrInOneFinalResponse) {
  Serve();
  Client client(*kserve_);
  client.Send("q-1", /*stream=*/false);
  client.Send(InferRequest("q-2"));  // says nothing of it
  for (int i = 0; i < 2; ++i) {
    const auto responses = client.ReadToFinal();
    ASSERT_EQ(responses.size(), 1u);
    const inference::ModelInferResponse& whole = responses[0].infer_response();
    EXPECT_EQ(OutputText(whole, "text_output"), "Hello, world.");
    EXPECT_EQ(OutputText(whole, "finish_reason"), "stop");
    EXPECT_EQ(OutputTokens(whole), 4);
  }
  EXPECT_TRUE(client.End().ok());
  ExpectIdle();
}

TEST_F(KserveStreamTest, TakesManyRequestsEachAnsweredInOrder) {
  Serve();
  Client client(*kserve_);
  constexpr int kRequests = 40;
  std::thread sender([&] {
    for (int i = 0; i < kRequests; ++i) {
      client.Send(absl::StrCat("q-", i), /*stream=*/i % 2 == 0);
    }
    client.SendNoMore();
  });
  std::map<std::string, std::string> texts;
  std::map<std::string, bool> ended;
  ModelStreamInferResponse response;
  while (client.Read(response)) {
    const std::string& id = response.infer_response().id();
    EXPECT_EQ(response.error_message(), "");
    EXPECT_FALSE(ended[id]);
    texts[id] += OutputText(response.infer_response(), "text_output");
    ended[id] = IsFinal(response);
  }
  sender.join();
  EXPECT_TRUE(client.Finish().ok());
  ASSERT_EQ(texts.size(), kRequests);
  for (const auto& [id, text] : texts) {
    EXPECT_EQ(text, "Hello, world.") << id;
    EXPECT_TRUE(ended[id]) << id;
  }
  ExpectIdle();
}

TEST_F(KserveStreamTest, AWrongRequestLeavesTheStreamOpen) {
  Serve();
  Client client(*kserve_);
  ModelInferRequest wrong = InferRequest("bad");  // here
  AddRaw("max_tokens", "INT32", 1, "x", wrong);
  client.Send(wrong);
  auto responses = client.ReadToFinal();
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].infer_response().id(), "bad");
  EXPECT_EQ(responses[0].error_message(),
            "INVALID_ARGUMENT: max_tokens: 1 bytes, INT32 of shape [1] takes "
            "4");
  EXPECT_EQ(Reason(responses[0]), reason::kFieldInvalid);
  wrong = InferRequest("hot");  // by the llm service
  AddRaw("temperature", "FP32", 1, RawValue(3.f), wrong);
  client.Send(wrong);
  responses = client.ReadToFinal();
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].infer_response().id(), "hot");
  EXPECT_THAT(responses[0].error_message(),
              StartsWith("INVALID_ARGUMENT: temperature: "));
  wrong = InferRequest("where");
  wrong.set_model_name("another");
  client.Send(wrong);
  responses = client.ReadToFinal();
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].infer_response().model_name(), "another");
  EXPECT_EQ(Reason(responses[0]), reason::kModelNotFound);
  client.Send("good", /*stream=*/true);
  EXPECT_EQ(client.ReadToFinal().size(), 4u);
  EXPECT_TRUE(client.End().ok());
  EXPECT_EQ(KserveRequests(absl::StatusCode::kInvalidArgument), 2);
  ExpectIdle();
}

TEST_F(KserveStreamTest, AFailureComesAfterWhatWasAnswered) {
  Serve();
  llm_[0]->SetNextScript(
      {.status = absl::UnavailableError("gone"), .pieces_before_status = 2});
  Client client(*kserve_);
  client.Send("q-1", /*stream=*/true);
  const auto responses = client.ReadToFinal();
  ASSERT_EQ(responses.size(), 3u);
  EXPECT_EQ(OutputText(responses[1].infer_response(), "text_output"), ", ");
  EXPECT_EQ(Reason(responses[2]), reason::kPeerLost);
  EXPECT_THAT(responses[2].error_message(), HasSubstr("after 2 tokens"));
  EXPECT_EQ(responses[2].infer_response().outputs_size(), 0);
  client.Send("q-2", /*stream=*/true);
  EXPECT_EQ(client.ReadToFinal().size(), 4u);
  EXPECT_TRUE(client.End().ok());
  ExpectIdle();
}

TEST_F(KserveStreamTest, WorksOnABoundedNumberOfRequestsAtATime) {
  Serve();
  llm_[0]->SetScript({.hold_after = 0});
  Client client(*kserve_);
  constexpr int kMore = 5;
  const int bound = static_cast<int>(KserveStream::kMaxInFlight);
  std::thread sender([&] {  // what is not read holds it up
    for (int i = 0; i < bound + kMore; ++i) {
      client.Send(absl::StrCat("q-", i), /*stream=*/false);
    }
  });
  WaitUntil([&] { return llm_[0]->num_held() == bound; });
  EXPECT_EQ(engine().admission().in_flight(), bound);
  EXPECT_EQ(static_cast<int>(llm_[0]->requests().size()), bound);
  llm_[0]->Release();
  for (int i = 0; i < bound + kMore; ++i) {
    EXPECT_EQ(client.ReadToFinal().size(), 1u);
  }
  sender.join();
  EXPECT_TRUE(client.End().ok());
  ExpectIdle();
}

TEST_F(KserveStreamTest, AllRequestsEndWithTheirCaller) {
  Serve();
  llm_[0]->SetScript({.hold_after = 1});
  Client client(*kserve_);
  for (int i = 0; i < 3; ++i) {
    client.Send(absl::StrCat("q-", i), /*stream=*/true);
  }
  WaitUntil([&] { return llm_[0]->num_held() == 3; });
  client.Cancel();
  EXPECT_EQ(client.Finish().code(), absl::StatusCode::kCancelled);
  WaitUntil([&] { return KserveRequests(absl::StatusCode::kCancelled) == 3; });
  WaitUntil([&] { return llm_[0]->num_cancelled() == 3; });
  ExpectIdle();
}

TEST_F(KserveStreamTest, WhatWasAskedIsAnsweredAfterTheLastRequest) {
  Serve();
  llm_[0]->SetScript({.hold_after = 1});
  Client client(*kserve_);
  client.Send("q-1", /*stream=*/true);
  client.SendNoMore();
  WaitUntil([&] { return llm_[0]->num_held() == 1; });
  llm_[0]->Release();
  EXPECT_EQ(client.ReadToFinal().size(), 4u);
  ModelStreamInferResponse rest;
  EXPECT_FALSE(client.Read(rest));
  EXPECT_TRUE(client.Finish().ok());
  ExpectIdle();
}

TEST_F(KserveStreamTest, EndsWhenTheServerStopsAndItsAnswersAreOut) {
  Serve();
  Client idle(*kserve_), busy(*kserve_);
  idle.Send("q-0", /*stream=*/false);  // so that it has begun
  idle.ReadToFinal();
  llm_[0]->SetScript({.hold_after = 1});
  busy.Send("q-1", /*stream=*/true);
  WaitUntil([&] { return llm_[0]->num_held() == 1; });
  gateway_->grpc_services()[1].gate->Close();
  EXPECT_EQ(ErrorReason(idle.Finish()), reason::kDraining);
  busy.Send("late", /*stream=*/true);
  const auto late = busy.ReadToFinal();
  EXPECT_EQ(late.back().infer_response().id(), "late");
  EXPECT_EQ(Reason(late.back()), reason::kDraining);
  llm_[0]->Release();
  EXPECT_EQ(busy.ReadToFinal().back().infer_response().id(), "q-1");
  EXPECT_EQ(ErrorReason(busy.Finish()), reason::kDraining);
  ExpectIdle();
}

TEST_F(KserveStreamTest, EndsForACallerThatDoesNotRead) {
  Setup setup;
  setup.listens = true;
  setup.engine.reader_timeout = absl::Milliseconds(100);
  Serve(setup);
  llm_[0]->SetScript(
      {.pieces = std::vector<std::string>(64, std::string(1 << 20, 'x'))});
  Client client(*kserve_);
  client.Send("q-1", /*stream=*/true);
  WaitUntil([&] { return llm_[0]->requests().size() == 1; });
  ExpectIdle();
  client.Cancel();
  EXPECT_FALSE(client.Finish().ok());
}

TEST_F(KserveStreamTest, EachRequestHasADeadlineOfItsOwn) {
  FakeClock clock;
  clock.JumpCalendar(absl::Now() - clock.Now());  // the services' is real
  Setup setup;
  setup.clock = &clock;
  Serve(setup);
  Client client(*kserve_);
  for (int i = 0; i < 2; ++i) {
    client.Send("q-1", /*stream=*/false);
    EXPECT_EQ(client.ReadToFinal().back().error_message(), "");
    clock.Advance(absl::Hours(1));  // longer than any call may take
  }
  EXPECT_TRUE(client.End().ok());
  ExpectIdle();
}

// Callers that come and go as they like leave nothing behind.
TEST_F(KserveStreamTest, AStormLeavesNothingBehind) {
  Serve();
  const auto caller = [&](int seed) {
    std::mt19937 random(seed);
    for (int stream = 0; stream < 10; ++stream) {
      Client client(*kserve_);
      const int num_requests = 1 + static_cast<int>(random() % 6);
      for (int i = 0; i < num_requests; ++i) {
        ModelInferRequest request = InferRequest(absl::StrCat("q-", i));
        if (random() % 4 == 0) request.set_model_name("another");
        SetStream(random() % 2 == 0, request);
        client.Send(request);
      }
      const int num_reads = static_cast<int>(random() % 12);
      ModelStreamInferResponse response;
      if (random() % 2 == 0) {
        for (int i = 0; i < num_reads && i < num_requests; ++i) {
          client.Read(response);
        }
        client.Cancel();
      } else {
        client.SendNoMore();
        while (client.Read(response)) continue;
      }
      client.Finish().IgnoreError();
    }
  };
  std::vector<std::thread> callers;
  for (int seed = 1; seed <= 4; ++seed) callers.emplace_back(caller, seed);
  for (std::thread& thread : callers) thread.join();
  ExpectIdle();
}

}  // namespace
}  // namespace tandem
