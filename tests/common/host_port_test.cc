#include "common/host_port.h"

#include "common/request_id.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

TEST(HostPort, ReadsNamesAndAddresses) {
  EXPECT_EQ(ParseHostPort("127.0.0.1:50051").value(),
            (HostPort{"127.0.0.1", 50051}));
  EXPECT_EQ(ParseHostPort("[::1]:0").value(), (HostPort{"::1", 0}));
  EXPECT_EQ(ParseHostPort("my_host-1.local:65535").value(),
            (HostPort{"my_host-1.local", 65535}));
  EXPECT_EQ(ParseHostPort("[::1]:80")->ToString(), "[::1]:80");
  EXPECT_EQ(ParseHostPort("a:80")->ToString(), "a:80");
}

TEST(HostPort, QuotesWhatItCannotRead) {
  for (const char* bad :
       {"", "80", ":80", "a:", "a:65536", "a:-1", "a:+1", "a: 1", "a:1x",
        "::1:80", "[::1:80", "::1]:80", "[]:80", "a b:80", "a/b:1", "[a]b:1"}) {
    const auto parsed = ParseHostPort(bad);
    EXPECT_FALSE(parsed.ok()) << bad;
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(parsed.status().message().find('"' + std::string(bad) + '"'),
              std::string::npos);
  }
}

TEST(HostPort, LoopbackIsWhatOnlyThisMachineReaches) {
  for (const char* host : {"127.0.0.1", "127.255.0.9", "::1", "LocalHost"}) {
    EXPECT_TRUE((HostPort{host, 1}.IsLoopback())) << host;
  }
  for (const char* host : {"0.0.0.0", "::", "126.0.0.1", "::2", "localhost.a",
                           "127.0.0.1.example.com", "127"}) {
    EXPECT_FALSE((HostPort{host, 1}.IsLoopback())) << host;
  }
}

TEST(HostPort, TargetsAreAddressesOrDnsNames) {
  EXPECT_TRUE(CheckTarget("a:1").ok());
  EXPECT_TRUE(CheckTarget("dns:///vision.ns.svc:50061").ok());
  EXPECT_TRUE(CheckTarget("[::1]:1").ok());
  for (const char* bad :
       {"a", "a:0", "dns://a:1", "dns:///a", "unix:/x", "http://a:1", ""}) {
    EXPECT_FALSE(CheckTarget(bad).ok()) << bad;
  }
}

TEST(RequestId, AcceptsOnlyTheAgreedCharacters) {
  EXPECT_TRUE(IsValidRequestId("aZ0._-"));
  EXPECT_TRUE(IsValidRequestId(std::string(128, 'a')));
  EXPECT_FALSE(IsValidRequestId(std::string(129, 'a')));
  for (const char* bad : {"", " ", "a b", "a\n", "a/b", "\xC3\xA9"}) {
    EXPECT_FALSE(IsValidRequestId(bad)) << bad;
  }
  EXPECT_EQ(AcceptRequestId("mine"), "mine");
}

TEST(RequestId, MakesNewOnesThatAreValidAndDiffer) {
  const std::string id = AcceptRequestId("not valid");
  EXPECT_TRUE(IsValidRequestId(id));
  EXPECT_EQ(id.size(), 4u + 32u);
  EXPECT_NE(id, AcceptRequestId(""));
  EXPECT_EQ(RandomHex(16).size(), 32u);
}

}  // namespace
}  // namespace tandem
