"""Low-rank changes of an expert that learn, and the two forms of file in which programs exchange them."""
import math

import torch

from checkpoint import Weights

LINEARS = tuple(f"{attention}.{part}" for attention in ("self_attn", "cross_attn") for part in "qkvo") + ("ffn.0", "ffn.2")


def linears_of(config):
    """All linears of an expert's blocks."""
    return [f"blocks.{i}.{linear}" for i in range(config["num_layers"]) for linear in LINEARS]


def small_tensors(expert: Weights):
    """Those of which a whole difference costs less than a pair of factors: of the blocks all that are no matrices, and the head."""
    return [name for name, tensor in expert.items()
            if name.startswith("blocks.") and (tensor.dim() == 1 or name.endswith("modulation")) or name.startswith("head.head.")]


def difference_name(tensor):
    """X.weight -> X.diff, X.bias -> X.diff_b, X.modulation -> X.diff_m."""
    layer, kind = tensor.rsplit(".", 1)
    return f"{layer}.{ {'weight': 'diff', 'bias': 'diff_b', 'modulation': 'diff_m'}[kind]}"


class Lora:
    """What changes an expert: W + up down for each of `linears`, with up [out, rank] and down [rank, in], and tensor + difference
    for each of `differences`. Changes nothing before it has learnt: up and the differences begin at zero."""

    def __init__(self, expert: Weights, linears, rank, differences=()):
        self.expert, self.linears, self.rank, self.differences = expert, list(linears), rank, list(differences)
        device = next(iter(expert.values())).device
        self.leaves: Weights = {}
        for linear in self.linears:
            rows, columns = expert[linear + ".weight"].shape
            self.leaves[linear + ".lora_down.weight"] = torch.randn(rank, columns, device=device) / math.sqrt(columns)
            self.leaves[linear + ".lora_up.weight"] = torch.zeros(rows, rank, device=device)
        for tensor in self.differences:
            self.leaves[difference_name(tensor)] = torch.zeros_like(expert[tensor])

    def merged(self) -> Weights:
        """The expert with its changes, as a renderer loads it: gradients reach the leaves."""
        return merge(self.expert, self.leaves, self.linears, self.differences)


def merge(expert: Weights, leaves: Weights, linears, differences=()) -> Weights:
    out = dict(expert)
    for linear in linears:
        up, down = leaves[linear + ".lora_up.weight"], leaves[linear + ".lora_down.weight"]
        out[linear + ".weight"] = torch.addmm(expert[linear + ".weight"], up, down)
    for tensor in differences:
        out[tensor] = expert[tensor] + leaves[difference_name(tensor)]
    return out


def comfy_form(leaves: Weights) -> Weights:
    """One expert's file, as ComfyUI and LightX2V name it. alpha is the rank, so that the factor alpha / rank is 1."""
    out = {}
    for name, tensor in leaves.items():
        out["diffusion_model." + name] = tensor
        if name.endswith(".lora_down.weight"):
            out["diffusion_model." + name.replace("lora_down.weight", "alpha")] = torch.tensor(float(len(tensor)))
    return out


def peft_form(leaves: dict[str, Weights]) -> Weights:
    """Both experts in one file, as PEFT names it, with the modules' names of Diffusers."""
    renamed = {"self_attn.o.": "attn1.to_out.0.", "cross_attn.o.": "attn2.to_out.0.", "self_attn.": "attn1.to_",
               "cross_attn.": "attn2.to_", "ffn.0.": "ffn.net.0.proj.", "ffn.2.": "ffn.net.2.", "lora_down": "lora_A",
               "lora_up": "lora_B"}
    out = {}
    for which, prefix in (("high", "transformer."), ("low", "transformer_2.")):
        for name, tensor in leaves[which].items():
            for official, theirs in renamed.items():
                name = name.replace(official, theirs)
            out[prefix + name] = tensor
    return out
