#include "base/log.hpp"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <memory>
#include <mutex>
#include <utility>

#include "base/colours.hpp"
#include "base/error.hpp"

namespace wf {
namespace {

std::string pattern;

/// The list of sinks behind the logger's only sink. A logger's own list must not change while another thread logs; this
/// list, which locks, may.
const std::shared_ptr<spdlog::sinks::dist_sink_mt>& sinks() {
  static const auto sinks = std::make_shared<spdlog::sinks::dist_sink_mt>();
  return sinks;
}

/// Stands before the terminal's sink, has its level, and writes nothing.
class BeforeLines final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void call(std::function<void()> action) {
    const std::lock_guard lock(mutex_);  // the one that is held while sink_it_() runs
    action_ = std::move(action);
  }

 private:
  void sink_it_(const spdlog::details::log_msg&) override {
    if (action_) action_();
  }
  void flush_() override {}

  std::function<void()> action_;
};

const std::shared_ptr<BeforeLines>& before_lines() {
  static const auto sink = std::make_shared<BeforeLines>();
  return sink;
}

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::trace:
      return spdlog::level::trace;
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

}  // namespace

void open_log(LogLevel level, int rank) {
  const auto colours = colours_are_welcome() ? spdlog::color_mode::automatic : spdlog::color_mode::never;
  auto terminal = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(colours);
  terminal->set_level(level_of(level));
  before_lines()->set_level(level_of(level));
  sinks()->set_sinks({before_lines(), terminal});
  auto logger = std::make_shared<spdlog::logger>("wanfarm", sinks());
  logger->set_level(spdlog::level::trace);
  pattern = fmt::format("%H:%M:%S.%e %^%-5l%$ [rank {:03}] %v", rank);
  logger->set_pattern(pattern);
  spdlog::set_default_logger(logger);
}

void log_to_file(const Path& file) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string());
    sink->set_level(spdlog::level::debug);
    sink->set_pattern("%Y-%m-%d " + pattern);
    sinks()->add_sink(sink);
    spdlog::default_logger()->flush_on(spdlog::level::debug);
  } catch (const spdlog::spdlog_ex& error) {
    throw Error(Error::storage, file.string() + ": the log cannot be opened: " + error.what());
  }
}

void before_each_line(std::function<void()> action) { before_lines()->call(std::move(action)); }

}  // namespace wf
