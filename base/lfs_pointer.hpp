// base/lfs_pointer.hpp: recognises the few lines of text that Git LFS leaves in place of a large file which was not
// fetched. Readers of such files tell it from a broken file, since the cure is one command.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace wf {

/// Whether a file that begins with these bytes is a pointer of Git LFS. Source: docs/spec.md of git-lfs/git-lfs.
inline bool is_lfs_pointer(std::string_view bytes) noexcept {
  return bytes.starts_with("version https://git-lfs.github.com/spec/");
}

/// What such a file is and what to do, to be put after "FILE: is ".
inline constexpr const char* lfs_pointer_advice =
    "a Git LFS pointer, not the file itself (run 'git lfs pull' in its repository)";

/// Throws Error(input) "FILE: is a Git LFS pointer, ..." when the file's bytes are one.
inline void refuse_lfs_pointer(std::string_view bytes, const std::string& file) {
  if (is_lfs_pointer(bytes)) throw Error(Error::input, file + ": is " + lfs_pointer_advice);
}

}  // namespace wf
