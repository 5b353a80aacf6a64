#include "llm_service/llm_server.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/byte_size.h"
#include "common/channel.h"
#include "common/embedding_wire.h"
#include "common/host_memory.h"
#include "common/load_progress.h"
#include "common/log.h"
#include "common/resolve_target.h"
#include "common/service_info.h"
#include "common/status_macros.h"
#include "llm_service/kv_pool_size.h"
#include "llm_service/llm_memory.h"
#include "llm_service/llm_model.h"

namespace tandem {
namespace {

// A context of `wanted` tokens, or the model's own.
absl::StatusOr<int> ChooseContext(int wanted, const TextConfig& config) {
  if (wanted == 0) return config.max_positions;
  if (wanted < 0 || wanted > config.max_positions) {
    return absl::InvalidArgumentError(absl::StrCat("--max-context ", wanted,
                                                   " is outside [1, ",
                                                   config.max_positions, "]"));
  }
  return wanted;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(
    const OpenedModel& model) {
  auto tokenizer = Tokenizer::Load(model.directory);
  if (absl::IsNotFound(tokenizer.status()) && model.has_random_weights) {
    return Tokenizer::MakeByteTokenizer(model.config.text.vocab_size);
  }
  return tokenizer;
}

// Whatever a text can turn into must have a row in the embedding table; an
// added token beyond it (<video> of one layout) is looked up only where the
// template says it.
absl::Status CheckVocabulary(const Tokenizer& tokenizer, int vocab_size) {
  for (int id = vocab_size; id < tokenizer.vocab_size(); ++id) {
    const absl::string_view bytes = tokenizer.TokenBytes(id);
    if (bytes.empty() || tokenizer.AddedTokenId(bytes) == id) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("the tokenizer's token ", id,
                     " is outside of the model's vocabulary of ", vocab_size));
  }
  return absl::OkStatus();
}

absl::Status CheckTemplate(const Tokenizer& tokenizer,
                           const PromptBuilder& prompts, int vocab_size) {
  for (const int id : prompts.control_token_ids()) {
    if (id < vocab_size) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "the template's token ", tokenizer.TokenBytes(id), " is ", id,
        ", outside of the model's vocabulary of ", vocab_size));
  }
  return absl::OkStatus();
}

SamplingDefaults MakeDefaults(const OpenedModel& model,
                              const PromptBuilder& prompts) {
  SamplingDefaults defaults;
  defaults.generation = model.config.generation;
  defaults.vocab_size = model.config.text.vocab_size;
  for (const std::vector<int>& ids :
       {prompts.stop_token_ids(), model.config.eos_token_ids,
        model.config.generation.eos_token_ids}) {
    for (const int id : ids) {
      if (id >= 0 && id < defaults.vocab_size) {
        defaults.stop_token_ids.push_back(id);
      }
    }
  }
  return defaults;
}

// A prompt of one block and one token more, so that a card has its code and the
// libraries their workspaces before the first request.
absl::Status WarmUp(StepRunner& runner) {
  SamplingParams greedy;
  greedy.temperature = 0;
  TANDEM_RETURN_IF_ERROR(runner.OpenSamplingSlot(0, greedy, {}));
  StepSequence sequence;
  sequence.block_table = {1, 2};
  sequence.sampling_slot = 0;
  for (const int num_new : {kKvBlockTokens, 1}) {
    sequence.num_new = num_new;
    StepInput step;
    step.token_ids.resize(num_new);
    step.sequences = {sequence};
    TANDEM_RETURN_IF_ERROR(runner.Submit(step));
    TANDEM_RETURN_IF_ERROR(runner.Collect().status());
    sequence.num_cached += num_new;
  }
  runner.CloseSamplingSlot(0);
  return absl::OkStatus();
}

EmbeddingFormat MakeFormat(const OpenedModel& model) {
  return {.dtype = model.dtype,
          .tokens_per_tile = model.config.tokens_per_tile(),
          .hidden_size = model.config.text.hidden_size,
          .fingerprint = model.fingerprint};
}

}  // namespace

