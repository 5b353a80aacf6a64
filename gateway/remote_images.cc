#include "gateway/remote_images.h"

#include <pthread.h>

#include <atomic>
#include <map>
#include <thread>
#include <utility>  // before asio, which needs std::exchange and forgets to ask

#include "absl/strings/str_cat.h"
#include "boost/asio/executor_work_guard.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/asio/thread_pool.hpp"
#include "common/errors.h"
#include "common/log.h"
#include "gateway/remote_download.h"

namespace tandem {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Addresses = std::vector<asio::ip::address>;

// Of one name.
constexpr size_t kMaxAddresses = 4;
constexpr size_t kNumResolvers = 2;

absl::StatusOr<std::vector<std::string>> ResolveBySystem(
    const std::string& name) {
  asio::io_context io;
  asio::ip::tcp::resolver resolver(io);
  error_code error;
  const auto found = resolver.resolve(name, "", error);
  if (error) return absl::UnavailableError(error.message());
  std::vector<std::string> addresses;
  for (const auto& entry : found) {
    addresses.push_back(entry.endpoint().address().to_string());
  }
  return addresses;
}

// Those that may be dialled.
absl::StatusOr<Addresses> CheckAddresses(
    const ImageHost& host,
    const absl::StatusOr<std::vector<std::string>>& found) {
  if (!found.ok() || found->empty()) {
    return RemoteHostUnavailable(host, "the name is not found");
  }
  Addresses addresses;
  for (const std::string& text : *found) {
    error_code error;
    const asio::ip::address address = asio::ip::make_address(text, error);
    if (error || addresses.size() == kMaxAddresses) continue;
    if (host.may_be_private || IsPublicAddress(text)) {
      addresses.push_back(address);
    }
  }
  if (!addresses.empty()) return addresses;
  return MakeError(
      absl::StatusCode::kInvalidArgument, reason::kFieldInvalid,
      absl::StrCat(ShowOption(host), " has no address of the public internet"));
}

}  // namespace

// The threads, and what the fetches share.
class RemoteImages::Core {
 public:
  explicit Core(Options given)
      : options(std::move(given)), tls(asio::ssl::context::tls_client) {
    if (options.resolve == nullptr) options.resolve = &ResolveBySystem;
    tls.set_options(
        asio::ssl::context::no_sslv2 | asio::ssl::context::no_sslv3 |
        asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
    error_code error;
    if (options.trusted_certificates.empty()) {
      tls.set_default_verify_paths(error);
    } else {
      tls.add_certificate_authority(asio::buffer(options.trusted_certificates),
                                    error);
    }
    if (error) {
      LogWarning("no certificates to trust", {{"error", error.message()}});
    }
    thread = std::thread([this] {
      pthread_setname_np(pthread_self(), "images");
      io.run();
    });
  }

  Options options;
  asio::io_context io{1};
  asio::ssl::context tls;
  asio::thread_pool resolvers{kNumResolvers};
  asio::executor_work_guard<asio::io_context::executor_type> work{
      io.get_executor()};
  std::atomic<int> num_in_flight = 0;  // images, or their look-ups
  // Those that were started and have not ended; on `thread` alone.
  std::map<Fetch*, std::shared_ptr<Fetch>> running;
  std::thread thread;
};

// All that is private happens on the core's thread.
class RemoteImages::Fetch : public RemoteFetch,
                            public std::enable_shared_from_this<Fetch> {
 public:
  Fetch(std::shared_ptr<Core> core, std::vector<RemoteImage> images, Done done)
      : core_(std::move(core)),
        images_(std::move(images)),
        done_(std::move(done)),
        timer_(core_->io),
        files_(images_.size()),
        num_missing_(images_.size()) {}

  void Start() override {
    asio::post(core_->io, [self = shared_from_this()] { self->Begin(); });
  }
  // Without effect once the core's thread has ended: what is posted then must
  // not own the core.
  void Cancel() override {
    asio::post(core_->io, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->OnCancel();
    });
  }
  void OnCancel() {
    cancelled_ = true;
    End(absl::CancelledError("the fetch was cancelled"));
  }

 private:
  // Holds a place among max_in_flight.
  using Slot = std::shared_ptr<void>;

