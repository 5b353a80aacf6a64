#include "llm_service/llm_engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/errors.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "llm_service/batch_scheduler.h"
#include "llm_service/engine_errors.h"
#include "llm_service/step_packer.h"

namespace tandem {
namespace {

// Each image has as many embeddings as the prompt has places for them.
absl::Status CheckImages(const Generation& generation, int tokens_per_tile) {
  const std::vector<ImageSpan>& spans = generation.prompt.images;
  bool fits = spans.size() == generation.images.size();
  for (size_t i = 0; fits && i < spans.size(); ++i) {
    const auto tiles = static_cast<int>(generation.images[i].num_tiles());
    fits = spans[i].image_index == static_cast<int>(i) &&
           spans[i].num_tokens == tiles * tokens_per_tile;
  }
  if (fits) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInternal, reason::kInternal,
                   "the prompt's places for images do not match the images");
}

BatchScheduler::Options SchedulerOptions(const LlmEngine::Options& options,
                                         int max_running) {
  BatchScheduler::Options out;
  out.max_running = max_running;
  out.max_waiting = options.max_waiting;
  out.max_prefill_tokens = options.max_prefill_tokens;
  // A window always brings a whole tile, however it was cut before; a scheduler
  // that waits for more would wait for ever.
  out.min_frontier_tokens =
      std::min(options.min_frontier_tokens, options.tokens_per_tile);
  return out;
}

}  // namespace

LlmEngine::LlmEngine(Options options, ComputeExecutor& executor,
                     StepRunner& runner, const Tokenizer& tokenizer,
                     EmbeddingSource& source, LlmMetrics& metrics, Clock& clock)
    : options_(std::move(options)),
      max_running_(std::min(options_.max_running, runner.num_sampling_slots())),
      executor_(executor),
      runner_(runner),
      tokenizer_(tokenizer),
      source_(source),
      metrics_(metrics),
      clock_(clock),
      pool_(runner.num_kv_blocks()),
      scheduler_(std::make_unique<BatchScheduler>(
          SchedulerOptions(options_, max_running_), pool_)),
      num_free_blocks_(pool_.num_free()),
      mailbox_(std::make_shared<EngineMailbox>(executor, [this] { Step(); })),
      delivery_(options_.tick, [this] {
        if (num_requests_ + num_ended_ > 0) mailbox_->Wake();
      }) {
  metrics_.queue_limit.Set(options_.max_waiting);
  metrics_.kv_cache_blocks.Set(pool_.num_blocks());
  metrics_.kv_cache_blocks_free.Set(pool_.num_free());
}

LlmEngine::~LlmEngine() {
  // Steps that were queued before Close run before the piece below.
  EngineMailbox::Mail unread = mailbox_->Close();
  const auto end_all = [this] {
    while (!requests_.empty()) Fail(requests_.begin()->first, StoppingError());
    Publish();
    delivery_.Post(std::exchange(to_tell_, {}));
  };
  while (!executor_.Run(end_all).ok()) absl::SleepFor(absl::Milliseconds(1));
  for (EngineMailbox::Request& request : unread.requests) {
    if (request.answer->End(FailedEnd(StoppingError())))
      request.answer->Notify();
  }
}

absl::StatusOr<std::shared_ptr<Answer>> LlmEngine::Generate(
    Generation generation, std::function<void()> on_ready) {
  TANDEM_RETURN_IF_ERROR(CheckImages(generation, options_.tokens_per_tile));
  if (clock_.Monotonic() >= generation.deadline) {
    return DeadlineError(Stage::kDecodeQueue);
  }
  const int before = num_requests_.fetch_add(1);
  if (before >= options_.max_waiting + max_running_) {
    --num_requests_;
    return OverloadedError(before - num_running_, options_.max_waiting);
  }
  auto answer =
      std::make_shared<Answer>(options_.ring_tokens, std::move(on_ready),
                               [mailbox = mailbox_] { mailbox->Wake(); });
  if (!mailbox_->Post(std::move(generation), answer)) {
    --num_requests_;
    return StoppingError();
  }
  return answer;
}

LlmEngine::Load LlmEngine::load() const {
  Load load;
  const int requests = num_requests_;
  load.running = num_running_;
  load.waiting = std::max(requests - load.running, 0);
  load.max_waiting = options_.max_waiting;
  load.free_kv_blocks = num_free_blocks_;
  load.kv_blocks = pool_.num_blocks();
  return load;
}

void LlmEngine::Step() {
  ReadMail();
  EndWhoMust();
  GiveUpReaders();
  StartPulls();
  const std::vector<PlannedRow> rows = Plan();
  if (!rows.empty()) RunStep(rows);
  Publish();
  delivery_.Post(std::exchange(to_tell_, {}));
  mailbox_->EndStep(/*more=*/!rows.empty());
}

