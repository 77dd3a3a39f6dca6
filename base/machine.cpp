#include "base/machine.hpp"

#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace wf {
namespace {

/// What has to be equal for two processes to see each other: kernel and process namespace.
struct Surroundings {
  std::string kernel, namespace_id;
  bool known() const { return !kernel.empty() && !namespace_id.empty(); }
  bool operator==(const Surroundings&) const = default;
};

const Surroundings& own_surroundings() {
  static const Surroundings own = [] {
    std::error_code unreadable;
    return Surroundings{boot_id(), std::filesystem::read_symlink("/proc/self/ns/pid", unreadable).string()};
  }();
  return own;
}

/// When a process began, in ticks since its machine did; empty when there is none of that number, or one that is dead
/// and has only not been waited for.
std::string begin_of(const std::string& process) {
  std::ifstream file("/proc/" + process + "/stat");
  const std::string line{std::istreambuf_iterator<char>(file), {}};
  const auto name_end = line.rfind(')');  // the second field, the program's name, may contain blanks and parentheses
  if (name_end == std::string::npos) return "";
  std::istringstream fields(line.substr(name_end + 1));
  std::string state, begin;
  fields >> state;
  for (int field = 4; field <= 22; ++field) fields >> begin;
  return state == "Z" || state == "X" ? "" : begin;
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

std::string boot_id() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

std::string process_identity() {
  const Surroundings& here = own_surroundings();
  const std::string process = std::to_string(::getpid()), begin = begin_of(process);
  if (!here.known() || begin.empty()) return "";
  return here.kernel + " " + here.namespace_id + " " + process + " " + begin;
}

bool has_ended(const std::string& identity) {
  std::istringstream parts(identity);
  Surroundings its;
  std::string process, begin;
  if (!(parts >> its.kernel >> its.namespace_id >> process >> begin)) return false;
  return its == own_surroundings() && begin_of(process) != begin;
}

bool has_ended(pid_t process) { return begin_of(std::to_string(process)).empty(); }

}  // namespace wf
