// tests/pipeline/model/vae_test.cpp: decoder and encoder against the official ones, chunks against the whole clip,
// errors, and memory.
#include "pipeline/model/vae.hpp"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.hpp"
#include "tests/golden.hpp"
#include "tests/pipeline/model/peak_bytes.hpp"
#include "tests/pipeline/model/sine_fill.hpp"

namespace wf {
namespace {

at::Tensor golden(const std::string& name) { return Golden("vae.safetensors")[name]; }
at::Tensor input(const std::string& name) { return Golden("vae.safetensors").input(name); }

VaeWeights golden_weights(at::ScalarType dtype = at::kFloat, at::Device device = test::device()) {
  return load_vae({Network::vae, golden_model() / "Wan2.1_VAE.pth"}, dtype, device);
}

VaeEncoderWeights golden_encoder() {
  return load_vae_encoder({Network::vae, golden_model() / "Wan2.1_VAE.pth"}, at::kFloat, test::device());
}

at::Tensor decode(const VaeWeights& weights, const at::Tensor& latents, std::int64_t frames_per_chunk = 1) {
  std::vector<at::Tensor> frames;
  vae_decode(
      weights, latents, [&](const at::Tensor& chunk) { frames.push_back(chunk); }, frames_per_chunk);
  return at::cat(frames, 1);
}

/// Names and shapes of the published VAE with another base width.
class VaeShapes {
 public:
  explicit VaeShapes(std::int64_t d) {
    conv("encoder.conv1", d, 3, {3, 3, 3});
    residuals("encoder.downsamples", 0, {{d, d}, {d, d}});
    resample("encoder.downsamples.2", d, d, 0);
    residuals("encoder.downsamples", 3, {{d, 2 * d}, {2 * d, 2 * d}});
    resample("encoder.downsamples.5", 2 * d, 2 * d, 2 * d);
    residuals("encoder.downsamples", 6, {{2 * d, 4 * d}, {4 * d, 4 * d}});
    resample("encoder.downsamples.8", 4 * d, 4 * d, 4 * d);
    residuals("encoder.downsamples", 9, {{4 * d, 4 * d}, {4 * d, 4 * d}});
    middle("encoder.middle", 4 * d);
    head("encoder.head", 4 * d, 32);
    conv("conv1", 32, 32, {1, 1, 1});
    conv("conv2", 16, 16, {1, 1, 1});
    conv("decoder.conv1", 4 * d, 16, {3, 3, 3});
    middle("decoder.middle", 4 * d);
    residuals("decoder.upsamples", 0, {{4 * d, 4 * d}, {4 * d, 4 * d}, {4 * d, 4 * d}});
    resample("decoder.upsamples.3", 4 * d, 2 * d, 8 * d);
    residuals("decoder.upsamples", 4, {{2 * d, 4 * d}, {4 * d, 4 * d}, {4 * d, 4 * d}});
    resample("decoder.upsamples.7", 4 * d, 2 * d, 8 * d);
    residuals("decoder.upsamples", 8, {{2 * d, 2 * d}, {2 * d, 2 * d}, {2 * d, 2 * d}});
    resample("decoder.upsamples.11", 2 * d, d, 0);
    residuals("decoder.upsamples", 12, {{d, d}, {d, d}, {d, d}});
    head("decoder.head", d, 3);
  }
  const Shapes& get() const { return shapes_; }

