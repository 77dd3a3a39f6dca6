// tests/base/sha256_test.cpp: digests against the examples published with FIPS 180-4.
#include "base/sha256.hpp"

#include <gtest/gtest.h>

namespace wf {
namespace {

TEST(Sha256, GivesThePublishedDigests) {
  EXPECT_EQ(Sha256().hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256().update("abc").hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256().update("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq").hex(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, ChunksGiveTheDigestOfTheWhole) {
  const std::string million(1'000'000, 'a');
  Sha256 hash;
  for (std::size_t at = 0; at < million.size(); at += 777) hash.update(std::string_view(million).substr(at, 777));
  EXPECT_EQ(hash.hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

}  // namespace
}  // namespace wf