absl::StatusOr<std::unique_ptr<LlmServer>> LlmServer::Load(
    const Options& options, const ServiceFrame& frame,
    ComputeExecutor& executor) {
  const absl::Duration begin = frame.clock.Monotonic();
  TANDEM_ASSIGN_OR_RETURN(
      const OpenDevice device,
      OpenServiceDevice(options.device, executor, frame.metrics));
  TANDEM_ASSIGN_OR_RETURN(const OpenedModel model,
                          OpenModel(options.model, WeightSet::kLanguage));
  TANDEM_ASSIGN_OR_RETURN(
      const int max_context,
      ChooseContext(options.max_context, model.config.text));
  std::unique_ptr<LlmServer> server(new LlmServer(model, max_context, frame));
  TANDEM_RETURN_IF_ERROR(server->LoadText(model));
  TANDEM_RETURN_IF_ERROR(
      server->LoadModel(options, device, model, frame, executor));
  server->ConnectVision(options, model, frame);
  server->StartEngine(options, device, model, frame, executor);
  DeviceMetrics(frame.metrics, options.device)
      .model_load_seconds.Increment(
          absl::ToDoubleSeconds(frame.clock.Monotonic() - begin));
  server->replicas_->AskAll();
  return server;
}

LlmServer::LlmServer(const OpenedModel& model, int max_context,
                     const ServiceFrame& frame)
    : max_context_(max_context),
      metrics_(frame.metrics, model.name, max_context) {
  *info_.mutable_info() = MakeServiceInfo(model);
  info_.set_max_context_tokens(max_context);
  info_.set_vocab_size(model.config.text.vocab_size);
}

LlmServer::~LlmServer() = default;

absl::Status LlmServer::LoadText(const OpenedModel& model) {
  TANDEM_ASSIGN_OR_RETURN(tokenizer_, LoadTokenizer(model));
  TANDEM_RETURN_IF_ERROR(
      CheckVocabulary(*tokenizer_, model.config.text.vocab_size));
  TANDEM_ASSIGN_OR_RETURN(
      prompts_,
      PromptBuilder::Make({.profile = model.profile,
                           .tokens_per_tile = model.config.tokens_per_tile(),
                           .system_message = model.config.system_message},
                          *tokenizer_));
  TANDEM_RETURN_IF_ERROR(
      CheckTemplate(*tokenizer_, *prompts_, model.config.text.vocab_size));
  const SamplingDefaults defaults = MakeDefaults(model, *prompts_);
  // What the model's own file says must pass for a request that says nothing.
  TANDEM_RETURN_IF_ERROR(PlanSampling({}, defaults).status());
  reader_ =
      std::make_unique<GenerationReader>(*prompts_, defaults, max_context_);
  info_.set_tokenizer_digest(tokenizer_->digest());
  return absl::OkStatus();
}

absl::StatusOr<int> LlmServer::PlanKvBlocks(const Options& options,
                                            const OpenDevice& device,
                                            const OpenedModel& model) const {
  const LlmMemory memory =
      LlmMemoryOf(model.config.text, model.dtype, max_context_,
                  StepTokens(options, device.device), options.max_running);
  KvPoolWish wish;
  wish.blocks = options.kv_blocks;
  wish.context_blocks = KvBlocksFor(max_context_);
  wish.max_running = options.max_running;
  wish.block_bytes = memory.kv_block;
  if (!device.card.has_value()) {
    // A block costs address space alone before it is written.
    wish.pool_bytes = AvailableHostMemory() / 4;
    return ChooseKvBlocks(wish);
  }
  const Card& card = *device.card;
  wish.pool_bytes = KvPoolBytes(memory, card.free_bytes, card.total_bytes);
  TANDEM_ASSIGN_OR_RETURN(const int blocks, ChooseKvBlocks(wish));
  const int64_t pool = blocks * memory.kv_block;
  TANDEM_RETURN_IF_ERROR(CheckFits(
      card, memory.weights + memory.step + pool,
      absl::StrCat(
          FormatBytes(memory.weights), " for the language model's weights, ",
          FormatBytes(memory.step), " to compute with, ", FormatBytes(pool),
          " for the KV cache of ", int64_t{blocks} * kKvBlockTokens,
          " tokens; --max-context and --kv-blocks make it smaller")));
  return blocks;
}

