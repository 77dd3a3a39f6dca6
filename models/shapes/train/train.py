#!/usr/bin/env python3
"""Trains the shapes checkpoint: the VAE first, then the text encoder with both experts.

    train.py INITIAL RESULT --library build/.../libshapes_ops.so --tokenizer models/shapes/google/umt5-xxl/tokenizer.json

INITIAL: a checkpoint with random weights of the sizes wanted (wanfarm make-model); RESULT gets the trained ones in bf16, in the
published layout. Every stage keeps its state in --work and goes on from there, so that an interrupted run is simply started again.
Needs Python torch alone; README.md beside this file has the recipe and its figures.
"""
import argparse
import json
import shutil
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F

import world
from checkpoint import Folder, with_prefix, without_prefix
from expert import Expert
from stage import Stage
from text_encoder import TextEncoder
from vae import Vae
from world import Texts

BOUNDARY, SHIFT = 0.875, 12.0  # sigma from which on the high-noise expert works; the published shift of the schedule
RANGES = {"high": (BOUNDARY, 1.0), "low": (0.0, BOUNDARY)}
CAPTION_TOKENS = 47  # of the longest caption or more; one less than a multiple of 8, which attention likes
VAE_SEED, POOL_SEED, HELD_OUT_SEED = 0, 1_000_000_000, 10_000_000_000  # far apart: each has scenes of its own


def pool_seed(size):
    return POOL_SEED + size * 100_000_000


def autocast(device):
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=torch.device(device).type == "cuda")


# ---- VAE

