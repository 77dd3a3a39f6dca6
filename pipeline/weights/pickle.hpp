// pipeline/weights/pickle.hpp: Python pickles parsed as plain data. Calls are recorded, never executed.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wf {

/// One object of a pickle. Which members are set depends on the kind.
struct PickleObject {
  enum Kind { none, boolean, integer, real, text, tuple, list, dict, global, call, persistent };
  Kind kind = none;
  std::int64_t number = 0;    ///< Value of a boolean or integer; the value of a real is not kept.
  std::string_view string{};  ///< A text, or the "module.name" of a global; points into the pickle or `allowed`.
  /// Items of a tuple or list; key, value, key, value, ... of a dict; global and arguments of a call; id of a
  /// persistent.
  std::vector<const PickleObject*> items{};
};

/// A kind as error messages name it: "a dictionary", "a whole number", ...
const char* to_string(PickleObject::Kind kind) noexcept;

/// The objects that a pickle builds. They refer to each other, possibly in cycles, and live as long as this struct; the
/// pickle's bytes and the allowed names must outlive it.
struct Pickle {
  std::deque<PickleObject> objects;
  const PickleObject* root = nullptr;
};

/// Interprets the opcodes of pickle protocols 2 to 5 that plain data needs. Source: CPython's Lib/pickletools.py.
/// collections.OrderedDict() becomes an empty dict; state set on a dict (torch's _metadata) is dropped; any other call
/// of an allowed global becomes a `call`. Throws broken(file) for a global that is not in `allowed` (naming it), an
/// opcode that instantiates a class, more than a million objects, stack or memo entries, and malformed or truncated
/// bytes.
Pickle read_pickle(std::span<const std::byte> pickle, const std::string& file,
                   std::span<const std::string_view> allowed);

}  // namespace wf
