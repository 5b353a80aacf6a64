// Answers token for token: the golden conversations of transformers, asked of
// the whole stack (gateway, vision and llm service over in-process channels).
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "cli/embedded_server.h"
#include "cli/local_frame.h"
#include "common/grpc_status.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tandem/v1/gateway.grpc.pb.h"
#include "tests/common/goldens.h"
#include "tests/kernels/test_compute.h"
#include "tests/vision_service/golden.h"
#include "vision_service/png_encoder.h"

namespace tandem {
namespace {

// The golden conversation as a client would send it.
v1::ChatRequest MakeRequest(const nlohmann::json& golden) {
  v1::ChatRequest request;
  for (const auto& message : golden.at("messages")) {
    v1::ChatMessage& sent = *request.add_messages();
    sent.set_role(message.at("role").get<std::string>());
    for (const auto& part : message.at("content")) {
      v1::ContentPart& content = *sent.add_content();
      if (part.contains("text")) {
        content.set_text(part.at("text").get<std::string>());
        continue;
      }
      const auto& image = golden.at("images").at(part.at("image").get<int>());
      const auto png = EncodePng(SyntheticImage(image.at("width").get<int>(),
                                                image.at("height").get<int>()));
      EXPECT_TRUE(png.ok()) << png.status();
      content.mutable_image()->set_data(*png);
      content.mutable_image()->set_max_tiles(image.at("max_tiles").get<int>());
    }
  }
  request.mutable_sampling()->set_temperature(0);
  request.mutable_sampling()->set_ignore_eos(true);
  request.mutable_sampling()->set_max_tokens(
      static_cast<uint32_t>(golden.at("greedy").at("ids").size()));
  return request;
}

struct ParityCase {
  std::string goldens;  // file
  std::string model;    // folder
  TestCompute compute;
  friend std::ostream& operator<<(std::ostream& os, const ParityCase& c) {
    return os << c.model << "-" << c.compute;
  }
};

class StackParityTest : public testing::TestWithParam<ParityCase> {
 protected:
  void SetUp() override {
    EmbeddedServer::Options options;
    options.model.model =
        std::string(TANDEM_TEST_DATA) + "/models/" + GetParam().model;
    options.model.dtype = "float32";
    options.vision_device = options.llm_device = GetParam().compute.device;
    options.host.grpc.pre_drain = absl::ZeroDuration();
    auto server = EmbeddedServer::Start(options, frame_.frame());
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stub_ = v1::ChatService::NewStub(server_->Channel());
  }
  void TearDown() override {
    if (server_ == nullptr) return;
    absl::Notification hurry;
    hurry.Notify();
    server_->Shutdown(hurry);
  }

  const ComputeScope scope_{GetParam().compute};
  LocalFrame frame_{{.backend = "cpu", .torch = ""}};
  std::unique_ptr<EmbeddedServer> server_;
  std::unique_ptr<v1::ChatService::Stub> stub_;
};

TEST_P(StackParityTest, AnswersAsTransformersDoes) {
  const nlohmann::json goldens = ReadGoldens(GetParam().goldens);
  int num_tokens = 0;
  for (const auto& [name, golden] : goldens.at("cases").items()) {
    SCOPED_TRACE(name);
    const auto want = golden.at("greedy").at("ids").get<std::vector<int>>();
    grpc::ClientContext context;
    v1::ChatResponse response;
    const grpc::Status status =
        stub_->ChatUnary(&context, MakeRequest(golden), &response);
    ASSERT_TRUE(status.ok()) << FromGrpcStatus(status);
    EXPECT_EQ(response.usage().prompt_tokens(),
              golden.at("num_prompt_tokens").get<uint32_t>());
    const std::vector<int> got(response.token_ids().begin(),
                               response.token_ids().end());
    EXPECT_EQ(got, want);
    EXPECT_EQ(response.finish_reason(), v1::FINISH_REASON_LENGTH);
    num_tokens += static_cast<int>(want.size());
  }
  // Seven conversations: text, a system text, 1, 3 and 13 tiles, two images,
  // several turns.
  EXPECT_EQ(num_tokens, 7 * 32);
}

std::vector<ParityCase> AllCases() {
  std::vector<ParityCase> cases;
  for (const TestCompute& compute : MainTestComputes()) {
    for (const std::string goldens : {"t1", "t2"}) {
      for (const char* layout : {"-custom", "-hf"}) {
        cases.push_back({goldens, goldens + layout, compute});
      }
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Models, StackParityTest,
                         testing::ValuesIn(AllCases()));

}  // namespace
}  // namespace tandem
