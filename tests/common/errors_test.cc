#include "common/errors.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/grpc_status.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tandem/v1/vision.grpc.pb.h"

namespace tandem {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::Pair;

TEST(Errors, CarryReasonAndMetadata) {
  const absl::Status status =
      MakeError(StatusCode::kInvalidArgument, reason::kContextLengthExceeded,
                "9 tokens do not fit into 8",
                {{"promptTokens", "9"}, {"maxTokens", "8"}});
  EXPECT_EQ(status.message(), "9 tokens do not fit into 8");
  EXPECT_EQ(ErrorReason(status), "CONTEXT_LENGTH_EXCEEDED");
  EXPECT_THAT(ErrorMetadataOf(status),
              ElementsAre(Pair("maxTokens", "8"), Pair("promptTokens", "9")));
  EXPECT_EQ(RetryDelay(status), absl::nullopt);
  EXPECT_EQ(ErrorField(status), "");
}

TEST(Errors, NameTheField) {
  const absl::Status status =
      FieldError("sampling.top_p", "2 is outside (0, 1]");
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "sampling.top_p: 2 is outside (0, 1]");
  EXPECT_EQ(ErrorReason(status), "FIELD_INVALID");
  EXPECT_EQ(ErrorField(status), "sampling.top_p");
  EXPECT_EQ(
      ErrorReason(FieldError("image", reason::kImageTooLarge, "41 megapixels")),
      "IMAGE_TOO_LARGE");
}

TEST(Errors, AnOuterFieldReachesMessageAndField) {
  const absl::Status status =
      AtField(FieldError("max_tiles", "41"), "messages[0]");
  EXPECT_EQ(status.message(), "messages[0].max_tiles: 41");
  EXPECT_EQ(ErrorField(status), "messages[0].max_tiles");
  EXPECT_EQ(ErrorReason(status), "FIELD_INVALID");
  EXPECT_TRUE(AtField(absl::OkStatus(), "x").ok());
  EXPECT_EQ(AtField(absl::NotFoundError("gone"), "a").message(), "a: gone");
}

TEST(Errors, AFieldIsAddedWhereNoneWasNamed) {
  const absl::Status status =
      AtField(MakeError(StatusCode::kInvalidArgument, reason::kImageInvalid,
                        "the image is empty"),
              "messages[0].content[1].image");
  EXPECT_EQ(status.message(),
            "messages[0].content[1].image: the image is empty");
  EXPECT_EQ(ErrorField(status), "messages[0].content[1].image");
  EXPECT_EQ(ErrorReason(status), "IMAGE_INVALID");
}

TEST(Errors, CarryTheRetryDelay) {
  const absl::Status status =
      RetryableError(StatusCode::kUnavailable, reason::kDraining, "draining",
                     absl::Milliseconds(2500));
  EXPECT_EQ(RetryDelay(status), absl::Milliseconds(2500));
  EXPECT_EQ(RetryDelay(RetryableError(StatusCode::kUnavailable, "X", "",
                                      -absl::Seconds(1))),
            absl::ZeroDuration());
  EXPECT_EQ(RetryDelay(RetryableError(StatusCode::kUnavailable, "X", "",
                                      absl::InfiniteDuration())),
            absl::Hours(24));
}

template <class Detail>
Detail DetailOf(const absl::Status& status) {
  const auto payload = status.GetPayload(
      absl::StrCat("type.googleapis.com/", Detail::descriptor()->full_name()));
  Detail detail;
  EXPECT_TRUE(payload && detail.ParseFromString(std::string(*payload)));
  return detail;
}

TEST(Errors, NameTheResourceThatIsNotThere) {
  const auto model = DetailOf<google::rpc::ResourceInfo>(
      MakeError(StatusCode::kNotFound, reason::kModelNotFound, "no such model",
                {{"model", "gpt"}, {"served", "vlm"}}));
  EXPECT_EQ(model.resource_type(), "model");
  EXPECT_EQ(model.resource_name(), "gpt");
  const auto image = DetailOf<google::rpc::ResourceInfo>(
      MakeError(StatusCode::kNotFound, reason::kEmbeddingExpired, "expired",
                {{"image", "2"}}));
  EXPECT_EQ(image.resource_type(), "image");
  EXPECT_EQ(image.resource_name(), "2");
}

