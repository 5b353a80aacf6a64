#include "cli/connect_target.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(ParseConnectTest, GrpcIsWhatNoSchemeMeans) {
  for (const char* text : {"host:50051", "grpc://host:50051"}) {
    const auto target = ParseConnect(text);
    ASSERT_TRUE(target.ok()) << target.status();
    EXPECT_FALSE(target->is_http);
    EXPECT_EQ(target->grpc_target, "host:50051");
  }
  EXPECT_EQ(ParseConnect("dns:///host:1")->grpc_target, "dns:///host:1");
}

TEST(ParseConnectTest, HttpIsAnOpenAiServerWithOrWithoutItsPath) {
  for (const char* text : {"http://[::1]:80", "http://[::1]:80/",
                           "http://[::1]:80/v1", "http://[::1]:80/v1/"}) {
    const auto target = ParseConnect(text);
    ASSERT_TRUE(target.ok()) << target.status();
    EXPECT_TRUE(target->is_http);
    EXPECT_EQ(target->http_address, (HostPort{.host = "::1", .port = 80}));
  }
}

TEST(ParseConnectTest, HttpsIsNotBuiltAndSaysSo) {
  const absl::Status status = ParseConnect("https://host:443").status();
  EXPECT_TRUE(absl::IsUnimplemented(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("https is not built"));
}

TEST(ParseConnectTest, WhatIsNoAddressIsQuoted) {
  for (const char* text : {"nonsense", "", "host:0", "grpc://", "http://",
                           "http://host", "http://host:0", "http://host:80/x",
                           "http://dns:///host:80", "ftp://host:1"}) {
    const absl::Status status = ParseConnect(text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_THAT(std::string(status.message()), StartsWith("--connect: "));
  }
}

}  // namespace
}  // namespace tandem
