#include "pipeline/weights/weights_cache.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <system_error>

#include "base/error.hpp"
#include "base/sha256.hpp"
#include "pipeline/weights/block_checksums.hpp"

namespace wf {
namespace {

constexpr std::string_view ending = ".converted.safetensors", part_ending = ".part", lock_ending = ".lock";
constexpr std::size_t hash_digits = 16, longest_word = 40;

/// A text as a part of a file's name.
std::string word(const std::string& text) {
  const auto is_kept = [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '_'; };
  std::string name;
  for (const char c : text.substr(0, longest_word))
    if (is_kept(static_cast<unsigned char>(c)))
      name += c;
    else if (!name.empty() && name.back() != '-')
      name += '-';
  while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
  return name.empty() ? "model" : name;
}

std::string short_hash(const std::string& key) { return Sha256().update(key).hex().substr(0, hash_digits); }

Path with(const Path& file, std::string_view suffix) { return file.string().append(suffix); }

/// Whether the name is that of a file of a cache, without .part.
bool is_cache_name(std::string_view name) {
  if (!name.ends_with(ending)) return false;
  name.remove_suffix(ending.size());
  if (name.size() <= hash_digits + 1 || name[name.size() - hash_digits - 1] != '-') return false;
  return name.substr(name.size() - hash_digits).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Whether a process holds the CacheWriteLock of a file. One that nobody holds is left behind, and removed.
bool is_being_written(const Path& file) {
  if (!std::filesystem::exists(with(file, lock_ending))) return false;
  try {
    const CacheWriteLock own(file);
    return false;
  } catch (const Error&) {
    return true;
  }
}

/// Sets state and origin of a file that has its final name.
void examine(CacheEntry& entry, CacheCheck check) {
  try {
    const MappedFile file(entry.file);
    const std::string name = entry.file.string();
    const BlockChecksums checksums(file);
    entry.from = converted_from(read_safetensors_metadata(file.bytes(), name));
    if (check == CacheCheck::headers) return;
    const std::string damaged = checksums.first_damaged(file);
    if (!damaged.empty()) throw Error(Error::environment, name + ": tensor " + damaged + ": is damaged");
  } catch (const Error& error) {
    entry.state = CacheEntry::broken;
    entry.damage = error.what();
  }
}

/// The entry of a file; nothing for one that is none of the cache's, or has just gone.
std::optional<CacheEntry> entry_of(const Path& path, CacheCheck check) {
  std::string name = path.filename().string();
  const bool is_part = name.ends_with(part_ending);
  if (is_part) name.resize(name.size() - part_ending.size());
  struct stat status {};
  if (!is_cache_name(name) || ::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  CacheEntry entry{.file = path,
                   .bytes = static_cast<std::uint64_t>(status.st_size),
                   .last_used = static_cast<double>(status.st_mtim.tv_sec) + 1e-9 * double(status.st_mtim.tv_nsec)};
  if (is_part)
    entry.state = is_being_written(path.parent_path() / name) ? CacheEntry::being_written : CacheEntry::partial;
  else
    examine(entry, check);
  entry.is_being_read = !is_part && is_being_read(path);
  return entry;
}

}  // namespace

std::map<std::string, std::string> metadata_of(const ConvertedFrom& from) {
  return {{"wanfarm_model", from.model},
          {"wanfarm_expert", from.expert},
          {"wanfarm_form", from.form},
          {"wanfarm_key", from.key}};
}

ConvertedFrom converted_from(const std::map<std::string, std::string>& metadata) {
  const auto text = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? "" : found->second;
  };
  return {text("wanfarm_model"), text("wanfarm_expert"), text("wanfarm_form"), text("wanfarm_key")};
}

Path cache_file(const Path& folder, const ConvertedFrom& from) {
  const std::string model = Path(from.model).filename().string();
  return folder /
         (word(model) + "-" + word(from.expert) + "-" + word(from.form) + "-" + short_hash(from.key)).append(ending);
}

void touch(const Path& file) noexcept { ::utimensat(AT_FDCWD, file.c_str(), nullptr, 0); }

CacheWriteLock::CacheWriteLock(const Path& file) : path_(with(file, lock_ending)), lock_(path_) {}
CacheWriteLock::~CacheWriteLock() { ::unlink(path_.c_str()); }

std::vector<CacheEntry> cache_entries(const Path& folder, CacheCheck check) {
  std::vector<CacheEntry> entries;
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) return entries;
  std::filesystem::directory_iterator files(folder, error);
  if (error) throw Error(Error::storage, folder.string() + ": cannot be read: " + error.message());
  for (const auto& file : files)
    if (auto entry = entry_of(file.path(), check)) entries.push_back(std::move(*entry));
  std::ranges::sort(entries, {}, [](const CacheEntry& entry) { return std::pair(entry.last_used, entry.file); });
  return entries;
}

void remove_entry(const CacheEntry& entry) {
  std::error_code error;
  std::filesystem::remove(entry.file, error);
  if (error) throw Error(Error::storage, entry.file.string() + ": cannot be removed: " + error.message());
}

bool make_room(const Path& folder, std::uint64_t bytes, std::uint64_t limit, double since) {
  std::uint64_t kept = 0, removable = 0;
  std::vector<CacheEntry> old;
  for (CacheEntry& entry : cache_entries(folder)) {
    if (entry.state == CacheEntry::broken || entry.state == CacheEntry::partial) {
      remove_entry(entry);
      continue;
    }
    kept += entry.bytes;
    if (entry.is_in_use() || entry.last_used >= since) continue;
    removable += entry.bytes;
    old.push_back(std::move(entry));
  }
  if (kept - removable + bytes > limit) return false;
  for (auto next = old.begin(); kept + bytes > limit; ++next) {
    remove_entry(*next);
    kept -= next->bytes;
  }
  return true;
}

}  // namespace wf