TEST(Errors, NameThePreconditionThatFailed) {
  const auto failure = DetailOf<google::rpc::PreconditionFailure>(
      MakeError(StatusCode::kFailedPrecondition, reason::kEmbeddingIncompatible,
                "dtype is one there and two here", {{"check", "dtype"}}));
  ASSERT_EQ(failure.violations_size(), 1);
  EXPECT_EQ(failure.violations(0).type(), "EMBEDDING_INCOMPATIBLE");
  EXPECT_EQ(failure.violations(0).subject(), "dtype");
  EXPECT_EQ(failure.violations(0).description(),
            "dtype is one there and two here");
}

TEST(Errors, NameWhoseQuotaIsUsedUp) {
  const absl::Status status = RetryableError(
      StatusCode::kResourceExhausted, reason::kQuotaExceeded,
      "60 requests a minute are used up", absl::Seconds(1), {{"key", "a"}});
  const auto failure = DetailOf<google::rpc::QuotaFailure>(status);
  ASSERT_EQ(failure.violations_size(), 1);
  EXPECT_EQ(failure.violations(0).subject(), "key:a");
  EXPECT_EQ(failure.violations(0).description(), status.message());
  EXPECT_EQ(RetryDelay(status), absl::Seconds(1));
}

TEST(Errors, NameTheRequest) {
  const absl::Status status =
      WithRequestId(FieldError("n", "2 is outside [0, 1]"), "r-1");
  EXPECT_EQ(ErrorRequestId(status), "r-1");
  EXPECT_EQ(ErrorField(status), "n");
  EXPECT_EQ(ErrorRequestId(WithRequestId(status, "r-2")), "r-2");
  EXPECT_EQ(ErrorRequestId(FieldError("n", "2")), "");
  EXPECT_TRUE(WithRequestId(absl::OkStatus(), "r-1").ok());
}

TEST(Errors, WithoutDetailsAnswerEmpty) {
  const absl::Status status = absl::InternalError("plain");
  EXPECT_EQ(ErrorReason(status), "");
  EXPECT_TRUE(ErrorMetadataOf(status).empty());
  EXPECT_EQ(ErrorReason(absl::OkStatus()), "");
}

TEST(Errors, CutTextBetweenCharactersAndRepairIt) {
  std::string chinese;
  for (int i = 0; i < 1000; ++i) chinese += "\xE7\x93\xA6";  // 3 bytes each
  const absl::Status cut = MakeError(StatusCode::kInternal, "X", chinese);
  EXPECT_LE(cut.message().size(), 768u);
  EXPECT_EQ((cut.message().size() - 3) % 3, 0u);
  EXPECT_EQ(cut.message().substr(cut.message().size() - 3), "...");
  const absl::Status repaired = MakeError(StatusCode::kInternal, "X",
                                          "a\xFF\xC0\x80z\xED\xA0\x80\xE7\x93");
  EXPECT_EQ(repaired.message(), "a???z?????");
  EXPECT_EQ(MakeError(StatusCode::kInternal, "X", std::string(768, 'm'))
                .message()
                .size(),
            768u);
}

TEST(GrpcStatus, OkStaysOk) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpcStatus(grpc::Status::OK).ok());
}

TEST(GrpcStatus, ThereAndBackKeepsEverything) {
  const absl::Status status = AtField(
      FieldError("content[2].image", reason::kImageTruncated, "ends early"),
      "m");
  EXPECT_EQ(FromGrpcStatus(ToGrpcStatus(status)), status);
}

TEST(GrpcStatus, AFailureWithoutReasonGetsOne) {
  EXPECT_EQ(
      ErrorReason(FromGrpcStatus(ToGrpcStatus(absl::InternalError("bug")))),
      "INTERNAL");
  EXPECT_EQ(ErrorReason(FromGrpcStatus(ToGrpcStatus(absl::AbortedError("x")))),
            "ABORTED");
}

