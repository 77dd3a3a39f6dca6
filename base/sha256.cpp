#include "base/sha256.hpp"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "base/error.hpp"

namespace wf {

void Sha256::Free::operator()(evp_md_ctx_st* context) const noexcept { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1)
    throw Error(Error::internal, "OpenSSL offers no SHA-256");
}

Sha256& Sha256::update(const void* data, std::size_t bytes) {
  EVP_DigestUpdate(context_.get(), data, bytes);
  return *this;
}

std::string Sha256::hex() {
  std::array<unsigned char, 32> digest{};
  EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr);
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : digest) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::string sha256_of_file(const std::filesystem::path& file) {
  const auto fail = [&](const char* what) {
    throw Error(Error::storage, file.string() + ": " + what + ": " + std::strerror(errno));
  };
  std::ifstream bytes(file, std::ios::binary);
  if (!bytes) fail("cannot be opened");
  std::vector<char> block(std::size_t{1} << 20);
  Sha256 hash;
  while (bytes.read(block.data(), static_cast<std::streamsize>(block.size())), bytes.gcount() > 0)
    hash.update(block.data(), static_cast<std::size_t>(bytes.gcount()));
  if (bytes.bad()) fail("cannot be read");
  return hash.hex();
}

}  // namespace wf
