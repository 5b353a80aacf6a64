#include "llm_service/vision_client.h"

#include <utility>

namespace tandem {
namespace {

class PullHandle final : public EmbeddingSource::Handle {
 public:
  explicit PullHandle(std::shared_ptr<TilePull> pull)
      : pull_(std::move(pull)) {}
  ~PullHandle() override { pull_->Cancel(); }
  void AddRoom(int tiles) override { pull_->AddRoom(tiles); }

 private:
  const std::shared_ptr<TilePull> pull_;  // shared with its calls
};

}  // namespace

VisionClient::VisionClient(const EmbeddingFormat& format,
                           VisionReplicas& replicas, LlmMetrics& metrics,
                           Clock& clock)
    : deps_{format, replicas, metrics, clock, alive_} {}

VisionClient::~VisionClient() {
  absl::MutexLock lock(&alive_.mutex);
  const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(alive_.mutex) {
    return alive_.count == 0;
  };
  alive_.mutex.Await(absl::Condition(&none));
}

std::unique_ptr<EmbeddingSource::Handle> VisionClient::Start(EmbeddingPull pull,
                                                             Sink sink) {
  auto tiles =
      std::make_shared<TilePull>(std::move(pull), std::move(sink), deps_);
  tiles->Begin();
  return std::make_unique<PullHandle>(std::move(tiles));
}

}  // namespace tandem
