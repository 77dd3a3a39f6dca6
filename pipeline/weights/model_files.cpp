#include "pipeline/weights/model_files.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <optional>

#include "base/lfs_pointer.hpp"
#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/foreign_files.hpp"
#include "pipeline/weights/random_manifest.hpp"
#include "pipeline/weights/shards.hpp"
#include "pipeline/weights/tensor_file.hpp"

namespace wf {
namespace {

/// Collects the files of a model, and what is missing.
class Search {
 public:
  explicit Search(const ModelSource& source) : source_(source) {}

  /// Notes a file (or folder) as found or missing, and returns it.
  Path need(const Path& file) {
    if (!std::filesystem::exists(file))
      missing_.push_back(file.string() + why_missing(file));
    else if (!std::filesystem::is_directory(file))
      found_.push_back(file);
    return file;
  }

  /// The weights of a network: a file, or a folder of shards.
  Path need_network(const Path& path) {
    if (!std::filesystem::is_directory(path)) return need(path);
    try {
      for (const Path& shard : find_shards(path).files) need(shard);
    } catch (const Error& error) {
      if (error.kind() != Error::environment) throw;
      missing_.push_back(error.what());
    }
    return path;
  }

  /// The first of these that exists; where none does, the first one is missing.
  Path need_one_of(const std::vector<Path>& files) {
    for (const Path& file : files)
      if (std::filesystem::exists(file)) return need(file);
    missing_.push_back(files.front().string() + (files.size() > 1 ? " (or " + files[1].filename().string() + ")" : "") +
                       why_missing(files.front()));
    return files.front();
  }

  void miss(const std::string& what) { missing_.push_back(what); }

  /// Throws unless everything was found.
  void check_found() const {
    if (!missing_.empty()) throw Error(Error::environment, report());
  }

  /// Throws unless everything was found, and is itself instead of a pointer of Git LFS.
  void check() const {
    check_found();
    refuse_lfs_pointers();
  }

 private:
  static std::string why_missing(const Path& file) {
    if (std::filesystem::is_symlink(file))
      return " (a link to " + std::filesystem::read_symlink(file).string() +
             ", which is not there: the download has not finished)";
    for (const char* ending : unfinished_endings)
      if (std::filesystem::exists(Path(file) += ending))
        return std::string(" (") + file.filename().string() + ending + " is there: the download has not finished)";
    return "";
  }

  std::string report() const {
    const std::string where = source_.from.empty() ? "the model" : source_.from.string();
    const bool only_others = !source_.from.empty() && std::ranges::none_of(missing_, [&](const std::string& part) {
      return part.starts_with(where);
    });
    std::string text = only_others ? "these files, named as parts of the model or as LoRAs, are not there:"
                                   : where + ": is not a whole Wan 2.2 model; missing:";
    for (const std::string& part : missing_) text += "\n  " + part;
    if (source_.from.empty() || only_others) return text;
    return text + "\nThe published weights are the Hugging Face repository Wan-AI/Wan2.2-T2V-A14B (126 GB):\n" +
           "  huggingface-cli download Wan-AI/Wan2.2-T2V-A14B --local-dir " + where;
  }

  /// A folder in the repository that a file comes from: the model's, if it is in there, else the file's own.
  Path repository_of(const Path& file) const {
    const Path within = file.lexically_normal().lexically_relative(source_.from.lexically_normal());
    if (!source_.from.empty() && !within.empty() && *within.begin() != "..") return source_.from;
    return file.has_parent_path() ? file.parent_path() : Path(".");
  }

  void refuse_lfs_pointers() const {
    std::string pointers;
    Path folder;
    for (const Path& file : found_) {
      const MappedFile map(file);
      if (!is_lfs_pointer(map.text())) continue;
      if (pointers.empty()) folder = repository_of(file);
      pointers += "\n  " + file.string();
    }
    if (pointers.empty()) return;
    throw Error(Error::input, folder.string() + ": these files are Git LFS pointers, not the files themselves:" +
                                  pointers + "\nThis fetches them:\n  git -C " + folder.string() + " lfs pull");
  }

