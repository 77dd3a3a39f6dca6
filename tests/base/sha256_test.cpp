// tests/base/sha256_test.cpp: digests against the examples published with FIPS 180-4.
#include "base/sha256.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/temp_folder.hpp"

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

TEST(Sha256, OfAFileIsThatOfItsBytes) {
  const test::TempFolder folder;
  for (const std::size_t size : {0u, 1u, (1u << 20) - 1, 1u << 20, (1u << 20) + 1, 3'000'000u}) {
    const std::string content(size, 'a');
    EXPECT_EQ(sha256_of_file(folder.write("file", content)), Sha256().update(content).hex()) << size;
  }
}

TEST(Sha256, OfAFileThatCannotBeReadNamesItWithTheReason) {
  const test::TempFolder folder;
  const auto error_of = [](const Path& file) {
    try {
      sha256_of_file(file);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::storage);
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(error_of(folder / "none"), (folder / "none").string() + ": cannot be opened: No such file or directory");
  EXPECT_EQ(error_of(folder.path()), folder.path().string() + ": cannot be read: Is a directory");
}

}  // namespace
}  // namespace wf