void LlmEngine::ReadMail() {
  EngineMailbox::Mail mail = mailbox_->Take();
  for (EngineMailbox::Request& request : mail.requests) {
    Accept(std::move(request));
  }
  for (EngineMailbox::Tile& tile : mail.tiles) {
    const auto it = requests_.find(tile.id);
    if (it == requests_.end()) continue;  // it has ended meanwhile
    const absl::Status status = it->second->TakeTile(std::move(tile.tile));
    if (!status.ok()) Fail(tile.id, status);
  }
  for (EngineMailbox::PullError& error : mail.pull_errors) {
    Fail(error.id, std::move(error.status));
  }
}

void LlmEngine::Accept(EngineMailbox::Request request) {
  auto active = std::make_unique<ActiveRequest>(
      request.id, std::move(request.generation), tokenizer_,
      options_.tokens_per_tile, std::move(request.answer));
  ActiveRequest& added = *active;
  requests_.emplace(request.id, std::move(active));
  const absl::Status status = scheduler_->Add(added.sequence());
  if (!status.ok()) Fail(request.id, status);
}

void LlmEngine::EndWhoMust() {
  for (auto it = requests_.begin(); it != requests_.end();) {
    ActiveRequest& request = *(it++)->second;  // Fail erases
    const absl::Status why = WhyEnd(request);
    if (!why.ok()) Fail(request.sequence().id, why);
  }
}

void LlmEngine::GiveUpReaders() {
  const absl::Duration now = clock_.Monotonic();
  const auto is_over = [&](const Ended& ended) {
    const std::shared_ptr<Answer> answer = ended.answer.lock();
    if (answer == nullptr) return true;
    const bool late = now >= ended.deadline;
    if (!late && now - ended.at < options_.slow_reader) return false;
    answer->GiveUp(late ? DeadlineError(Stage::kFinish)
                        : SlowReaderError(options_.slow_reader));
    to_tell_.push_back(answer);
    return true;
  };
  ended_.erase(std::remove_if(ended_.begin(), ended_.end(), is_over),
               ended_.end());
  num_ended_ = static_cast<int>(ended_.size());
}

absl::Status LlmEngine::WhyEnd(ActiveRequest& request) const {
  const absl::Duration now = clock_.Monotonic();
  // At a call's deadline gRPC cancels it too.
  if (now >= request.generation().deadline) {
    return DeadlineError(request.stage());
  }
  if (request.answer()->cancelled()) return ReaderGoneError();
  const absl::Duration stalled = request.StalledFor(now);
  if (stalled >= options_.slow_reader) {
    return SlowReaderError(options_.slow_reader);
  }
  request.sequence().paused = request.answer()->full();
  return absl::OkStatus();
}

void LlmEngine::StartPulls() {
  // First come, first served: who runs, and who runs next.
  int left = options_.max_running + options_.prefetch_waiting;
  for (auto& [id, request] : requests_) {
    if (left-- == 0) return;
    if (!request->needs_pull()) continue;
    request->StartPull(source_, options_.window_tiles, SinkFor(id));
  }
}

EmbeddingSource::Sink LlmEngine::SinkFor(uint64_t id) {
  EmbeddingSource::Sink sink;
  sink.on_tile = [mailbox = mailbox_, id](PulledTile tile) {
    mailbox->Post(EngineMailbox::Tile{id, std::move(tile)});
  };
  sink.on_error = [mailbox = mailbox_, id](absl::Status status) {
    mailbox->Post(EngineMailbox::PullError{id, std::move(status)});
  };
  return sink;
}

std::vector<PlannedRow> LlmEngine::Plan() {
  while (true) {
    std::vector<Sequence*> admitted;
    std::vector<PlannedRow> rows = scheduler_->Plan(admitted);
    bool all_ready = true;
    Publish();  // who runs during the step
    for (const Sequence* sequence : admitted) {
      Owner(*sequence).timeline().Admitted(clock_.Monotonic());
    }
    for (const Sequence* sequence : admitted) {
      const absl::Status status = OpenSlot(*sequence);
      if (status.ok()) continue;
      Fail(sequence->id, status);
      all_ready = false;
    }
    if (all_ready) return rows;
  }
}

absl::Status LlmEngine::OpenSlot(const Sequence& sequence) {
  const std::vector<int> generated(
      sequence.token_ids.begin() + sequence.num_prompt,
      sequence.token_ids.end());
  return runner_.OpenSamplingSlot(
      sequence.sampling_slot, Owner(sequence).generation().sampling, generated);
}

