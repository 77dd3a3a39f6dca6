// base/sha256.hpp: SHA-256 (FIPS 180-4) of byte streams and files, computed by OpenSSL.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX

namespace wf {

/// The hash of a byte stream. Throws Error(internal) when OpenSSL offers no SHA-256. One thread at a time.
class Sha256 {
 public:
  Sha256();
  /// Appends to the stream; how it is divided into calls does not change the digest. Returns *this for chaining.
  Sha256& update(const void* data, std::size_t bytes);
  Sha256& update(std::string_view text) { return update(text.data(), text.size()); }
  /// The digest of everything so far as 64 lower-case hex digits. Ends the computation: call it once, last.
  std::string hex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

/// The digest of a file's bytes, which are read in blocks of 1 MiB. Throws storage when the file cannot be read.
std::string sha256_of_file(const std::filesystem::path& file);

}  // namespace wf
