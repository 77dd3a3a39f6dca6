// pipeline/text/json_view.hpp: checked access to values of a JSON file, with errors that name file and place.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/error.hpp"

namespace wf {

/// A value and its place as text ("tokenizer.json: normalizer.normalizers[1]"). Cheap to copy; the JSON must outlive
/// it. Every accessor throws environment, naming the place, when the value has another type than the one requested.
class JsonView {
 public:
  JsonView(const nlohmann::json& value, std::string where) : value_(&value), where_(std::move(where)) {}

  bool is_null() const { return value_->is_null(); }
  bool has(const std::string& key) const { return object().contains(key) && !object()[key].is_null(); }
  JsonView at(const std::string& key) const {
    if (!object().contains(key)) fail("has no \"" + key + "\"");
    return {object()[key], where_ + (is_file() ? " " : ".") + key};
  }

  std::size_t size() const { return array().size(); }
  JsonView at(std::size_t i) const { return {array()[i], where_ + "[" + std::to_string(i) + "]"}; }

  const nlohmann::json& object() const { return checked(value_->is_object(), "an object"); }
  const nlohmann::json& array() const { return checked(value_->is_array(), "an array"); }
  std::string text() const { return checked(value_->is_string(), "a string").get<std::string>(); }
  bool flag() const { return checked(value_->is_boolean(), "true or false").get<bool>(); }
  bool flag_or(const std::string& key, bool otherwise) const { return has(key) ? at(key).flag() : otherwise; }
  std::uint64_t count() const { return checked(value_->is_number_unsigned(), "a whole number").get<std::uint64_t>(); }
  std::string type() const { return at("type").text(); }

  [[noreturn]] void fail(const std::string& what) const { throw Error(Error::environment, where_ + ": " + what); }

 private:
  bool is_file() const { return !where_.empty() && where_.back() == ':'; }
  const nlohmann::json& checked(bool fits, const char* kind) const {
    if (!fits) fail(std::string("must be ") + kind + ", not " + value_->type_name());
    return *value_;
  }

  const nlohmann::json* value_;
  std::string where_;
};

}  // namespace wf
