#include "common/grpc_admin.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/log.h"
#include "grpcpp/ext/channelz_service_plugin.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace tandem {

absl::StatusOr<std::unique_ptr<GrpcAdmin>> GrpcAdmin::Start(
    const HostPort& listen) {
  grpc::channelz::experimental::InitChannelzService();
  std::unique_ptr<GrpcAdmin> admin(new GrpcAdmin);
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(listen.ToString(), grpc::InsecureServerCredentials(),
                           &port);
  admin->server_ = builder.BuildAndStart();
  if (admin->server_ == nullptr || port == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", listen.ToString()));
  }
  admin->address_ = {listen.host, port};
  LogInfo("grpc admin listens", {{"address", admin->address_.ToString()}});
  return admin;
}

GrpcAdmin::~GrpcAdmin() {
  if (server_ == nullptr) return;
  server_->Shutdown(absl::ToChronoTime(absl::Now()));
}

}  // namespace tandem
