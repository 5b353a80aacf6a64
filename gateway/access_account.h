#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "gateway/access_keys.h"

namespace tandem {

class AccessPass;

// What one id has used of its budgets. Each of the two is a bucket that a
// minute fills: after a pause a minute's worth may come at once, then as it
// drips in. Thread-safe.
class AccessAccount : public std::enable_shared_from_this<AccessAccount> {
 public:
  AccessAccount(ApiKey key, Clock& clock);

  // The key's entry as it is now in the file. What was used stays used: as much
  // of a minute as it was before.
  void SetKey(ApiKey key) ABSL_LOCKS_EXCLUDED(mutex_);

  // A pass that takes a request and a place, or with the second one neither.
  // RESOURCE_EXHAUSTED QUOTA_EXCEEDED with the delay after which the budget
  // holds a request, or a token; nothing is used then.
  absl::StatusOr<std::shared_ptr<AccessPass>> Enter()
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::shared_ptr<AccessPass> Identify() ABSL_LOCKS_EXCLUDED(mutex_);

  int running() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  friend class AccessPass;
  absl::Status CheckBudgets(absl::Duration now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Charge(int64_t num_tokens) ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave() ABSL_LOCKS_EXCLUDED(mutex_);

  Clock& clock_;
  mutable absl::Mutex mutex_;
  ApiKey key_ ABSL_GUARDED_BY(mutex_);
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
  // When the bucket will be full again, monotonic: a minute from now is an
  // empty one, more is debt.
  absl::Duration requests_full_ ABSL_GUARDED_BY(mutex_);
  absl::Duration tokens_full_ ABSL_GUARDED_BY(mutex_);
};

// One request of somebody with a key. Shared by whatever works for the request;
// the key's place is given back with the last reference. Thread-safe.
class AccessPass {
 public:
  ~AccessPass();
  AccessPass(const AccessPass&) = delete;
  AccessPass& operator=(const AccessPass&) = delete;

  // The key's id, for logs.
  const std::string& key_id() const { return key_.id; }

  // PERMISSION_DENIED ACCESS_DENIED where the key is not for this model.
  absl::Status CheckModel(absl::string_view model) const;

  // The request has used so many tokens of prompt and answer. It was let in
  // while its budget held one token at least, so the budget may fall below
  // nothing; the next request waits for longer then.
  void Charge(int64_t num_tokens);

 private:
  friend class AccessAccount;
  AccessPass(std::shared_ptr<AccessAccount> account, ApiKey key, bool running);

  const std::shared_ptr<AccessAccount> account_;
  const ApiKey key_;  // as it was when the request came
  const bool running_;
};

}  // namespace tandem
