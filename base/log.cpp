#include "cluster/log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <memory>

#include "cluster/error.hpp"

namespace wf {
namespace {

std::string pattern;

/// Where lines go. A logger's own list of sinks must not grow while another thread logs; this one may.
const std::shared_ptr<spdlog::sinks::dist_sink_mt>& sinks() {
  static const auto sinks = std::make_shared<spdlog::sinks::dist_sink_mt>();
  return sinks;
}

spdlog::level::level_enum level_of(const std::string& word) {
  const auto level = spdlog::level::from_str(word);
  if (level == spdlog::level::off && word != "off")
    throw Error(Error::input, "--log-level must be trace, debug, info, warn, error or off, got '" + word + "'");
  return level;
}

}  // namespace

void open_log(const std::string& level, int rank) {
  auto terminal = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  terminal->set_level(level_of(level));
  sinks()->set_sinks({terminal});
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

}  // namespace wf
