#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/host_port.h"
#include "common/metrics.h"
#include "common/options.h"
#include "gateway/access_account.h"
#include "gateway/access_keys.h"
#include "gateway/periodic.h"

namespace tandem {

// Where a call carries its key: gRPC metadata and HTTP headers.
inline constexpr char kAuthorizationHeader[] = "authorization";
inline constexpr char kApiKeyHeader[] = "x-api-key";

// Who may call, as an operator says.
struct AccessOptions {
  std::string keys_file = {};     // empty: nobody is asked for a key
  bool insecure_no_auth = false;  // a listener for everybody is meant so
  // How soon a change of the file counts.
  absl::Duration look_every = absl::Seconds(1);
  // How often the log repeats that everybody is served.
  absl::Duration warn_every = absl::Minutes(1);
};

// --api-keys and --insecure-no-auth.
void AddAccessOptions(CommandLine& line, AccessOptions* options);

// What must be right before anything is loaded or listens. Errors of
// ReadKeysFile and ParseApiKeys; FAILED_PRECONDITION, naming both options,
// where there is no file and one of the public `listeners` can be reached from
// other machines, unless `insecure_no_auth`.
absl::Status CheckAccess(const AccessOptions& options,
                         const std::vector<HostPort>& listeners);

// Lets in who has a key, and as often as the key allows. The keys file is read
// again soon after it has changed, also where the change is that of a symlink
// (a mounted Secret); budgets go on by id. A new file that is broken or gone
// leaves the keys as they are, with one error in the log. Thread-safe; passes
// may outlive it. Keys are hashed where they lie: neither kept, nor logged, nor
// part of an error.
class AccessControl {
 public:
  // Reads the file: one that broke since CheckAccess lets nobody in until it is
  // mended. `clock` and `metrics` must outlive this, `clock` the passes too.
  AccessControl(AccessOptions options, Clock& clock, GatewayMetrics& metrics);
  ~AccessControl();

  // A request that makes work begins (Chat, CountTokens). The values of the
  // headers `authorization` ("Bearer KEY") and `x-api-key` (KEY), each empty
  // where there is none; the first one counts where it is a Bearer's.
  //
  // The pass holds a place among the key's concurrent requests until its last
  // reference goes, which the user lets go of before he tells the caller that
  // all is done. Null where no keys are configured: everybody is served.
  //
  // UNAUTHENTICATED CREDENTIALS_MISSING, or CREDENTIALS_INVALID for a key that
  // is not known, has expired or is no key; RESOURCE_EXHAUSTED QUOTA_EXCEEDED
  // with the time until the key's budget allows a request (one second where it
  // waits for another request to end), counted as a rejection.
  absl::StatusOr<std::shared_ptr<AccessPass>> Enter(
      absl::string_view authorization, absl::string_view x_api_key)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The same for what makes no work (ListModels, GetModel): no budget is asked
  // or used, so never QUOTA_EXCEEDED.
  absl::StatusOr<std::shared_ptr<AccessPass>> Identify(
      absl::string_view authorization, absl::string_view x_api_key)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Looks whether the file has changed, as its own thread does all the time.
  void Look() ABSL_LOCKS_EXCLUDED(mutex_, look_mutex_);

 private:
  void SetKeys(std::vector<ApiKey> keys) ABSL_LOCKS_EXCLUDED(mutex_);
  void ReportProblem(const absl::Status& problem)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(look_mutex_);
  absl::StatusOr<std::shared_ptr<AccessAccount>> FindAccount(
      absl::string_view authorization, absl::string_view x_api_key)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const AccessOptions options_;
  Clock& clock_;
  GatewayMetrics& metrics_;

  absl::Mutex look_mutex_;
  std::string seen_ ABSL_GUARDED_BY(look_mutex_);     // digest of the text
  std::string problem_ ABSL_GUARDED_BY(look_mutex_);  // that was logged

  absl::Mutex mutex_;
  std::vector<ApiKey> keys_ ABSL_GUARDED_BY(mutex_);
  // By id; shared with the passes, which may outlive a key.
  std::map<std::string, std::shared_ptr<AccessAccount>> accounts_
      ABSL_GUARDED_BY(mutex_);

  std::unique_ptr<Periodic> watch_;  // last: it calls this
};

}  // namespace tandem
