#include "gateway/remote_url.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "common/errors.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

ImageHost Host(absl::string_view text) {
  const absl::StatusOr<ImageHost> host = ParseImageHost(text);
  EXPECT_TRUE(host.ok()) << host.status();
  return host.value_or(ImageHost());
}

std::vector<ImageHost> Allowed() {
  return {Host("images.example.com"), Host("other.example.com:8443"),
          Host("http://cache.local:8000"), Host("[2606:4700::1111]")};
}

TEST(ImageHost, IsHttpsOfPublicAddressesUnlessTheOperatorSaysOtherwise) {
  EXPECT_EQ(Host("Images.Example.COM"),
            (ImageHost{"images.example.com", 443, true, false}));
  EXPECT_EQ(Host("https://a.b:8443"), (ImageHost{"a.b", 8443, true, false}));
  EXPECT_EQ(Host("http://a.b"), (ImageHost{"a.b", 80, false, true}));
  EXPECT_EQ(Host("http://a.b:8000"), (ImageHost{"a.b", 8000, false, true}));
  EXPECT_EQ(Host("10.0.0.7"), (ImageHost{"10.0.0.7", 443, true, true}));
  EXPECT_EQ(Host("[0:0::1]:80"), (ImageHost{"::1", 80, true, true}));
}

TEST(ImageHost, IsShownAsItIsWritten) {
  for (const char* text : {"a.b", "a.b:8443", "http://a.b", "http://a.b:443",
                           "[::1]", "[::1]:80", "10.0.0.7"}) {
    EXPECT_EQ(ShowOption(Host(text)), text);
  }
}

TEST(ImageHost, RefusesPatternsAndPaths) {
  for (const char* text : {"",
                           "*",
                           "*.example.com",
                           ".example.com",
                           "example.com.",
                           "a b",
                           "a/",
                           "https://a/b",
                           "http://",
                           "a:0",
                           "a:65536",
                           "a:-1",
                           "a:",
                           "a:8x",
                           "u@a",
                           "::1",
                           "[::1",
                           "[::1]x",
                           "[fe80::1%eth0]",
                           "ftp://a",
                           "a?b",
                           "a#b",
                           "b\xC3\xBC"
                           "cher.de"}) {
    const absl::Status status = ParseImageHost(text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_TRUE(absl::StrContains(status.message(), text)) << status;
  }
}

TEST(CheckRemoteUrl, FindsSchemeHostAndPortOnTheList) {
  struct Case {
    const char *url, *authority, *target;
  };
  for (const Case& c : std::vector<Case>{
           {"https://images.example.com/a/b.png?c=d&e=%20#f",
            "images.example.com", "/a/b.png?c=d&e=%20"},
           {"HTTPS://Images.Example.Com:443", "images.example.com", "/"},
           {"https://images.example.com?a", "images.example.com", "/?a"},
           {"https://images.example.com#a", "images.example.com", "/"},
           {"https://images.example.com//a@b:1/", "images.example.com",
            "//a@b:1/"},
           {"https://other.example.com:8443/a", "other.example.com:8443", "/a"},
           {"http://cache.local:8000/a", "cache.local:8000", "/a"},
           {"https://[2606:4700:0::1111]/a", "[2606:4700::1111]", "/a"}}) {
    const auto url = CheckRemoteUrl(c.url, Allowed());
    ASSERT_TRUE(url.ok()) << c.url << ": " << url.status();
    EXPECT_EQ(url->host.Authority(), c.authority);
    EXPECT_EQ(url->target, c.target);
  }
  EXPECT_TRUE(CheckRemoteUrl("http://cache.local:8000/", Allowed())
                  ->host.may_be_private);
}

TEST(CheckRemoteUrl, RefusesWhatIsNotOnTheList) {
  for (const char* url :
       {"https://example.com/", "https://a.images.example.com/",
        "https://images.example.com.evil.org/", "http://images.example.com/",
        "https://images.example.com:80/", "https://other.example.com/",
        "https://cache.local:8000/", "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/",
        "https://[::ffff:127.0.0.1]/"}) {
    const absl::Status status = CheckRemoteUrl(url, Allowed()).status();
    EXPECT_EQ(ErrorReason(status), reason::kUnsupportedParameter)
        << url << ": " << status;
    EXPECT_FALSE(absl::StrContains(status.message(), "169.254"));
  }
}

TEST(CheckRemoteUrl, RefusesWhatIsMalformed) {
  for (const std::string& url : std::vector<std::string>{
           "",
           "images.example.com",
           "file:///etc/passwd",
           "gopher://a/",
           "https:images.example.com",
           "https:///a",
           "https://:443/",
           "https://user@images.example.com/",
           "https://user:word@images.example.com/",
           "https://images.example.com@evil.org/",
           "https://images.example.com\\@evil.org/",
           "https://images.example.com%2f.evil.org/",
           "https://images.example.com:443:443/",
           "https://images.example.com:0/",
           "https://images.example.com:+443/",
           "https://images.example.com./",
           "https://[::1",
           "https://[1.2.3.4]/",
           "https://[fe80::1%25eth0]/",
           "https://images.example.com/a b",
           "https://images.example.com/\r\nHost: evil.org",
           "https://images.example.com/\xC3\xBC",
           std::string("https://images.example.com/\0", 28),
           "https://images.example.com/" + std::string(2048, 'a')}) {
    const absl::Status status = CheckRemoteUrl(url, Allowed()).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << url;
    EXPECT_EQ(ErrorReason(status), reason::kFieldInvalid) << url;
  }
}

TEST(IsPublicAddress, HoldsForTheInternet) {
  for (const char* address :
       {"1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.255.255", "172.32.0.0",
        "100.63.255.255", "100.128.0.0", "192.0.1.0", "198.20.0.0",
        "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "2001:200::1",
        "3ffe::1"}) {
    EXPECT_TRUE(IsPublicAddress(address)) << address;
  }
}

TEST(IsPublicAddress, DoesNotHoldForAnythingElse) {
  for (const char* address : {"0.0.0.0",
                              "0.1.2.3",
                              "10.0.0.1",
                              "10.255.255.255",
                              "100.64.0.1",
                              "100.127.255.255",
                              "127.0.0.1",
                              "127.255.255.255",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.0.0.1",
                              "192.0.2.1",
                              "192.88.99.1",
                              "192.168.0.1",
                              "198.18.0.1",
                              "198.19.255.255",
                              "198.51.100.1",
                              "203.0.113.1",
                              "224.0.0.1",
                              "239.255.255.255",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "::7f00:1",
                              "::ffff:127.0.0.1",
                              "::ffff:8.8.8.8",
                              "64:ff9b::8.8.8.8",
                              "64:ff9b:1::1",
                              "100::1",
                              "fe80::1",
                              "fe80::1%1",
                              "fec0::1",
                              "fc00::1",
                              "fd12:3456::1",
                              "ff02::1",
                              "2001::1",
                              "2001:2::1",
                              "2001:20::1",
                              "2001:db8::1",
                              "2002:7f00:1::",
                              "3fff::1",
                              "",
                              "localhost",
                              "2130706433",
                              "127.1",
                              "0x7f000001",
                              "1.1.1.1 ",
                              "1.1.1.1:80",
                              "[2606:4700::1111]"}) {
    EXPECT_FALSE(IsPublicAddress(address)) << address;
  }
}

}  // namespace
}  // namespace tandem