 private:
  void conv(const std::string& name, std::int64_t out, std::int64_t in, const Shape& kernel) {
    Shape& weight = shapes_[name + ".weight"] = {out, in};
    weight.insert(weight.end(), kernel.begin(), kernel.end());
    shapes_[name + ".bias"] = {out};
  }
  void residuals(const std::string& list, int first, const std::vector<std::pair<std::int64_t, std::int64_t>>& widths) {
    for (const auto& [in, out] : widths) {
      const std::string name = list + "." + std::to_string(first++);
      shapes_[name + ".residual.0.gamma"] = {in, 1, 1, 1};
      conv(name + ".residual.2", out, in, {3, 3, 3});
      shapes_[name + ".residual.3.gamma"] = {out, 1, 1, 1};
      conv(name + ".residual.6", out, out, {3, 3, 3});
      if (in != out) conv(name + ".shortcut", out, in, {1, 1, 1});
    }
  }
  void resample(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t time_out) {
    conv(name + ".resample.1", out, in, {3, 3});
    if (time_out > 0) conv(name + ".time_conv", time_out, in, {3, 1, 1});
  }
  void middle(const std::string& name, std::int64_t width) {
    residuals(name, 0, {{width, width}});
    shapes_[name + ".1.norm.gamma"] = {width, 1, 1};
    conv(name + ".1.to_qkv", 3 * width, width, {1, 1});
    conv(name + ".1.proj", width, width, {1, 1});
    residuals(name, 2, {{width, width}});
  }
  void head(const std::string& name, std::int64_t in, std::int64_t out) {
    shapes_[name + ".0.gamma"] = {in, 1, 1, 1};
    conv(name + ".2", out, in, {3, 3, 3});
  }
  Shapes shapes_;
};

VaeWeights formula_weights() {
  const TemporaryCheckpoint checkpoint(sine_fill(VaeShapes(12).get()));
  return load_vae({Network::vae, checkpoint.file()}, at::kFloat, test::device());
}

VaeEncoderWeights formula_encoder() {
  const TemporaryCheckpoint checkpoint(sine_fill(VaeShapes(12).get()));
  return load_vae_encoder({Network::vae, checkpoint.file()}, at::kFloat, test::device());
}

TEST(Vae, DecodesAsTheOfficialDecoder) {
  const c10::InferenceMode inference;
  const VaeWeights weights = golden_weights();
  expect_close("decode", decode(weights, input("z")), golden("decode"), test::network_tolerance);
  expect_close("decode1", decode(weights, input("z").narrow(1, 0, 1)), golden("decode1"), test::network_tolerance);
}

TEST(Vae, EncodesAsTheOfficialEncoder) {
  const c10::InferenceMode inference;
  const VaeEncoderWeights weights = golden_encoder();
  for (const std::string frames : {"1", "5", "13"})
    expect_close("encode" + frames, vae_encode(weights, input("video" + frames)), golden("encode" + frames),
                 test::network_tolerance);
}

TEST(Vae, DecodesAsTheOfficialDecoderOnFormulaWeights) {
  const c10::InferenceMode inference;
  const at::Tensor video = decode(formula_weights(), test::on_device(sine(1003, {16, 3, 2, 3})));
  EXPECT_EQ(video.sizes(), at::IntArrayRef({3, 9, 16, 24}));
  expect_sample(video, {55.962843,
                        4486.295288,
                        {{0, 0.139605},
                         {1, 0.255727},
                         {2, 0.199642},
                         {3, 0.182122},
                         {3456, 0.091287},
                         {5184, -0.336478},
                         {10366, 0.863095},
                         {10367, 0.387839}}});
}

TEST(Vae, EncodesAsTheOfficialEncoderOnFormulaWeights) {
  const c10::InferenceMode inference;
  const at::Tensor latents = vae_encode(formula_encoder(), test::on_device(sine(1004, {3, 9, 16, 24})));
  EXPECT_EQ(latents.sizes(), at::IntArrayRef({16, 3, 2, 3}));
  expect_sample(latents,
                {25.414182,
                 98.258128,
                 {{0, 0.338637}, {1, 0.343650}, {96, -0.503117}, {144, 0.007783}, {286, 0.347215}, {287, 0.345576}}});
}

TEST(Vae, AnyChunkLengthDecodesTheSameFrames) {
  const c10::InferenceMode inference;
  const VaeWeights weights = golden_weights();
  const at::Tensor latents = test::on_device(sine(7, {16, 8, 5, 6})), wanted = decode(weights, latents, 7);
  for (const std::int64_t length : {1, 2, 3})
    expect_close("chunks of " + std::to_string(length), decode(weights, latents, length), wanted, 1e-6);
}

TEST(Vae, AnyChunkLengthEncodesTheSameLatents) {
  const c10::InferenceMode inference;
  const VaeEncoderWeights weights = golden_encoder();
  const at::Tensor video = input("video13");
  VaeEncoder encoder(weights);
  const at::Tensor latents = at::cat({encoder.next(video.narrow(1, 0, 1)), encoder.next(video.narrow(1, 1, 12))}, 1);
  expect_close("chunks of 1 and 12", latents, vae_encode(weights, video), 1e-6);
}

TEST(Vae, HandsFramesOverAsTheyCome) {
  const c10::InferenceMode inference;
  std::vector<std::int64_t> frames;
  vae_decode(
      golden_weights(), input("z"), [&](const at::Tensor& chunk) { frames.push_back(chunk.size(1)); }, 2);
  EXPECT_EQ(frames, (std::vector<std::int64_t>{1, 8, 4}));
}

TEST(VaeOnCpu, DecodingMemoryDoesNotGrowWithTheClip) {
  const c10::InferenceMode inference;
  const VaeWeights weights = golden_weights();
  const auto peak = [&](std::int64_t latent_frames) {
    const at::Tensor latents = sine(7, {16, latent_frames, 4, 4});
    return peak_bytes([&] { vae_decode(weights, latents, [](const at::Tensor&) {}); });
  };
  EXPECT_EQ(peak(4), peak(16));
  EXPECT_LT(peak(1), peak(4));  // the count sees something
}

TEST(VaeOnCpu, KnowsWhatDecodingNeedsBeforeAWeightIsRead) {
  const c10::InferenceMode inference;
  constexpr std::int64_t height = 864, width = 16;
  const at::Tensor latents = sine(7, {16, 7, height / 8, width / 8});
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16})
    for (const int chunk : {1, 3}) {
      const std::int64_t used = peak_bytes([&] {
        vae_decode(
            golden_weights(dtype), latents, [](const at::Tensor&) {}, chunk);
      });
      const auto said = static_cast<std::int64_t>(vae_decode_bytes_needed(
          golden_weights(dtype, at::kMeta), height, width, chunk, convolving_on(at::kCPU, dtype, /*tf32=*/false)));
      std::printf("  %s, chunks of %d: %.3f MB used, %.3f said\n", at::toString(dtype), chunk,
                  1e-6 * static_cast<double>(used), 1e-6 * static_cast<double>(said));
      EXPECT_LE(used, said + said / 20);
      EXPECT_GE(used, said * 9 / 10);
    }
}

