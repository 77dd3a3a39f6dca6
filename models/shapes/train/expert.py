"""An expert over a batch of clips, each with its own timestep and text."""
import math
from functools import cache

import torch
import torch.nn.functional as F

from checkpoint import Weights, without_prefix


def linear(w, name, x):
    return F.linear(x, w[name + ".weight"], w[name + ".bias"])


def split(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def rms_norm(w, name, x):
    return F.rms_norm(x, x.shape[-1:], w[name + ".weight"].to(x.dtype), 1e-6)


def modulated(x, shift, scale):
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=1e-6), 1 + scale)


@cache
def rope_of(grid, head_size, device):
    """cos and sin of every token's angles, [tokens, head size / 2] each: a third of the pairs for the row, as many for
    the column, the rest, which come first, for the frame."""
    half = head_size // 2
    side = half // 3
    axes = []
    for axis, pairs in enumerate((half - 2 * side, side, side)):
        angle = torch.outer(torch.arange(grid[axis], device=device).double(),
                            torch.pow(10000.0, -torch.arange(pairs, device=device).double() / pairs))
        shape = [1, 1, 1, pairs]
        shape[axis] = grid[axis]
        axes.append(angle.view(shape).expand(*grid, pairs))
    angle = torch.cat(axes, -1).flatten(0, 2)
    return angle.cos().float(), angle.sin().float()


def rotate(x, rope):
    cos, sin = rope
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2).to(x.dtype)


def as_matmul(x):
    """Once in the type that the matrix products after it take, which would make it so each for itself."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


def self_attention(w, heads, x, rope):
    x = as_matmul(x)
    q, k = (rotate(split(rms_norm(w, f"self_attn.norm_{part}", linear(w, f"self_attn.{part}", x)), heads), rope)
            for part in "qk")
    mixed = F.scaled_dot_product_attention(q, k, split(linear(w, "self_attn.v", x), heads))
    return linear(w, "self_attn.o", mixed.transpose(1, 2).flatten(2))


def cross_attention(w, heads, x, text, bias):
    q = split(rms_norm(w, "cross_attn.norm_q", linear(w, "cross_attn.q", x)), heads)
    k = split(rms_norm(w, "cross_attn.norm_k", linear(w, "cross_attn.k", text)), heads)
    v = split(linear(w, "cross_attn.v", text), heads)
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(v.dtype))
    return linear(w, "cross_attn.o", mixed.transpose(1, 2).flatten(2))


def block(w, heads, stream, e0, text, bias, rope):
    """w: a block's weights, by their names within it. stream [batch, tokens, d], e0 [batch, 6, d] -> stream."""
    m = (w["modulation"] + e0).unsqueeze(2).unbind(1)
    stream = torch.addcmul(stream, self_attention(w, heads, modulated(stream, m[0], m[1]), rope), m[2])
    z = F.layer_norm(stream, stream.shape[-1:], w["norm3.weight"], w["norm3.bias"], 1e-6)
    stream = stream + cross_attention(w, heads, z, text, bias)
    y = F.gelu(linear(w, "ffn.0", modulated(stream, m[3], m[4])), approximate="tanh")
    return torch.addcmul(stream, linear(w, "ffn.2", y), m[5])


@cache
def compiled_block():
    """By torch.compile, which joins its small operations; anew for each set of shapes, of which a training has some ten."""
    torch._dynamo.config.recompile_limit = 32
    return torch.compile(block, dynamic=False)


class Expert:
    def __init__(self, weights: Weights, config: dict, compiled=False):
        self.w, self.config = weights, config
        self.block = compiled_block() if compiled else block
        self.heads = config["num_heads"]
        self.blocks = [without_prefix(f"blocks.{i}.", weights) for i in range(config["num_layers"])]

    def linear(self, name, x):
        return linear(self.w, name, x)

    def embed_time(self, t):
        """t [batch], 0..1000 -> for the head [batch, d], for the blocks [batch, 6, d]."""
        half = self.config["freq_dim"] // 2
        angle = t.double()[:, None] * torch.pow(10000.0, -torch.arange(half, device=t.device).double() / half)
        wave = torch.cat([angle.cos(), angle.sin()], 1).float()
        e = self.linear("time_embedding.2", F.silu(self.linear("time_embedding.0", wave)))
        return e, self.linear("time_projection.1", F.silu(e)).unflatten(1, (6, -1))

    def text_rows(self, text, lengths):
        """text [batch, n, dim], zero where it is padded -> rows [batch, n + 1, d] and what is added to their scores. The
        model attends to text_len rows; those past a text are equal, and the last one here stands for all of them."""
        rows = F.pad(text, (0, 0, 0, 1))
        rows = self.linear("text_embedding.2", F.gelu(self.linear("text_embedding.0", rows), approximate="tanh"))
        n = text.shape[1]
        bias = torch.zeros(len(text), 1, 1, n + 1, device=text.device)
        padded = torch.arange(n, device=text.device) >= lengths[:, None]
        bias[:, 0, 0, :n].masked_fill_(padded, -math.inf)
        bias[:, 0, 0, n] = (self.config["text_len"] - lengths).log()
        return rows, bias

    def __call__(self, x, t, text, lengths):
        """x [batch, 16, frames, rows, columns] at timesteps t [batch] -> the velocity: noise - clip, as a model sees it."""
        batch, channels, f, h, w = x.shape
        grid = (f, h // 2, w // 2)
        patches = x.view(batch, channels, f, h // 2, 2, w // 2, 2).permute(0, 2, 3, 5, 1, 4, 6).reshape(batch, -1, channels * 4)
        stream = F.linear(patches, self.w["patch_embedding.weight"].flatten(1), self.w["patch_embedding.bias"]).float()
        e, e0 = self.embed_time(t)
        rows, bias = self.text_rows(text, lengths)
        rope = rope_of(grid, self.config["dim"] // self.heads, x.device)
        for weights in self.blocks:
            stream = self.block(weights, self.heads, stream, e0, rows, bias, rope)
        m = (self.w["head.modulation"] + e[:, None]).unsqueeze(2).unbind(1)
        out = self.linear("head.head", modulated(stream, m[0], m[1])).float()
        out = out.view(batch, f, h // 2, w // 2, 2, 2, -1)
        return out.permute(0, 6, 1, 2, 4, 3, 5).reshape(batch, -1, f, h, w)