  const ModelSource& source_;
  std::vector<Path> found_;
  std::vector<std::string> missing_;
};

/// The snapshot of `folder`, if it is a repository in Hugging Face's cache: snapshots/COMMIT holds links into blobs/,
/// and refs/main the commit. Any other folder is returned as it is.
Path snapshot_of(const Path& folder) {
  const Path snapshots = folder / "snapshots";
  if (!std::filesystem::is_directory(snapshots)) return folder;
  std::string commit;
  std::ifstream(folder / "refs" / "main") >> commit;
  if (!commit.empty() && std::filesystem::is_directory(snapshots / commit)) return snapshots / commit;
  std::vector<Path> found;
  for (const auto& item : std::filesystem::directory_iterator(snapshots)) found.push_back(item.path());
  if (found.size() == 1) return found.front();
  throw Error(Error::environment, folder.string() + ": is a cache folder with " + std::to_string(found.size()) +
                                      " snapshots and no refs/main that says which; name one of " + snapshots.string());
}

bool has_diffusers_layout(const Path& root) {
  return std::filesystem::exists(root / "model_index.json") || std::filesystem::exists(root / "transformer");
}

Path tokenizer_in(const Path& folder, Search& search) {
  return search.need_one_of({folder / "tokenizer.json", folder / "spiece.model"});
}

ExpertFiles expert_in(const Path& folder, Search& search) {
  const Path config = search.need(folder / "config.json");
  if (!std::filesystem::is_directory(folder)) {
    search.miss((folder / "*.safetensors").string());
    return {folder, config, {}};
  }
  return {search.need_network(folder), config, {}};
}

/// The published .pth file, its .safetensors repack, a folder of shards that replaces it, or a description of random
/// weights.
Path published(const Path& pth, Search& search) {
  const Path stem = Path(pth).replace_extension();
  if (std::filesystem::is_directory(stem)) return search.need_network(stem);
  return search.need_one_of(
      {pth, Path(pth).replace_extension(".safetensors"), Path(pth).replace_extension(random_manifest_ending)});
}

/// The config.json that tells the sizes of an expert which was given by itself: of a folder its own, of a file the one
/// beside it, else that of the expert which it replaces.
Path config_for(const Path& weights, const Path& replaced) {
  const Path own = config_beside(weights);
  const bool is_certain = std::filesystem::is_directory(weights) && !own.empty();
  return is_certain || replaced.empty() ? own : replaced;
}

bool holds_tokenizer(const Path& text_encoder) {
  if (!std::filesystem::is_regular_file(text_encoder)) return false;
  const MappedFile map(text_encoder);
  return read_tensor_index(map.bytes(), text_encoder.string()).contains(tokenizer_tensor);
}

/// Finds the parts of one source, each in its own place or else in the folder.
class Finder {
 public:
  explicit Finder(const ModelSource& source)
      : source_(source), search_(source), root_(source.from.empty() ? Path() : snapshot_of(source.from)) {}

  Path find_tokenizer() {
    const Path found = tokenizer(source_.text);
    search_.check_found();
    return found;
  }

  ModelFiles find() {
    const bool diffusers = is_diffusers();
    ModelFiles model;
    model.root = root_.empty() ? source_.high : root_;
    model.high = expert(source_.high, diffusers ? "transformer" : "high_noise_model", "high");
    model.low = expert(source_.low, diffusers ? "transformer_2" : "low_noise_model", "low");
    model.text_encoder = part(source_.text, "text", [&] {
      return diffusers ? search_.need_network(search_.need(root_ / "text_encoder"))
                       : published(root_ / "models_t5_umt5-xxl-enc-bf16.pth", search_);
    });
    model.vae = part(source_.vae, "vae", [&] {
      return diffusers ? search_.need_network(search_.need(root_ / "vae"))
                       : published(root_ / "Wan2.1_VAE.pth", search_);
    });
    model.tokenizer = tokenizer(model.text_encoder);
    add_loras(model);
    search_.check();
    return model;
  }

 private:
  bool is_diffusers() const { return !root_.empty() && has_diffusers_layout(root_); }

