#include "gateway/admission.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"

namespace tandem {
namespace {

absl::Status Refuse(absl::string_view what, int64_t bound) {
  return RetryableError(absl::StatusCode::kResourceExhausted,
                        reason::kOverloaded,
                        absl::StrCat(what, "; the bound is ", bound),
                        absl::Seconds(1), {{"limit", absl::StrCat(bound)}});
}

}  // namespace

Admission::Admission(Options options, GatewayMetrics& metrics)
    : options_(options), metrics_(metrics) {}

Admission::Ticket::~Ticket() {
  GiveBack();
  admission_.TellAdmitted();
}

void Admission::Ticket::GiveBack() {
  if (!std::exchange(given_back_, true)) admission_.Leave(*this);
}

void Admission::Ticket::ReleaseImages() {
  absl::MutexLock lock(&admission_.mutex_);
  admission_.image_bytes_ -= std::exchange(image_bytes_, 0);
}

absl::StatusOr<std::unique_ptr<Admission::Ticket>> Admission::Enter(
    int64_t image_bytes, std::function<void()> admitted) {
  std::unique_ptr<Ticket> ticket(new Ticket(*this, /*image_bytes=*/0));
  {
    absl::MutexLock lock(&mutex_);
    if (image_bytes_ + image_bytes > options_.max_image_bytes) {
      metrics_.admission_rejections[Rejection::kMemory].Increment();
      return Refuse("too many image bytes are in flight",
                    options_.max_image_bytes);
    }
    const bool has_place = in_flight_ < options_.max_in_flight;
    if (!has_place &&
        static_cast<int>(waiting_.size()) >= options_.max_queued) {
      metrics_.admission_rejections[Rejection::kQueueFull].Increment();
      return Refuse("too many requests are here already",
                    options_.max_in_flight + options_.max_queued);
    }
    image_bytes_ += image_bytes;
    ticket->image_bytes_ = image_bytes;
    if (!has_place) {
      ticket->admitted_ = std::move(admitted);
      waiting_.push_back(ticket.get());
      return ticket;
    }
    ++in_flight_;
    ticket->in_flight_ = true;
  }
  admitted();
  return ticket;
}

void Admission::Leave(Ticket& ticket) {
  absl::MutexLock lock(&mutex_);
  image_bytes_ -= ticket.image_bytes_;
  if (!ticket.in_flight_) {
    waiting_.remove(&ticket);
    return;
  }
  --in_flight_;
  if (waiting_.empty()) return;
  Ticket* next = waiting_.front();
  waiting_.pop_front();
  ++in_flight_;
  next->in_flight_ = true;
  admitted_.push_back(std::move(next->admitted_));
}

void Admission::TellAdmitted() {
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(telling_, true)) return;
  }
  while (true) {
    std::function<void()> admitted;
    {
      absl::MutexLock lock(&mutex_);
      if (admitted_.empty()) {
        telling_ = false;
        return;
      }
      admitted = std::move(admitted_.front());
      admitted_.pop_front();
    }
    admitted();
  }
}

int Admission::in_flight() const {
  absl::MutexLock lock(&mutex_);
  return in_flight_;
}

int Admission::queued() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(waiting_.size());
}

int64_t Admission::image_bytes() const {
  absl::MutexLock lock(&mutex_);
  return image_bytes_;
}

}  // namespace tandem
