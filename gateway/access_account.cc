#include "gateway/access_account.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

constexpr absl::Duration kMinute = absl::Minutes(1);
// When another request of the key will end is not known.
constexpr absl::Duration kPlaceDelay = absl::Seconds(1);

// What `amount` of a bucket takes to drip in again.
absl::Duration TimeOf(int64_t amount, int64_t per_minute) {
  return kMinute * amount / per_minute;
}

void Take(int64_t amount, int64_t per_minute, absl::Duration now,
          absl::Duration& full) {
  full = std::max(full, now) + TimeOf(amount, per_minute);
}

// Until the bucket holds one; not above 0 where it does.
absl::Duration WaitForOne(int64_t per_minute, absl::Duration now,
                          absl::Duration full) {
  return full + TimeOf(1, per_minute) - now - kMinute;
}

absl::Status Exceeded(const ApiKey& key, absl::string_view limit, int64_t value,
                      absl::Duration delay) {
  // Up: who comes back when told must be let in.
  delay = absl::Ceil(delay, absl::Milliseconds(1));
  return RetryableError(
      absl::StatusCode::kResourceExhausted, reason::kQuotaExceeded,
      absl::StrCat("key \"", key.id, "\" has used its ", limit, " (", value,
                   "); try again in ", absl::FormatDuration(delay)),
      delay,
      {{"key", key.id},
       {"limit", std::string(limit)},
       {"value", absl::StrCat(value)},
       {"delay", absl::FormatDuration(delay)}});
}

}  // namespace

AccessAccount::AccessAccount(ApiKey key, Clock& clock)
    : clock_(clock),
      key_(std::move(key)),
      requests_full_(clock.Monotonic()),
      tokens_full_(clock.Monotonic()) {}

void AccessAccount::SetKey(ApiKey key) {
  absl::MutexLock lock(&mutex_);
  key_ = std::move(key);
}

absl::Status AccessAccount::CheckBudgets(absl::Duration now) {
  if (running_ >= key_.concurrent) {
    return Exceeded(key_, "concurrent requests", key_.concurrent, kPlaceDelay);
  }
  const absl::Duration request =
      WaitForOne(key_.requests_per_minute, now, requests_full_);
  if (request > absl::ZeroDuration()) {
    return Exceeded(key_, "requests per minute", key_.requests_per_minute,
                    request);
  }
  if (!key_.tokens_per_minute.has_value()) return absl::OkStatus();
  const absl::Duration token =
      WaitForOne(*key_.tokens_per_minute, now, tokens_full_);
  if (token > absl::ZeroDuration()) {
    return Exceeded(key_, "tokens per minute", *key_.tokens_per_minute, token);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<AccessPass>> AccessAccount::Enter() {
  const absl::Duration now = clock_.Monotonic();
  absl::MutexLock lock(&mutex_);
  TANDEM_RETURN_IF_ERROR(CheckBudgets(now));
  Take(1, key_.requests_per_minute, now, requests_full_);
  ++running_;
  return std::shared_ptr<AccessPass>(
      new AccessPass(shared_from_this(), key_, /*running=*/true));
}

std::shared_ptr<AccessPass> AccessAccount::Identify() {
  absl::MutexLock lock(&mutex_);
  return std::shared_ptr<AccessPass>(
      new AccessPass(shared_from_this(), key_, /*running=*/false));
}

int AccessAccount::running() const {
  absl::MutexLock lock(&mutex_);
  return running_;
}

void AccessAccount::Charge(int64_t num_tokens) {
  const absl::Duration now = clock_.Monotonic();
  absl::MutexLock lock(&mutex_);
  if (!key_.tokens_per_minute.has_value()) return;
  Take(num_tokens, *key_.tokens_per_minute, now, tokens_full_);
}

void AccessAccount::Leave() {
  absl::MutexLock lock(&mutex_);
  --running_;
}

AccessPass::AccessPass(std::shared_ptr<AccessAccount> account, ApiKey key,
                       bool running)
    : account_(std::move(account)), key_(std::move(key)), running_(running) {}

AccessPass::~AccessPass() {
  if (running_) account_->Leave();
}

absl::Status AccessPass::CheckModel(absl::string_view model) const {
  if (key_.MayUse(model)) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kPermissionDenied, reason::kAccessDenied,
      absl::StrCat("key \"", key_.id, "\" is not for model \"", model, "\""),
      {{"key", key_.id}, {"model", std::string(model)}});
}

void AccessPass::Charge(int64_t num_tokens) { account_->Charge(num_tokens); }

}  // namespace tandem
