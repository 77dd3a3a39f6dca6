// base/check.hpp: assertions that stay on in every build, NDEBUG or not: where wanfarm's own code breaks a protocol or
// an invariant, the run must stop in order instead of going on with a corrupted schedule.
#pragma once

namespace wf {

/// Throws Error(internal) that names the condition, the file and the line.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace wf

/// Throws Error(internal) unless `condition` holds. For bugs in wanfarm only; what a user, a file or a node can get
/// wrong is an Error of another kind.
#define WF_CHECK(condition) ((condition) ? static_cast<void>(0) : ::wf::check_failed(#condition, __FILE__, __LINE__))
