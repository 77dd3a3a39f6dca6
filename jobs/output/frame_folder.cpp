#include "jobs/output/frame_folder.hpp"

#include <algorithm>
#include <string>

#include "base/error.hpp"

namespace wf {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t least_digits = 5;  ///< of a frame's number

bool is_folder(const Path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() == fs::file_type::directory;
}

bool is_frame(const Path& file) {
  const std::string number = file.stem().string();
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return file.extension() == ".png" && number.size() >= least_digits && std::ranges::all_of(number, is_digit);
}

}  // namespace

bool is_frame_folder(const Path& path) {
  if (!is_folder(path)) return false;
  std::error_code error;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error))
    if (!is_frame(entry->path())) return false;
  return !error;
}

std::vector<Path> frames_in(const Path& path) {
  std::vector<Path> frames;
  if (!is_folder(path)) return frames;
  std::error_code error;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error))
    if (is_frame(entry->path())) frames.push_back(entry->path());
  return frames;
}

void check_frame_folder(const Path& path) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(path, error)) || is_frame_folder(path)) return;
  throw Error(Error::input, path.string() +
                                ": is not a folder of this clip's frames (00001.png, ...) and would be replaced by "
                                "them; move it, or give the clip another name");
}

}  // namespace wf
