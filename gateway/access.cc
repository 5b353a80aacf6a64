#include "gateway/access.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/log.h"
#include "common/sha256.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

// KEY of "Bearer KEY"; empty for anything else.
absl::string_view BearerOf(absl::string_view authorization) {
  constexpr absl::string_view kScheme = "bearer ";
  return absl::StartsWithIgnoreCase(authorization, kScheme)
             ? absl::StripAsciiWhitespace(authorization.substr(kScheme.size()))
             : absl::string_view();
}

absl::Status Unauthenticated(absl::string_view reason,
                             absl::string_view message) {
  return MakeError(absl::StatusCode::kUnauthenticated, reason, message);
}

void WarnOfNoKeys() {
  LogWarning(
      "everybody who reaches this server is served: no keys are asked for",
      {{"option", "--insecure-no-auth"}});
}

}  // namespace

void AddAccessOptions(CommandLine& line, AccessOptions* options) {
  line.Group("Access");
  line.Add("api-keys", "FILE", &options->keys_file,
           "JSON with the SHA-256 of the keys that clients must send, and what "
           "each may do. Read again when it changes. See docs/access.md.");
  line.AddFlag("insecure-no-auth", &options->insecure_no_auth,
               "Serve everybody, without keys, also on an address that other "
               "machines reach.");
  line.Exclude("api-keys", "insecure-no-auth");
}

absl::Status CheckAccess(const AccessOptions& options,
                         const std::vector<HostPort>& listeners) {
  if (!options.keys_file.empty()) {
    TANDEM_ASSIGN_OR_RETURN(const std::string text,
                            ReadKeysFile(options.keys_file));
    return ParseApiKeys(text, options.keys_file).status();
  }
  if (options.insecure_no_auth) return absl::OkStatus();
  for (const HostPort& listener : listeners) {
    if (listener.IsLoopback()) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "other machines could reach ", listener.ToString(),
        " without a key: give --api-keys FILE, or --insecure-no-auth to serve "
        "everybody"));
  }
  return absl::OkStatus();
}

AccessControl::AccessControl(AccessOptions options, Clock& clock,
                             GatewayMetrics& metrics)
    : options_(std::move(options)), clock_(clock), metrics_(metrics) {
  if (!options_.keys_file.empty()) {
    Look();
    watch_ =
        std::make_unique<Periodic>(options_.look_every, [this] { Look(); });
  } else if (options_.insecure_no_auth) {
    WarnOfNoKeys();
    watch_ = std::make_unique<Periodic>(options_.warn_every, WarnOfNoKeys);
  }
}

AccessControl::~AccessControl() = default;

void AccessControl::Look() {
  absl::MutexLock look(&look_mutex_);
  const absl::StatusOr<std::string> text = ReadKeysFile(options_.keys_file);
  if (!text.ok()) {
    seen_.clear();
    ReportProblem(text.status());
    return;
  }
  // All of it: a mounted Secret changes by a symlink, an editor within one tick
  // of the file system's clock.
  std::string digest = Sha256Digest(*text);
  if (digest == seen_) return;
  seen_ = std::move(digest);
  absl::StatusOr<std::vector<ApiKey>> keys =
      ParseApiKeys(*text, options_.keys_file);
  if (!keys.ok()) {
    ReportProblem(keys.status());
    return;
  }
  problem_.clear();
  LogInfo("api keys read",
          {{"file", options_.keys_file}, {"keys", keys->size()}});
  SetKeys(*std::move(keys));
}

void AccessControl::ReportProblem(const absl::Status& problem) {
  if (problem_ == problem.message()) return;
  problem_ = std::string(problem.message());
  LogError("the api keys stay as they were", {{"problem", problem}});
}

void AccessControl::SetKeys(std::vector<ApiKey> keys) {
  absl::WriterMutexLock lock(&mutex_);
  std::map<std::string, std::shared_ptr<AccessAccount>> accounts;
  for (const ApiKey& key : keys) {
    const auto known = accounts_.find(key.id);
    if (known == accounts_.end()) {
      accounts[key.id] = std::make_shared<AccessAccount>(key, clock_);
    } else {
      known->second->SetKey(key);
      accounts[key.id] = known->second;
    }
  }
  accounts_ = std::move(accounts);
  keys_ = std::move(keys);
}

absl::StatusOr<std::shared_ptr<AccessAccount>> AccessControl::FindAccount(
    absl::string_view authorization, absl::string_view x_api_key) {
  const absl::string_view bearer = BearerOf(authorization);
  const absl::string_view key = bearer.empty() ? x_api_key : bearer;
  if (key.empty() && authorization.empty()) {
    return Unauthenticated(reason::kCredentialsMissing,
                           "a key is needed: send `authorization: Bearer KEY` "
                           "or `x-api-key: KEY`");
  }
  if (key.empty()) {
    return Unauthenticated(reason::kCredentialsInvalid,
                           "authorization is not `Bearer KEY`");
  }
  const std::string digest = Sha256Digest(key);
  absl::ReaderMutexLock lock(&mutex_);
  const int index = FindApiKey(keys_, digest);
  if (index < 0) {
    return Unauthenticated(reason::kCredentialsInvalid,
                           "this key is not known here");
  }
  const ApiKey& known = keys_[index];
  if (known.expires <= clock_.Now()) {
    return Unauthenticated(reason::kCredentialsInvalid, "this key has expired");
  }
  return accounts_.at(known.id);
}

absl::StatusOr<std::shared_ptr<AccessPass>> AccessControl::Enter(
    absl::string_view authorization, absl::string_view x_api_key) {
  if (options_.keys_file.empty()) return nullptr;
  TANDEM_ASSIGN_OR_RETURN(const std::shared_ptr<AccessAccount> account,
                          FindAccount(authorization, x_api_key));
  absl::StatusOr<std::shared_ptr<AccessPass>> pass = account->Enter();
  if (!pass.ok()) {
    metrics_.admission_rejections[Rejection::kQuota].Increment();
  }
  return pass;
}

absl::StatusOr<std::shared_ptr<AccessPass>> AccessControl::Identify(
    absl::string_view authorization, absl::string_view x_api_key) {
  if (options_.keys_file.empty()) return nullptr;
  TANDEM_ASSIGN_OR_RETURN(const std::shared_ptr<AccessAccount> account,
                          FindAccount(authorization, x_api_key));
  return account->Identify();
}

}  // namespace tandem
