#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gateway/remote_url.h"

namespace tandem {

// The images of one request on their way. All of it from any thread.
class RemoteFetch {
 public:
  virtual ~RemoteFetch() = default;
  // Once.
  virtual void Start() = 0;
  // Ends it with CANCELLED if it has not ended yet; before Start too.
  virtual void Cancel() = 0;
};

// Fetches images from hosts that the operator named: whoever sends requests
// chooses URLs, so nothing that is found there is trusted, and no place that
// was not named is asked.
//
// For each image: the host is looked up, and of its addresses those that are
// public (IsPublicAddress; all, where the host may be private) are dialled as
// they were checked, never looked up again. One GET on a connection of its own,
// for https with a certificate that is valid for this host by the system's
// store. Nothing is sent but the URL: no cookies, no credentials; no proxy is
// asked, whatever the environment says. Only an answer of 200 is read,
// redirects are not followed, and no more than `max_bytes` are kept. What the
// answer says of its type is ignored: its bytes will tell.
//
// All connections share one thread; names are looked up on two others.
class RemoteImages {
 public:
  // All addresses of a name, as text. Blocks; called on more than one thread.
  using Resolve = std::function<absl::StatusOr<std::vector<std::string>>(
      const std::string& name)>;
  struct Options {
    absl::Duration timeout = absl::Seconds(5);  // of all images of a request
    int64_t max_bytes = 20 << 20;               // of an image
    int max_in_flight = 32;                     // images of all requests
    // PEM; empty: the certificates that the system trusts.
    std::string trusted_certificates = {};
    Resolve resolve = nullptr;  // null: the system's
  };
  // The files, in the order of the images; called once for a fetch that was
  // started, on the thread of the connections, and let go of then; must not
  // wait.
  //
  // Errors name the image (AtField):
  // INVALID_ARGUMENT FIELD_INVALID: the host has no public address, its
  //   certificate is not valid for it, or it answered otherwise than with 200;
  // INVALID_ARGUMENT IMAGE_TOO_LARGE: more than max_bytes;
  // UNAVAILABLE BACKEND_UNAVAILABLE with a delay: the host is not found, cannot
  //   be connected to, breaks off or takes longer than `timeout`.
  // And of the whole: RESOURCE_EXHAUSTED OVERLOADED with a delay when
  // max_in_flight is reached; CANCELLED.
  using Done = std::function<void(absl::StatusOr<std::vector<std::string>>)>;

  explicit RemoteImages(Options options);
  // Cancels what is in flight and joins. A look-up that runs is waited for, as
  // long as the system's resolver takes.
  ~RemoteImages();

  // `images` is not empty. Not to be started after this object's end.
  std::shared_ptr<RemoteFetch> NewFetch(std::vector<RemoteImage> images,
                                        Done done);

 private:
  class Core;
  class Fetch;
  const std::shared_ptr<Core> core_;  // shared with the fetches
};

}  // namespace tandem