void LlmEngine::RunStep(const std::vector<PlannedRow>& rows) {
  metrics_.batch_sequences.Observe(static_cast<double>(rows.size()));
  const absl::StatusOr<StepOutput> output = Compute(rows);
  if (output.ok()) {
    TakeOutput(rows, *output);
  } else {
    TakeFailure(rows, output.status());
  }
}

absl::StatusOr<StepOutput> LlmEngine::Compute(
    const std::vector<PlannedRow>& rows) {
  StepPacker packer;
  for (const PlannedRow& row : rows) {
    packer.Add(row, Owner(*row.sequence).embeddings());
  }
  TANDEM_RETURN_IF_ERROR(runner_.Submit(packer.input()));
  TANDEM_ASSIGN_OR_RETURN(StepOutput output, runner_.Collect());
  if (static_cast<int>(output.tokens.size()) != packer.num_sampled()) {
    return absl::InternalError(absl::StrCat("a step sampled ",
                                            output.tokens.size(), " tokens of ",
                                            packer.num_sampled()));
  }
  return output;
}

void LlmEngine::TakeOutput(const std::vector<PlannedRow>& rows,
                           const StepOutput& output) {
  size_t next_token = 0;
  for (const PlannedRow& row : rows) {
    ActiveRequest& request = Owner(*row.sequence);
    const bool samples = row.samples();  // before the sequence moves
    request.Advance(row.num_tokens);
    if (samples) TakeToken(request, output.tokens[next_token++]);
  }
}

void LlmEngine::TakeToken(ActiveRequest& request, const SampledToken& token) {
  const uint64_t id = request.sequence().id;
  const bool first = request.sequence().num_generated() == 0;
  if (!token.status.ok()) {
    metrics_.numeric_faults[first ? Stage::kPrefill : Stage::kDecode]
        .Increment();
    return Fail(id, token.status);
  }
  metrics_.generated_tokens.Increment();
  if (first) {
    const Prompt& prompt = request.generation().prompt;
    metrics_.prompt_tokens.Increment(request.sequence().num_prompt);
    metrics_.image_tokens.Increment(prompt.num_image_tokens());
    metrics_.request_prompt_tokens.Observe(request.sequence().num_prompt);
  }
  if (request.answer()->cancelled()) metrics_.tokens_after_cancel.Increment();
  if (request.TakeToken(token, clock_.Monotonic())) {
    to_tell_.push_back(request.answer());
  }
  if (request.end() != nullptr) Complete(id, *request.end());
}

void LlmEngine::TakeFailure(const std::vector<PlannedRow>& rows,
                            const absl::Status& status) {
  if (absl::IsResourceExhausted(status)) {
    // The newest gives way; the step is planned again without it.
    const Sequence& newest = *rows.back().sequence;
    metrics_.device_oom[newest.decoding() ? Stage::kDecode : Stage::kPrefill]
        .Increment();
    return Fail(newest.id, status);
  }
  for (const PlannedRow& row : rows) Fail(row.sequence->id, status);
}

void LlmEngine::Fail(uint64_t id, absl::Status status) {
  const auto it = requests_.find(id);
  if (it == requests_.end()) return;  // a late error of a pull
  if (absl::IsCancelled(status)) {
    metrics_.cancelled_requests[it->second->stage()].Increment();
  }
  Complete(id, FailedEnd(std::move(status)));
}

void LlmEngine::Complete(uint64_t id, AnswerEnd end) {
  const auto it = requests_.find(id);
  ActiveRequest& request = *it->second;
  Sequence& sequence = request.sequence();
  if (sequence.num_generated() > 0) {
    metrics_.request_generated_tokens.Observe(sequence.num_generated());
  }
  if (sequence.running()) runner_.CloseSamplingSlot(sequence.sampling_slot);
  scheduler_->Remove(sequence);
  if (request.answer()->End(std::move(end))) {
    to_tell_.push_back(request.answer());
  }
  ended_.push_back(
      {request.answer(), clock_.Monotonic(), request.generation().deadline});
  num_ended_ = static_cast<int>(ended_.size());
  requests_.erase(it);
  --num_requests_;
}

void LlmEngine::Publish() {
  num_free_blocks_ = pool_.num_free();
  const int running = scheduler_->num_running();
  const int waiting = num_requests_ - running;
  const double blocks = pool_.num_blocks();
  metrics_.requests_running.Set(running);
  metrics_.requests_waiting.Set(waiting);
  metrics_.queue_depth.Set(waiting);
  metrics_.kv_cache_blocks_free.Set(num_free_blocks_);
  metrics_.kv_cache_usage_ratio.Set((blocks - num_free_blocks_) / blocks);
  num_running_ = running;  // last: see Load
}

}  // namespace tandem
