// cluster/error.hpp: the one exception of wanfarm. It says what went wrong, where in the user's file, and under what.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace wf {

/// Thrown for whatever a user, a file or a machine can get wrong. Our own mistakes are assertions.
class Error : public std::runtime_error {
 public:
  /// What went wrong decides what happens next: the exit code, and whether a job is tried again.
  enum Kind {
    input,        ///< the user's list, flags or prompt: never retried, exit 2
    environment,  ///< no GPU, model missing or broken, folder held by another run: exit 3
    storage,      ///< disk full or failing: exit 5
    transient,    ///< may succeed when tried again
    resource,     ///< out of memory: may succeed with a smaller plan
    permanent,    ///< fails every time (NaN latents, ...)
    internal,     ///< everything that was not thrown by us
  };
  Error(Kind kind, const std::string& what) : Error(kind, what, "") {}
  Kind kind() const noexcept { return kind_; }
  /// The same error, with more words on where it happened: "what (inner; outer)".
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

/// The word for a kind, as sidecars and reports write it: "input", "environment", ...
const char* to_string(Error::Kind kind) noexcept;

/// The process exit code of an error: 2 input, 3 environment, 5 storage, 1 everything else.
int exit_code(Error::Kind kind) noexcept;

/// The exception in flight as an Error: an Error stays what it is, bad_alloc becomes `resource`, anything else
/// `internal`. Only the first line of a foreign what() is kept: LibTorch appends a C++ backtrace to its own.
Error current_error();

/// Runs `action`; an exception leaves as an Error that ends in " (context)", joined by "; " when contexts nest. What is
/// thrown without being a std::exception is no error and passes unchanged.
template <class Action>
decltype(auto) within(const std::string& context, Action&& action) {
  try {
    return std::forward<Action>(action)();
  } catch (const std::exception&) {
    throw current_error().under(context);
  }
}

}  // namespace wf
