#include "common/reflection_v1.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpcpp/impl/server_initializer.h"

namespace tandem {
namespace {

namespace reflection = grpc::reflection::v1;
using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using Request = reflection::ServerReflectionRequest;
using Response = reflection::ServerReflectionResponse;

const DescriptorPool& Pool() { return *DescriptorPool::generated_pool(); }

// The file, then those that it needs, each once.
void AddFiles(const FileDescriptor& file, std::set<std::string>& added,
              reflection::FileDescriptorResponse& response) {
  if (!added.insert(file.name()).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  response.add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) {
    AddFiles(*file.dependency(i), added, response);
  }
}

absl::Status AnswerFile(const FileDescriptor* file, Response& response) {
  if (file == nullptr) return absl::NotFoundError("no such file or symbol");
  std::set<std::string> added;
  AddFiles(*file, added, *response.mutable_file_descriptor_response());
  return absl::OkStatus();
}

absl::Status AnswerExtension(const reflection::ExtensionRequest& request,
                             Response& response) {
  const Descriptor* type =
      Pool().FindMessageTypeByName(request.containing_type());
  const FieldDescriptor* extension =
      type == nullptr
          ? nullptr
          : Pool().FindExtensionByNumber(type, request.extension_number());
  return AnswerFile(extension == nullptr ? nullptr : extension->file(),
                    response);
}

absl::Status AnswerExtensionNumbers(const std::string& name,
                                    Response& response) {
  const Descriptor* type = Pool().FindMessageTypeByName(name);
  if (type == nullptr) return absl::NotFoundError("no such message");
  std::vector<const FieldDescriptor*> extensions;
  Pool().FindAllExtensions(type, &extensions);
  auto& numbers = *response.mutable_all_extension_numbers_response();
  numbers.set_base_type_name(name);
  for (const FieldDescriptor* extension : extensions) {
    numbers.add_extension_number(extension->number());
  }
  return absl::OkStatus();
}

class Service final : public reflection::ServerReflection::CallbackService {
 public:
  // Before the server takes calls.
  void SetServices(std::vector<std::string> names) {
    names_ = std::move(names);
  }

  grpc::ServerBidiReactor<Request, Response>* ServerReflectionInfo(
      grpc::CallbackServerContext* context) override;

  Response Answer(const Request& request) const {
    Response response;
    response.set_valid_host(request.host());
    *response.mutable_original_request() = request;
    if (const absl::Status status = Fill(request, response); !status.ok()) {
      auto& error = *response.mutable_error_response();
      error.set_error_code(static_cast<int>(status.code()));
      error.set_error_message(std::string(status.message()));
    }
    return response;
  }

 private:
  absl::Status Fill(const Request& request, Response& response) const {
    switch (request.message_request_case()) {
      case Request::kFileByFilename:
        return AnswerFile(Pool().FindFileByName(request.file_by_filename()),
                          response);
      case Request::kFileContainingSymbol:
        return AnswerFile(
            Pool().FindFileContainingSymbol(request.file_containing_symbol()),
            response);
      case Request::kFileContainingExtension:
        return AnswerExtension(request.file_containing_extension(), response);
      case Request::kAllExtensionNumbersOfType:
        return AnswerExtensionNumbers(request.all_extension_numbers_of_type(),
                                      response);
      case Request::kListServices: {
        auto& list = *response.mutable_list_services_response();
        for (const std::string& name : names_) {
          list.add_service()->set_name(name);
        }
        return absl::OkStatus();
      }
      default:
        return absl::UnimplementedError("this is not known here");
    }
  }

  std::vector<std::string> names_;
};

// One question, one answer.
class Stream final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  explicit Stream(const Service& service) : service_(service) {
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      Finish(grpc::Status::OK);
      return;
    }
    response_ = service_.Answer(request_);
    StartWrite(&response_);
  }

  void OnWriteDone(bool ok) override {
    if (ok) {
      StartRead(&request_);
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }

  void OnDone() override { delete this; }

 private:
  const Service& service_;
  Request request_;
  Response response_;
};

grpc::ServerBidiReactor<Request, Response>* Service::ServerReflectionInfo(
    grpc::CallbackServerContext* /*context*/) {
  return new Stream(*this);
}

class Plugin final : public grpc::ServerBuilderPlugin {
 public:
  std::string name() override { return "reflection_v1"; }
  void InitServer(grpc::ServerInitializer* server) override {
    server->RegisterService(service_);
  }
  void Finish(grpc::ServerInitializer* server) override {
    service_->SetServices(*server->GetServiceList());
  }
  void ChangeArguments(const std::string& /*name*/, void* /*value*/) override {}

 private:
  const std::shared_ptr<Service> service_ = std::make_shared<Service>();
};

}  // namespace

std::unique_ptr<grpc::ServerBuilderPlugin> MakeReflectionV1() {
  return std::make_unique<Plugin>();
}

}  // namespace tandem
