// tests/launcher/cli/lfs_pointer_test.cpp: what Git LFS left in place of a model's files is named, with the command
// that fetches them.
#include <gtest/gtest.h>

#include "tests/launcher/program.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

const std::string pointer =
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    "size 9996846672\n";

/// A copy of the golden checkpoint as a clone without Git LFS has it.
class LfsClone : public testing::Test {
 protected:
  LfsClone() {
    std::filesystem::copy(golden_model_folder(), model, std::filesystem::copy_options::recursive);
    write_file(folder / "list.yaml", small_list(1));
    for (const char* const file : {"Wan2.1_VAE.pth", "google/umt5-xxl/tokenizer.json"})
      write_file(model / file, pointer);
  }
  const TempFolder folder;
  const Path model = folder / "model";
};

TEST_F(LfsClone, EveryPointerOfAModelIsNamedAtOnce) {
  const std::vector<std::vector<std::string>> commands{{"render", "list.yaml", "--model", model},
                                                       {"render", "list.yaml", "--model", model, "--dry-run"},
                                                       {"plan", "list.yaml", "--model", model, "--gpu", "cpu"},
                                                       {"inspect", model}};
  for (const std::vector<std::string>& command : commands) {
    const ProgramResult outcome = run(folder.path(), command);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, "these files are Git LFS pointers")) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, (model / "Wan2.1_VAE.pth").string())) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, (model / "google/umt5-xxl/tokenizer.json").string())) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, "git -C " + model.string() + " lfs pull")) << outcome.err;
  }
}

TEST_F(LfsClone, DoctorSaysSo) {
  const ProgramResult outcome = run(folder.path(), {"doctor", "--model", model});
  EXPECT_EQ(outcome.code, 3) << "something needed is missing";
  EXPECT_TRUE(contains(outcome.out, "git -C " + model.string() + " lfs pull")) << outcome.out;
}

TEST_F(LfsClone, ASinglePointerIsNamedByWhoeverReadsIt) {
  for (const char* const name : {"a.safetensors", "b.pth", "c.random.json", "d.json"})
    write_file(folder / name, pointer);
  const std::vector<std::vector<std::string>> commands{{"inspect", "a.safetensors"},
                                                       {"inspect", "b.pth"},
                                                       {"inspect", "c.random.json"},
                                                       {"tokenize", "--tokenizer", "d.json"}};
  for (const std::vector<std::string>& command : commands) {
    const ProgramResult outcome = run(folder.path(), command);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_TRUE(
        contains(outcome.err, command.back() + ": is a Git LFS pointer, not the file itself (run 'git lfs pull'"))
        << outcome.err;
  }
}

}  // namespace
}  // namespace wf
