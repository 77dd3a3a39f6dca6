// pipeline/weights/foreign_files.hpp: recognises files that lie where a checkpoint is expected and are none, so that
// the error can say what they are: unfinished downloads, web pages, formats that are not read. No torch header.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/files.hpp"

namespace wf {

/// What programs append to the name of a file while they download it.
inline constexpr std::array<const char*, 4> unfinished_endings = {".incomplete", ".part", ".crdownload", ".aria2"};

/// What to do about a file that is too short, to be put after what is wrong with it.
inline constexpr const char* fetch_again = "a download that did not finish? Fetch the file again";

/// What to do about weights in a form that is not read; likewise.
inline constexpr const char* use_read_form = "use the fp16, bf16 or fp8_scaled .safetensors file of the same network";

/// Throws environment "FILE: is ..." when `bytes`, the beginning of a file or all of it, show that the file is empty, a
/// GGUF file, a web page, or text: safetensors begins with a length, of which some bytes are 0, and a .pth with PK.
void refuse_foreign_file(std::string_view bytes, const std::string& file);

/// Throws environment when the name of the file is that of a download under way (.incomplete, .part, .crdownload,
/// .aria2), or when aria2's FILE.aria2 lies beside it: aria2 gives a file its full length at once, so that only this
/// shows that part of it is still missing.
void refuse_unfinished_download(const Path& file);

}  // namespace wf
