// tests/pipeline/weights/weights_cache_test.cpp: a folder of converted weights shows what is in it, and makes room for
// more without taking away what is in use.
#include "pipeline/weights/weights_cache.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>
#include <optional>

#include "base/clock.hpp"
#include "pipeline/weights/converted_file.hpp"
#include "tests/pipeline/weights/error_message.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

class WeightsCacheFolder : public ::testing::Test {
 protected:
  Path folder() const { return folder_.path(); }

  ConvertedFrom origin(const std::string& key) const { return {"/models/Wan 2.2", "high", "exact, weights fp8", key}; }
  /// Writes a file that was last used so many days ago.
  Path add(const std::string& key, int days_ago) const {
    const Path file = cache_file(folder(), origin(key));
    ConvertedWriter writer(file, {{"0000", DType::f32, {1000}}}, metadata_of(origin(key)));
    writer.write("0000", at::arange(1000).to(at::kFloat));
    writer.finish();
    age(file, days_ago);
    return file;
  }
  static void age(const Path& file, int days) {
    std::filesystem::last_write_time(file,
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(24 * days));
  }
  std::vector<Path> files() const {
    std::vector<Path> files;
    for (const CacheEntry& entry : cache_entries(folder())) files.push_back(entry.file);
    return files;
  }

  test::TempFolder folder_;
  const double now_ = unix_time() - 1;
};

TEST_F(WeightsCacheFolder, NamesTellModelExpertAndFormAndDifferByKey) {
  const std::string name = cache_file("/c", origin("a")).filename().string();
  EXPECT_TRUE(name.starts_with("Wan-2.2-high-exact-weights-fp8-")) << name;
  EXPECT_NE(name, cache_file("/c", origin("b")).filename().string());
  EXPECT_EQ(name, cache_file("/c", origin("a")).filename().string());
}

TEST_F(WeightsCacheFolder, ListsTheLeastRecentlyUsedFirstWithItsOrigin) {
  const Path old = add("old", 9), older = add("older", 20);
  const auto entries = cache_entries(folder());
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].file, older);
  EXPECT_EQ(entries[1].file, old);
  EXPECT_EQ(entries[0].state, CacheEntry::complete);
  EXPECT_EQ(entries[0].from, origin("older"));
  EXPECT_EQ(entries[0].bytes, std::filesystem::file_size(older));
  EXPECT_NEAR(entries[0].last_used, unix_time() - 20 * 86400, 60);
  touch(older);
  EXPECT_EQ(cache_entries(folder())[1].file, older) << "it was used last";
}

TEST_F(WeightsCacheFolder, AMissingFolderIsEmptyAndOtherFilesAreNotItsOwn) {
  EXPECT_TRUE(cache_entries(folder() / "none").empty());
  for (const char* name : {"model.safetensors", "notes.converted.safetensors",
                           "x-0123456789abcdeg.converted.safetensors", "high-0123456789abcdef.safetensors"})
    folder_.write(name, "something");
  std::filesystem::create_directory(folder() / "x-0123456789abcdef.converted.safetensors");
  EXPECT_TRUE(cache_entries(folder()).empty());
}

TEST_F(WeightsCacheFolder, DamagedAndPartialFilesAreToldApart) {
  const Path cut = add("cut", 1), flipped = add("flipped", 1), written = cache_file(folder(), origin("written"));
  std::filesystem::resize_file(cut, 3000);
  std::fstream(flipped, std::ios::in | std::ios::out | std::ios::binary).seekp(-6, std::ios::end).put('x');
  const Path left = folder_.write(cache_file("", origin("left")).string() + ".part", "half");
  folder_.write(written.filename().string() + ".part", "half");
  const CacheWriteLock writing(written);
  std::map<Path, CacheEntry::State> states;
  for (const CacheEntry& entry : cache_entries(folder())) states[entry.file] = entry.state;
  EXPECT_EQ(states.at(cut), CacheEntry::broken);
  EXPECT_EQ(states.at(flipped), CacheEntry::broken) << "in the checksums";
  EXPECT_EQ(states.at(left), CacheEntry::partial);
  EXPECT_EQ(states.at(written.string() + ".part"), CacheEntry::being_written);
}

