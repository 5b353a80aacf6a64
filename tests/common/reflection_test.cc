#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "common/channel.h"
#include "common/grpc_host.h"
#include "gmock/gmock.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpcpp/impl/rpc_method.h"
#include "grpcpp/support/sync_stream.h"
#include "gtest/gtest.h"
#include "tandem/v1/vision.grpc.pb.h"

namespace tandem {
namespace {

using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;
using testing::Contains;

constexpr char kV1[] = "grpc.reflection.v1.ServerReflection";
constexpr char kV1Alpha[] = "grpc.reflection.v1alpha.ServerReflection";

class ReflectionTest : public testing::Test {
 protected:
  ~ReflectionTest() override {
    channel_ = nullptr;
    host_ = nullptr;
  }

  void Start(bool reflection) {
    GrpcHost::Options options;
    options.listen = HostPort{"127.0.0.1", 0};
    options.reflection = reflection;
    auto host = GrpcHost::Start(
        options, {{v1::VisionService::service_full_name(), &service_, &gate_}},
        health_, grpc_metrics_);
    ASSERT_TRUE(host.ok()) << host.status();
    host_ = *std::move(host);
    channel_ = MakeChannel(host_->address()->ToString());
  }

  // One stream. The two versions' messages are the same on the wire.
  std::vector<ServerReflectionResponse> Ask(
      const std::string& service,
      const std::vector<ServerReflectionRequest>& requests) {
    const std::string path = "/" + service + "/ServerReflectionInfo";
    const grpc::internal::RpcMethod method(
        path.c_str(), grpc::internal::RpcMethod::BIDI_STREAMING);
    grpc::ClientContext context;
    const std::unique_ptr<grpc::ClientReaderWriter<ServerReflectionRequest,
                                                   ServerReflectionResponse>>
        stream(grpc::internal::ClientReaderWriterFactory<
               ServerReflectionRequest,
               ServerReflectionResponse>::Create(channel_.get(), method,
                                                 &context));
    std::vector<ServerReflectionResponse> responses;
    for (const ServerReflectionRequest& request : requests) {
      ServerReflectionResponse response;
      if (!stream->Write(request) || !stream->Read(&response)) break;
      responses.push_back(std::move(response));
    }
    stream->WritesDone();
    status_ = stream->Finish().error_code();
    return responses;
  }

  Health health_;
  Metrics metrics_{{}, health_};
  GrpcMetrics grpc_metrics_{metrics_};
  v1::VisionService::Service service_;
  CallGate gate_;
  std::unique_ptr<GrpcHost> host_;
  std::shared_ptr<grpc::Channel> channel_;
  grpc::StatusCode status_ = grpc::StatusCode::UNKNOWN;
};

std::vector<ServerReflectionRequest> EveryKindOfQuestion() {
  std::vector<ServerReflectionRequest> requests;
  const auto add = [&]() -> ServerReflectionRequest& {
    requests.emplace_back().set_host("somewhere");
    return requests.back();
  };
  add().set_list_services("*");
  add().set_file_by_filename("tandem/v1/vision.proto");
  add().set_file_by_filename("no/such.proto");
  add().set_file_containing_symbol("tandem.v1.VisionService");
  add().set_file_containing_symbol("tandem.v1.VisionService.PutImage");
  add().set_file_containing_symbol("tandem.v1.Nothing");
  auto& extension = *add().mutable_file_containing_extension();
  extension.set_containing_type("google.protobuf.FieldOptions");
  extension.set_extension_number(1);
  add().mutable_file_containing_extension()->set_containing_type("nothing");
  add().set_all_extension_numbers_of_type("google.protobuf.FieldOptions");
  add().set_all_extension_numbers_of_type("nothing");
  add();
  return requests;
}

// A stream for each question: this gRPC's own reflection does not forget its
// last answer.
TEST_F(ReflectionTest, BothVersionsAnswerTheSame) {
  Start(/*reflection=*/true);
  for (const ServerReflectionRequest& request : EveryKindOfQuestion()) {
    SCOPED_TRACE(request.DebugString());
    auto v1 = Ask(kV1, {request});
    EXPECT_EQ(status_, grpc::StatusCode::OK);
    auto v1alpha = Ask(kV1Alpha, {request});
    ASSERT_EQ(v1.size(), 1u);
    ASSERT_EQ(v1alpha.size(), 1u);
    ASSERT_EQ(v1[0].has_error_response(), v1alpha[0].has_error_response());
    if (v1[0].has_error_response()) {
      v1[0].mutable_error_response()->clear_error_message();
      v1alpha[0].mutable_error_response()->clear_error_message();
    }
    EXPECT_TRUE(v1[0].SerializeAsString() == v1alpha[0].SerializeAsString());
  }
}

TEST_F(ReflectionTest, OneStreamTakesManyQuestions) {
  Start(/*reflection=*/true);
  const auto requests = EveryKindOfQuestion();
  const auto responses = Ask(kV1, requests);
  ASSERT_EQ(responses.size(), requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_TRUE(responses[i].SerializeAsString() ==
                Ask(kV1, {requests[i]}).at(0).SerializeAsString())
        << requests[i].DebugString();
  }
}

TEST_F(ReflectionTest, ListsTheServicesOfItsServer) {
  Start(/*reflection=*/true);
  ServerReflectionRequest request;
  request.set_list_services("");
  for (const char* version : {kV1, kV1Alpha}) {
    const auto responses = Ask(version, {request});
    ASSERT_EQ(responses.size(), 1u) << version;
    std::vector<std::string> names;
    for (const auto& service :
         responses[0].list_services_response().service()) {
      names.push_back(service.name());
    }
    EXPECT_THAT(names, Contains(v1::VisionService::service_full_name()));
    EXPECT_THAT(names, Contains(kV1));
    EXPECT_THAT(names, Contains(kV1Alpha));
  }
}

TEST_F(ReflectionTest, EveryServiceThatIsListedIsDescribed) {
  Start(/*reflection=*/true);
  ServerReflectionRequest request;
  request.set_list_services("");
  for (const char* version : {kV1, kV1Alpha}) {
    const auto listed = Ask(version, {request});
    ASSERT_EQ(listed.size(), 1u) << version;
    for (const auto& service : listed[0].list_services_response().service()) {
      ServerReflectionRequest symbol;
      symbol.set_file_containing_symbol(service.name());
      const auto described = Ask(version, {symbol});
      ASSERT_EQ(described.size(), 1u) << version;
      EXPECT_TRUE(described[0].has_file_descriptor_response())
          << service.name() << " by " << version;
    }
  }
}

TEST_F(ReflectionTest, AFileComesWithThoseThatItNeeds) {
  Start(/*reflection=*/true);
  ServerReflectionRequest request;
  request.set_file_containing_symbol("tandem.v1.VisionService");
  const auto responses = Ask(kV1, {request});
  ASSERT_EQ(responses.size(), 1u);
  std::vector<std::string> names;
  for (const std::string& bytes :
       responses[0].file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    ASSERT_TRUE(file.ParseFromString(bytes));
    names.push_back(file.name());
  }
  EXPECT_THAT(names, testing::ElementsAre("tandem/v1/vision.proto",
                                          "tandem/v1/types.proto"));
}

TEST_F(ReflectionTest, OffIsOffForBothVersions) {
  Start(/*reflection=*/false);
  for (const char* version : {kV1, kV1Alpha}) {
    EXPECT_EQ(Ask(version, EveryKindOfQuestion()).size(), 0u);
    EXPECT_EQ(status_, grpc::StatusCode::UNIMPLEMENTED) << version;
  }
}

}  // namespace
}  // namespace tandem
