#include "tests/fakes/fake_step_runner.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tandem {
namespace {

// The finaliser of splitmix64: every bit of the input moves every bit out.
uint64_t Mix(uint64_t value) {
  value += 0x9E3779B97F4A7C15u;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

uint64_t HashBytes(const char* data, size_t size) {
  uint64_t hash = size;
  for (size_t i = 0; i < size; ++i) {
    hash = Mix(hash ^ static_cast<unsigned char>(data[i]));
  }
  return hash;
}

bool Contains(const std::vector<int>& values, int value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

FakeStepRunner::FakeStepRunner(Options options)
    : options_(std::move(options)),
      kv_((options_.num_kv_blocks + 1) * kKvBlockTokens) {}

absl::Status FakeStepRunner::OpenSamplingSlot(
    int slot, const SamplingParams& params, const std::vector<int>& generated) {
  absl::MutexLock lock(&mutex_);
  if (!next_open_.ok()) return std::exchange(next_open_, absl::OkStatus());
  Check(slot >= 0 && slot < options_.num_sampling_slots,
        absl::StrCat("sampling slot ", slot, " is out of range"));
  Check(slots_.count(slot) == 0,
        absl::StrCat("sampling slot ", slot, " is open already"));
  slots_[slot] = {params, static_cast<int>(generated.size())};
  return absl::OkStatus();
}

void FakeStepRunner::CloseSamplingSlot(int slot) {
  absl::MutexLock lock(&mutex_);
  slots_.erase(slot);
}

absl::Status FakeStepRunner::Submit(const StepInput& input) {
  absl::MutexLock lock(&mutex_);
  if (!next_submit_.ok()) return std::exchange(next_submit_, absl::OkStatus());
  Check(!output_.has_value(), "a step was submitted before one was collected");
  CheckBlocks(input);
  ++num_steps_;
  largest_batch_ =
      std::max(largest_batch_, static_cast<int>(input.sequences.size()));
  const std::vector<uint64_t> hashes = HashTokens(input);
  size_t first = 0;
  for (const StepSequence& sequence : input.sequences) {
    if (first + sequence.num_new > hashes.size()) break;
    Write(sequence, hashes.data() + first);
    first += sequence.num_new;
  }
  Check(first == hashes.size(), "token slots and sequences do not match");
  output_.emplace();
  for (const StepSequence& sequence : input.sequences) {
    if (sequence.sampling_slot < 0) continue;
    output_->tokens.push_back(Sample(sequence));
  }
  return absl::OkStatus();
}

absl::StatusOr<StepOutput> FakeStepRunner::Collect() {
  absl::MutexLock lock(&mutex_);
  if (hold_ && steps_before_hold_ > 0) {
    --steps_before_hold_;
  } else {
    held_ = hold_;
    const auto go = [this]()
                        ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !hold_; };
    mutex_.Await(absl::Condition(&go));
    held_ = false;
  }
  Check(output_.has_value(), "nothing was submitted");
  StepOutput output = *std::exchange(output_, absl::nullopt);
  if (!next_collect_.ok()) {
    return std::exchange(next_collect_, absl::OkStatus());
  }
  if (!next_token_.ok() && !output.tokens.empty()) {
    output.tokens[0].status = std::exchange(next_token_, absl::OkStatus());
  }
  for (const SampledToken& token : output.tokens) {
    ++slots_[token.sampling_slot].num_generated;
  }
  return output;
}

void FakeStepRunner::Check(bool fine, const std::string& problem) {
  if (!fine) problems_.push_back(problem);
}

void FakeStepRunner::CheckBlocks(const StepInput& input) {
  std::set<int> used;
  for (const StepSequence& sequence : input.sequences) {
    Check(sequence.num_new > 0, "a sequence without new tokens");
    const int needed =
        (sequence.num_cached + sequence.num_new + kKvBlockTokens - 1) /
        kKvBlockTokens;
    Check(static_cast<int>(sequence.block_table.size()) >= needed,
          "a block table is too short");
    for (const int block : sequence.block_table) {
      Check(block >= 1 && block <= options_.num_kv_blocks,
            absl::StrCat("block ", block, " is out of range"));
      Check(used.insert(block).second,
            absl::StrCat("block ", block, " belongs to two sequences"));
    }
  }
}

std::vector<uint64_t> FakeStepRunner::HashTokens(const StepInput& input) {
  std::vector<uint64_t> hashes;
  for (const int id : input.token_ids) hashes.push_back(Mix(id));
  int end = 0;
  for (const EmbeddingRows& rows : input.embeddings) {
    const size_t row_bytes = ElementSize(rows.dtype) * options_.hidden_size;
    Check(rows.first_slot >= end, "embedding rows overlap");
    end = rows.first_slot + rows.num_rows;
    if (end > static_cast<int>(hashes.size())) {
      Check(false, "embedding rows pass the end");
      break;
    }
    for (int i = 0; i < rows.num_rows; ++i) {
      hashes[rows.first_slot + i] =
          Mix(HashBytes(rows.data + i * row_bytes, row_bytes));
    }
  }
  return hashes;
}

void FakeStepRunner::Write(const StepSequence& sequence,
                           const uint64_t* hashes) {
  for (int i = 0; i < sequence.num_new; ++i) {
    const int position = sequence.num_cached + i;
    const int block = sequence.block_table[position / kKvBlockTokens];
    kv_[block * kKvBlockTokens + position % kKvBlockTokens] =
        Mix(hashes[i] ^ Mix(position));
  }
}

uint64_t FakeStepRunner::History(const StepSequence& sequence) {
  uint64_t hash = 0;
  const int end = sequence.num_cached + sequence.num_new;
  for (int position = 0; position < end; ++position) {
    const int block = sequence.block_table[position / kKvBlockTokens];
    hash = Mix(hash ^ kv_[block * kKvBlockTokens + position % kKvBlockTokens]);
  }
  return hash;
}

SampledToken FakeStepRunner::Sample(const StepSequence& sequence) {
  SampledToken token;
  token.sampling_slot = sequence.sampling_slot;
  const auto it = slots_.find(sequence.sampling_slot);
  if (it == slots_.end()) {
    Check(false, absl::StrCat("sampling slot ", sequence.sampling_slot,
                              " was not opened"));
    return token;
  }
  const SlotState& slot = it->second;
  const uint64_t history = History(sequence);
  token.token_id = Choose(history, slot);
  if (slot.params.num_logprobs >= 0) {
    token.logprob = -static_cast<float>(history % 1000) / 100;
    for (int i = 0; i < slot.params.num_logprobs; ++i) {
      token.top.emplace_back(i, -static_cast<float>(i));
    }
  }
  return token;
}

int FakeStepRunner::Choose(uint64_t history, const SlotState& slot) const {
  if (!options_.script.empty()) {
    return options_.script[slot.num_generated % options_.script.size()];
  }
  uint64_t draw =
      slot.params.greedy() ? history : Mix(history ^ slot.params.seed);
  while (true) {
    const int id = options_.vocabulary[draw % options_.vocabulary.size()];
    const bool banned = slot.num_generated < slot.params.min_tokens &&
                        Contains(slot.params.stop_token_ids, id);
    if (!banned) return id;
    draw = Mix(draw);
  }
}

void FakeStepRunner::FailNextSubmit(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  next_submit_ = std::move(status);
}

void FakeStepRunner::FailNextCollect(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  next_collect_ = std::move(status);
}

void FakeStepRunner::FailNextOpen(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  next_open_ = std::move(status);
}

void FakeStepRunner::FailNextToken(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  next_token_ = std::move(status);
}

void FakeStepRunner::Hold(int after_steps) {
  absl::MutexLock lock(&mutex_);
  steps_before_hold_ = after_steps;
  hold_ = true;
}

void FakeStepRunner::WaitUntilHeld() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&held_));
}

void FakeStepRunner::Release() {
  absl::MutexLock lock(&mutex_);
  hold_ = false;
}

int FakeStepRunner::num_open_slots() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(slots_.size());
}

int FakeStepRunner::num_steps() const {
  absl::MutexLock lock(&mutex_);
  return num_steps_;
}

int FakeStepRunner::largest_batch() const {
  absl::MutexLock lock(&mutex_);
  return largest_batch_;
}

std::vector<std::string> FakeStepRunner::problems() const {
  absl::MutexLock lock(&mutex_);
  return problems_;
}

}  // namespace tandem
