// The whole llm service with the demo model, on a host without a socket.
#include "llm_service/llm_server.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "common/grpc_status.h"
#include "common/service_frame.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/common/test_files.h"
#include "tests/fakes/fake_vision_service.h"

namespace tandem {
namespace {

using testing::HasSubstr;

std::string DemoModel() {
  return std::string(TANDEM_SOURCE_DIR) + "/models/demo/weights";
}

nlohmann::json ReadDemo(const std::string& name) {
  std::ifstream in(DemoModel() + "/" + name);
  return nlohmann::json::parse(in);
}

class LlmServerTest : public testing::Test {
 protected:
  ~LlmServerTest() override {
    if (host_ == nullptr) return;
    absl::Notification hurry;
    hurry.Notify();
    host_->Shutdown(hurry);
    host_ = nullptr;
  }

  static LlmServer::Options Demo() {
    LlmServer::Options options;
    options.model.model = DemoModel();
    return options;
  }

  absl::Status Load(const LlmServer::Options& options) {
    auto server = LlmServer::Load(options, frame_, executor_);
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    GrpcHost::Options host;
    host.pre_drain = host.drain = absl::ZeroDuration();
    host_ = *GrpcHost::Start(host, {server_->grpc_service()}, health_,
                             grpc_metrics_);
    stub_ = v1::LlmService::NewStub(host_->InProcessChannel());
    return absl::OkStatus();
  }

  // A vision service whose embeddings fit the demo model.
  std::unique_ptr<FakeVisionService> MakeVision() {
    auto model = OpenModel(Demo().model, WeightSet::kLanguage);
    EXPECT_TRUE(model.ok()) << model.status();
    EmbeddingFormat format;
    format.dtype = model->dtype;
    format.tokens_per_tile = model->config.tokens_per_tile();
    format.hidden_size = model->config.text.hidden_size;
    format.fingerprint = model->fingerprint;
    return std::make_unique<FakeVisionService>(format, FakeVisionInfo(format));
  }

  static v1::GenerateRequest Ask(const std::string& text, uint32_t max_tokens) {
    v1::GenerateRequest request;
    request.set_request_id("server-test");
    v1::PromptMessage& message = *request.add_messages();
    message.set_role("user");
    message.add_content()->set_text(text);
    request.mutable_sampling()->set_max_tokens(max_tokens);
    return request;
  }

  std::vector<uint32_t> Tokens(const v1::GenerateRequest& request) {
    grpc::ClientContext context;
    auto reader = stub_->Generate(&context, request);
    std::vector<uint32_t> ids;
    v1::GenerateChunk chunk;
    while (reader->Read(&chunk)) {
      ids.insert(ids.end(), chunk.token_ids().begin(), chunk.token_ids().end());
    }
    const absl::Status status = FromGrpcStatus(reader->Finish());
    EXPECT_TRUE(status.ok()) << status;
    return ids;
  }

