// The whole stack against transformers: pictures in, greedy token ids out.
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/embedded_tandem.h"

namespace tandem {
namespace {

using Json = nlohmann::json;

struct Golden {
  std::string name;
  v1::ChatRequest request;
  std::vector<uint32_t> ids;
  uint32_t prompt_tokens = 0, image_tokens = 0;
};

void AddPart(const Json& part, const Json& images, v1::ChatMessage& message) {
  if (part.contains("text")) {
    message.add_content()->set_text(part["text"]);
    return;
  }
  const Json& described = images[part["image"].get<size_t>()];
  v1::ImagePart& image = *message.add_content()->mutable_image();
  image.set_data(SyntheticPng(described["width"], described["height"]));
  image.set_max_tiles(described["max_tiles"]);
}

Golden ReadGolden(const std::string& name, const Json& json) {
  Golden golden;
  golden.name = name;
  for (const Json& message : json["messages"]) {
    v1::ChatMessage& added = *golden.request.add_messages();
    added.set_role(message["role"]);
    for (const Json& part : message["content"]) {
      AddPart(part, json["images"], added);
    }
  }
  golden.ids = json["greedy"]["ids"].get<std::vector<uint32_t>>();
  golden.prompt_tokens = json["num_prompt_tokens"];
  for (const Json& span : json["image_spans"]) {
    golden.image_tokens += span["num_tokens"].get<uint32_t>();
  }
  v1::Sampling& sampling = *golden.request.mutable_sampling();
  sampling.set_temperature(0);
  sampling.set_max_tokens(static_cast<uint32_t>(golden.ids.size()));
  sampling.set_ignore_eos(true);
  return golden;
}

std::vector<Golden> ReadGoldens(const std::string& model) {
  std::ifstream file(TANDEM_TEST_DATA "/goldens/" + model.substr(0, 2) +
                     ".json");
  std::vector<Golden> goldens;
  for (const auto& [name, json] : Json::parse(file)["cases"].items()) {
    goldens.push_back(ReadGolden(name, json));
  }
  return goldens;
}

void ExpectGolden(const Golden& golden,
                  const absl::StatusOr<v1::ChatResponse>& answer) {
  SCOPED_TRACE(golden.name);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(std::vector<uint32_t>(answer->token_ids().begin(),
                                  answer->token_ids().end()),
            golden.ids);
  EXPECT_EQ(answer->usage().prompt_tokens(), golden.prompt_tokens);
  EXPECT_EQ(answer->usage().image_tokens(), golden.image_tokens);
  EXPECT_EQ(answer->usage().completion_tokens(), golden.ids.size());
  EXPECT_EQ(answer->finish_reason(), v1::FINISH_REASON_LENGTH);
}

class ParityTest : public testing::TestWithParam<std::string> {};

TEST_P(ParityTest, GreedyTokensAreThoseOfTransformers) {
  EmbeddedTandem tandem(GetParam());
  const std::vector<Golden> goldens = ReadGoldens(GetParam());
  ASSERT_EQ(goldens.size(), 7u);
  for (const Golden& golden : goldens) {
    ExpectGolden(golden, tandem.Ask(golden.request));
  }
  tandem.ExpectIdle();
}

INSTANTIATE_TEST_SUITE_P(Models, ParityTest,
                         testing::Values("t1-custom", "t1-hf", "t2-custom",
                                         "t2-hf"),
                         [](const auto& info) {
                           std::string name = info.param;
                           name.erase(name.find('-'), 1);
                           return name;
                         });

// What runs beside a request changes nothing in it.
TEST(ParityTest, AllAtOnceAnswerAsEachAlone) {
  EmbeddedTandem tandem("t1-custom");
  const std::vector<Golden> goldens = ReadGoldens("t1");
  std::vector<absl::StatusOr<v1::ChatResponse>> answers(goldens.size());
  std::vector<std::thread> clients;
  for (size_t i = 0; i < goldens.size(); ++i) {
    clients.emplace_back(
        [&, i] { answers[i] = tandem.Ask(goldens[i].request); });
  }
  for (std::thread& client : clients) client.join();
  for (size_t i = 0; i < goldens.size(); ++i) {
    ExpectGolden(goldens[i], answers[i]);
  }
  tandem.ExpectIdle();
}

// The stream's pieces are the unary answer's.
TEST(ParityTest, StreamAndUnaryAgree) {
  EmbeddedTandem tandem("t1-custom");
  for (const Golden& golden : ReadGoldens("t1")) {
    SCOPED_TRACE(golden.name);
    grpc::ClientContext context;
    const auto reader = tandem.chat().Chat(&context, golden.request);
    std::string text;
    std::vector<uint32_t> ids;
    v1::ChatChunk chunk;
    int num_last = 0;
    while (reader->Read(&chunk)) {
      EXPECT_EQ(num_last, 0) << "a chunk after the last one";
      text += chunk.delta_text();
      ids.insert(ids.end(), chunk.token_ids().begin(), chunk.token_ids().end());
      if (chunk.finish_reason() == v1::FINISH_REASON_UNSPECIFIED) continue;
      ++num_last;
      EXPECT_EQ(chunk.usage().prompt_tokens(), golden.prompt_tokens);
      EXPECT_GT(chunk.timings_ms().total(), 0);
    }
    ASSERT_TRUE(reader->Finish().ok());
    EXPECT_EQ(num_last, 1);
    EXPECT_EQ(ids, golden.ids);
    const auto unary = tandem.Ask(golden.request);
    ASSERT_TRUE(unary.ok()) << unary.status();
    EXPECT_EQ(unary->text(), text);
  }
}

}  // namespace
}  // namespace tandem
