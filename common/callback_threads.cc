#include "common/callback_threads.h"

#include <chrono>
#include <memory>

#include "absl/synchronization/notification.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/byte_buffer.h"

namespace tandem {
namespace {

// A channel that is never destroyed and has made one callback call, which is
// what takes a reference to the threads. The call's time is over before it
// begins: nothing is dialled.
class Anchor {
 public:
  Anchor()
      : channel_(grpc::CreateChannel("127.0.0.1:1",
                                     grpc::InsecureChannelCredentials())) {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() -
                         std::chrono::seconds(1));
    const grpc::Slice nothing("");
    const grpc::ByteBuffer request(&nothing, 1);
    grpc::ByteBuffer response;
    absl::Notification done;
    stub.UnaryCall(&context, "/tandem.Anchor/Nothing", grpc::StubOptions(),
                   &request, &response,
                   [&done](const grpc::Status&) { done.Notify(); });
    done.WaitForNotification();
  }

 private:
  const std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace

void KeepCallbackThreads() {
  // `used`, or the pointer itself is optimised away and the leak checker finds
  // an object that nobody knows.
  [[gnu::used]] static const Anchor* const anchor = new Anchor();
}

}  // namespace tandem
