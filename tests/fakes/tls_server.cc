#include "tests/fakes/tls_server.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <thread>
#include <utility>  // before asio, which needs std::exchange and forgets to ask

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/read_until.hpp"
#include "boost/asio/ssl.hpp"
#include "boost/asio/write.hpp"

namespace tandem {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

template <class Write>
std::string Pem(Write write) {
  BIO* bio = BIO_new(BIO_s_mem());
  write(bio);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string pem(data, static_cast<size_t>(size));
  BIO_free(bio);
  return pem;
}

// The key's PEM, then the certificate's.
std::pair<std::string, std::string> MakeCertificate(
    const std::string& subject) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(
      name, "CN", MBSTRING_ASC,
      reinterpret_cast<const unsigned char*>("tandem test"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_EXTENSION* names = X509V3_EXT_conf_nid(
      nullptr, nullptr, NID_subject_alt_name, subject.c_str());
  X509_add_ext(certificate, names, -1);
  X509_sign(certificate, key, EVP_sha256());
  std::pair<std::string, std::string> pems = {
      Pem([&](BIO* bio) {
        PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr,
                                 nullptr);
      }),
      Pem([&](BIO* bio) { PEM_write_bio_X509(bio, certificate); })};
  X509_EXTENSION_free(names);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return pems;
}

}  // namespace

class TlsServer::Impl {
 public:
  Impl(const std::string& subject, std::string answer)
      : answer_(std::move(answer)) {
    auto [key, certificate] = MakeCertificate(subject);
    pem_ = certificate;
    tls_.use_certificate(asio::buffer(certificate), asio::ssl::context::pem);
    tls_.use_private_key(asio::buffer(key), asio::ssl::context::pem);
    port = acceptor_.local_endpoint().port();
    thread_ = std::thread([this] { Serve(); });
  }
  ~Impl() {
    stopping_ = true;
    asio::io_context io;
    tcp::socket wakes(io);
    error_code ignored;
    wakes.connect(acceptor_.local_endpoint(ignored), ignored);
    thread_.join();
  }

  const std::string& pem() const { return pem_; }
  std::string server_name() const {
    absl::MutexLock lock(&mutex_);
    return server_name_;
  }

  int port = 0;
  std::atomic<int> num_requests = 0;

 private:
  void Serve() {
    while (!stopping_) {
      error_code error;
      asio::ssl::stream<tcp::socket> stream(io_, tls_);
      acceptor_.accept(stream.next_layer(), error);
      if (error || stopping_) continue;
      stream.handshake(asio::ssl::stream_base::server, error);
      const char* name =
          SSL_get_servername(stream.native_handle(), TLSEXT_NAMETYPE_host_name);
      {
        absl::MutexLock lock(&mutex_);
        server_name_ = name == nullptr ? "" : name;
      }
      if (error) continue;
      std::string head;
      asio::read_until(stream, asio::dynamic_buffer(head), "\r\n\r\n", error);
      if (error) continue;
      ++num_requests;
      asio::write(stream, asio::buffer(answer_), error);
    }
  }

  const std::string answer_;
  std::string pem_;
  asio::io_context io_;
  asio::ssl::context tls_{asio::ssl::context::tls_server};
  tcp::acceptor acceptor_{io_,
                          tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
  std::atomic<bool> stopping_ = false;
  mutable absl::Mutex mutex_;
  std::string server_name_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

TlsServer::TlsServer(const std::string& subject, std::string answer)
    : impl_(std::make_unique<Impl>(subject, std::move(answer))) {}

TlsServer::~TlsServer() = default;

int TlsServer::port() const { return impl_->port; }

const std::string& TlsServer::certificate() const { return impl_->pem(); }

int TlsServer::num_requests() const { return impl_->num_requests; }

std::string TlsServer::server_name() const { return impl_->server_name(); }

}  // namespace tandem
