// pipeline/experts/expert_cache.hpp: experts as they are computed with, kept in a folder for later starts: F32 files
// halved, LoRAs merged, matrices rounded to 8 bits. They are written while the run works, and what goes wrong with them
// is a line in the log, never an error of the run.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "base/background.hpp"
#include "pipeline/execution.hpp"
#include "pipeline/experts/model_parts.hpp"
#include "pipeline/model/dit.hpp"
#include "pipeline/weights/safetensors_writer.hpp"
#include "pipeline/weights/weights_cache.hpp"

namespace wf {

class NodeReader;

/// An expert that is to be loaded: what it is made of, and what it becomes.
struct ExpertToLoad {
  Expert which;
  const NetworkWeights& source;
  const DitWeights& like;   ///< what load_dit() makes on the device `meta`
  SettleBlock settle = {};  ///< as for load_dit()
};

/// Whether a file of the expert as it is computed with would load faster than its source: it has at most three quarters
/// of the bytes, or LoRAs are merged and it has hardly more. Never for random weights.
bool is_worth_converting(const NetworkWeights& source, const DitWeights& like);

/// The cache of one rank. Threads: load(), write_later() and abandon() may be called from several.
class ExpertCache {
 public:
  /// Finds an expert in the form in which it was loaded; null: it has left, or is not loaded. Any thread calls it.
  using Find = std::function<std::shared_ptr<const DitWeights>(Expert)>;

  /// parts and execution outlive the object, and so does what `find` uses.
  ExpertCache(const ModelParts& parts, const Execution& execution, Find find);
  /// Waits until what is being written is complete, unless it is abandoned, a signal asks the process to stop, or an
  /// exception is under way.
  ~ExpertCache();
  ExpertCache(const ExpertCache&) = delete;
  ExpertCache& operator=(const ExpertCache&) = delete;

  /// The expert from its file onto execution.device, bit for bit as load_dit() made it there once; nothing where there
  /// is no such file, it is damaged (and is removed then), or the cache is off. With `together` collective over the
  /// ranks of a node: all of them get it, or none.
  std::optional<DitWeights> load(const ExpertToLoad& expert, NodeReader* together);

  /// Begins to write the file of an expert that has been loaded from its source since load() did not find it; one of
  /// the processes that share the folder does. Does nothing for any other expert.
  void write_later(Expert which);

  /// Nothing more is written, and what is not complete is removed.
  void abandon() noexcept { is_abandoned_ = true; }

 private:
  /// A file that is to be written.
  struct Missing {
    Path file;
    ConvertedFrom from;
    std::vector<PlannedTensor> plan;
    std::uint64_t bytes;
  };
  ConvertedFrom origin_of(const ExpertToLoad& expert) const;
  std::optional<DitWeights> read(const Path& file, const ConvertedFrom& from, const ExpertToLoad& expert,
                                 NodeReader* together) const;
  void advise(const ExpertToLoad& expert) const;
  void write(Expert which, const Missing& missing);
  bool has_room(const Missing& missing) const;
  bool write_tensors(Expert which, const Missing& missing);
  at::Tensor on_host(Expert which, std::size_t place) const;
  bool is_stopped() const noexcept;

  const ModelParts& parts_;
  const Execution& execution_;
  Find find_;
  const double begin_;             ///< Unix time; files that were used since are not removed to make room
  const int exceptions_at_begin_;  ///< under way in the thread that made the object
  std::atomic<bool> is_abandoned_ = false;
  std::atomic<std::uint64_t> unwritten_ = 0;  ///< bytes of experts that are being written, or wait
  std::mutex mutex_;
  std::array<std::optional<Missing>, 2> missing_;  ///< of the high-noise and the low-noise expert
  std::optional<Background> writing_;              ///< null: the cache is off
};

}  // namespace wf
