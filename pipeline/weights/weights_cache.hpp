// pipeline/weights/weights_cache.hpp: a folder of converted weights, a file for each expert and form
// (converted_file.hpp). Its name begins with words for people and ends with a hash of all that the weights are made of,
// which the file's metadata repeat. Files of any other name are left alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/file_lock.hpp"
#include "base/files.hpp"

namespace wf {

/// What a file of converted weights is made of.
struct ConvertedFrom {
  std::string model;   ///< Its folder, or the expert's file, for people.
  std::string expert;  ///< "high" or "low"
  std::string form;    ///< The precision, and how the matrices are kept: "exact", "exact, weights fp8".
  std::string key;     ///< Everything that the weights depend on, as text; the same text, the same bits.
  bool operator==(const ConvertedFrom&) const = default;
};

/// The texts of a file's header that say so, and the way back; what is missing there is "".
std::map<std::string, std::string> metadata_of(const ConvertedFrom& from);
ConvertedFrom converted_from(const std::map<std::string, std::string>& metadata);

/// The path of such a file: FOLDER/MODEL-EXPERT-FORM-HASH.converted.safetensors.
Path cache_file(const Path& folder, const ConvertedFrom& from);

/// Says that the file was used now. Never fails.
void touch(const Path& file) noexcept;

/// Held by the process that writes a file of a cache: an exclusive FileLock on FILE.lock, which goes with it.
class CacheWriteLock {
 public:
  /// Throws environment when another process holds it, and what else FileLock throws.
  explicit CacheWriteLock(const Path& file);
  ~CacheWriteLock();
  CacheWriteLock(const CacheWriteLock&) = delete;
  CacheWriteLock& operator=(const CacheWriteLock&) = delete;

 private:
  Path path_;
  FileLock lock_;
};

/// A file of a cache as it is found there.
struct CacheEntry {
  /// broken: is not what was written, and never used. partial: was being written by a process that has ended.
  enum State { complete, broken, partial, being_written };
  Path file;
  ConvertedFrom from = {};  ///< Empty where the header cannot be read.
  std::uint64_t bytes = 0;
  double last_used = 0;  ///< Unix time of the last load, or else of writing it.
  State state = complete;
  std::string damage = {};     ///< Of a broken file: what is wrong, "FILE: ...".
  bool is_being_read = false;  ///< A process loads it now.

  bool is_in_use() const noexcept { return is_being_read || state == being_written; }
};
constexpr const char* to_string(CacheEntry::State state) {
  constexpr const char* names[] = {"complete", "broken", "partial", "being written"};
  return names[static_cast<int>(state)];
}

/// How much of each file is looked at: its size, header and checksums; or all data as well.
enum class CacheCheck { headers, data };

/// All files of the cache, the least recently used one first; none where there is no such folder. Throws storage when
/// the folder cannot be read.
std::vector<CacheEntry> cache_entries(const Path& folder, CacheCheck check = CacheCheck::headers);

/// Removes the file. Throws storage when that fails.
void remove_entry(const CacheEntry& entry);

/// Makes room for `bytes` more in a folder that may hold `limit`: first broken and partial files go, then the least
/// recently used ones, but none that is in use or was used at or after the time `since`. Returns whether they fit;
/// where they could not, nothing but broken and partial files is removed. Throws as the functions above.
bool make_room(const Path& folder, std::uint64_t bytes, std::uint64_t limit, double since);

}  // namespace wf