  template <class InFolder>
  Path part(const Path& given, const char* name, InFolder&& in_folder) {
    if (!given.empty()) return search_.need_network(given);
    if (!root_.empty()) return in_folder();
    search_.miss(std::string(name) + ": neither the part nor a folder that holds it is given");
    return {};
  }

  ExpertFiles expert(const Path& given, const char* folder, const char* name) {
    const Path own = root_ / folder;
    if (given.empty() && !root_.empty()) return expert_in(own, search_);
    const Path replaced = root_.empty() || !std::filesystem::exists(own / "config.json") ? Path() : own / "config.json";
    const Path weights = part(given, name, [] { return Path(); });
    return {weights, weights.empty() ? Path() : config_for(weights, replaced), {}};
  }

  Path tokenizer(const Path& text_encoder) {
    const Path& given = source_.tokenizer;
    if (!given.empty())
      return std::filesystem::is_directory(given) ? tokenizer_in(given, search_) : search_.need(given);
    if (!root_.empty()) return tokenizer_in(root_ / (is_diffusers() ? "tokenizer" : "google/umt5-xxl"), search_);
    if (!holds_tokenizer(text_encoder))
      search_.miss(
          "tokenizer: the text encoder's file holds none; give the tokenizer.json or spiece.model of "
          "google/umt5-xxl");
    return text_encoder;
  }

  void add_loras(ModelFiles& model) {
    for (const LoraSource& lora : source_.loras) {
      if (!lora.high.empty()) model.high.loras.push_back({search_.need(lora.high), lora.high_strength});
      if (!lora.low.empty()) model.low.loras.push_back({lora.low, lora.low_strength});
      if (!lora.low.empty() && lora.low != lora.high) search_.need(lora.low);
    }
  }

  const ModelSource& source_;
  Search search_;
  Path root_;
};

/// What the name of an expert's file says that it is; empty: nothing, or both.
std::optional<Expert> named(const Path& file) {
  std::string name = file.filename().string();
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const bool high = name.find("high") != std::string::npos, low = name.find("low") != std::string::npos;
  if (high == low) return std::nullopt;
  return high ? Expert::high : Expert::low;
}

bool same_file(const Path& a, const Path& b) {
  std::error_code ignored;
  return std::filesystem::equivalent(a, b, ignored);
}

void doubt_pair(const std::string& what, const Path& high, const Path& low, std::vector<std::string>& doubts) {
  if (same_file(high, low))
    doubts.push_back(high.string() + ": both experts take this one " + what +
                     "; the published model has one for high and another one for low noise");
  else if (named(high) == Expert::low || named(low) == Expert::high)
    doubts.push_back("by their names, the " + what + "s are swapped: high is " + high.string() + ", low is " +
                     low.string());
}

}  // namespace

Path config_beside(const Path& weights) {
  Path config = (std::filesystem::is_directory(weights) ? weights : weights.parent_path()) / "config.json";
  return std::filesystem::exists(config) ? config : Path();
}

bool is_model_folder(const Path& path) {
  for (const char* const part : {"high_noise_model", "transformer", "snapshots"})
    if (std::filesystem::is_directory(path / part)) return true;
  return false;
}

ModelFiles find_model(const ModelSource& source) { return Finder(source).find(); }

Path find_tokenizer(const ModelSource& source) { return Finder(source).find_tokenizer(); }

std::vector<std::string> doubts(const ModelFiles& model) {
  std::vector<std::string> found;
  doubt_pair("expert", model.high.weights, model.low.weights, found);
  for (const auto& [loras, other] : {std::pair(&model.high.loras, Expert::low), {&model.low.loras, Expert::high}})
    for (const LoraFile& lora : *loras)
      if (named(lora.file) == other)
        found.push_back(lora.file.string() + ": by its name, this LoRA is for the other expert");
  for (const auto* loras : {&model.high.loras, &model.low.loras})
    for (auto lora = loras->begin(); lora != loras->end(); ++lora)
      if (std::any_of(loras->begin(), lora,
                      [&](const LoraFile& earlier) { return same_file(earlier.file, lora->file); }))
        found.push_back(lora->file.string() + ": this LoRA is merged twice into one expert");
  return found;
}

}  // namespace wf