TEST(GrpcStatus, LibraryMadeStatusesNeedNoDetails) {
  const absl::Status down =
      FromGrpcStatus({grpc::StatusCode::UNAVAILABLE, "connect failed"});
  EXPECT_EQ(down.code(), StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(down), "BACKEND_UNAVAILABLE");
  const absl::Status large =
      FromGrpcStatus({grpc::StatusCode::RESOURCE_EXHAUSTED, "larger"});
  EXPECT_EQ(large.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(large), "");
  EXPECT_EQ(FromGrpcStatus({static_cast<grpc::StatusCode>(30), "?"}).code(),
            StatusCode::kUnknown);
  EXPECT_EQ(FromGrpcStatus({grpc::StatusCode::INTERNAL, "x", "no protobuf"})
                .message(),
            "x");
}

TEST(GrpcStatus, PayloadsOfOthersStayHome) {
  absl::Status status = MakeError(StatusCode::kInternal, "X", "x");
  status.SetPayload("type.googleapis.com/secret.Thing", absl::Cord("hidden"));
  const grpc::Status wire = ToGrpcStatus(status);
  EXPECT_EQ(wire.error_details().find("hidden"), std::string::npos);
}

// A server that fails every PutImage with a given status.
class Failing final : public v1::VisionService::Service {
 public:
  absl::Status status;
  grpc::Status PutImage(grpc::ServerContext*, const v1::PutImageRequest*,
                        v1::PutImageResponse*) override {
    return ToGrpcStatus(status);
  }
};

// Over a socket, with the metadata limits of an unconfigured peer.
absl::Status Roundtrip(const absl::Status& status) {
  Failing service;
  service.status = status;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  const auto stub = v1::VisionService::NewStub(grpc::CreateChannel(
      "127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::PutImageResponse response;
  return FromGrpcStatus(stub->PutImage(&context, {}, &response));
}

TEST(GrpcStatus, TheLargestErrorSurvivesTheWire) {
  std::string chinese;
  for (int i = 0; i < 5000; ++i) chinese += "\xE7\x93\xA6";
  ErrorMetadata metadata;
  for (int i = 0; i < 100; ++i) metadata["key" + std::to_string(i)] = chinese;
  absl::Status largest =
      RetryableError(StatusCode::kResourceExhausted, reason::kOverloaded,
                     chinese, absl::Seconds(3), metadata);
  google::rpc::BadRequest request;
  request.add_field_violations()->set_field(std::string(9000, 'f'));
  largest.SetPayload("type.googleapis.com/google.rpc.BadRequest",
                     absl::Cord(request.SerializeAsString()));
  EXPECT_LT(ToGrpcStatus(largest).error_details().size(), 4096u);

  largest.ErasePayload("type.googleapis.com/google.rpc.BadRequest");
  largest = WithRequestId(largest, std::string(128, 'r'));
  const absl::Status received = Roundtrip(largest);
  EXPECT_EQ(ErrorRequestId(received), std::string(128, 'r'));
  EXPECT_EQ(received.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(received), "OVERLOADED");
  EXPECT_EQ(received.message(), largest.message());
  EXPECT_EQ(RetryDelay(received), absl::Seconds(3));
  EXPECT_FALSE(ErrorMetadataOf(received).empty());
}

// Every detail that one status can have, each as large as it gets.
TEST(GrpcStatus, AllDetailsHaveRoom) {
  const std::string text(5000, 't');
  ErrorMetadata metadata;
  for (int i = 0; i < 100; ++i) metadata["key" + std::to_string(i)] = text;
  metadata["check"] = metadata["model"] = text;
  for (const char* reason :
       {reason::kModelNotFound, reason::kEmbeddingIncompatible}) {
    absl::Status largest = WithRequestId(
        AtField(RetryableError(StatusCode::kInvalidArgument, reason, text,
                               absl::Seconds(3), metadata),
                text),
        std::string(128, 'r'));
    size_t num_details = 0;
    largest.ForEachPayload(
        [&](absl::string_view, const absl::Cord&) { ++num_details; });
    EXPECT_EQ(num_details, 5u);
    google::rpc::Status wire;
    ASSERT_TRUE(wire.ParseFromString(ToGrpcStatus(largest).error_details()));
    EXPECT_EQ(wire.details_size(), 5);
    EXPECT_LT(wire.ByteSizeLong(), 4096u);
  }
}

TEST(GrpcStatus, AFieldErrorSurvivesTheWire) {
  const absl::Status sent =
      FieldError("image\xFF", reason::kImageInvalid, "no image \xF0\x28");
  EXPECT_EQ(Roundtrip(sent), sent);
}

}  // namespace
}  // namespace tandem
