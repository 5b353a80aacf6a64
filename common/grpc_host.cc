#include "common/grpc_host.h"

#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/callback_threads.h"
#include "common/channel.h"
#include "common/grpc_limits.h"
#include "common/log.h"
#include "common/reflection_v1.h"
#include "common/status_macros.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace tandem {
namespace {

namespace experimental = grpc::experimental;

absl::Status CannotListen(const HostPort& address, absl::string_view why) {
  return absl::FailedPreconditionError(
      absl::StrCat("cannot listen on ", address.ToString(), ": ", why));
}

// gRPC says only that it could not bind, and logs the reason in its own way:
// ask first.
absl::Status CheckBind(const HostPort& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(),
                  &hints, &found);
  if (error != 0) return CannotListen(address, gai_strerror(error));
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const bool bound =
      fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0;
  const int cause = errno;
  if (fd >= 0) close(fd);
  freeaddrinfo(found);
  return bound ? absl::OkStatus() : CannotListen(address, std::strerror(cause));
}

// The default health service is switched on for the process, and not safely
// from two threads.
void EnableHealthService() {
  static std::once_flag once;
  std::call_once(once, [] { grpc::EnableDefaultHealthCheckService(true); });
}

// Reflection, both versions, on or off for one server. Whoever links gRPC's
// reflection library has it in every server of the process, so it is taken out
// first; and so is channelz, which is for operators.
class ReflectionOption final : public grpc::ServerBuilderOption {
 public:
  explicit ReflectionOption(bool on) : on_(on) {}
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>*
                         plugins) override {
    using Reflection = grpc::reflection::ProtoServerReflectionPlugin;
    std::erase_if(*plugins, [](const auto& plugin) {
      return dynamic_cast<const Reflection*>(plugin.get()) != nullptr ||
             plugin->name() == kChannelzPlugin;
    });
    if (!on_) return;
    // gRPC's health service is written without descriptors: a tool would find
    // it by name and nothing about it.
    google::protobuf::LinkMessageReflection<
        grpc::health::v1::HealthCheckRequest>();
    plugins->push_back(std::make_unique<Reflection>());
    plugins->push_back(MakeReflectionV1());
  }

 private:
  const bool on_;
};

void SetArguments(grpc::ServerBuilder& builder, size_t memory_quota_bytes) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  // A small gzip message would be inflated whole before its size is looked at.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 256);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2);
  // Clients look names up again when a connection ends: so they find new pods.
  // The grace is longer than the longest call.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, 300'000);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 610'000);
  grpc::ResourceQuota quota("tandem");
  builder.SetResourceQuota(quota.Resize(memory_quota_bytes));
}

}  // namespace

// Counts the calls of the hosted services; those of health and reflection last
// as long as their clients like.
class GrpcHost::InFlight {
 public:
  explicit InFlight(const std::vector<Service>& services) {
    for (const Service& service : services) {
      prefixes_.push_back(absl::StrCat("/", service.name, "/"));
    }
  }

  bool Counts(absl::string_view path) const {
    for (const std::string& prefix : prefixes_) {
      if (absl::StartsWith(path, prefix)) return true;
    }
    return false;
  }
  void Add(int change) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    count_ += change;
  }
  int count() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return count_;
  }
  // True when there are none, false after `timeout`.
  bool AwaitNone(absl::Duration timeout) const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const auto none = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return count_ == 0;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&none), timeout);
  }

  // One call; lives until it is over.
  class Call final : public experimental::Interceptor {
   public:
    explicit Call(InFlight& all) : all_(all) { all_.Add(1); }
    ~Call() override { all_.Add(-1); }
    void Intercept(experimental::InterceptorBatchMethods* methods) override {
      methods->Proceed();
    }

   private:
    InFlight& all_;
  };

  class Factory final : public experimental::ServerInterceptorFactoryInterface {
   public:
    explicit Factory(std::shared_ptr<InFlight> all) : all_(std::move(all)) {}
    experimental::Interceptor* CreateServerInterceptor(
        experimental::ServerRpcInfo* info) override {
      return all_->Counts(info->method()) ? new Call(*all_) : nullptr;
    }

   private:
    const std::shared_ptr<InFlight> all_;
  };

 private:
  std::vector<std::string> prefixes_;
  mutable absl::Mutex mutex_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

GrpcHost::GrpcHost(const Options& options, std::vector<Service> services,
                   Health& health, GrpcMetrics& metrics)
    : options_(options),
      services_(std::move(services)),
      health_(health),
      metrics_(metrics),
      in_flight_(std::make_shared<InFlight>(services_)) {}

