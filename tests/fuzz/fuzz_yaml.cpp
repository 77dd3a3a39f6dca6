// tests/fuzz/fuzz_yaml.cpp: the reader of prompt lists. Input: a YAML list; the text after a line "=====", if any, is
// the content of rows.txt, rows.jsonl and rows.csv in the same folder.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "jobs/list/job_list.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

/// The temporary folder of this process, removed at its end.
const std::filesystem::path& folder() {
  static const struct Folder {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("wanfarm-fuzz-" + std::to_string(::getpid()));
    Folder() { std::filesystem::create_directories(path); }
    ~Folder() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  } one;
  return one.path;
}

/// Writes a new file each time, since file systems flush a file that is truncated and rewritten, which takes longer
/// than reading it.
void write(const char* name, std::string_view content) {
  std::filesystem::remove(folder() / name);
  std::ofstream(folder() / name, std::ios::binary) << content;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace wf;
  constexpr std::string_view border = "\n=====\n";
  const std::string_view input = fuzz::text_of(data, size);
  const std::size_t split = input.find(border);
  write("list.yaml", input.substr(0, split));
  const bool has_rows = split != std::string_view::npos;
  for (const char* name : {"rows.txt", "rows.jsonl", "rows.csv"}) {
    if (has_rows)
      write(name, input.substr(split + border.size()));
    else
      std::filesystem::remove(folder() / name);  // left by an earlier input
  }
  fuzz::refusing(Error::input, [] {
    const auto within_limits = [](const Guidance& guidance) {
      return std::max(guidance.high.value_or(0), guidance.low.value_or(0)) <= 1000;
    };
    for (const Job& job : read_job_list(folder() / "list.yaml").jobs)
      fuzz::require(job.frames >= 1 && job.frames % 4 == 1 && job.steps >= 1 && job.shift >= 0.001 &&
                        job.shift <= 1000 && within_limits(job.guidance) && !job.name.empty(),
                    "a job cannot be rendered");
  });
  return 0;
}
