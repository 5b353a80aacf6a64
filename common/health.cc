#include "common/health.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"

namespace tandem {

Health::Limits Health::LimitsOf(absl::string_view device) {
  if (device != "cpu") return {};
  return {.not_ready_after = absl::Minutes(5),
          .not_live_after = absl::Minutes(10)};
}

void Health::AddCondition(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  conditions_[name] = false;
  ++changes_;
}

void Health::SetCondition(const std::string& name, bool fulfilled) {
  absl::MutexLock lock(&mutex_);
  conditions_[name] = fulfilled;
  started_ |=
      std::all_of(conditions_.begin(), conditions_.end(),
                  [](const auto& condition) { return condition.second; });
  ++changes_;
}

void Health::AddHeartbeat(const std::string& engine, const Limits& limits,
                          std::function<absl::Duration()> age) {
  absl::MutexLock lock(&mutex_);
  engines_[engine] = {limits, std::move(age)};
}

void Health::RemoveHeartbeat(const std::string& engine) {
  absl::MutexLock lock(&mutex_);
  engines_.erase(engine);
}

void Health::Drain() {
  absl::MutexLock lock(&mutex_);
  draining_ = true;
  ++changes_;
}

Health::State Health::Get() const {
  absl::MutexLock lock(&mutex_);
  return Look();
}

std::vector<Health::Heartbeat> Health::Heartbeats() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Heartbeat> beats;
  for (const auto& [name, engine] : engines_) {
    beats.push_back({name, engine.age()});
  }
  return beats;
}

Health::State Health::WaitForChange(const State& last, absl::Duration timeout,
                                    const std::atomic<bool>& stop) const {
  absl::MutexLock lock(&mutex_);
  const State now = Look();
  if (now != last) return now;
  const int seen = changes_;
  const auto changed = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return changes_ != seen || stop;
  };
  mutex_.AwaitWithTimeout(absl::Condition(&changed), timeout);
  return Look();
}

// Whoever lets the mutex go has the conditions of all who wait looked at.
void Health::Wake() const { absl::MutexLock lock(&mutex_); }

Health::State Health::Look() const {
  State state;
  state.started = started_ || conditions_.empty();
  state.ready = true;
  state.draining = draining_;
  const auto not_ready = [&state](std::string reason) {
    state.ready = false;
    state.reason = std::move(reason);
  };
  for (const auto& [name, fulfilled] : conditions_) {
    if (!fulfilled) not_ready(absl::StrCat("waiting for ", name));
  }
  for (const auto& [name, engine] : engines_) {
    const absl::Duration silence = engine.age();
    const bool is_live = silence <= engine.limits.not_live_after;
    if (!is_live) state.live = false;
    if (silence <= engine.limits.not_ready_after) continue;
    // Whole thresholds: a reason that changes all the time would be an event
    // all the time.
    not_ready(absl::StrCat(
        name, " has been silent for more than ",
        absl::FormatDuration(is_live ? engine.limits.not_ready_after
                                     : engine.limits.not_live_after)));
  }
  if (draining_) not_ready("draining");
  return state;
}

absl::Status CallGate::Admit() const {
  absl::MutexLock lock(&mutex_);
  if (!closed_) return absl::OkStatus();
  return RetryableError(absl::StatusCode::kUnavailable, reason::kDraining,
                        "this server is shutting down", absl::Seconds(1));
}

void CallGate::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
}

}  // namespace tandem
