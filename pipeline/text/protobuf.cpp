// pipeline/text/protobuf.cpp: keys, varints and lengths, none of which is trusted.
#include "pipeline/text/protobuf.hpp"

#include <bit>
#include <string>

#include "base/error.hpp"

namespace wf {
namespace {

[[noreturn]] void fail(const std::string& what) { throw Error(Error::environment, what); }

[[noreturn]] void fail_type(std::string_view name, const char* expected) {
  fail(std::string(name) + " must be " + expected);
}

std::string_view take(std::string_view& message, std::uint64_t size) {
  if (size > message.size()) fail("ends in the middle of a field (truncated?)");
  const std::string_view taken = message.substr(0, size);
  message.remove_prefix(size);
  return taken;
}

std::uint64_t take_little_endian(std::string_view& message, std::size_t size) {
  std::uint64_t bits = 0;
  const std::string_view bytes = take(message, size);
  for (std::size_t i = size; i-- > 0;) bits = bits << 8 | static_cast<unsigned char>(bytes[i]);
  return bits;
}

// Seven bits a byte, the lowest first; all bytes but the last have their highest bit set.
std::uint64_t take_varint(std::string_view& message) {
  std::uint64_t bits = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(take(message, 1)[0]);
    if (shift == 63 && byte > 1) break;
    bits |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return bits;
  }
  fail("holds a number of more than 64 bits");
}

}  // namespace

ProtobufField::ProtobufField(std::uint32_t number, Wire wire, std::string_view& message)
    : number_(number), wire_(wire) {
  switch (wire) {
    case Wire::varint:
      bits_ = take_varint(message);
      return;
    case Wire::fixed64:
      bits_ = take_little_endian(message, 8);
      return;
    case Wire::delimited:
      bytes_ = take(message, take_varint(message));
      return;
    case Wire::fixed32:
      bits_ = take_little_endian(message, 4);
      return;
  }
  fail("holds a field of the unknown wire type " + std::to_string(static_cast<int>(wire)));
}

std::optional<ProtobufField> next_field(std::string_view& message) {
  constexpr std::uint64_t largest_number = (1 << 29) - 1;
  if (message.empty()) return std::nullopt;
  const std::uint64_t key = take_varint(message), number = key >> 3;
  if (number == 0 || number > largest_number) fail("holds a field of the impossible number " + std::to_string(number));
  return ProtobufField(static_cast<std::uint32_t>(number), static_cast<ProtobufField::Wire>(key & 7), message);
}

std::string_view ProtobufField::bytes(std::string_view name) const {
  if (wire_ != Wire::delimited) fail_type(name, "a string or a message");
  return bytes_;
}

void ProtobufField::read(std::uint32_t number, std::string_view name, std::string_view& value) const {
  if (number == number_) value = bytes(name);
}

void ProtobufField::read(std::uint32_t number, std::string_view name, std::int32_t& value) const {
  if (number != number_) return;
  const auto whole = static_cast<std::int64_t>(bits_);  // a negative int32 is stored as an int64
  if (wire_ != Wire::varint || static_cast<std::int32_t>(whole) != whole) fail_type(name, "an integer of 32 bits");
  value = static_cast<std::int32_t>(whole);
}

void ProtobufField::read(std::uint32_t number, std::string_view name, bool& value) const {
  if (number != number_) return;
  if (wire_ != Wire::varint || bits_ > 1) fail_type(name, "true or false");
  value = bits_ == 1;
}

void ProtobufField::read(std::uint32_t number, std::string_view name, float& value) const {
  if (number != number_) return;
  if (wire_ != Wire::fixed32) fail_type(name, "a float");
  value = std::bit_cast<float>(static_cast<std::uint32_t>(bits_));
}

}  // namespace wf
