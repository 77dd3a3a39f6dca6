// launcher/cli/commands/make_model.cpp: wanfarm make-model FOLDER: makes random weights in the published layout.
#include <array>
#include <iostream>
#include <memory>
#include <utility>

#include "jobs/list/job_list.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/random_model/random_model.hpp"
#include "pipeline/weights/model_files.hpp"

namespace wf {
namespace {

struct SizeFlag {
  const char *name, *help;
  std::int64_t ModelSize::*field;
};
constexpr std::array size_flags{
    SizeFlag{"--dim", "width of each expert", &ModelSize::dim},
    SizeFlag{"--ffn", "feed-forward width of each expert", &ModelSize::ffn},
    SizeFlag{"--heads", "attention heads of each expert", &ModelSize::heads},
    SizeFlag{"--layers", "blocks of each expert", &ModelSize::layers},
    SizeFlag{"--text-dim", "width of the text encoder", &ModelSize::text_dim},
    SizeFlag{"--text-ffn", "feed-forward width of the text encoder", &ModelSize::text_ffn},
    SizeFlag{"--text-heads", "attention heads of the text encoder", &ModelSize::text_heads},
    SizeFlag{"--text-layers", "blocks of the text encoder", &ModelSize::text_layers},
    SizeFlag{"--vocabulary", "rows of the text embedding, at least as many as the tokenizer has ids",
             &ModelSize::vocabulary},
    SizeFlag{"--vae-dim", "channels of the VAE's first layer, a multiple of 4", &ModelSize::vae_dim},
};

struct MakeModelOptions {
  Path folder;
  std::string preset = "tiny";
  std::vector<std::pair<std::int64_t ModelSize::*, int>> sizes;  ///< Sizes that were given; they override the preset's.
  int seed = 42;
  int shard_megabytes = 2048;
  bool described = false;  ///< Writes descriptions of the weights instead of the weights.
};

std::vector<Flag> flags_of(MakeModelOptions& options) {
  std::vector<Flag> flags{
      {"FOLDER", "FOLDER", "the model folder to make; must not exist yet", into(options.folder)},
      choice_flag("--preset", preset_names(), "sizes to start from; a14b: the published size, 126 GB (tiny)",
                  options.preset),
      {"--random", "", "describe the weights instead of storing them; each run draws them where it needs them",
       into(options.described)},
      {"--seed", "N", "seed of the weights (42)", into(options.seed, 0)},
      {"--shard-megabytes", "N", "largest shard of an expert, in MiB (2048)", into(options.shard_megabytes, 1)}};
  for (const SizeFlag& size : size_flags) {
    const auto set = [&options, size](const std::string& text) {
      options.sizes.emplace_back(size.field, parse_count("the value", text, 1));
    };
    flags.push_back({size.name, "N", size.help, set, {}, "Sizes (instead of the preset's)"});
  }
  return flags;
}

int make_model(const MakeModelOptions& options) {
  RandomModel model{.size = preset(options.preset),
                    .seed = static_cast<std::uint64_t>(options.seed),
                    .shard_bytes = static_cast<std::uint64_t>(options.shard_megabytes) << 20,
                    .described = options.described};
  for (const auto& [field, value] : options.sizes) model.size.*field = value;
  write_random_model(options.folder, model);
  std::cout << options.folder.string() << ": made, model_id " << identity(find_model({options.folder})) << '\n';
  return 0;
}

}  // namespace

Command make_model_command() {
  const auto options = std::make_shared<MakeModelOptions>();
  return {.name = "make-model",
          .summary = "Make a checkpoint with random weights, of any size, for trials and measurements",
          .examples =
              "  wanfarm make-model models/random-tiny\n"
              "  wanfarm make-model models/random-a14b --preset a14b --random\n"
              "  wanfarm make-model models/wide --dim 256 --heads 8 --layers 4 --seed 7\n",
          .flags = flags_of(*options),
          .run = [options] { return make_model(*options); }};
}

}  // namespace wf
