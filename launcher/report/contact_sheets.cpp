#include "launcher/report/contact_sheets.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "jobs/output/publish.hpp"
#include "jobs/record/shards.hpp"
#include "pipeline/video/contact_sheet.hpp"
#include "pipeline/video/picture.hpp"

namespace wf {
namespace {

/// That it cannot be kept, on a disk that is read only for example, does not matter to who asked for it.
void keep(const Path& file, const std::string& sheet) {
  try {
    make_folder(file.parent_path());
    write_file(file, sheet);
  } catch (const Error& error) {
    spdlog::info("a contact sheet is not kept: {}", error.what());
  }
}

}  // namespace

std::string contact_sheet_file(const Path& output, const ClipHistory& clip) {
  if (clip.state != ClipState::done || clip.file.empty()) return "";
  const OutputFolder folder(folder_of(output, clip));
  try {
    for (const char* const ending : {"jpg", "png"}) {
      const Path kept = folder.contact_sheet(clip.clip.fingerprint, ending);
      if (!std::filesystem::exists(kept)) continue;
      if (std::string sheet = read_file(kept); is_whole_file(sheet)) return sheet;
    }
    const std::string sheet = to_small_file(contact_sheet(output / clip.file, clip.clip.job.frames));
    keep(folder.contact_sheet(clip.clip.fingerprint, small_file_ending()), sheet);
    return sheet;
  } catch (const Error& error) {
    spdlog::warn("{} has no pictures in the report: {}", clip.clip.job.name, error.what());
    return "";
  }
}

}  // namespace wf
