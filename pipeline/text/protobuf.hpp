// pipeline/text/protobuf.hpp: the wire format of Protocol Buffers, read field by field from untrusted bytes.
// Source: protobuf.dev/programming-guides/encoding.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace wf {

/// One field of a message. Its number says which one it is. What its value means only the reader of the message knows,
/// so the functions take the field's name, for the Error(environment) that they throw when the value cannot have that
/// meaning. The errors name no file.
class ProtobufField {
 public:
  std::uint32_t number() const noexcept { return number_; }
  /// A string, bytes or a message: a view into the message that the field was read from.
  std::string_view bytes(std::string_view name) const;

  /// Sets `value`, if this is the field of that number: to a string or bytes, an int32 or enum, a bool, a float.
  void read(std::uint32_t number, std::string_view name, std::string_view& value) const;
  void read(std::uint32_t number, std::string_view name, std::int32_t& value) const;
  void read(std::uint32_t number, std::string_view name, bool& value) const;
  void read(std::uint32_t number, std::string_view name, float& value) const;

 private:
  friend std::optional<ProtobufField> next_field(std::string_view& message);
  /// How a value is stored. Groups (3 and 4), which no current program writes, are refused.
  enum class Wire { varint = 0, fixed64 = 1, delimited = 2, fixed32 = 5 };

  ProtobufField(std::uint32_t number, Wire wire, std::string_view& message);

  std::uint32_t number_;
  Wire wire_;
  std::uint64_t bits_ = 0;  ///< The value of all wire types but `delimited`.
  std::string_view bytes_;  ///< The value of `delimited`.
};

/// Takes the first field off the front of a message; empty when the message is at its end. Messages inside are bytes,
/// so nothing recurses. Throws environment when the bytes are no field or the message ends within one.
std::optional<ProtobufField> next_field(std::string_view& message);

}  // namespace wf