absl::Status LlmServer::LoadModel(const Options& options,
                                  const OpenDevice& device,
                                  const OpenedModel& model,
                                  const ServiceFrame& frame,
                                  ComputeExecutor& executor) {
  if (device.card.has_value()) {
    info_.mutable_info()->add_card_ids(device.card->id);
  }
  TANDEM_ASSIGN_OR_RETURN(const int num_blocks,
                          PlanKvBlocks(options, device, model));
  LogInfo("KV cache", {{"blocks", absl::StrCat(num_blocks)},
                       {"full_contexts",
                        absl::StrCat(num_blocks / KvBlocksFor(max_context_))},
                       {"max_running", absl::StrCat(options.max_running)}});
  LoadReporter reporter("language model");
  LlmModel::Options llm;
  llm.model.dtype = model.dtype;
  llm.model.device = device.device;
  llm.num_kv_blocks = num_blocks;
  llm.num_sampling_slots = options.max_running;
  TANDEM_ASSIGN_OR_RETURN(
      runner_,
      LlmModel::Load(model.config.text, *model.weights, llm, &reporter));
  metrics_.SetModelInfo(frame.metrics,
                        {.model = model.name,
                         .dtype = std::string(DTypeName(model.dtype)),
                         .fingerprint = model.fingerprint,
                         .max_model_len = max_context_,
                         .block_size = kKvBlockTokens,
                         .num_blocks = num_blocks});
  if (!device.card.has_value()) return absl::OkStatus();
  absl::Status warm;
  TANDEM_RETURN_IF_ERROR(executor.Run([&] { warm = WarmUp(*runner_); }));
  TANDEM_RETURN_IF_ERROR(warm);
  TANDEM_ASSIGN_OR_RETURN(const Card loaded, ReadCard(device.device));
  ReportCard(frame.metrics, loaded);
  return absl::OkStatus();
}

void LlmServer::ConnectVision(const Options& options, const OpenedModel& model,
                              const ServiceFrame& frame) {
  VisionReplicas::Options replicas;
  replicas.targets = options.vision;
  replicas.channels = options.vision_channels;
  replicas.dial = [&frame](const std::string& address) {
    return MakeChannel(address, &frame.grpc_metrics);
  };
  replicas.resolve = ResolveTarget;
  replicas_ = std::make_unique<VisionReplicas>(std::move(replicas), info());
  vision_ = std::make_unique<VisionClient>(MakeFormat(model), *replicas_,
                                           metrics_, frame.clock);
  info_.set_accepts_images(!replicas_->empty());
}

void LlmServer::StartEngine(const Options& options, const OpenDevice& device,
                            const OpenedModel& model, const ServiceFrame& frame,
                            ComputeExecutor& executor) {
  LlmEngine::Options engine;
  engine.tokens_per_tile = model.config.tokens_per_tile();
  engine.max_running = options.max_running;
  engine.max_waiting = options.max_waiting;
  engine.max_prefill_tokens = StepTokens(options, device.device);
  engine.window_tiles = options.window_tiles;
  engine_ = std::make_unique<LlmEngine>(engine, executor, *runner_, *tokenizer_,
                                        *vision_, metrics_, frame.clock);
  workers_ = std::make_unique<WorkerPool>(WorkerPool::Options());
  rpc_ = std::make_unique<LlmRpc>(
      info_, LlmRpc::Deps{*engine_, *reader_, *tokenizer_, *workers_, gate_,
                          frame.clock});
}

// A card wants more rows in a step than a CPU to be busy, and is done with them
// sooner.
int StepTokens(const LlmServer::Options& options, at::Device device) {
  if (options.max_prefill_tokens > 0) return options.max_prefill_tokens;
  return device.is_cpu() ? 512 : 2048;
}

GrpcHost::Service LlmServer::grpc_service() {
  return {.name = v1::LlmService::service_full_name(),
          .service = rpc_.get(),
          .gate = &gate_};
}

void AddLlmOptions(CommandLine& line, LlmServer::Options* options) {
  AddModelOptions(line, &options->model);
  line.Group("Vision services");
  line.AddTargets("vision", &options->vision,
                  "Where images' embeddings are pulled from; without it the "
                  "service takes text only.");
  line.Add("window-tiles", "2..64", &options->window_tiles,
           "Tiles of one request that are held or asked for at a time.");
  line.Group("Device, batch and memory");
  line.Add("device", "DEVICE", &options->device,
           "What the decoder runs on: cpu, or a card, cuda:0.");
  line.Add("max-context", "0..", &options->max_context,
           "Tokens of prompt and answer; 0 is the model's own bound.");
  line.Add("kv-blocks", "0..", &options->kv_blocks,
           "Blocks of 64 tokens in the KV cache; 0 chooses by memory.");
  line.Add("max-running", "1..1024", &options->max_running,
           "Sequences that run at once, as far as the KV cache holds what each "
           "can ever need.");
  line.Add("max-waiting", "1..", &options->max_waiting,
           "Sequences that wait; the next one is refused.");
  line.Add("max-prefill-tokens", "0..", &options->max_prefill_tokens,
           "Prompt tokens in one step; 0 chooses: 512 on a CPU, 2048 on a "
           "card.");
}

}  // namespace tandem
