// tests/shapes_check/against.cpp: pairs the clips of two folders by name, and compares what they show and their pixels.
#include "tests/shapes_check/against.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "base/error.hpp"
#include "pipeline/video/compare.hpp"
#include "tests/shapes_check/interval.hpp"
#include "tests/shapes_check/report.hpp"

namespace wf::shapes {
namespace {

using Json = nlohmann::ordered_json;
using Clips = std::map<std::string, Path>;  // by name: the file's, without the extension

// What the two folders are called in what is printed.
struct Labels {
  std::string here, there;
};

Labels labels_of(const Path& here, const Path& there) {
  const auto last_part = [](const Path& folder) {
    return (absolute(folder) / "").lexically_normal().parent_path().filename().string();
  };
  const Labels labels{last_part(here), last_part(there)};
  return labels.here == labels.there ? Labels{here.string(), there.string()} : labels;
}

Clips clips_by_name(const Path& folder) {
  if (!std::filesystem::is_directory(folder)) throw Error(Error::input, folder.string() + " is not a folder of clips");
  Clips clips;
  for (const Path& clip : clips_in(folder)) {
    const auto [first, is_new] = clips.emplace(clip.stem().string(), clip);
    if (!is_new) throw Error(Error::input, first->second.string() + " and " + clip.string() + " are of one name");
  }
  return clips;
}

struct ClipPair {
  std::string name;
  Path here, there;
};

std::vector<ClipPair> pair_up(const std::map<std::string, Verdict>& expected, const Path& here, const Path& there) {
  const Clips clips_here = clips_by_name(here), clips_there = clips_by_name(there);
  std::vector<ClipPair> pairs;
  std::string missing;
  for (const auto& [name, verdict] : expected) {
    const auto a = clips_here.find(name), b = clips_there.find(name);
    if (a == clips_here.end()) missing += "\n" + name + " is missing in " + here.string();
    if (b == clips_there.end()) missing += "\n" + name + " is missing in " + there.string();
    if (a != clips_here.end() && b != clips_there.end()) pairs.push_back({name, a->second, b->second});
  }
  if (!missing.empty()) throw Error(Error::input, "only clips that are in both folders can be compared:" + missing);
  return pairs;
}

// Seed and prompt as the sidecar beside a clip has them; empty if there is no sidecar.
std::string origin(Path clip) {
  const Path sidecar = clip.replace_extension(".json");
  std::ifstream file(sidecar);
  if (!file) return {};
  try {
    const Json job = Json::parse(file).at("job");
    return "seed " + job.at("seed").dump() + ", prompt " + job.at("prompt").dump();
  } catch (const Json::exception& error) {
    throw Error(Error::input, sidecar.string() + " is not a sidecar: " + error.what());
  }
}

// Clips of other seeds show other scenes of the same prompt: neither pixels nor verdicts would make pairs.
void check_origins(const std::vector<ClipPair>& pairs) {
  for (const ClipPair& pair : pairs) {
    const std::string here = origin(pair.here), there = origin(pair.there);
    if (here.empty() || there.empty() || here == there) continue;
    throw Error(Error::input, pair.here.string() + " has " + here + ", but " + pair.there.string() + " has " + there);
  }
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// How far the clips of one name are from each other, pixel by pixel.
class Divergence {
 public:
  void add(const Comparison& pixels) {
    psnr_.push_back(pixels.psnr);
    ssim_.push_back(pixels.ssim);
  }

  void print(std::ostream& out) const {
    const auto equal = std::count_if(psnr_.begin(), psnr_.end(), [](double value) { return std::isinf(value); });
    std::ostringstream psnr;
    psnr << std::fixed << std::setprecision(2) << median(psnr_) << " dB";
    out << "divergence, not quality: between clips of one name, the median PSNR is "
        << (std::isinf(median(psnr_)) ? "infinite" : psnr.str()) << ", the median SSIM " << std::fixed
        << std::setprecision(4) << median(ssim_) << "; " << equal << " of " << psnr_.size() << " are equal\n";
  }

 private:
  std::vector<double> psnr_, ssim_;
};

// Counts, row by row, what is right in both folders, in one, or in neither.
class PairTally {
 public:
  void add(const Marks& here, const Marks& there) {
    for (std::size_t i = 0; i < rows.size(); ++i) pairs_[i].add(rows[i].is_right(here), rows[i].is_right(there));
  }

  void print(const Labels& labels, std::ostream& out) const {
    const std::string only_here = "   only " + labels.here, only_there = "   only " + labels.there;
    const auto here = static_cast<int>(only_here.size()), there = static_cast<int>(only_there.size());
    out << labels.here << " minus " << labels.there << ", in points\n"
        << std::left << std::setw(14) << "right in" << only_here << only_there
        << "   difference   95 % interval (Newcombe, paired)\n";
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Interval interval = difference_interval(pairs_[i]);
      out << std::left << std::setw(14) << rows[i].name << std::right << std::setw(here) << pairs_[i].only_here
          << std::setw(there) << pairs_[i].only_there << std::fixed << std::setprecision(1) << std::showpos
          << std::setw(13) << 100 * pairs_[i].difference() << std::setw(8) << 100 * interval.low << " to "
          << std::setw(5) << 100 * interval.high << std::noshowpos << "\n";
    }
  }

 private:
  std::array<Pairs, rows.size()> pairs_;
};

void print_change(const std::string& name, const Labels& labels, const Verdict& expected, const Verdict& here,
                  const Verdict& there, std::ostream& out) {
  const auto width = std::max({std::size_t{8}, labels.here.size(), labels.there.size()});
  const auto line = [&](const std::string& label, const Verdict& verdict) {
    out << "  " << std::left << std::setw(static_cast<int>(width)) << label << " " << to_json(verdict) << "\n";
  };
  out << name << "\n";
  line("expected", expected);
  line(labels.here, here);
  line(labels.there, there);
}

}  // namespace

void print_comparison(const std::map<std::string, Verdict>& expected, const Path& here, const Path& there,
                      std::ostream& out) {
  const std::vector<ClipPair> pairs = pair_up(expected, here, there);
  check_origins(pairs);
  const Labels labels = labels_of(here, there);
  Tally tally_here, tally_there;
  PairTally both;
  Divergence divergence;
  for (const ClipPair& pair : pairs) {
    const Verdict& asked = expected.at(pair.name);
    const Verdict seen_here = look(read_clip(pair.here)), seen_there = look(read_clip(pair.there));
    const Marks marks_here = compare(seen_here, asked), marks_there = compare(seen_there, asked);
    if (marks_here != marks_there) print_change(pair.name, labels, asked, seen_here, seen_there, out);
    tally_here.add(marks_here);
    tally_there.add(marks_there);
    both.add(marks_here, marks_there);
    divergence.add(wf::compare(pair.here, pair.there));
  }
  tally_here.print(out << labels.here << "\n");
  tally_there.print(out << labels.there << "\n");
  both.print(labels, out);
  divergence.print(out);
}

}  // namespace wf::shapes