def vae_size(step):
    """Short and small clips for many edges a second; every fourth step a whole one. (frames, height, width)"""
    return ((9, 64, 64), (5, 64, 96), (9, 96, 64), (17, *world.SIZES[step // 4 % len(world.SIZES)]))[step % 4]


def train_vae(args, initial):
    weights = initial.read("vae", args.device)
    vae = Vae(weights)

    def inputs(step):
        frames, height, width = vae_size(step)
        count = max(1, args.vae_pixels // (frames * height * width))
        clips, _ = world.clips(VAE_SEED + step * 1000, count, (height, width), frames, args.device)
        return clips, torch.randn(count, 16, frames // 4 + 1, height // 8, width // 8, device=args.device)

    def loss(clips, noise):
        with autocast(args.device):
            mean, log_variance = vae.encode(clips)
            decoded = vae.decode(mean + noise * (0.5 * log_variance).exp()).float()
        error = F.mse_loss(decoded, clips)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        return error + 0.05 * F.l1_loss(decoded, clips) + args.kl * kl, {"mse": error, "kl": kl}

    def within(name, tensor):
        return tensor.dim() >= 4 and not name.startswith(("encoder.conv1.", "decoder.head.2."))

    weights = Stage("vae", weights, within, inputs, loss, steps=args.vae_steps, rate=args.vae_rate, work=args.work,
                    graphs=args.graphs).run()
    vae = Vae(weights)
    vae.standardise(*latent_statistics(vae, args))
    return weights


@torch.no_grad()
def latent_statistics(vae, args):
    """Mean and deviation [16] of each latent channel over some of the pools' clips."""
    latents = []
    for i, size in enumerate(world.SIZES):
        clips, _ = world.clips(pool_seed(i), args.pool_batch, size, device=args.device)
        latents.append(vae.encode(clips)[0].transpose(0, 1).flatten(1))
    latents = torch.cat(latents, 1)
    return latents.mean(1), latents.std(1)


@torch.no_grad()
def decibels(vae, args):
    """Peak signal to noise of clips that training did not see, decoded from the mean."""
    errors = []
    for size in world.SIZES:
        clips, _ = world.clips(HELD_OUT_SEED, args.pool_batch, size, device=args.device, held_out=True)
        decoded = vae.decode(vae.encode(clips)[0]).clamp(-1, 1)
        errors.append((decoded - clips).square().flatten(1).mean(1))
    return float((10 * torch.log10(4 / torch.cat(errors))).mean())


# ---- Text encoder and experts

class Pool:
    """Clips as latents, with their texts, of one size. behind: as in world.clips."""

    @torch.no_grad()
    def __init__(self, vae, size, seed, args, behind=""):
        latents, captions = [], []
        for begin in range(0, args.pool, args.pool_batch):
            clips, texts = world.clips(seed + begin, min(args.pool_batch, args.pool - begin), size, device=args.device,
                                       behind=behind)
            with autocast(args.device):
                latents.append(vae.encode(clips)[0].to(torch.bfloat16))
            captions += texts
        self.latents = torch.cat(latents)
        self.texts = Texts.of(args.tokenizer, captions, args.device, CAPTION_TOKENS)

    def draw(self, count):
        rows = torch.randint(len(self.latents), (count,), device=self.latents.device)
        return self.latents[rows].float(), self.texts[rows]


def draw_sigmas(count, low, high, device):
    """Half as the schedule takes its steps, half evenly."""
    unshifted = lambda sigma: sigma / (SHIFT - (SHIFT - 1) * sigma)
    u = unshifted(low) + (unshifted(high) - unshifted(low)) * torch.rand(count, device=device)
    as_scheduled = SHIFT * u / (1 + (SHIFT - 1) * u)
    evenly = low + (high - low) * torch.rand(count, device=device)
    return torch.where(torch.arange(count, device=device) % 2 == 0, as_scheduled, evenly)


@torch.no_grad()
def start_silent(weights):
    """An expert that says nothing yet learns faster than one whose random words have to be unlearned first."""
    for name in ("head.head.weight", "head.head.bias"):
        weights[name].zero_()


@cache
def silence(tokenizer, text, device):
    return Texts.of(tokenizer, [text], device, CAPTION_TOKENS)


def text_for(step, texts, args):
    """The captions, but for what guidance leads away from: one in ten becomes no text, and all of every 15th batch (so that
    each pool has its turn) the prompt that wanfarm takes for it unless told otherwise."""
    count = len(texts.lengths)
    if step % 15 == 14:
        return silence(args.tokenizer, torch.ops.shapes.negative_prompt(), args.device).repeated(count)
    return texts.replaced(torch.rand(count, device=args.device) < 0.1, silence(args.tokenizer, "", args.device))


def draw_batch(step, pools, args):
    """Clips of one size with noise, noise levels and texts; the first half is for the high-noise expert."""
    latents, texts = pools[step % len(pools)].draw(args.batch)
    texts = text_for(step, texts, args)
    sigma = torch.cat([draw_sigmas(args.batch // 2, *RANGES[which], args.device) for which in Folder.EXPERTS])
    return latents, torch.randn_like(latents), sigma, texts.ids, texts.lengths


def velocity_errors(experts, latents, noise, sigma, embedded, lengths):
    """The squared error of each expert on its half of a batch."""
    half = len(latents) // 2
    s = sigma.view(-1, 1, 1, 1, 1)
    x = (1 - s) * latents + s * noise
    figures = {}
    for rows, which in zip((slice(half), slice(half, None)), Folder.EXPERTS):
        velocity = experts[which](x[rows], (1000 * sigma[rows]).floor(), embedded[rows], lengths[rows])
        figures[which] = F.mse_loss(velocity, noise[rows] - latents[rows])
    return figures


def train_experts(args, initial, pools):
    parts = {part: initial.read(part, args.device) for part in ("text", *Folder.EXPERTS)}
    for which in Folder.EXPERTS:
        start_silent(parts[which])
    encoder = TextEncoder(parts["text"])

    def make_experts(compiled):
        return {which: Expert(parts[which], initial.config(which), compiled) for which in Folder.EXPERTS}

    # The few batches of the long negative prompt are not worth the time that compiling takes.
    for_captions, for_long_texts = make_experts(args.compile), make_experts(False)

    def loss(latents, noise, sigma, ids, lengths):
        experts = for_captions if ids.shape[1] == CAPTION_TOKENS else for_long_texts
        with autocast(args.device):
            figures = velocity_errors(experts, latents, noise, sigma, encoder(ids, lengths), lengths)
        return sum(figures.values()), figures

    def within(name, tensor):
        return ".blocks." in name and tensor.dim() == 2 and "embedding" not in name

    weights = {name: tensor for part, tensors in parts.items() for name, tensor in with_prefix(part + ".", tensors).items()}
    weights = Stage("experts", weights, within, lambda step: draw_batch(step, pools, args), loss, steps=args.steps, rate=args.rate,
                    work=args.work, graphs=args.graphs).run()
    return {part: without_prefix(part + ".", weights) for part in parts}


# ---- The whole

def write(result, args, initial, parts):
    for part, weights in parts.items():
        result.write(part, weights)
    for which in Folder.EXPERTS:
        shutil.copy(initial.path / f"{which}_noise_model" / "config.json", result.file(which).parent)
    tokenizer = result.path / "google" / "umt5-xxl"
    if args.tokenizer.parent.resolve() != tokenizer.resolve():
        shutil.copytree(args.tokenizer.parent, tokenizer, dirs_exist_ok=True)


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("initial", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("build/shapes"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--vae-steps", type=int, default=8_000)
    parser.add_argument("--vae-rate", type=float, default=2e-3)
    parser.add_argument("--vae-pixels", type=int, default=1_000_000, help="of all frames of a batch")
    parser.add_argument("--kl", type=float, default=1e-4)
    parser.add_argument("--pool", type=int, default=24_000, help="clips of each size")
    parser.add_argument("--pool-batch", type=int, default=100)
    parser.add_argument("--steps", type=int, default=31_064, help="of text encoder and experts")
    parser.add_argument("--rate", type=float, default=2.5e-3)
    parser.add_argument("--batch", type=int, default=256, help="clips of a step, half for each expert")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True, help="the experts, by torch.compile")
    parser.add_argument("--graphs", action=argparse.BooleanOptionalAction, default=True, help="a step as a CUDA graph")
    return parser.parse_args(words)


def main():
    args = arguments()
    world.load(args.library, args.device)
    initial, result = Folder(args.initial), Folder(args.result)
    vae_weights = train_vae(args, initial)
    vae = Vae({name: tensor.bfloat16().float() for name, tensor in vae_weights.items()})  # as it will be stored
    print(json.dumps({"stage": "vae", "psnr_db": round(decibels(vae, args), 2)}), flush=True)
    pools = [Pool(vae, size, pool_seed(i), args) for i, size in enumerate(world.SIZES)]
    parts = train_experts(args, initial, pools)
    write(result, args, initial, {"vae": vae_weights, **parts})


if __name__ == "__main__":
    main()