  void Begin() {
    core_->running.emplace(this, shared_from_this());
    if (cancelled_) return OnCancel();
    const int most = core_->options.max_in_flight;
    const int wanted = static_cast<int>(images_.size());
    if (core_->num_in_flight + wanted > most) {
      return End(RetryableError(
          absl::StatusCode::kResourceExhausted, reason::kOverloaded,
          absl::StrCat("over ", most, " images are being fetched"),
          absl::Seconds(1)));
    }
    timer_.expires_after(absl::ToChronoNanoseconds(core_->options.timeout));
    timer_.async_wait([weak = weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (!error && self != nullptr) self->OnTimeout();
    });
    // One that fails at once ends them all.
    for (size_t i = 0; i < images_.size() && done_ != nullptr; ++i) {
      ++core_->num_in_flight;
      slots_.emplace_back(nullptr,
                          [core = core_](void*) { --core->num_in_flight; });
      downloads_.push_back(std::make_shared<RemoteDownload>(
          core_->io, core_->tls, images_[i].url, core_->options.max_bytes,
          [this, i](absl::StatusOr<std::string> file) {
            OnFile(i, std::move(file));
          }));
      LookUp(i);
    }
  }

  void LookUp(size_t i) {
    const ImageHost& host = images_[i].url.host;
    error_code no_address;
    asio::ip::make_address(host.host, no_address);
    if (!no_address) {
      const std::vector<std::string> itself = {host.host};
      return OnAddresses(i, CheckAddresses(host, itself));
    }
    asio::post(core_->resolvers, [core = core_, weak = weak_from_this(), host,
                                  slot = slots_[i], i] {
      if (slot.use_count() == 1) return;  // its fetch has ended
      auto found = CheckAddresses(host, core->options.resolve(host.host));
      asio::post(core->io, [weak, i, found = std::move(found)] {
        if (const auto self = weak.lock()) self->OnAddresses(i, found);
      });
    });
  }

  void OnAddresses(size_t i, const absl::StatusOr<Addresses>& addresses) {
    if (done_ == nullptr) return;
    if (!addresses.ok()) return OnFile(i, addresses.status());
    downloads_[i]->Start(*addresses);
  }

  void OnFile(size_t i, absl::StatusOr<std::string> file) {
    if (!file.ok()) return End(AtField(file.status(), images_[i].field));
    files_[i] = *std::move(file);
    if (--num_missing_ == 0) End(std::move(files_));
  }

  void OnTimeout() {
    size_t i = 0;
    while (i + 1 < files_.size() && !files_[i].empty()) ++i;
    End(AtField(RemoteHostUnavailable(
                    images_[i].url.host,
                    absl::StrCat("did not answer in ",
                                 absl::FormatDuration(core_->options.timeout))),
                images_[i].field));
  }

  void End(absl::StatusOr<std::vector<std::string>> result) {
    // One that was not started yet is ended when it is.
    const auto held = core_->running.find(this);
    if (held == core_->running.end()) return;
    const std::shared_ptr<Fetch> self = std::move(held->second);
    core_->running.erase(held);
    timer_.cancel();
    for (const auto& download : downloads_) download->Close();
    downloads_.clear();
    slots_.clear();
    const Done done = std::exchange(done_, nullptr);
    done(std::move(result));
  }

  const std::shared_ptr<Core> core_;
  const std::vector<RemoteImage> images_;
  Done done_;
  asio::steady_timer timer_;
  bool cancelled_ = false;
  std::vector<Slot> slots_;
  std::vector<std::shared_ptr<RemoteDownload>> downloads_;
  std::vector<std::string> files_;
  size_t num_missing_;
};

RemoteImages::RemoteImages(Options options)
    : core_(std::make_shared<Core>(std::move(options))) {}

RemoteImages::~RemoteImages() {
  asio::post(core_->io, [core = core_.get()] {
    while (!core->running.empty()) core->running.begin()->second->OnCancel();
    core->work.reset();
  });
  core_->thread.join();
  core_->resolvers.join();
}

std::shared_ptr<RemoteFetch> RemoteImages::NewFetch(
    std::vector<RemoteImage> images, Done done) {
  return std::make_shared<Fetch>(core_, std::move(images), std::move(done));
}

}  // namespace tandem
