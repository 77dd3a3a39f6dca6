// pipeline/weights/pickle.hpp: Python's pickle as plain data. Calls are written down, never made.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wf {

struct PickleObject {
  enum Kind { none, boolean, integer, real, text, tuple, list, dict, global, call, persistent };
  Kind kind = none;
  std::int64_t number = 0;   ///< boolean, integer; a real's value is not kept
  std::string_view words{};  ///< text; global: "module.name". Points into the pickle or the allowed names
  std::vector<const PickleObject*>
      items{};  ///< tuple, list; dict: key, value, key, value; call: global, arguments; persistent: id
};

/// The word for a kind in errors: "a dictionary", "a number", ...
const char* to_string(PickleObject::Kind kind) noexcept;

/// What a pickle builds; objects refer to each other, cycles included, and live as long as this. The pickle must
/// outlive it.
struct Pickle {
  std::deque<PickleObject> objects;
  const PickleObject* root = nullptr;
};

/// Runs the stack machine of pickle protocols 2 to 5, as far as data needs it. Source: CPython's Lib/pickletools.py.
/// collections.OrderedDict() becomes an empty dict; state set on a dict (torch's _metadata) is dropped; any other call
/// of an allowed global becomes a `call`. Throws broken(file): a global that is not in `allowed` (by its name), an
/// opcode that makes objects, more than a million objects, stack or memo entries, malformed or truncated bytes.
Pickle read_pickle(std::span<const std::byte> pickle, const std::string& file,
                   std::span<const std::string_view> allowed);

}  // namespace wf
