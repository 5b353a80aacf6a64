#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/compute_executor.h"
#include "common/grpc_host.h"
#include "common/model_options.h"
#include "common/service_frame.h"
#include "kernels/device.h"
#include "llm_service/generation.h"
#include "llm_service/llm_engine.h"
#include "llm_service/llm_rpc.h"
#include "llm_service/prompt_layout.h"
#include "llm_service/step.h"
#include "llm_service/tokenizer.h"
#include "llm_service/vision_client.h"
#include "llm_service/vision_replicas.h"
#include "llm_service/worker_pool.h"

namespace tandem {

// The whole llm service but for the socket: what `tandem-llm` and `tandem
// serve` put on a GrpcHost.
class LlmServer {
 public:
  struct Options {
    ModelOptions model;
    std::string device = "cpu";
    // Vision services that may be dialled; none: text only.
    std::vector<std::string> vision;
    // Vision services in this process.
    std::vector<std::shared_ptr<grpc::Channel>> vision_channels;
    int max_context = 0;  // prompt and answer; 0: the model's
    int kv_blocks = 0;    // 0: see ChooseKvBlocks
    int max_running = 32;
    int max_waiting = 64;
    int max_prefill_tokens = 0;  // of a step; 0: by device
    int window_tiles = 4;
  };

  // Reads the language model's weights; minutes for a large model. Then asks
  // every vision target once, whatever the answer. `frame` and `executor` must
  // outlive the server.
  static absl::StatusOr<std::unique_ptr<LlmServer>> Load(
      const Options& options, const ServiceFrame& frame,
      ComputeExecutor& executor);
  ~LlmServer();

  // For GrpcHost::Start. The server must outlive the host.
  GrpcHost::Service grpc_service();

  const v1::ServiceInfo& info() const { return info_.info(); }
  LlmEngine& engine() { return *engine_; }

 private:
  LlmServer(const OpenedModel& model, int max_context,
            const ServiceFrame& frame);

  absl::Status LoadText(const OpenedModel& model);
  // How many the device has room for.
  absl::StatusOr<int> PlanKvBlocks(const Options& options,
                                   const OpenDevice& device,
                                   const OpenedModel& model) const;
  absl::Status LoadModel(const Options& options, const OpenDevice& device,
                         const OpenedModel& model, const ServiceFrame& frame,
                         ComputeExecutor& executor);
  void ConnectVision(const Options& options, const OpenedModel& model,
                     const ServiceFrame& frame);
  void StartEngine(const Options& options, const OpenDevice& device,
                   const OpenedModel& model, const ServiceFrame& frame,
                   ComputeExecutor& executor);

  const int max_context_;
  v1::GetLlmInfoResponse info_;
  LlmMetrics metrics_;
  CallGate gate_;
  std::unique_ptr<Tokenizer> tokenizer_;
  absl::optional<PromptBuilder> prompts_;
  std::unique_ptr<GenerationReader> reader_;
  std::unique_ptr<VisionReplicas> replicas_;
  std::unique_ptr<VisionClient> vision_;
  std::unique_ptr<StepRunner> runner_;
  std::unique_ptr<LlmEngine> engine_;
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<LlmRpc> rpc_;
};

// Prompt tokens of one step on `device`, as the options say or by its kind.
int StepTokens(const LlmServer::Options& options, at::Device device);

// --device, --vision, those of ModelOptions and of batch and memory.
void AddLlmOptions(CommandLine& line, LlmServer::Options* options);

}  // namespace tandem
