#include "base/trace.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <iterator>
#include <mutex>
#include <utility>

namespace wf::trace {

using Clock = std::chrono::steady_clock;

struct Record {
  std::string category, name, arguments;  ///< `arguments` is a JSON object.
  Clock::time_point begin, end = {};
  std::size_t track = 0;
};

namespace {

constexpr std::size_t max_records = 1'000'000, max_short_records = max_records / 2;
constexpr Clock::duration shortest_long_span = std::chrono::milliseconds(1);

std::string json_text(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      result += {'\\', c};
    else if (static_cast<unsigned char>(c) < 0x20)
      result += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      result += c;
  }
  return result + '"';
}

std::string as_json(std::initializer_list<Argument> arguments) {
  std::string fields;
  for (const auto& [key, value] : arguments)
    fields += (fields.empty() ? "" : ",") + json_text(key) + ":" + json_text(value);
  return "{" + fields + "}";
}

double microseconds(Clock::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

/// The spans and tracks of this process. Every member function may be called from any thread.
class Recorder {
 public:
  bool on() const noexcept { return on_.load(std::memory_order_relaxed); }

  void stop() {
    const std::lock_guard lock(mutex_);
    if (on_.exchange(false)) stopped_ = Clock::now();
  }

  void start(int rank, const std::string& host) {
    const std::lock_guard lock(mutex_);
    rank_ = rank;
    host_ = host;
    origin_ = started_ = Clock::now();
    stopped_ = Clock::time_point::max();
    records_.clear();
    short_ = dropped_ = 0;
    on_ = true;
  }

  void zero() {
    const std::lock_guard lock(mutex_);
    origin_ = Clock::now();
  }

  /// Gives the calling thread a track of this name that no other thread holds.
  std::size_t take_track(std::string_view name) {
    const std::lock_guard lock(mutex_);
    std::size_t i = 0;
    while (i < tracks_.size() && (tracks_[i].taken || tracks_[i].name != name)) ++i;
    if (i == tracks_.size()) tracks_.push_back({.name = std::string(name)});
    tracks_[i].taken = true;
    return i;
  }

  void leave_track(std::size_t i) {
    const std::lock_guard lock(mutex_);
    tracks_[i].taken = false;
  }

  void add(Record record) {
    const std::lock_guard lock(mutex_);
    keep(std::move(record));
  }

  void add(Record record, std::string_view track) {
    const std::lock_guard lock(mutex_);
    if (record.begin < started_ || record.begin >= stopped_) return;
    record.track = shared_track(track);
    keep(std::move(record));
  }

  std::string events() const {
    const std::lock_guard lock(mutex_);
    if (dropped_ > 0) spdlog::warn("the trace is full: {} of {} spans were dropped", dropped_, all());
    std::string lines = named("process_name", 0, process_name());
    for (std::size_t i = 0; i < tracks_.size(); ++i) lines += named("thread_name", i, tracks_[i].name);
    for (const Record& record : records_) append_line(lines, record);
    return lines;
  }

 private:
  struct Track {
    std::string name;
    bool taken = false, shared = false;
  };

  std::size_t all() const { return records_.size() + dropped_; }

  void keep(Record record) {
    const bool is_short = record.end - record.begin < shortest_long_span;
    if (records_.size() == max_records || (is_short && short_ == max_short_records)) {
      ++dropped_;
      return;
    }
    short_ += is_short;
    records_.push_back(std::move(record));
  }

  /// The track of this name that is reserved for completed spans: no thread takes it.
  std::size_t shared_track(std::string_view name) {
    std::size_t i = 0;
    while (i < tracks_.size() && !(tracks_[i].shared && tracks_[i].name == name)) ++i;
    if (i == tracks_.size()) tracks_.push_back({.name = std::string(name), .taken = true, .shared = true});
    return i;
  }

  std::string process_name() const {
    return host_.empty() ? fmt::format("rank {:03}", rank_) : fmt::format("rank {:03} ({})", rank_, host_);
  }

  std::string named(const char* what, std::size_t track, const std::string& name) const {
    return fmt::format(R"({{"ph":"M","name":"{}","pid":{},"tid":{},"args":{{"name":{}}}}})"
                       "\n",
                       what, rank_, track, json_text(name));
  }

  void append_line(std::string& lines, const Record& record) const {
    fmt::format_to(std::back_inserter(lines),
                   R"({{"ph":"X","cat":{},"name":{},"pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f},"args":{}}})"
                   "\n",
                   json_text(record.category), json_text(record.name), rank_, record.track,
                   microseconds(record.begin - origin_), microseconds(record.end - record.begin), record.arguments);
  }

  std::atomic<bool> on_{false};
  mutable std::mutex mutex_;
  int rank_ = 0;
  std::string host_;
  Clock::time_point origin_, started_ = Clock::time_point::max(), stopped_ = Clock::time_point::max();
  std::vector<Record> records_;
  std::size_t short_ = 0, dropped_ = 0;
  std::vector<Track> tracks_;
};

/// The recorder is never destroyed, since threads may leave their tracks while static objects are destroyed.
Recorder& recorder() {
  static Recorder& recorder = *new Recorder;
  return recorder;
}

/// The track that a thread holds from name_thread(), or else its first span, until it ends.
class HeldTrack {
 public:
  ~HeldTrack() { leave(); }
  void take(std::string_view name) {
    leave();
    track_ = recorder().take_track(name);
    held_ = true;
  }
  std::size_t get() {
    if (!held_) take("unnamed");
    return track_;
  }

 private:
  void leave() {
    if (std::exchange(held_, false)) recorder().leave_track(track_);
  }
  std::size_t track_ = 0;
  bool held_ = false;
};

thread_local HeldTrack own_track;

}  // namespace

void start(int rank, const std::string& host) { recorder().start(rank, host); }

void stop() { recorder().stop(); }

bool on() noexcept { return recorder().on(); }

void zero() { recorder().zero(); }

void name_thread(std::string_view name) { own_track.take(name); }

Span::Span(std::string_view category, std::string_view name, std::initializer_list<Argument> arguments) {
  if (!recorder().on()) return;
  record_ = std::make_unique<Record>(
      Record{std::string(category), std::string(name), as_json(arguments), Clock::now(), {}, own_track.get()});
}

Span::~Span() {
  if (!record_) return;
  record_->end = Clock::now();
  try {
    recorder().add(std::move(*record_));
  } catch (const std::exception& error) {
    spdlog::error("a span is missing from the trace: {}", error.what());
  }
}

void Span::add(const Argument& argument) {
  if (!record_) return;
  std::string& all = record_->arguments;  // a JSON object: "{...}"
  all.pop_back();
  if (all.size() > 1) all += ',';
  all += as_json({argument}).substr(1);
}

void add(const CompletedSpan& span, std::initializer_list<Argument> arguments) {
  recorder().add({std::string(span.category), std::string(span.name), as_json(arguments), span.begin, span.end},
                 span.track);
}

std::string events() { return recorder().events(); }

std::string join(const std::vector<std::string>& events_of_ranks) {
  std::string file = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[";
  const char* separator = "\n";
  for (const std::string& events : events_of_ranks) {
    for (std::size_t begin = 0; begin < events.size(); separator = ",\n") {
      const std::size_t end = std::min(events.find('\n', begin), events.size());
      file += separator + events.substr(begin, end - begin);
      begin = end + 1;
    }
  }
  return file + "\n]}\n";
}

}  // namespace wf::trace
