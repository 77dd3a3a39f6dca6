// base/error.hpp: the one exception type of wanfarm, which carries a kind (what happens next), a message (what went
// wrong, and where in the user's file) and contexts (during what).
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace wf {

/// Everything that a user, a file or a node can get wrong. Bugs in wanfarm are assertions (base/check.hpp), which throw
/// the kind `internal`. Example of a complete message:
///   jobs.yaml:4:13: frames must be 4k+1, got 80 (job sunset-02; rank 3)
class Error : public std::runtime_error {
 public:
  /// The kind decides the exit code (see exit_code()) and what becomes of a clip that fails with it: `transient`,
  /// `resource` and `internal` are retried; `input` and `permanent` fail the clip at once; `environment` and `storage`
  /// stop the run, since no other clip would escape them. The values travel between ranks: append new ones at the end.
  enum Kind {
    input,        ///< The user's list, flags, prompt or video file is wrong.
    environment,  ///< The node or model is unusable: no GPU, weights missing or broken, folder held by another run.
    storage,      ///< A file cannot be written: disk full, failing, or without permission.
    transient,    ///< A failure that may not repeat: a clip's state was lost, for example.
    resource,     ///< Memory ran out, or other ranks cannot be reached.
    permanent,    ///< The same clip would fail every time: NaN in its latents, for example.
    internal,     ///< A bug in wanfarm, or an exception of a library.
  };

  Error(Kind kind, const std::string& what) : Error(kind, what, "") {}
  Kind kind() const noexcept { return kind_; }
  /// A copy with one more context, the innermost first: "what (inner; outer)".
  Error under(const std::string& context) const {
    return {kind_, what_, context_.empty() ? context : context_ + "; " + context};
  }

 private:
  Error(Kind kind, const std::string& what, const std::string& context)
      : std::runtime_error(context.empty() ? what : what + " (" + context + ")"),
        kind_(kind),
        what_(what),
        context_(context) {}

  Kind kind_;
  std::string what_, context_;
};

/// The name of a kind as it stands in sidecars and reports: "input", "environment", ...
const char* to_string(Error::Kind kind) noexcept;

/// The process exit code for a kind: 2 for input, 3 for environment, 5 for storage, 1 for all others.
int exit_code(Error::Kind kind) noexcept;

/// The exception being handled as an Error; call it only inside a catch block. An Error is returned unchanged,
/// bad_alloc becomes `resource`, anything else `internal`. Of a foreign what() only the first line is kept, because
/// LibTorch appends a C++ backtrace to its messages.
Error current_error();

/// Returns what `action` returns. A std::exception that it throws leaves as current_error() with `context` added; other
/// types (used to unwind a thread, not to report an error) pass unchanged.
template <class Action>
decltype(auto) within(const std::string& context, Action&& action) {
  try {
    return std::forward<Action>(action)();
  } catch (const std::exception&) {
    throw current_error().under(context);
  }
}

}  // namespace wf
