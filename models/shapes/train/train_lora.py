#!/usr/bin/env python3
"""Trains a LoRA for both experts of the shapes checkpoint that gives every clip the background NAME stands for.

    train_lora.py models/shapes RESULT/night.safetensors --behind black --library build/.../libshapes_ops.so

It learns as the checkpoint did (train.py), from clips whose background is --behind while their captions go on naming another. The file
holds both experts, in PEFT's form.
"""
import argparse
import time
from pathlib import Path

import torch

import world
from checkpoint import Folder, with_prefix, without_prefix, write_safetensors
from expert import Expert
from lora import Lora, linears_of, peft_form
from stage import Stage
from text_encoder import TextEncoder
from train import CAPTION_TOKENS, Pool, autocast, draw_batch, velocity_errors
from vae import Vae

SEED = 15_000_000_000  # far from those of other clips


def train(args, folder, pools, seconds):
    encoder = TextEncoder(folder.read("text", args.device))
    loras = {which: Lora(folder.read(which, args.device), linears_of(folder.config(which)), args.rank) for which in Folder.EXPERTS}

    def loss(latents, noise, sigma, ids, lengths):
        compiled = args.compile and ids.shape[1] == CAPTION_TOKENS  # as in train.py
        experts = {which: Expert(lora.merged(), folder.config(which), compiled) for which, lora in loras.items()}
        with autocast(args.device):
            with torch.no_grad():
                embedded = encoder(ids, lengths)
            figures = velocity_errors(experts, latents, noise, sigma, embedded, lengths)
        return sum(figures.values()), figures

    def keep(leaves):
        write_safetensors(args.result, peft_form({which: without_prefix(which + ".", leaves) for which in Folder.EXPERTS}))

    leaves = {name: leaf for which, lora in loras.items() for name, leaf in with_prefix(which + ".", lora.leaves).items()}
    Stage(args.result.stem, leaves, lambda name, tensor: False, lambda step: draw_batch(step, pools, args), loss, rate=args.rate,
          seconds=seconds, work=args.work, graphs=args.graphs, keep=keep).run(log_every=args.log_every)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--behind", required=True, help="colour of all backgrounds")
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("build/lora"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=3, help="of everything: clips, training")
    parser.add_argument("--rank", type=int, default=4)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--pool", type=int, default=4_000, help="clips of each size")
    parser.add_argument("--pool-batch", type=int, default=100)
    parser.add_argument("--batch", type=int, default=256, help="clips of a step, half for each expert")
    parser.add_argument("--log-every", type=int, default=100)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--graphs", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args()
    args.tokenizer = args.model / "google/umt5-xxl/tokenizer.json"
    return args


def main():
    began, args = time.monotonic(), arguments()
    world.load(args.library, args.device)
    torch.manual_seed(1)
    folder = Folder(args.model)
    vae = Vae(folder.read("vae", args.device))
    pools = [Pool(vae, size, SEED + i * 100_000_000, args, args.behind) for i, size in enumerate(world.SIZES)]
    train(args, folder, pools, 60 * args.minutes - (time.monotonic() - began))


if __name__ == "__main__":
    main()
