// tests/pipeline/stages/models_test.cpp: broken checkpoints are refused before the first clip, by the name of what is
// broken; texts are embedded once; experts come from files where a peer cannot give them.
#include "pipeline/stages/models.hpp"

#include <fstream>
#include <functional>
#include <limits>
#include <map>

#include "base/error.hpp"
#include "pipeline/stages/decode.hpp"
#include "pipeline/stages/stages.hpp"
#include "tests/golden.hpp"
#include "tests/pipeline/weights/error_message.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using test::TempFolder;

/// A copy of the golden checkpoint that a test may damage.
class CopiedModel {
 public:
  CopiedModel() { std::filesystem::copy(golden_model(), path(), std::filesystem::copy_options::recursive); }
  Path path() const { return folder_ / "model"; }

  void truncate(const std::string& file) const { std::filesystem::resize_file(path() / file, 100000); }
  /// Replaces a .pth file by a .safetensors file in which one tensor is changed.
  void change(const std::string& stem, const std::string& name,
              const std::function<at::Tensor(at::Tensor)>& with) const {
    const Checkpoint source(path() / (stem + ".pth"));
    std::map<std::string, at::Tensor> tensors;
    for (const std::string& each : source.names()) tensors[each] = source.load(each, at::kFloat, at::kCPU);
    tensors.at(name) = with(tensors.at(name));
    write_safetensors(path() / (stem + ".safetensors"), tensors);
    std::filesystem::remove(path() / (stem + ".pth"));
  }
  void replace_in(const std::string& file, const std::string& from, const std::string& to) const {
    std::string text = read_file(path() / file);
    text.replace(text.find(from), from.size(), to);
    std::ofstream(path() / file) << text;
  }

 private:
  TempFolder folder_;
};

/// The text of the error that opening the model throws, which must be of the kind environment; "accepted" if none.
std::string refusal(const CopiedModel& model) {
  try {
    Models(ModelSource{model.path()}, {});
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::environment);
    return error.what();
  }
  return "accepted";
}

TEST(Models, ATruncatedVaeIsRefusedAtTheStart) {
  const CopiedModel model;
  model.truncate("Wan2.1_VAE.pth");
  EXPECT_NE(refusal(model).find("Wan2.1_VAE.pth"), std::string::npos) << refusal(model);
}

TEST(Models, ATruncatedShardOfTheLowExpertIsRefusedAtTheStart) {
  const CopiedModel model;
  model.truncate("low_noise_model/diffusion_pytorch_model-00002-of-00003.safetensors");
  EXPECT_NE(refusal(model).find("low_noise_model/diffusion_pytorch_model-00002"), std::string::npos) << refusal(model);
}

TEST(Models, AConfigWithAWrongSizeIsRefusedAtTheStart) {
  const CopiedModel model;
  model.replace_in("low_noise_model/config.json", "\"ffn_dim\": 192", "\"ffn_dim\": 190");
  EXPECT_NE(refusal(model).find("ffn.0"), std::string::npos) << refusal(model);
}

TEST(Models, ATextEncoderOfAnotherModelIsRefusedAtTheStart) {
  const CopiedModel model;
  for (const std::string expert : {"high_noise_model", "low_noise_model"}) {
    const Checkpoint source(model.path() / expert);
    std::map<std::string, at::Tensor> tensors;
    for (const std::string& name : source.names()) tensors[name] = source.load(name, at::kFloat, at::kCPU);
    tensors["text_embedding.0.weight"] = at::zeros({96, 40});
    const std::string config = read_file(model.path() / expert / "config.json");
    std::filesystem::remove_all(model.path() / expert);
    std::filesystem::create_directory(model.path() / expert);
    std::ofstream(model.path() / expert / "config.json") << config;
    write_safetensors(model.path() / expert / "diffusion_pytorch_model.safetensors", tensors);
  }
  EXPECT_NE(refusal(model).find("width 64"), std::string::npos) << refusal(model);
  EXPECT_NE(refusal(model).find("takes 40"), std::string::npos) << refusal(model);
}

/// A text of so many tokens, of which the last is the end of the text.
std::string text_of_tokens(std::size_t tokens) {
  std::string text;
  for (std::size_t i = 1; i < tokens; ++i) text += "the ";
  return text;
}

TEST(Models, ATextLongerThanTheExpertsAcceptIsAnInputErrorThatSaysWhatDoesNotFit) {
  Models models(ModelSource{golden_model()}, {});
  EXPECT_EQ(models.embed("rain").text.size(0), 3);
  EXPECT_EQ(models.embed(text_of_tokens(512)).text.size(0), 512);
  const std::string message =
      made::input_error([&] { models.embed(text_of_tokens(512) + "red kite over a green field"); });
  EXPECT_CONTAINS(message, "takes 512: shorten it");
  EXPECT_CONTAINS(message, "begins with \"red kite over");
  EXPECT_CONTAINS(made::input_error([&] { models.embed(text_of_tokens(513)); }), "a text of 513 tokens");
}

/// A cache of two texts. The embedding of a text is the number of embeddings computed so far.
struct CountedCache {
  EmbeddingCache cache{sizeof(std::int64_t)};
  int computed = 0;
  at::Tensor get(const std::string& text) {
    return cache.get(text, [&](const std::string&) { return Embeddings{at::full({1}, ++computed, at::kLong)}; }).text;
  }
};

