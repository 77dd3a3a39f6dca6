// tests/launcher/submit/site_test.cpp: the settings of a site, and the proposal that doctor makes of them.
#include "launcher/submit/site.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "launcher/submit/propose_site.hpp"
#include "launcher/submit/site_nodes.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

constexpr std::uint64_t gib = 1ull << 30;

std::string refusal(const std::string& yaml) {
  try {
    parse_site(yaml, "site.yaml");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    return error.what();
  }
  ADD_FAILURE() << "accepted: " << yaml;
  return "";
}

TEST(Site, HasWhatItsFileSays) {
  const Site site = parse_site(
      "partition: gpu\naccount: project-7\nqos: normal\nmodules: [gcc/12, openmpi/4.1]\ncontainer: /img/wf.sif\n"
      "launcher: mpirun\nscratch: /scratch/$USER\nprogram: /opt/wanfarm\ngpu: h100\ngpus_per_node: 8\n"
      "cpus_per_node: 96\ngpu_memory: 80GB\nlink_between_nodes: 12GB/s\nsbatch: [--constraint=h100, --mem=0]\n",
      "site.yaml");
  EXPECT_EQ(site.partition, "gpu");
  EXPECT_EQ(site.account, "project-7");
  EXPECT_EQ(site.qos, "normal");
  EXPECT_EQ(site.modules, (std::vector<std::string>{"gcc/12", "openmpi/4.1"}));
  EXPECT_EQ(site.container, "/img/wf.sif");
  EXPECT_EQ(site.launcher, "mpirun");
  EXPECT_EQ(site.scratch, "/scratch/$USER");
  EXPECT_EQ(site.program, "/opt/wanfarm");
  EXPECT_EQ(site.gpu, "h100");
  EXPECT_EQ(site.gpus_per_node, 8);
  EXPECT_EQ(site.cpus_per_node, 96);
  EXPECT_EQ(site.gpu_memory, 80'000'000'000u);
  EXPECT_EQ(site.link_between_nodes, 12e9);
  EXPECT_EQ(site.sbatch, (std::vector<std::string>{"--constraint=h100", "--mem=0"}));
}

TEST(Site, ThatIsEmptyStartsRanksWithSrun) {
  EXPECT_EQ(parse_site("# nothing yet\n", "site.yaml").launcher, "srun");
  EXPECT_EQ(parse_site("modules: gcc/12\n", "site.yaml").modules, std::vector<std::string>{"gcc/12"});
}

TEST(Site, NamesFileAndLineOfAllThatIsWrong) {
  const std::string text = refusal("partition: gpu\npartitoin: x\ngpus_per_node: many\nlauncher: ssh\n");
  EXPECT_TRUE(contains(text, "site.yaml:2:1: unknown key 'partitoin' (did you mean 'partition'?)")) << text;
  EXPECT_TRUE(contains(text, "site.yaml:3:16: gpus_per_node")) << text;
  EXPECT_TRUE(contains(text, "site.yaml:4:11: launcher must be srun or mpirun, got 'ssh'")) << text;
}

TEST(Site, RefusesValuesThatWouldBecomeOtherLinesOfTheScript) {
  for (const char* const yaml :
       {"partition: gpu --mem=0\n", "account: \"a\\nrm\"\n", "scratch: '/s/$(rm x)'\n", "scratch: '/s\"; rm x'\n",
        "scratch: here\n", "modules: [gcc, 'a; b']\n", "sbatch: [constraint]\n", "container: image.sif\n",
        "gpu: h300\n", "gpu_memory: much\n", "link_between_nodes: 12\n", "qos: [a, b]\n", "cpus_per_node: 0\n",
        "- partition\n", "partition: ''\n"})
    EXPECT_TRUE(contains(refusal(yaml), "site.yaml:1:")) << yaml;
}

TEST(Site, LiesWhereXdgSaysOrInTheHome) {
  EXPECT_EQ(site_file("/x", "/home/me"), "/x/wanfarm/site.yaml");
  EXPECT_EQ(site_file("", "/home/me"), "/home/me/.config/wanfarm/site.yaml");
  EXPECT_EQ(site_file("", ""), "");
}

/// A cluster with CPUs by default, and two partitions with GPUs.
ClusterAnswers cluster() {
  return {.partitions = {{.name = "cpu", .is_default = true, .nodes = 20, .most_seconds = {}},
                         {.name = "small", .nodes = 1, .most_seconds = 3600},
                         {.name = "gpu", .nodes = 16, .most_seconds = 86400}},
          .nodes = {{{.nodes = 20, .cpus = 64, .gpu = "", .gpus = 0}},
                    {{.nodes = 1, .cpus = 16, .gpu = "a100", .gpus = 4}},
                    {{.nodes = 2, .cpus = 32, .gpu = "v100", .gpus = 4},
                     {.nodes = 14, .cpus = 96, .gpu = "h100", .gpus = 8}}},
          .mpi_types = {"none", "pmix_v4", "pmi2"}};
}

TEST(ProposedSite, IsThePartitionWithMostGpus) {
  const Site site = propose_site(cluster());
  EXPECT_EQ(site.partition, "gpu");
  EXPECT_EQ(site.gpu, "h100");
  EXPECT_EQ(site.gpus_per_node, 8);
  EXPECT_EQ(site.cpus_per_node, 96);
  EXPECT_EQ(site.launcher, "srun");
}

TEST(ProposedSite, StartsWithMpirunWhereSlurmHasNoPmix) {
  ClusterAnswers answers = cluster();
  answers.mpi_types = {"none", "pmi2"};
  EXPECT_EQ(propose_site(answers).launcher, "mpirun");
}

TEST(ProposedSite, OfACpuClusterIsItsDefaultPartition) {
  ClusterAnswers answers = cluster();
  answers.partitions.resize(1), answers.nodes.resize(1);
  EXPECT_EQ(propose_site(answers).partition, "cpu");
  EXPECT_EQ(propose_site(answers).gpu, "cpu");
}

TEST(ProposedSite, IsAFileThatIsReadBackAsTheSame) {
  const Site proposed = propose_site(cluster()), read = parse_site(proposed_file(cluster()), "site.yaml");
  EXPECT_EQ(to_yaml(read, ""), to_yaml(proposed, ""));
  EXPECT_TRUE(
      contains(proposed_file(cluster()), "#   gpu: 16 nodes, at most 1-00:00:00; 2 with 32 cores, 4 GPUs v100;"));
}

TEST(SiteNodes, FillInWhatTheSiteDoesNotSay) {
  const std::vector<NodeKind> kinds{{.nodes = 2, .cpus = 96, .gpu = "nvidia_h100_80gb", .gpus = 8}};
  Site site;
  fill_in_nodes(site, kinds);
  EXPECT_EQ(site.gpu, "h100");
  EXPECT_EQ(site.gpus_per_node, 8);
  EXPECT_EQ(site.cpus_per_node, 96);
  EXPECT_TRUE(what_is_unknown(site).empty());
  Site given{.gpu = "a100", .gpus_per_node = 2, .cpus_per_node = 16};
  fill_in_nodes(given, kinds);
  EXPECT_EQ(given.gpu, "a100");
  EXPECT_EQ(given.gpus_per_node, 2);
  EXPECT_EQ(given.cpus_per_node, 16);
}

TEST(SiteNodes, OfSeveralTypesAreOneThatTheJobAsksFor) {
  const std::vector<NodeKind> kinds{{.nodes = 4, .cpus = 64, .gpu = "a100", .gpus = 8},
                                    {.nodes = 2, .cpus = 96, .gpu = "h100", .gpus = 8}};
  Site any, h100{.gpu = "h100"}, l40s{.gpu = "l40s"}, cpu{.gpu = "cpu"};
  EXPECT_EQ(fill_in_nodes(any, kinds), "a100") << "the most";
  EXPECT_EQ(any.gpu, "a100");
  EXPECT_EQ(fill_in_nodes(h100, kinds), "h100");
  EXPECT_EQ(h100.cpus_per_node, 96);
  EXPECT_EQ(fill_in_nodes(l40s, kinds), "");
  EXPECT_TRUE(contains(types_note(l40s, kinds, ""), "several types (a100, h100): none is named like l40s"));
  EXPECT_TRUE(contains(types_note(h100, kinds, "h100"), "the job asks for h100"));
  EXPECT_EQ(fill_in_nodes(cpu, kinds), "");
  EXPECT_EQ(types_note(cpu, kinds, ""), "");
  Site one;
  EXPECT_EQ(fill_in_nodes(one, {kinds.front()}), "");
  EXPECT_EQ(types_note(one, {kinds.front()}, ""), "");
}

TEST(SiteNodes, HaveTheMemoryThatTheirTypeStates) {
  const auto memory = [](const std::string& type) {
    Site site;
    fill_in_nodes(site, {{.nodes = 2, .cpus = 64, .gpu = type, .gpus = 8}});
    return site.gpu_memory / gib;
  };
  EXPECT_EQ(memory("nvidia_a100-sxm4-40gb"), 39u);
  EXPECT_EQ(memory("nvidia_a100-sxm4-80gb"), 0u) << "that of its kind";
  EXPECT_EQ(memory("NVIDIA_H100_NVL_94GB"), 92u);
  EXPECT_EQ(memory("a100_3g.20gb"), 19u);
  EXPECT_EQ(memory("h100"), 0u);
  EXPECT_EQ(memory_of_type("gb200"), 0u);
  Site given{.gpu_memory = 30 * gib};
  fill_in_nodes(given, {{.nodes = 2, .cpus = 64, .gpu = "nvidia_a100-sxm4-40gb", .gpus = 8}});
  EXPECT_EQ(given.gpu_memory, 30 * gib);
}

TEST(SiteNodes, WithoutGpusAreForSitesThatSayCpu) {
  const std::vector<NodeKind> kinds{{.nodes = 2, .cpus = 64, .gpu = "", .gpus = 0}};
  Site site, cpu{.gpu = "cpu"};
  fill_in_nodes(site, kinds);
  fill_in_nodes(cpu, kinds);
  EXPECT_THROW(what_is_unknown(site), Error);
  EXPECT_EQ(cpu.gpus_per_node, 1);
  EXPECT_EQ(cpu.cpus_per_node, 64);
}

TEST(SiteNodes, OfAnUnknownPartitionAreRefusedWithThoseThereAre) {
  EXPECT_EQ(partition_of({.partition = "gpu"}, cluster().partitions)->nodes, 16);
  EXPECT_EQ(partition_of({}, cluster().partitions)->name, "cpu");
  EXPECT_EQ(partition_of({.partition = "gpu"}, {}), nullptr) << "where Slurm does not answer";
  EXPECT_THROW(partition_of({.partition = "big"}, cluster().partitions), Error);
}

TEST(Site, IsWrittenWithEveryKeySoThatItIsReadBack) {
  const std::string yaml =
      "partition: gpu\naccount: a\nqos: q\nmodules: [m, n]\ncontainer: /c\nlauncher: mpirun\nscratch: /s\nprogram: /p\n"
      "gpu: cpu\ngpus_per_node: 2\ncpus_per_node: 4\ngpu_memory: 48GiB\nlink_between_nodes: 1.5GB/s\nsbatch: "
      "[--mem=0]\n";
  EXPECT_EQ(to_yaml(parse_site(yaml, "site.yaml"), ""), yaml);
  EXPECT_EQ(parse_site(yaml, "site.yaml").gpu_memory, 48 * gib);
}

}  // namespace
}  // namespace wf
