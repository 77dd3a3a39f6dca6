// base/trace.hpp: a recorder of spans (what a rank did from when to when) for Chrome's trace viewers (ui.perfetto.dev,
// chrome://tracing). There is one recorder per process, off until start(); every function may be called from any
// thread. In the viewer a rank is a process and a thread is a track; activities of no thread, a GPU's for example, can
// have tracks of their own. Format: Google's "Trace Event Format", JSON object form; pid = rank, tid = track, ts and
// dur in microseconds.
#pragma once

#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wf::trace {

/// Forgets earlier spans and records those that begin from now on, under the name "rank 003 (host)", or "rank 003" when
/// `host` is empty.
void start(int rank, const std::string& host = "");
/// Ends the recording: spans that begin later are ignored, those that have begun are still completed.
void stop();
/// Whether a span that begins now is recorded.
bool on() noexcept;

/// Makes now the zero of all timestamps; start() does so, too. Every rank calls it right after a barrier, so that the
/// ranks' clocks agree. Spans recorded before get negative timestamps.
void zero();

/// Names the calling thread's track, for example "computing" or "agent". Call it before the thread's first span. A
/// thread that ends leaves its track to the next thread of that name.
void name_thread(std::string_view name);

/// A key and its value as the viewer shows them for a span. Both are UTF-8 and copied.
struct Argument {
  std::string_view key, value;
};
struct Record;  ///< A recorded span; defined in trace.cpp.

/// A span of the calling thread that lasts as long as the object. Costs one atomic load while nothing is recorded.
class Span {
 public:
  /// `category` is one of stage, step, load, communication, wait and write. Texts are UTF-8 and are copied.
  Span(std::string_view category, std::string_view name, std::initializer_list<Argument> arguments = {});
  ~Span();
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;
  /// Adds an argument that is known only after the span has begun.
  void add(const Argument& argument);

 private:
  std::unique_ptr<Record> record_;  ///< Null when the span is not recorded.
};

/// A span that is over, on a track that belongs to no thread, such as "GPU". Spans on one track must follow each other
/// or nest.
struct CompletedSpan {
  std::string_view track, category, name;
  std::chrono::steady_clock::time_point begin, end;
};
/// Records the span if it began after start() and before stop().
void add(const CompletedSpan& span, std::initializer_list<Argument> arguments = {});

/// The names and completed spans of this rank, one JSON object per line: what each rank sends to rank 0. At most
/// 1,000,000 spans are kept, at most half of them shorter than 1 ms, so that short spans do not displace long ones; the
/// number of dropped spans is logged.
std::string events();

/// The complete trace file from the events() of all ranks.
std::string join(const std::vector<std::string>& events_of_ranks);

}  // namespace wf::trace