TEST_F(WeightsCacheFolder, DamagedDataIsFoundWhenAllOfItIsRead) {
  const Path file = add("a", 1);
  const std::uint64_t middle = std::filesystem::file_size(file) - 2000;
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary)
      .seekp(static_cast<std::streamoff>(middle))
      .put('x');
  EXPECT_EQ(cache_entries(folder()).at(0).state, CacheEntry::complete) << "the data is not read";
  const CacheEntry entry = cache_entries(folder(), CacheCheck::data).at(0);
  EXPECT_EQ(entry.state, CacheEntry::broken);
  EXPECT_CONTAINS(entry.damage, "tensor 0000");
}

TEST_F(WeightsCacheFolder, RoomIsMadeByTheLeastRecentlyUsedAlone) {
  const Path oldest = add("1", 30), middle = add("2", 20), newest = add("3", 10);
  const std::uint64_t one = std::filesystem::file_size(oldest);
  EXPECT_TRUE(make_room(folder(), one, 4 * one, now_));
  EXPECT_EQ(files().size(), 3u) << "there is room";
  EXPECT_TRUE(make_room(folder(), one, 3 * one, now_));
  EXPECT_EQ(files(), (std::vector{middle, newest}));
}

TEST_F(WeightsCacheFolder, NothingIsRemovedWhereItWouldNotBeEnough) {
  add("1", 30);
  const std::uint64_t one = std::filesystem::file_size(files().front());
  EXPECT_FALSE(make_room(folder(), 2 * one, one, now_));
  EXPECT_EQ(files().size(), 1u);
}

TEST_F(WeightsCacheFolder, WhatIsInUseOrWasUsedSinceStays) {
  const Path read = add("1", 30), recent = add("2", 0), old = add("3", 5);
  const std::uint64_t one = std::filesystem::file_size(old);
  const ReadLock reading(read);
  EXPECT_FALSE(make_room(folder(), one, 2 * one, now_));
  EXPECT_TRUE(make_room(folder(), one, 3 * one, now_));
  EXPECT_EQ(files(), (std::vector{read, recent}));
}

TEST_F(WeightsCacheFolder, WhatIsBeingWrittenCountsWithItsFullSize) {
  const std::uint64_t one = std::filesystem::file_size(add("1", 30));
  const Path file = cache_file(folder(), origin("2"));
  const CacheWriteLock lock(file);
  const ConvertedWriter writer(file, {{"0000", DType::f32, {1000}}}, metadata_of(origin("2")));
  EXPECT_FALSE(make_room(folder(), one, 2 * one - 1, now_));
  EXPECT_TRUE(make_room(folder(), one, 2 * one, now_));
  EXPECT_EQ(files(), std::vector{Path(file.string() + ".part")});
}

TEST_F(WeightsCacheFolder, BrokenAndPartialFilesGoFirst) {
  const Path cut = add("1", 1), whole = add("2", 9);
  std::filesystem::resize_file(cut, 100);
  folder_.write(cache_file("", origin("3")).string() + ".part", "half");
  EXPECT_TRUE(make_room(folder(), 1, 2 * std::filesystem::file_size(whole), now_));
  EXPECT_EQ(files(), std::vector{whole});
}

TEST_F(WeightsCacheFolder, OneProcessWritesAFileAndItsLockGoesWithIt) {
  const Path file = cache_file(folder(), origin("a"));
  std::optional<CacheWriteLock> lock(file);
  made::environment_error([&] { const CacheWriteLock second(file); });
  lock.reset();
  EXPECT_TRUE(std::filesystem::is_empty(folder()));
}

}  // namespace
}  // namespace wf
