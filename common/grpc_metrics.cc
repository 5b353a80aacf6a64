#include "common/grpc_metrics.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "common/metrics_families.h"
#include "google/protobuf/descriptor.h"

namespace tandem {
namespace {

namespace experimental = grpc::experimental;
using SteadyClock = std::chrono::steady_clock;
using metrics::Labels;

const metrics::Buckets kCallBuckets = {.0005, .001, .0025, .005, .01, .02,
                                       .04,   .08,  .15,   .3,   .6,  1.2,
                                       2.5,   5,    10,    30,   120, 600};

// The durations of one method, a histogram for each status that was seen.
class Durations {
 public:
  Durations(prometheus::Family<prometheus::Histogram>& family, Labels labels)
      : family_(family), labels_(std::move(labels)) {
    Of(grpc::StatusCode::OK);
  }

  void Observe(grpc::StatusCode code, SteadyClock::time_point start) {
    const std::chrono::duration<double> seconds = SteadyClock::now() - start;
    Of(code).Observe(seconds.count());
  }

 private:
  // Looked up by labels once for each status, not for each call.
  prometheus::Histogram& Of(grpc::StatusCode code) {
    const size_t index =
        std::clamp<int>(code, 0, kNumLabels<absl::StatusCode> - 1);
    prometheus::Histogram* series =
        by_code_[index].load(std::memory_order_acquire);
    if (series != nullptr) return *series;
    Labels labels = labels_;
    labels["grpc_status"] = metrics::Text(static_cast<absl::StatusCode>(index));
    series = &family_.Add(labels, kCallBuckets);
    by_code_[index].store(series, std::memory_order_release);
    return *series;
  }

  prometheus::Family<prometheus::Histogram>& family_;
  const Labels labels_;
  std::array<std::atomic<prometheus::Histogram*>, kNumLabels<absl::StatusCode>>
      by_code_{};
};

struct ServerMethod {
  ServerMethod(prometheus::Counter& started,
               prometheus::Family<prometheus::Histogram>& family,
               const std::string& name)
      : started(started), durations(family, {{"grpc_method", name}}) {}

  prometheus::Counter& started;
  Durations durations;
};

std::string MethodLabel(absl::string_view path) {
  absl::ConsumePrefix(&path, "/");
  return std::string(path);
}

}  // namespace

class GrpcMetrics::Impl {
 public:
  explicit Impl(Metrics& m)
      : started_(prometheus::BuildCounter()
                     .Name("grpc_server_calls_started_total")
                     .Help("Calls that a server began.")
                     .Register(m.registry())),
        server_(prometheus::BuildHistogram()
                    .Name("grpc_server_call_duration_seconds")
                    .Help("Calls that a server ended, from headers to status.")
                    .Register(m.registry())),
        client_(prometheus::BuildHistogram()
                    .Name("grpc_client_attempt_duration_seconds")
                    .Help("Calls made to other services.")
                    .Register(m.registry())) {
    AddServerMethod("other");
  }

  void AddService(const std::string& name) ABSL_LOCKS_EXCLUDED(mutex_) {
    const auto* service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
            name);
    for (int i = 0; service != nullptr && i < service->method_count(); ++i) {
      AddServerMethod(absl::StrCat(name, "/", service->method(i)->name()));
    }
  }

  ServerMethod& Server(absl::string_view path) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const auto found = server_methods_.find(MethodLabel(path));
    return *(found == server_methods_.end() ? server_methods_["other"]
                                            : found->second);
  }

  // Only our own stubs call through here: their methods are a closed set.
  Durations& Client(const std::string& target, absl::string_view path)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const std::string method = MethodLabel(path);
    std::unique_ptr<Durations>& durations = client_methods_[{target, method}];
    if (durations == nullptr) {
      durations = std::make_unique<Durations>(
          client_, Labels{{"grpc_method", method}, {"grpc_target", target}});
    }
    return *durations;
  }

 private:
  void AddServerMethod(const std::string& method) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    std::unique_ptr<ServerMethod>& slot = server_methods_[method];
    if (slot != nullptr) return;
    slot = std::make_unique<ServerMethod>(
        started_.Add({{"grpc_method", method}}), server_, method);
  }

  prometheus::Family<prometheus::Counter>& started_;
  prometheus::Family<prometheus::Histogram>& server_;
  prometheus::Family<prometheus::Histogram>& client_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::unique_ptr<ServerMethod>>
      server_methods_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::pair<std::string, std::string>,
                      std::unique_ptr<Durations>>
      client_methods_ ABSL_GUARDED_BY(mutex_);
};

namespace {

// One call on the server. Destroyed when the call is over.
class ServerCall final : public experimental::Interceptor {
 public:
  explicit ServerCall(ServerMethod& method) : method_(method) {
    method_.started.Increment();
  }
  ~ServerCall() override { method_.durations.Observe(code_, start_); }

  void Intercept(experimental::InterceptorBatchMethods* methods) override {
    using Point = experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(Point::PRE_SEND_STATUS)) {
      code_ = methods->GetSendStatus().error_code();
    }
    methods->Proceed();
  }

 private:
  ServerMethod& method_;
  const SteadyClock::time_point start_ = SteadyClock::now();
  grpc::StatusCode code_ = grpc::StatusCode::CANCELLED;
};

class ClientCall final : public experimental::Interceptor {
 public:
  explicit ClientCall(Durations& durations) : durations_(durations) {}

  void Intercept(experimental::InterceptorBatchMethods* methods) override {
    using Point = experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(Point::POST_RECV_STATUS)) {
      durations_.Observe(methods->GetRecvStatus()->error_code(), start_);
    }
    methods->Proceed();
  }

 private:
  Durations& durations_;
  const SteadyClock::time_point start_ = SteadyClock::now();
};

}  // namespace

GrpcMetrics::GrpcMetrics(Metrics& metrics)
    : impl_(std::make_shared<Impl>(metrics)) {}

GrpcMetrics::~GrpcMetrics() = default;

std::unique_ptr<experimental::ServerInterceptorFactoryInterface>
GrpcMetrics::ServerInterceptor(const std::vector<std::string>& services) {
  for (const std::string& service : services) impl_->AddService(service);
  struct Server final : experimental::ServerInterceptorFactoryInterface {
    explicit Server(std::shared_ptr<Impl> impl) : impl(std::move(impl)) {}
    experimental::Interceptor* CreateServerInterceptor(
        experimental::ServerRpcInfo* info) override {
      return new ServerCall(impl->Server(info->method()));
    }
    const std::shared_ptr<Impl> impl;
  };
  return std::make_unique<Server>(impl_);
}

std::unique_ptr<experimental::ClientInterceptorFactoryInterface>
GrpcMetrics::ClientInterceptor(absl::string_view target) {
  struct Client final : experimental::ClientInterceptorFactoryInterface {
    Client(std::shared_ptr<Impl> impl, absl::string_view target)
        : impl(std::move(impl)), target(target) {}
    experimental::Interceptor* CreateClientInterceptor(
        experimental::ClientRpcInfo* info) override {
      return new ClientCall(impl->Client(target, info->method()));
    }
    const std::shared_ptr<Impl> impl;
    const std::string target;
  };
  return std::make_unique<Client>(impl_, target);
}

}  // namespace tandem
