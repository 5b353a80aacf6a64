#include "common/grpc_host.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/channel.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/request_id.h"
#include "gmock/gmock.h"
#include "google/protobuf/wrappers.pb.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/client_unary_call.h"
#include "gtest/gtest.h"
#include "tandem/v1/vision.grpc.pb.h"

namespace tandem {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using testing::Not;

// GetInfo answers at once; PutImage waits until it is let go or cancelled.
class Service final : public v1::VisionService::CallbackService {
 public:
  grpc::ServerUnaryReactor* GetInfo(
      grpc::CallbackServerContext* context, const v1::GetVisionInfoRequest*,
      v1::GetVisionInfoResponse* response) override {
    response->mutable_info()->set_replica_id(TakeRequestId(*context));
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    deadline = RequestDeadline(*context, absl::Now());
    reactor->Finish(ToGrpcStatus(gate.Admit()));
    return reactor;
  }

  grpc::ServerUnaryReactor* PutImage(grpc::CallbackServerContext*,
                                     const v1::PutImageRequest*,
                                     v1::PutImageResponse*) override {
    class Waiting final : public grpc::ServerUnaryReactor {
     public:
      explicit Waiting(Service& service)
          : thread_([this, &service] {
              service.go.WaitForNotification();
              Finish(grpc::Status::OK);
            }) {}
      void OnCancel() override { cancelled_ = true; }
      void OnDone() override {
        thread_.detach();
        delete this;
      }

     private:
      std::atomic<bool> cancelled_ = false;
      std::thread thread_;
    };
    auto* reactor = new Waiting(*this);
    started.Notify();
    return reactor;
  }

  CallGate gate;
  absl::Notification started, go;
  absl::StatusOr<absl::Time> deadline;
};

class GrpcHostTest : public testing::Test {
 protected:
  GrpcHostTest() { health_.AddCondition("weights"); }
  ~GrpcHostTest() override {
    if (!service_.go.HasBeenNotified()) service_.go.Notify();
    stub_.reset();
    host_.reset();
  }

  GrpcHost::Options Loopback() {
    GrpcHost::Options options;
    options.listen = HostPort{"127.0.0.1", 0};
    options.pre_drain = absl::ZeroDuration();
    return options;
  }
  void Start(const GrpcHost::Options& options) {
    auto host = GrpcHost::Start(
        options,
        {{v1::VisionService::service_full_name(), &service_, &service_.gate}},
        health_, grpc_metrics_);
    ASSERT_TRUE(host.ok()) << host.status();
    host_ = *std::move(host);
    channel_ = options.listen
                   ? MakeChannel(host_->address()->ToString(), &grpc_metrics_)
                   : host_->InProcessChannel();
    stub_ = v1::VisionService::NewStub(channel_);
  }

  absl::Status GetInfo(std::string* replica_id = nullptr,
                       void (*prepare)(grpc::ClientContext&) = nullptr,
                       const v1::GetVisionInfoRequest& request = {}) {
    grpc::ClientContext context;
    if (prepare != nullptr) prepare(context);
    v1::GetVisionInfoResponse response;
    const grpc::Status status = stub_->GetInfo(&context, request, &response);
    if (replica_id != nullptr) *replica_id = response.info().replica_id();
    return FromGrpcStatus(status);
  }
  absl::Status PutImage(size_t bytes) {
    grpc::ClientContext context;
    v1::PutImageRequest request;
    request.set_data(std::string(bytes, 'x'));
    v1::PutImageResponse response;
    return FromGrpcStatus(stub_->PutImage(&context, request, &response));
  }
  // "SERVING", "NOT_SERVING" or the code of the failure. HealthCheckRequest is
  // a string in field 1, the response an enum in field 1: as in the wrappers.
  std::string HealthOf(const std::string& name) {
    google::protobuf::StringValue request;
    request.set_value(name);
    google::protobuf::UInt32Value response;
    grpc::ClientContext context;
    const grpc::internal::RpcMethod method(
        "/grpc.health.v1.Health/Check", grpc::internal::RpcMethod::NORMAL_RPC);
    const grpc::Status status = grpc::internal::BlockingUnaryCall(
        channel_.get(), method, &context, request, &response);
    if (!status.ok())
      return absl::StatusCodeToString(FromGrpcStatus(status).code());
    return response.value() == 1 ? "SERVING" : "NOT_SERVING";
  }
  void AwaitHealth(const std::string& name, const std::string& wanted) {
    while (HealthOf(name) != wanted) absl::SleepFor(absl::Milliseconds(1));
  }

