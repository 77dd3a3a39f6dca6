// cluster/trace.hpp: what a rank did when, as spans for Chrome's trace viewers (ui.perfetto.dev, chrome://tracing).
// One recorder per process, off by default. Any thread may record; each thread is a lane of its own in the picture, and
// what is no thread can have one, too.
// Format: Google's "Trace Event Format", JSON object form; pid = rank, tid = thread, ts and dur in microseconds.
#pragma once

#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wf::trace {

/// Spans that begin from now on are recorded, as those of this rank. Forgets what was recorded before.
void start(int rank);
/// Spans that begin from now on are not.
void stop();
/// Whether spans that begin now are recorded.
bool on() noexcept;

/// Times count from now on: every rank calls it right after a barrier, so that their clocks agree. Spans from before
/// get negative times. start() does it too.
void zero();

/// The calling thread's name in the picture: "denoising", "courier", ... A thread that has ended leaves its lane to the
/// next one of that name. To be called before the thread's first span.
void name_thread(std::string_view name);

struct Argument {
  std::string_view key, value;
};
struct Record;  ///< trace.cpp's

/// From its construction to its destruction, this thread did `name`. Nearly free while nothing is recorded.
/// category: stage, step, load, communication, wait or write. Texts are UTF-8 and are copied.
class Span {
 public:
  Span(std::string_view category, std::string_view name, std::initializer_list<Argument> arguments = {});
  ~Span();
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;
  /// One more argument, that only its end shows.
  void add(const Argument& argument);

 private:
  std::unique_ptr<Record> record_;  ///< empty: not recorded
};

/// A span that is over, of a lane that is no thread's: "GPU". Spans of one lane follow each other, or nest.
struct Finished {
  std::string_view lane, category, name;
  std::chrono::steady_clock::time_point begin, end;
};
/// Recorded like the others: when it began after start() and before stop(). From any thread.
void add(const Finished& span, std::initializer_list<Argument> arguments = {});

/// This rank's names and finished spans, a line of JSON each: what rank 0 is sent. A rank keeps 1,000,000 spans, at
/// most half of them shorter than 1 ms, so that these do not displace the long ones; how many were dropped is logged
/// here.
std::string events();

/// A complete trace file out of what events() gave on each rank.
std::string join(const std::vector<std::string>& events_of_ranks);

}  // namespace wf::trace
