#include "jobs/output/drafts.hpp"

#include <algorithm>
#include <tuple>

#include "base/error.hpp"
#include "jobs/output/finished.hpp"

namespace wf {
namespace {

namespace fs = std::filesystem;

Path folder_of_drafts(const Path& output) { return output / "drafts"; }

}  // namespace

std::string draft_file(const std::string& file) { return "drafts/" + file; }

void make_draft_folders(const OutputFolder& folder) {
  make_folder(folder_of_drafts(folder.output()));
  make_folder(folder.part(draft_file("any")).parent_path());
}

void finish_draft(const OutputFolder& folder, const Sidecar& made) {
  Sidecar sidecar = made;
  sidecar.video_file = Path(made.video_file).filename().string();
  const std::string file = draft_file(sidecar.job.name + ".json");
  FlushedFolder drafts(folder_of_drafts(folder.output()));
  write_file(folder.output() / file, to_json(sidecar), folder.part(file), drafts);
}

std::optional<Sidecar> find_draft(const Path& output, const std::string& name) {
  const Path file = folder_of_drafts(output) / (name + ".json");
  std::error_code error;
  if (!fs::exists(file, error)) return {};
  try {
    Sidecar sidecar = read_sidecar(file);
    if (sidecar.job.name == name && check_size(folder_of_drafts(output), sidecar).empty()) return sidecar;
  } catch (const Error&) {  // a draft is quickly made again
  }
  return {};
}

std::vector<Sidecar> find_drafts(const Path& output) {
  std::vector<Sidecar> drafts;
  std::error_code error;
  for (fs::directory_iterator entry(folder_of_drafts(output), error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() != ".json") continue;
    if (auto draft = find_draft(output, entry->path().stem().string())) drafts.push_back(std::move(*draft));
  }
  std::ranges::sort(drafts, {}, [](const Sidecar& draft) { return std::tie(draft.job.index, draft.job.name); });
  return drafts;
}

}  // namespace wf
