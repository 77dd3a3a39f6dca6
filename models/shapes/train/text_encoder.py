"""The umT5 encoder over a batch of padded texts."""
import math
from functools import cache

import torch
import torch.nn.functional as F

from checkpoint import Weights

BUCKETS = 32


@cache
def relative_buckets(n: int, device) -> torch.Tensor:
    """[n, n]: of the distance from query to key: exact up to 7, then ever wider steps, for keys on either side."""
    half = BUCKETS // 2
    position = torch.arange(n)
    distance = position[None, :] - position[:, None]
    far = distance.abs().clamp(min=1).double()
    wide = (half // 2 + (far / (half // 2)).log() / math.log(128 / (half // 2)) * (half - half // 2)).long()
    bucket = torch.where(distance.abs() < half // 2, distance.abs(), wide.clamp(max=half - 1))
    return (bucket + (distance > 0) * half).to(device)


class TextEncoder:
    def __init__(self, weights: Weights):
        self.w = weights
        self.blocks = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))

    def norm(self, name, x):
        return x * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + 1e-6) * self.w[name + ".weight"]

    def linear(self, name, x):
        return F.linear(x, self.w[name + ".weight"])

    def attention(self, name, x, buckets, mask):
        bias = self.w[name + ".pos_embedding.embedding.weight"][buckets].permute(2, 0, 1) + mask
        heads = self.w[name + ".pos_embedding.embedding.weight"].shape[1]
        q, k, v = (self.linear(f"{name}.attn.{part}", x).unflatten(-1, (heads, -1)).transpose(1, 2) for part in "qkv")
        weights = torch.softmax((q @ k.transpose(-2, -1) + bias).float(), -1)  # not divided by the root of the head's size
        return self.linear(name + ".attn.o", (weights.to(v.dtype) @ v).transpose(1, 2).flatten(2))

    def feed_forward(self, name, x):
        gate = F.gelu(self.linear(name + ".ffn.gate.0", x), approximate="tanh")
        return self.linear(name + ".ffn.fc2", self.linear(name + ".ffn.fc1", x) * gate)

    def __call__(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """ids [batch, n], of which `lengths` [batch] count -> [batch, n, dim]; padded rows are zero."""
        n = ids.shape[1]
        is_text = torch.arange(n, device=ids.device) < lengths[:, None]
        mask = torch.zeros(is_text.shape, device=ids.device).masked_fill(~is_text, -math.inf)[:, None, None, :]
        buckets = relative_buckets(n, ids.device)
        x = F.embedding(ids, self.w["token_embedding.weight"])
        for i in range(self.blocks):
            name = f"blocks.{i}"
            x = x + self.attention(name, self.norm(name + ".norm1", x), buckets, mask)
            x = x + self.feed_forward(name, self.norm(name + ".norm2", x))
        return self.norm("norm", x) * is_text[..., None]
