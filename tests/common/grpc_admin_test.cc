#include "common/grpc_admin.h"

#include <string>

#include "common/channel.h"
#include "common/grpc_host.h"
#include "common/metrics.h"
#include "gmock/gmock.h"
#include "grpcpp/impl/codegen/client_unary_call.h"
#include "grpcpp/impl/rpc_method.h"
#include "grpcpp/support/byte_buffer.h"
#include "gtest/gtest.h"
#include "tandem/v1/vision.grpc.pb.h"

namespace tandem {
namespace {

using testing::HasSubstr;

// Asks with an empty message, which every field's default is. What comes back
// is only looked at as bytes: the protos are in no package.
grpc::StatusCode AskChannelz(const HostPort& address, const char* method,
                             std::string& answer) {
  const auto channel = MakeChannel(address.ToString());
  grpc::ClientContext context;
  grpc::ByteBuffer request, response;
  const grpc::Slice empty("");
  request = grpc::ByteBuffer(&empty, 1);
  const grpc::Status status = grpc::internal::BlockingUnaryCall(
      channel.get(),
      grpc::internal::RpcMethod(method, grpc::internal::RpcMethod::NORMAL_RPC),
      &context, request, &response);
  grpc::Slice slice;
  if (status.ok() && response.DumpToSingleSlice(&slice).ok()) {
    answer.assign(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return status.error_code();
}

class GrpcAdminTest : public testing::Test {
 protected:
  absl::Status Start(const std::optional<HostPort>& admin) {
    GrpcHost::Options options;
    options.listen = HostPort{"127.0.0.1", 0};
    options.admin_listen = admin;
    auto host = GrpcHost::Start(
        options, {{v1::VisionService::service_full_name(), &service_, &gate_}},
        health_, grpc_metrics_);
    if (host.ok()) host_ = *std::move(host);
    return host.status();
  }

  v1::VisionService::Service service_;
  CallGate gate_;
  Health health_;
  Metrics metrics_{{.backend = "none"}, health_};
  GrpcMetrics grpc_metrics_{metrics_};
  std::unique_ptr<GrpcHost> host_;
};

TEST_F(GrpcAdminTest, ChannelzIsOnTheAdminListenerAlone) {
  ASSERT_TRUE(Start(HostPort{"127.0.0.1", 0}).ok());
  constexpr char kGetServers[] = "/grpc.channelz.v1.Channelz/GetServers";
  std::string answer;
  EXPECT_EQ(AskChannelz(host_->admin()->address(), kGetServers, answer),
            grpc::StatusCode::OK);
  EXPECT_FALSE(answer.empty());
  EXPECT_EQ(AskChannelz(*host_->address(), kGetServers, answer),
            grpc::StatusCode::UNIMPLEMENTED);
  // Nor has a server that is made later.
  ASSERT_TRUE(Start(std::nullopt).ok());
  EXPECT_EQ(host_->admin(), nullptr);
  EXPECT_EQ(AskChannelz(*host_->address(), kGetServers, answer),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(GrpcAdminTest, SaysWhyItCannotListen) {
  ASSERT_TRUE(Start(HostPort{"127.0.0.1", 0}).ok());
  const HostPort taken = host_->admin()->address();
  const auto first = std::move(host_);
  const absl::Status status = Start(taken);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(taken.ToString()));
}

}  // namespace
}  // namespace tandem
