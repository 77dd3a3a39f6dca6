#include "base/error.hpp"

#include <new>

namespace wf {

const char* to_string(Error::Kind kind) noexcept {
  switch (kind) {
    case Error::input:
      return "input";
    case Error::environment:
      return "environment";
    case Error::storage:
      return "storage";
    case Error::transient:
      return "transient";
    case Error::resource:
      return "resource";
    case Error::permanent:
      return "permanent";
    case Error::internal:
      return "internal";
  }
  return "internal";
}

int exit_code(Error::Kind kind) noexcept {
  switch (kind) {
    case Error::input:
      return 2;
    case Error::environment:
      return 3;
    case Error::storage:
      return 5;
    default:
      return 1;
  }
}

Error current_error() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error(Error::resource, "out of memory");
  } catch (const std::exception& error) {
    const std::string what = error.what();
    return Error(Error::internal, what.substr(0, what.find('\n')));
  } catch (...) {
    return Error(Error::internal, "an exception of an unknown type");
  }
}

}  // namespace wf