  Health health_;
  Metrics metrics_{{}, health_};
  GrpcMetrics grpc_metrics_{metrics_};
  Service service_;
  std::unique_ptr<GrpcHost> host_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::VisionService::Stub> stub_;
};

TEST_F(GrpcHostTest, HealthNamesFollowHealth) {
  std::atomic<int> silent_seconds = 0;
  health_.AddHeartbeat("cuda:0", {},
                       [&] { return absl::Seconds(silent_seconds.load()); });
  Start(Loopback());
  for (const char* name : {"", "readiness", "tandem.v1.VisionService"}) {
    EXPECT_EQ(HealthOf(name), "NOT_SERVING") << name;
  }
  EXPECT_EQ(HealthOf("liveness"), "SERVING");
  EXPECT_EQ(HealthOf("unheard of"), "NOT_FOUND");
  health_.SetCondition("weights", true);
  for (const char* name : {"", "readiness", "tandem.v1.VisionService"}) {
    AwaitHealth(name, "SERVING");
  }
  silent_seconds = 60;
  AwaitHealth("liveness", "NOT_SERVING");
  AwaitHealth("readiness", "NOT_SERVING");
  silent_seconds = 0;
  AwaitHealth("readiness", "SERVING");
  health_.Drain();
  AwaitHealth("readiness", "NOT_SERVING");
  AwaitHealth("liveness", "SERVING");
  health_.RemoveHeartbeat("cuda:0");
}

TEST_F(GrpcHostTest, StopsWithoutWaitingForTheNextLookAtHealth) {
  GrpcHost::Options options = Loopback();
  options.health_period = absl::InfiniteDuration();
  Start(options);
  host_.reset();  // hangs where nobody wakes the thread
}

TEST_F(GrpcHostTest, APartOfAServiceHasHealthOfItsOwn) {
  std::atomic<bool> sees = false;
  auto host = GrpcHost::Start(Loopback(),
                              {{.name = v1::VisionService::service_full_name(),
                                .service = &service_,
                                .gate = &service_.gate,
                                .part = "sight",
                                .part_ready = [&] { return sees.load(); }}},
                              health_, grpc_metrics_);
  ASSERT_TRUE(host.ok()) << host.status();
  host_ = *std::move(host);
  channel_ = MakeChannel(host_->address()->ToString());
  const std::string part = "tandem.v1.VisionService/sight";
  EXPECT_EQ(HealthOf(part), "NOT_SERVING");
  sees = true;
  health_.SetCondition("weights", true);
  AwaitHealth(part, "SERVING");
  sees = false;  // which no condition tells
  AwaitHealth(part, "NOT_SERVING");
  EXPECT_EQ(HealthOf("tandem.v1.VisionService"), "SERVING");
  sees = true;
  AwaitHealth(part, "SERVING");
  health_.Drain();
  AwaitHealth(part, "NOT_SERVING");
  host_ = nullptr;
}

TEST_F(GrpcHostTest, SeveralServersInOneProcessHaveHealthOfTheirOwn) {
  Start(Loopback());
  Health other_health;
  Service other_service;
  auto other = GrpcHost::Start(Loopback(),
                               {{v1::VisionService::service_full_name(),
                                 &other_service, &other_service.gate}},
                               other_health, grpc_metrics_);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(HealthOf("readiness"), "NOT_SERVING");
  channel_ = MakeChannel((*other)->address()->ToString());
  EXPECT_EQ(HealthOf("readiness"), "SERVING");
  EXPECT_EQ(HealthOf(""), "SERVING");
}

TEST_F(GrpcHostTest, APortInUseIsAnErrorThatSaysSo) {
  Start(Loopback());
  GrpcHost::Options taken = Loopback();
  taken.listen = host_->address();
  Service service;
  const auto second = GrpcHost::Start(
      taken,
      {{v1::VisionService::service_full_name(), &service, &service.gate}},
      health_, grpc_metrics_);
  EXPECT_EQ(second.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(second.status().message(),
            absl::StrCat("cannot listen on 127.0.0.1:", taken.listen->port,
                         ": Address already in use"));
}

TEST_F(GrpcHostTest, AnAddressThatIsNotOursIsAnError) {
  GrpcHost::Options options = Loopback();
  options.listen = HostPort{"192.0.2.1", 0};
  const auto host = GrpcHost::Start(options, {}, health_, grpc_metrics_);
  EXPECT_EQ(host.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(host.status().message()),
              HasSubstr("cannot listen on 192.0.2.1:0: "));
}

TEST_F(GrpcHostTest, TakesMessagesOf20MiB) {
  service_.go.Notify();
  Start(Loopback());
  EXPECT_TRUE(PutImage(20 << 20).ok());
}

TEST_F(GrpcHostTest, RefusesMessagesOver32MiB) {
  service_.go.Notify();
  Start(Loopback());
  const grpc::ChannelArguments unlimited;  // whose send limit is not ours
  channel_ =
      grpc::CreateCustomChannel(host_->address()->ToString(),
                                grpc::InsecureChannelCredentials(), unlimited);
  stub_ = v1::VisionService::NewStub(channel_);
  const absl::Status refused = PutImage((32 << 20) + 1);
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(refused), "");  // the library's own
  EXPECT_FALSE(service_.started.HasBeenNotified());
}

TEST_F(GrpcHostTest, RefusesCompressedMessages) {
  Start(Loopback());
  v1::PutImageRequest request;
  request.set_data(std::string(100'000, 'x'));
  grpc::ClientContext context;
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  v1::PutImageResponse response;
  EXPECT_EQ(stub_->PutImage(&context, request, &response).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(GrpcHostTest, RequestIdsComeBack) {
  Start(Loopback());
  std::string id;
  ASSERT_TRUE(GetInfo(&id, [](grpc::ClientContext& c) {
                SetRequestId("mine-1", c);
              }).ok());
  EXPECT_EQ(id, "mine-1");
  ASSERT_TRUE(GetInfo(&id, [](grpc::ClientContext& c) {
                SetRequestId("not valid!", c);
              }).ok());
  EXPECT_NE(id, "not valid!");
  EXPECT_TRUE(IsValidRequestId(id));
  grpc::ClientContext context;
  v1::GetVisionInfoResponse response;
  ASSERT_TRUE(stub_->GetInfo(&context, {}, &response).ok());
  const auto echoed = context.GetServerInitialMetadata().find(kRequestIdHeader);
  ASSERT_NE(echoed, context.GetServerInitialMetadata().end());
  EXPECT_EQ(std::string(echoed->second.data(), echoed->second.size()),
            response.info().replica_id());
}

TEST_F(GrpcHostTest, DeadlinesAreTheClientsBounded) {
  Start(Loopback());
  const absl::Time before = absl::Now();
  ASSERT_TRUE(GetInfo().ok());
  EXPECT_GE(service_.deadline.value(), before + absl::Seconds(120));
  EXPECT_LE(service_.deadline.value(), absl::Now() + absl::Seconds(120));
  ASSERT_TRUE(GetInfo(nullptr, [](grpc::ClientContext& c) {
                SetDeadline(absl::Now() + absl::Seconds(300), c);
              }).ok());
  EXPECT_GT(service_.deadline.value(), before + absl::Seconds(290));
  EXPECT_LT(service_.deadline.value(), absl::Now() + absl::Seconds(301));
  ASSERT_TRUE(GetInfo(nullptr, [](grpc::ClientContext& c) {
                SetDeadline(absl::Now() + absl::Hours(2), c);
              }).ok());
  EXPECT_LE(service_.deadline.value(), absl::Now() + absl::Seconds(600));
}

TEST(RequestDeadlineTest, RefusesWhatIsAlmostOver) {
  const grpc::CallbackServerContext context;  // without a deadline
  const absl::Time now = absl::Now();
  EXPECT_EQ(RequestDeadline(context, now).value(), now + absl::Seconds(120));
  const absl::Status late =
      RequestDeadline(context, now, {.if_none = absl::Milliseconds(49)})
          .status();
  EXPECT_EQ(late.code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ErrorReason(late), "DEADLINE_EXCEEDED");
}

TEST_F(GrpcHostTest, ReachesAServiceWithoutASocket) {
  GrpcHost::Options options = Loopback();
  options.listen.reset();
  Start(options);
  EXPECT_EQ(host_->address(), std::nullopt);
  std::string id;
  ASSERT_TRUE(GetInfo(&id, [](grpc::ClientContext& c) {
                SetRequestId("inside", c);
              }).ok());
  EXPECT_EQ(id, "inside");
  service_.go.Notify();
  EXPECT_TRUE(PutImage(20 << 20).ok());
}

TEST_F(GrpcHostTest, CountsAndTimesCallsOnBothSides) {
  Start(Loopback());
  const std::string target = host_->address()->ToString();
  ASSERT_TRUE(GetInfo().ok());
  service_.gate.Close();
  EXPECT_EQ(GetInfo().code(), StatusCode::kUnavailable);
  while (host_->calls_in_flight() > 0) absl::SleepFor(absl::Milliseconds(1));
  const std::string method = "grpc_method=\"tandem.v1.VisionService/GetInfo\"";
  const std::string text = metrics_.Text();
  for (const std::string& line :
       {absl::StrCat("grpc_server_calls_started_total{", method, "} 2"),
        absl::StrCat("grpc_server_call_duration_seconds_count{", method,
                     ",grpc_status=\"OK\"} 1"),
        absl::StrCat("grpc_server_call_duration_seconds_count{", method,
                     ",grpc_status=\"UNAVAILABLE\"} 1"),
        absl::StrCat("grpc_client_attempt_duration_seconds_count{", method,
                     ",grpc_status=\"OK\",grpc_target=\"", target, "\"} 1"),
        std::string("grpc_server_calls_started_total{grpc_method=\"tandem.v1."
                    "VisionService/"
                    "ReleaseImages\"} 0")}) {
    EXPECT_THAT(text, HasSubstr("\n" + line + "\n"));
  }
}

TEST_F(GrpcHostTest, UnknownMethodsAreOneLabel) {
  Start(Loopback());
  google::protobuf::StringValue request, response;
  grpc::ClientContext context;
  const grpc::internal::RpcMethod method("/evil.Service/x1",
                                         grpc::internal::RpcMethod::NORMAL_RPC);
  EXPECT_EQ(grpc::internal::BlockingUnaryCall(channel_.get(), method, &context,
                                              request, &response)
                .error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  const std::string text = metrics_.Text();
  EXPECT_THAT(
      text,
      HasSubstr(
          "\ngrpc_server_calls_started_total{grpc_method=\"other\"} 1\n"));
  EXPECT_THAT(
      text,
      Not(HasSubstr("grpc_server_calls_started_total{grpc_method=\"evil")));
}

grpc::StatusCode AskReflection(grpc::Channel& channel) {
  google::protobuf::StringValue request, response;
  grpc::ClientContext context;
  const grpc::internal::RpcMethod method(
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
      grpc::internal::RpcMethod::NORMAL_RPC);
  return grpc::internal::BlockingUnaryCall(&channel, method, &context, request,
                                           &response)
      .error_code();
}

TEST_F(GrpcHostTest, ReflectionCanBeSwitchedOffForOneServer) {
  Start(Loopback());
  EXPECT_NE(AskReflection(*channel_), grpc::StatusCode::UNIMPLEMENTED);
  host_.reset();
  GrpcHost::Options options = Loopback();
  options.reflection = false;
  Start(options);
  EXPECT_EQ(AskReflection(*channel_), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(GrpcHostTest, ShutdownLetsCallsInFlightFinishAndRefusesNewOnes) {
  Start(Loopback());
  absl::Status in_flight, refused;
  std::thread caller([&] { in_flight = PutImage(10); });
  service_.started.WaitForNotification();
  EXPECT_EQ(host_->calls_in_flight(), 1);
  const absl::Notification never;
  std::thread stopper([&] { host_->Shutdown(never); });
  while (service_.gate.Admit().ok()) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_FALSE(health_.Get().ready);
  refused = GetInfo();  // the socket still answers
  EXPECT_EQ(ErrorReason(refused), "DRAINING");
  service_.go.Notify();
  caller.join();
  stopper.join();
  EXPECT_TRUE(in_flight.ok()) << in_flight;
  EXPECT_EQ(host_->calls_in_flight(), 0);
  EXPECT_EQ(ErrorReason(GetInfo()), "BACKEND_UNAVAILABLE");
}

TEST_F(GrpcHostTest, ShutdownInAHurryCancelsWhatIsInFlight) {
  GrpcHost::Options options = Loopback();
  options.pre_drain = absl::Hours(1);
  options.drain = absl::Hours(1);
  options.cancel_after = absl::ZeroDuration();
  Start(options);
  absl::Status in_flight;
  std::thread caller([&] {
    in_flight = PutImage(10);
    service_.go.Notify();  // the handler ends only now
  });
  service_.started.WaitForNotification();
  absl::Notification hurry;
  hurry.Notify();
  host_->Shutdown(hurry);
  caller.join();
  EXPECT_EQ(in_flight.code(), StatusCode::kUnavailable);
}

TEST_F(GrpcHostTest, LateCallersAreServedDuringPreDrain) {
  GrpcHost::Options options = Loopback();
  options.pre_drain = absl::Hours(1);
  Start(options);
  absl::Notification hurry;
  std::thread stopper([&] { host_->Shutdown(hurry); });
  while (!health_.Get().draining) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_TRUE(GetInfo().ok());
  hurry.Notify();
  stopper.join();
}

TEST(Channel, ReachesOnlyWhatAnswers) {
  const auto stub = v1::VisionService::NewStub(MakeChannel("127.0.0.1:1"));
  grpc::ClientContext context;
  v1::GetVisionInfoResponse response;
  const absl::Status status =
      FromGrpcStatus(stub->GetInfo(&context, {}, &response));
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), "BACKEND_UNAVAILABLE");
}

TEST_F(GrpcHostTest, NamesAreResolved) {
  Start(Loopback());
  channel_ =
      MakeChannel(absl::StrCat("dns:///localhost:", host_->address()->port));
  stub_ = v1::VisionService::NewStub(channel_);
  EXPECT_TRUE(GetInfo().ok());
}

}  // namespace
}  // namespace tandem