absl::StatusOr<std::unique_ptr<GrpcHost>> GrpcHost::Start(
    const Options& options, std::vector<Service> services, Health& health,
    GrpcMetrics& metrics) {
  KeepCallbackThreads();
  std::unique_ptr<GrpcHost> host(
      new GrpcHost(options, std::move(services), health, metrics));
  TANDEM_RETURN_IF_ERROR(host->Build());
  if (host->address_)
    LogInfo("grpc listens", {{"address", host->address_->ToString()}});
  if (options.admin_listen) {
    TANDEM_RETURN_IF_ERROR(CheckBind(*options.admin_listen));
    TANDEM_ASSIGN_OR_RETURN(host->admin_,
                            GrpcAdmin::Start(*options.admin_listen));
  }
  return host;
}

absl::Status GrpcHost::Build() {
  EnableHealthService();
  grpc::ServerBuilder builder;
  builder.SetOption(std::make_unique<ReflectionOption>(options_.reflection));
  SetArguments(builder, options_.memory_quota_bytes);
  int port = 0;
  if (options_.listen) {
    TANDEM_RETURN_IF_ERROR(CheckBind(*options_.listen));
    builder.AddListeningPort(options_.listen->ToString(),
                             grpc::InsecureServerCredentials(), &port);
  }
  std::vector<std::string> names;
  for (const Service& service : services_) {
    builder.RegisterService(service.service);
    names.push_back(service.name);
  }
  std::vector<std::unique_ptr<experimental::ServerInterceptorFactoryInterface>>
      interceptors;
  interceptors.push_back(std::make_unique<InFlight::Factory>(in_flight_));
  interceptors.push_back(metrics_.ServerInterceptor(names));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || (options_.listen && port == 0)) {
    return CannotListen(options_.listen.value_or(HostPort{}),
                        "gRPC could not start");
  }
  Report(health_.Get());
  health_thread_ = std::thread([this] { FollowHealth(); });
  if (options_.listen) address_ = HostPort{options_.listen->host, port};
  return absl::OkStatus();
}

GrpcHost::~GrpcHost() {
  stopping_ = true;
  health_.Wake();
  if (health_thread_.joinable()) health_thread_.join();
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
}

// gRPC's health service calls "" healthy from the start: Build reports at once.
void GrpcHost::Report(const Health::State& state) {
  grpc::HealthCheckServiceInterface& health = *server_->GetHealthCheckService();
  const auto set = [&](const std::string& name, bool serving) {
    const auto [last, is_new] = reported_.try_emplace(name, serving);
    if (!is_new && last->second == serving) return;
    last->second = serving;
    health.SetServingStatus(name, serving);
  };
  const bool ready = state.live && state.ready;
  set("", ready);
  set("readiness", ready);
  set("liveness", state.live);
  for (const Service& service : services_) {
    set(service.name, ready);
    if (service.part.empty()) continue;
    set(absl::StrCat(service.name, "/", service.part),
        ready && service.part_ready());
  }
}

void GrpcHost::FollowHealth() {
  pthread_setname_np(pthread_self(), "health");
  Health::State last = health_.Get();
  Report(last);
  while (!stopping_) {
    last = health_.WaitForChange(last, options_.health_period, stopping_);
    Report(last);
  }
}

std::shared_ptr<grpc::Channel> GrpcHost::InProcessChannel() {
  std::vector<std::unique_ptr<experimental::ClientInterceptorFactoryInterface>>
      interceptors;
  interceptors.push_back(metrics_.ClientInterceptor("in-process"));
  return server_->experimental().InProcessChannelWithInterceptors(
      TandemChannelArguments(), std::move(interceptors));
}

int GrpcHost::calls_in_flight() const { return in_flight_->count(); }

void GrpcHost::Shutdown(const absl::Notification& hurry) {
  health_.Drain();
  hurry.WaitForNotificationWithTimeout(options_.pre_drain);
  for (const Service& service : services_) service.gate->Close();
  const absl::Time drained = absl::Now() + options_.drain;
  bool idle = in_flight_->AwaitNone(absl::ZeroDuration());
  // A notification and a count cannot be awaited together.
  while (!idle && absl::Now() < drained && !hurry.HasBeenNotified()) {
    idle = in_flight_->AwaitNone(absl::Milliseconds(20));
  }
  if (!idle) LogWarning("cancels calls", {{"calls", calls_in_flight()}});
  // Where nothing is in flight, only those who watch our health are cut off.
  const absl::Duration patience =
      idle ? absl::ZeroDuration() : options_.cancel_after;
  server_->Shutdown(absl::ToChronoTime(absl::Now() + patience));
}

void AddGrpcHostOptions(CommandLine& line, GrpcHost::Options* options) {
  line.Add("listen", "HOST:PORT", &options->listen,
           "Where gRPC listens; port 0 picks one.");
  line.Add("reflection", "on|off", &options->reflection,
           "Lets gRPC tools list the methods.");
  line.Add("admin-grpc-listen", "HOST:PORT", &options->admin_listen,
           "gRPC for operators: channelz and reflection. Default: nowhere.");
  line.Add(
      "pre-drain", "TIME", &options->pre_drain,
      "After a stop is asked for, late calls are still taken for so long.");
  line.Add("drain", "TIME", &options->drain,
           "Then calls in flight may take so long to finish.");
}

}  // namespace tandem