  RealClock clock_;
  Health health_;
  Metrics metrics_{{"cpu", ""}, health_};
  GrpcMetrics grpc_metrics_{metrics_};
  const ServiceFrame frame_{clock_, health_, metrics_, grpc_metrics_};
  ComputeExecutor executor_{{}};
  std::unique_ptr<LlmServer> server_;
  std::unique_ptr<GrpcHost> host_;
  std::unique_ptr<v1::LlmService::Stub> stub_;
};

TEST_F(LlmServerTest, SaysWhatItServes) {
  ASSERT_TRUE(Load(Demo()).ok());
  grpc::ClientContext context;
  v1::GetLlmInfoResponse info;
  ASSERT_TRUE(stub_->GetInfo(&context, {}, &info).ok());
  EXPECT_EQ(info.info().model(), "weights");
  EXPECT_EQ(info.info().fingerprint().size(), 64u);
  EXPECT_EQ(info.info().profile(), v1::PROFILE_CUSTOM);
  EXPECT_EQ(info.tokenizer_digest().size(), 64u);
  EXPECT_EQ(info.max_context_tokens(), 32768u);
  EXPECT_GE(info.kv_blocks(), 512u);  // a full context
  EXPECT_FALSE(info.accepts_images());
}

// Greedy and sampled, with and without pictures: the tokens of a request do not
// depend on what runs beside it.
TEST_F(LlmServerTest, GivesTheSameTokensAloneAndInABatch) {
  const auto vision = MakeVision();
  LlmServer::Options options = Demo();
  options.vision = {vision->address()};
  ASSERT_TRUE(Load(options).ok());
  std::vector<v1::GenerateRequest> requests;
  for (int i = 0; i < 8; ++i) {
    requests.push_back(Ask("Question " + std::string(1 + 37 * i, 'a' + i), 12));
    v1::Sampling& sampling = *requests.back().mutable_sampling();
    sampling.set_temperature(static_cast<float>(i % 2));
    sampling.set_seed(i);
    sampling.set_ignore_eos(true);
    if (i % 3 == 0) {
      *requests.back().add_images() = vision->AddImage(i == 3 ? 2 : 1, 1);
      requests.back().mutable_messages(0)->add_content()->set_image_index(0);
    }
  }
  std::vector<std::vector<uint32_t>> alone;
  for (const v1::GenerateRequest& request : requests) {
    alone.push_back(Tokens(request));
    EXPECT_EQ(alone.back().size(), 12u);
  }
  std::vector<std::vector<uint32_t>> together(requests.size());
  std::vector<std::thread> callers;
  callers.reserve(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    callers.emplace_back([&, i] { together[i] = Tokens(requests[i]); });
  }
  for (std::thread& caller : callers) caller.join();
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(together[i], alone[i]) << i;
  }
  const auto is_idle = [this] {
    const LlmEngine::Load load = server_->engine().load();
    return load.running + load.waiting == 0 &&
           load.free_kv_blocks == load.kv_blocks;
  };
  while (!is_idle()) absl::SleepFor(absl::Milliseconds(1));
}

TEST_F(LlmServerTest, ServesRandomWeightsWithoutATokenizer) {
  const TempDirectory temporary;
  const std::string& directory = temporary.path();
  std::filesystem::copy_file(DemoModel() + "/config.json",
                             directory + "/config.json");
  LlmServer::Options options;
  options.model.random_weights = directory;
  ASSERT_TRUE(Load(options).ok());
  v1::GenerateRequest request = Ask("Hello", 5);
  request.mutable_sampling()->set_ignore_eos(true);
  EXPECT_EQ(Tokens(request).size(), 5u);
}

TEST_F(LlmServerTest, SaysWhichOptionDoesNotFitTheModel) {
  LlmServer::Options options = Demo();
  options.max_context = 40000;
  absl::Status status = Load(options);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--max-context 40000"));

  options = Demo();
  options.kv_blocks = 511;
  status = Load(options);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--kv-blocks 511"));

  options.max_context = 1000;
  EXPECT_TRUE(Load(options).ok());
}

TEST_F(LlmServerTest, RefusesAVocabularyWithoutTheTokensOfTheTemplate) {
  const TempDirectory temporary;
  const std::string& directory = temporary.path();
  const std::filesystem::path from(DemoModel());
  for (const char* name : {"vocab.json", "merges.txt", "added_tokens.json"}) {
    std::filesystem::copy_file(from / name,
                               std::filesystem::path(directory) / name);
  }
  nlohmann::json config = ReadDemo("config.json");
  // Ends behind <img>, which </img> follows.
  const int end_image = ReadDemo("added_tokens.json").at("</img>");
  ASSERT_LT(end_image, config["llm_config"]["vocab_size"].get<int>());
  config["llm_config"]["vocab_size"] = end_image;
  std::ofstream(directory + "/config.json") << config;
  LlmServer::Options options;
  options.model.random_weights = directory;
  const absl::Status status = Load(options);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("</img>"));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(std::to_string(end_image)));
}

TEST_F(LlmServerTest, NamesTheFolderThatHoldsNoModel) {
  LlmServer::Options options;
  options.model.model = testing::TempDir() + "/nothing-here";
  const absl::Status status = Load(options);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("nothing-here"));
}

}  // namespace
}  // namespace tandem