/// What our kernels take on a GPU can be planned anywhere: of f32 twice the weights, and less than cuDNN's copies.
TEST(Vae, KnowsWhatDecodingNeedsOnHopper) {
  const c10::InferenceMode inference;
  const VaeWeights shapes = golden_weights(at::kFloat, at::kMeta);
  const auto bytes = [&](Convolving how, std::int64_t height) {
    return static_cast<double>(vae_decode_bytes_needed(shapes, height, 2 * height, 1, how));
  };
  EXPECT_EQ(bytes(Convolving::hopper_tf32, 0), bytes(Convolving::library, 0));
  EXPECT_NEAR(bytes(Convolving::hopper_f32, 0) / bytes(Convolving::library, 0), 2.0, 0.1);
  EXPECT_LT(bytes(Convolving::hopper_f32, 720), bytes(Convolving::library_reordered, 720));
}

/// Rounding frames to 8 bits alone gives 58.9 dB, so 50 dB is a root mean square error of less than one step.
TEST(Vae, InBf16StaysNearF32) {
  const c10::InferenceMode inference;
  const at::Tensor ours = decode(golden_weights(at::kBFloat16), input("z")).cpu().clamp(-1, 1),
                   wanted = golden("decode").clamp(-1, 1);
  const double psnr = 10 * std::log10(4.0 / (ours - wanted).square().mean().item<double>());
  std::printf("  PSNR %.1f dB, at least 50 wanted\n", psnr);
  EXPECT_GT(psnr, 50.0);
}

TEST(Vae, NamesTheTensorThatIsMissingOrWrongOrUnknown) {
  const auto load_error = [](const std::string& name, const at::Tensor& replacement) -> std::string {
    auto tensors = sine_fill(VaeShapes(4).get());
    tensors.erase(name);
    if (replacement.defined()) tensors[name] = replacement;
    const TemporaryCheckpoint checkpoint(tensors);
    try {
      load_vae({Network::vae, checkpoint.file()}, at::kFloat, at::kCPU);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::environment);
      EXPECT_NE(std::string(error.what()).find(checkpoint.file().string()), std::string::npos) << error.what();
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(load_error("decoder.conv1.bias", at::zeros({16})), "");
  const at::Tensor missing;
  for (const std::string name :
       {"decoder.upsamples.7.time_conv.bias", "decoder.upsamples.4.shortcut.weight", "encoder.middle.1.norm.gamma",
        "encoder.downsamples.0.residual.2.weight", "conv2.weight"})
    EXPECT_NE(load_error(name, missing).find(name), std::string::npos) << name;
  for (const std::string name :
       {"decoder.upsamples.3.resample.1.weight", "encoder.head.0.gamma", "decoder.unheard.of", "conv2.weight"})
    EXPECT_NE(load_error(name, at::zeros({5, 5})).find(name), std::string::npos) << name;
}

TEST(Vae, LoadingOneHalfReadsNoDataOfTheOther) {
  const Path file = golden_model() / "Wan2.1_VAE.pth";
  const NetworkWeights decoder(Network::vae, file), encoder(Network::vae, file);
  load_vae(decoder, at::kFloat, at::kCPU);
  load_vae_encoder(encoder, at::kFloat, at::kCPU);
  const Checkpoint &for_decoder = decoder.files(), &for_encoder = encoder.files();
  EXPECT_GT(for_decoder.bytes_read(), 0u);
  EXPECT_GT(for_encoder.bytes_read(), 0u);
  EXPECT_EQ(for_decoder.bytes_read() + for_encoder.bytes_read(), for_decoder.bytes());
}

TEST(Vae, RefusesSizesThatDoNotFit) {
  const c10::InferenceMode inference;
  const VaeWeights weights = golden_weights();
  const VaeEncoderWeights encoder = golden_encoder();
  for (const Shape& shape : {Shape{3, 4, 16, 16}, Shape{3, 5, 20, 16}, Shape{1, 5, 16, 16}, Shape{3, 16, 16}})
    EXPECT_THROW(vae_encode(encoder, at::zeros(shape, test::device())), Error) << at::IntArrayRef(shape);
  EXPECT_THROW(VaeDecoder(weights).next(at::zeros({15, 1, 2, 2}, test::device())), Error);
  EXPECT_THROW(VaeDecoder(weights).next(at::zeros({16, 2, 2, 2}, test::device())), Error);
}

}  // namespace
}  // namespace wf
