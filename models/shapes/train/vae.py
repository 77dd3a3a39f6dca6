"""The Wan 2.1 VAE over whole clips, in batches. wanfarm's own (pipeline/model/vae.hpp) takes one clip, a few frames at a
time; both give the official numbers (golden_check.py). Features: [batch, channels, frames, rows, columns]."""
from functools import cache

import torch
import torch.nn.functional as F

from checkpoint import Weights

# Of each latent channel, as published with the model: what a latent of mean 0 and deviation 1 stands for.
MEAN = (-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
        0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921)
DEVIATION = (2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
             3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160)


@cache
def per_channel(values, device):
    return torch.tensor(values, device=device).view(1, -1, 1, 1, 1)


class Vae:
    def __init__(self, weights: Weights):
        self.w = weights

    def has(self, name):
        return name + ".weight" in self.w

    def children(self, prefix):
        return sorted({int(name[len(prefix):].split(".")[0]) for name in self.w if name.startswith(prefix)})

    # ---- Layers

    def norm(self, name, x):
        gamma = self.w[name + ".gamma"]
        return F.normalize(x, dim=1) * gamma.view(1, -1, 1, 1, 1) * gamma.numel() ** 0.5

    def conv(self, name, x, **options):
        return F.conv3d(x, self.w[name + ".weight"], self.w[name + ".bias"], **options)

    def causal(self, name, x):
        """A frame sees itself and the two before it."""
        rows, columns = self.w[name + ".weight"].shape[-2:]
        return self.conv(name, F.pad(x, (columns // 2, columns // 2, rows // 2, rows // 2, 2, 0)))

    def residual(self, name, x):
        y = self.causal(name + ".residual.2", F.silu(self.norm(name + ".residual.0", x)))
        y = self.causal(name + ".residual.6", F.silu(self.norm(name + ".residual.3", y)))
        return y + (self.conv(name + ".shortcut", x) if self.has(name + ".shortcut") else x)

    def attention(self, name, x):
        """Of all positions of a frame, one head."""
        batch, channels, frames, rows, columns = x.shape
        positions = self.norm(name + ".norm", x).permute(0, 2, 3, 4, 1).flatten(2, 3).flatten(0, 1)
        linear = lambda part, z: F.linear(z, self.w[f"{name}.{part}.weight"].flatten(1), self.w[f"{name}.{part}.bias"])
        q, k, v = linear("to_qkv", positions).unsqueeze(1).chunk(3, -1)
        mixed = linear("proj", F.scaled_dot_product_attention(q, k, v).squeeze(1))
        return x + mixed.view(batch, frames, rows, columns, channels).permute(0, 4, 1, 2, 3)

    def on_frames(self, x, layer):
        frames = layer(x.transpose(1, 2).flatten(0, 1))
        return frames.unflatten(0, (x.shape[0], -1)).transpose(1, 2)

    def conv2d(self, name, x, **options):
        return F.conv2d(x, self.w[name + ".weight"], self.w[name + ".bias"], **options)

    def up(self, name, x):
        """Twice the rows and columns; with a time_conv twice the frames, but for the first one, which it does not see."""
        if self.has(name + ".time_conv") and x.shape[2] > 1:
            first, rest = x[:, :, :1], x[:, :, 1:]
            pairs = self.causal(name + ".time_conv", rest).unflatten(1, (2, -1))  # [batch, 2, channels, frames, ..]
            x = torch.cat([first, pairs.permute(0, 2, 3, 1, 4, 5).flatten(2, 3)], 2)
        twice = lambda frames: F.interpolate(frames, scale_factor=2.0, mode="nearest-exact")
        return self.on_frames(x, lambda frames: self.conv2d(name + ".resample.1", twice(frames), padding=1))

    def down(self, name, x):
        """Half the rows and columns; with a time_conv half the frames, but for the first one, which stays as it is."""
        halve = lambda frames: self.conv2d(name + ".resample.1", F.pad(frames, (0, 1, 0, 1)), stride=2)
        x = self.on_frames(x, halve)
        if not self.has(name + ".time_conv") or x.shape[2] == 1:
            return x
        return torch.cat([x[:, :, :1], self.conv(name + ".time_conv", x, stride=(2, 1, 1))], 2)

    def layer(self, name, x):
        if self.has(name + ".resample.1"):
            return (self.up if name.startswith("decoder") else self.down)(name, x)
        return self.attention(name, x) if self.has(name + ".to_qkv") else self.residual(name, x)

    def coder(self, name, x):
        middle = [f"{name}.middle.{i}" for i in self.children(name + ".middle.")]
        stages = "downsamples" if name == "encoder" else "upsamples"
        side = [f"{name}.{stages}.{i}" for i in self.children(f"{name}.{stages}.")]
        x = self.causal(name + ".conv1", x)
        for part in side + middle if name == "encoder" else middle + side:
            x = self.layer(part, x)
        return self.causal(name + ".head.2", F.silu(self.norm(name + ".head.0", x)))

    # ---- The whole

    def encode(self, frames):
        """frames [batch, 3, 4k+1, 8h, 8w] in [-1, 1] -> mean and log of the variance, [batch, 16, k+1, h, w] each, in units
        of the published deviations."""
        frames = frames.contiguous(memory_format=torch.channels_last_3d)  # several times as fast on a GPU
        mean, log_variance = self.conv("conv1", self.coder("encoder", frames)).float().chunk(2, 1)
        deviation = per_channel(DEVIATION, mean.device)
        return (mean - per_channel(MEAN, mean.device)) / deviation, log_variance.clamp(-30, 20) - 2 * deviation.log()

    def decode(self, latents):
        """[batch, 16, k+1, h, w] -> [batch, 3, 4k+1, 8h, 8w] in [-1, 1] but for overshoot."""
        z = latents * per_channel(DEVIATION, latents.device) + per_channel(MEAN, latents.device)
        z = z.contiguous(memory_format=torch.channels_last_3d)
        return self.coder("decoder", self.conv("conv2", z))

    @torch.no_grad()
    def standardise(self, mean, deviation):
        """Gives every latent channel, of which these [16] were measured, mean 0 and deviation 1: folded into the 1x1x1
        convolutions at the latents' ends, so that decoded clips stay as they are."""
        published_mean, published = (torch.tensor(v, device=mean.device) for v in (MEAN, DEVIATION))
        before = mean * published + published_mean
        # What conv1 gives: (z - before) / deviation + published_mean, and conv2 takes it back.
        w = self.w
        w["conv1.weight"][:16] /= deviation.view(-1, 1, 1, 1, 1)
        w["conv1.bias"][:16] = (w["conv1.bias"][:16] - before) / deviation + published_mean
        w["conv1.bias"][16:] -= 2 * deviation.log()
        shift = before - published_mean * deviation
        w["conv2.bias"] += (w["conv2.weight"].flatten(1) * shift).sum(1)
        w["conv2.weight"] *= deviation.view(1, -1, 1, 1, 1)