TEST(EmbeddingCache, ComputesATextOnceAndDropsTheLeastRecentlyUsed) {
  CountedCache c;
  EXPECT_FALSE(c.cache.has("rain"));
  c.get("rain");
  EXPECT_TRUE(c.cache.has("rain"));
  c.get("snow");
  c.get("rain");
  c.get("fog");
  EXPECT_TRUE(c.cache.has("rain"));
  EXPECT_FALSE(c.cache.has("snow"));
  EXPECT_EQ(c.get("rain").item<int>(), 1) << "computed once";
  EXPECT_EQ(c.computed, 3);
}

TEST(Models, EmbedAheadComputesTheEmbeddingsOfEmbed) {
  Execution dropping;
  dropping.keep_text_encoder = false;
  Models ahead(ModelSource{golden_model()}, dropping), one_by_one(ModelSource{golden_model()}, Execution());
  ahead.embed_ahead({"rain", "snow", "rain"});
  for (const std::string text : {"rain", "snow"}) {
    EXPECT_TRUE(ahead.is_embedded(text));
    EXPECT_FALSE(one_by_one.is_embedded(text));
    EXPECT_TRUE(at::equal(ahead.embed(text).text, one_by_one.embed(text).text));
  }
}

TEST(Models, EmbedAheadSkipsATextThatIsTooLong) {
  const std::string long_text = text_of_tokens(513);
  Models models(ModelSource{golden_model()}, {}), in_background(ModelSource{golden_model()}, {});
  models.embed_ahead({long_text, "rain"});
  embed_in_background({long_text, "rain"}, in_background, {});
  for (Models* each : {&models, &in_background}) {
    EXPECT_FALSE(each->is_embedded(long_text));
    EXPECT_TRUE(each->is_embedded("rain"));
    EXPECT_THROW(each->embed(long_text), Error);
  }
}

/// Both experts stay on the device, the text encoder does not, and the cache has room for `texts` texts of one token.
struct LittleRoom {
  explicit LittleRoom(std::uint64_t texts)
      : models(read_model({model.path()}, execution()), execution(), texts * 512) {}
  static Execution execution() {
    Execution execution;
    execution.keep_text_encoder = false;
    return execution;
  }
  void remove_text_encoder() const { std::filesystem::remove(model.path() / "models_t5_umt5-xxl-enc-bf16.pth"); }

  const CopiedModel model;
  Models models;
};

const std::vector<std::string> short_texts{"a", "the", "in", "of"};

TEST(Models, TextsThatAreEmbeddedAheadAreThereWhenTheExpertsAre) {
  LittleRoom room(4);
  room.models.embed_ahead(short_texts);
  room.remove_text_encoder();
  room.models.expert(Expert::high), room.models.expert(Expert::low);
  for (const std::string& text : short_texts) EXPECT_EQ(room.models.embed(text).text.nbytes(), 512u) << text;
}

TEST(Models, TextsThatAreEmbeddedAheadStayForThoseThatThereIsNoRoomFor) {
  LittleRoom room(2);
  room.models.embed_ahead({"a", "the", "a", "in", "of"});
  EXPECT_TRUE(room.models.is_embedded("a") && room.models.is_embedded("the"));
  EXPECT_FALSE(room.models.is_embedded("of"));
  room.models.embed_ahead({"of", "a"});
  EXPECT_TRUE(room.models.is_embedded("of") && room.models.is_embedded("a")) << "one of them was there";
}

TEST(Models, ExpertsThatBothStayMakeRoomForATextEncoderThatDoesNot) {
  LittleRoom room(4);
  const at::Tensor high = room.models.expert(Expert::high).text_in.weight;
  room.models.expert(Expert::low);
  room.models.embed("a");
  EXPECT_EQ(high.use_count(), 1u) << "the expert has left the device";
  EXPECT_TRUE(at::equal(room.models.expert(Expert::high).text_in.weight, high));
}

TEST(Models, NaNFromTheVaeIsAnErrorAndNotABlackVideo) {
  const CopiedModel model;
  model.change("Wan2.1_VAE", "decoder.conv1.weight",
               [](const at::Tensor& weight) { return at::full_like(weight, std::numeric_limits<float>::quiet_NaN()); });
  Models models(ModelSource{model.path()}, {});
  EXPECT_THROW(decode({at::zeros({16, 1, 2, 2})}, models.vae(), [](const Frames&) {}), Error);
}

TEST(Models, AnInfiniteEmbeddingIsAnErrorOfTheTextStage) {
  const CopiedModel model;
  model.change("models_t5_umt5-xxl-enc-bf16", "norm.weight",
               [](const at::Tensor& weight) { return at::full_like(weight, std::numeric_limits<float>::infinity()); });
  Models models(ModelSource{model.path()}, {});
  EXPECT_THROW(models.embed("rain"), Error);
}

TEST(Models, AnExpertThatCannotBeCopiedFromAPeerIsReadFromItsFiles) {
  const at::Tensor wanted = Models(ModelSource{golden_model()}, {}).expert(Expert::low).text_in.weight.clone();
  const auto memory = std::make_shared<const int>(0);
  const std::map<std::string, std::function<WeightLease()>> reasons{
      {"the peer does not have it", [] { return WeightLease{}; }},
      {"the request fails", []() -> WeightLease { throw Error(Error::transient, "on purpose"); }},
      {"its memory cannot be opened", [&] {
         return WeightLease{{1, 2, 3}, memory};
       }}};
  for (const auto& [reason, request] : reasons) {
    Models models(ModelSource{golden_model()}, {});
    EXPECT_TRUE(at::equal(models.expert(Expert::low, WeightPeer{1, request}).text_in.weight, wanted)) << reason;
    EXPECT_EQ(memory.use_count(), 1) << "the lease has been returned";
  }
}

}  // namespace
}  // namespace wf
