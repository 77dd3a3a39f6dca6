// pipeline/text/tokenizer_file.cpp: a parser that moves vocabulary entries out of the JSON while it is parsed.
#include "pipeline/text/tokenizer_file.hpp"

#include <functional>
#include <utility>

#include "base/error.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;

constexpr int deepest = 64;

class Reader {
 public:
  explicit Reader(const std::string& name) : name_(name) {}

  // The callback of nlohmann::json's parser, called for every key and value; false drops the value.
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > deepest) fail("is nested more than " + std::to_string(deepest) + " deep");
    if (event == Json::parse_event_t::key && depth == 1) in_model_ = parsed == "model";
    if (event == Json::parse_event_t::key && depth == 2) in_vocabulary_ = in_model_ && parsed == "vocab";
    if (!in_model_ || !in_vocabulary_) return true;
    if (event == Json::parse_event_t::array_start && depth == 2) begin();
    if (event != Json::parse_event_t::array_end || depth != 3) return true;
    add(parsed);
    return false;
  }

  Vocabulary take() {
    if (!begun_) fail("model.vocab is missing, or no list of [piece, score]");
    return std::move(vocabulary_);
  }

  [[noreturn]] void fail(const std::string& what) const { throw Error(Error::environment, name_ + ": " + what); }

 private:
  void begin() {
    if (begun_) fail("model.vocab is there twice");
    begun_ = true;
  }

  void add(const Json& entry) {
    if (entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number()) {
      fail("model.vocab[" + std::to_string(vocabulary_.size()) + "] must be [piece, score]");
    }
    vocabulary_.add(entry[0].get_ref<const std::string&>(), entry[1].get<double>());
  }

  const std::string& name_;
  Vocabulary vocabulary_;
  bool in_model_ = false, in_vocabulary_ = false, begun_ = false;
};

}  // namespace

TokenizerFile read_tokenizer_file(std::string_view json, const std::string& name) {
  Reader reader(name);
  TokenizerFile file;
  try {
    file.root = Json::parse(json.begin(), json.end(), std::ref(reader));
  } catch (const Json::exception& error) {
    reader.fail(std::string("is not JSON: ") + error.what());
  }
  file.vocabulary = reader.take();
  if (!file.root.is_object() || !file.root["model"].is_object() || !file.root["model"]["vocab"].empty()) {
    reader.fail("model.vocab must hold [piece, score] and nothing else");
  }
  return file;
}

}  // namespace wf
