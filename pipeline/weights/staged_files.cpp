#include "pipeline/weights/staged_files.hpp"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/file.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/paths.hpp"
#include "base/text.hpp"
#include "base/watched_work.hpp"
#include "pipeline/weights/lora.hpp"
#include "pipeline/weights/shards.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

/// Held by the process that copies; the others wait until it has ended, however it ends.
class CopyLock {
 public:
  explicit CopyLock(const Path& file) : fd_(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
    while (fd_.get() < 0 || ::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (fd_.get() < 0 || (errno != EWOULDBLOCK && errno != EINTR))
        throw Error(Error::storage, file.string() + ": cannot be locked: " + std::strerror(errno));
      std::this_thread::sleep_for(100ms);
    }
  }

 private:
  Descriptor fd_;
};

/// A file, and its copy.
using Copies = std::set<std::pair<Path, Path>>;

/// Which files are copied, and where to.
class CopyList {
 public:
  explicit CopyList(Path folder) : folder_(std::move(folder)) {}

  /// Where the part will be: a file, or a folder of weights. One that several roles share is copied once.
  Path network(const std::string& role, const Path& part) {
    const Path target = part_of(role, part);
    const Shards shards = find_shards(part);
    if (shards.index) add_of(part, *shards.index);
    for (const Path& file : shards.files) add_of(part, file);
    return target;
  }
  /// An expert's config may lie anywhere, and two experts may share it; its copy is in the folder of the role.
  ExpertFiles expert(const std::string& role, const ExpertFiles& files) {
    ExpertFiles copies{network(role, files.weights), {}, files.loras};
    if (!files.config.empty()) copies.config = add(files.config, folder_ / role / files.config.filename());
    for (std::size_t i = 0; i < files.loras.size(); ++i) {
      const Path& lora = files.loras[i].file;
      copies.loras[i].file = network(fmt::format("{}-lora-{}", role, i + 1), lora);
      if (const auto config = adapter_config_of(lora)) add_of(lora, *config);
    }
    return copies;
  }
  Path file(const std::string& role, const Path& file) {
    const Path target = part_of(role, file);
    return add(file, target);
  }

  const Copies& copies() const { return copies_; }
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const auto& [from, to] : copies_) sum += std::filesystem::file_size(from);
    return sum;
  }

 private:
  Path part_of(const std::string& role, const Path& part) {
    const auto [place, is_new] = folders_.try_emplace(part, folder_ / role);
    return place->second / absolute_folder(part).filename();
  }
  /// A file of a part: the part itself, or one in its folder, or beside it.
  void add_of(const Path& part, const Path& file) {
    const Path within = absolute_folder(file).lexically_relative(absolute_folder(part).parent_path());
    add(file, folders_.at(part) / within);
  }
  /// One file may have several copies: two LoRAs of a folder share its config, and each is read beside its own.
  Path add(const Path& file, Path copy) {
    WF_CHECK(*absolute_folder(copy).lexically_relative(absolute_folder(folder_)).begin() != "..");
    copies_.emplace(file, copy);
    return copy;
  }

  Path folder_;
  std::map<Path, Path> folders_;  ///< Part -> the folder of its role.
  Copies copies_;
};

/// The model as it will be in the folder, and what is to be copied for that.
std::pair<ModelFiles, CopyList> planned_copy(const ModelFiles& model, const Path& folder) {
  CopyList list(folder);
  ModelFiles copy{model.root,
                  list.expert("high", model.high),
                  list.expert("low", model.low),
                  list.network("text", model.text_encoder),
                  list.network("vae", model.vae),
                  {}};
  copy.tokenizer = model.tokenizer == model.text_encoder ? copy.text_encoder : list.file("tokenizer", model.tokenizer);
  return {std::move(copy), std::move(list)};
}

void copy_in_parts(const Path& from, const Path& to) {
  constexpr std::uint64_t part = 16 << 20;
  const MappedFile source(from);
  const std::uint64_t size = source.bytes().size();
  make_folder(to.parent_path());
  PartFile copy(to);
  std::string buffer(std::min(part, size), '\0');
  for (std::uint64_t at = 0; at < size; at += part) {
    const std::uint64_t here = std::min(part, size - at);
    source.read(at, std::as_writable_bytes(std::span(buffer).first(here)));
    copy.write(at, std::string_view(buffer).substr(0, here));
    mark_progress();
  }
  copy.publish();
  std::filesystem::last_write_time(to, std::filesystem::last_write_time(from));
}

/// Copies the files, several at once, since one stream seldom has all that a parallel file system can give. Throws the
/// first error.
void copy_all(const Copies& copies) {
  constexpr int streams = 4;
  const std::vector<std::pair<Path, Path>> files(copies.begin(), copies.end());
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr error;
  const auto copy_some = [&] {
    const WatchedWork watched("", "copy the model's files to this node");
    try {
      for (std::size_t i = next++; i < files.size(); i = next++) copy_in_parts(files[i].first, files[i].second);
    } catch (...) {
      const std::scoped_lock lock(mutex);
      if (!error) error = std::current_exception();
      next = files.size();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < streams; ++i) threads.emplace_back(copy_some);
  }
  if (error) std::rethrow_exception(error);
}

void check_space(const Path& folder, std::uint64_t needed) {
  const std::uint64_t free = std::filesystem::space(folder).available;
  if (free < needed)
    throw Error(Error::environment,
                fmt::format("{}: its disk has {} left, and the model's files take {}; give --stage-weights another "
                            "folder, or leave it out",
                            folder.string(), gigabytes(free), gigabytes(needed)));
}

/// Whether a copy of an earlier run is there. Another file of the same name is not it.
bool is_there(const ModelFiles& copy, const std::string& id) {
  try {
    return identity(copy) == id;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

Path staging_folder(const std::string& id, const Path& folder) { return folder / ("wanfarm-" + id.substr(0, 16)); }

ModelFiles staged(const ModelFiles& model, const std::string& id, const Path& folder) {
  make_folder(folder);
  const Path place = staging_folder(id, folder);
  auto [copy, list] = planned_copy(model, place);
  const CopyLock lock(place.string() + ".lock");
  if (is_there(copy, id)) return copy;
  std::filesystem::remove_all(place);
  const std::uint64_t bytes = list.bytes();
  check_space(folder, bytes);
  const auto begin = std::chrono::steady_clock::now();
  copy_all(list.copies());
  if (!is_there(copy, id))
    throw Error(Error::environment,
                place.string() + ": the copy of the model differs from it; was the model changed meanwhile?");
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  spdlog::info("copied the model's files to {}: {} in {:.1f} s", place.string(), gigabytes(bytes), seconds);
  return copy;
}

}  // namespace wf
