#!/usr/bin/env python3
"""Whether these networks give the official numbers, as wanfarm's own do: tests/data/golden.

    golden_check.py tests/data/golden
"""
import json
import sys
from pathlib import Path

import torch

from checkpoint import Folder, read_safetensors
from expert import Expert
from text_encoder import TextEncoder
from vae import Vae

TOLERANCE = 2e-5  # relative, in f32


def stored(file):
    """A file of torch.save, in f32."""
    return {name: tensor.float() for name, tensor in torch.load(file, weights_only=True).items()}


def pairs(folder):
    """What was computed here, and the official result, by name."""
    tiny, official = Folder(folder / "tiny"), {part: read_safetensors(folder / f"{part}.safetensors") for part in ("vae", "text", "dit")}
    vae = Vae(stored(tiny.path / "Wan2.1_VAE.pth"))
    for frames in (1, 5, 13):
        yield f"vae encode{frames}", vae.encode(official["vae"][f"video{frames}"][None])[0][0], official["vae"][f"encode{frames}"]
    yield "vae decode", vae.decode(official["vae"]["z"][None])[0], official["vae"]["decode"]

    encoder = TextEncoder(stored(tiny.path / "models_t5_umt5-xxl-enc-bf16.pth"))
    cases = json.loads((folder / "tokens.json").read_text())[:5]
    lengths = torch.tensor([len(case["ids"]) for case in cases])
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(case["ids"]) for case in cases], batch_first=True)
    embedded = encoder(ids, lengths)
    for i, length in enumerate(lengths):
        yield f"text {i}", embedded[i, :length], official["text"][f"{i}.f32"]

    timesteps = (999, 876, 437)
    for which in Folder.EXPERTS:
        expert = Expert(tiny.read(which), tiny.config(which))
        x = official["dit"]["x"].float().expand(3, -1, -1, -1, -1)
        text, length = embedded[:1].expand(3, -1, -1), lengths[:1].expand(3)
        velocities = expert(x, torch.tensor(timesteps), text, length)
        for t, velocity in zip(timesteps, velocities):
            yield f"{which} t{t}", velocity, official["dit"][f"{which}.t{t}.out"]


def main():
    worst = 0
    with torch.inference_mode():
        for name, ours, official in pairs(Path(sys.argv[1])):
            distance = float((ours.double() - official.double()).norm() / official.double().norm())
            print(f"{name:14} {distance:.2e} of {TOLERANCE:.0e} allowed ({100 * distance / TOLERANCE:.0f} %)")
            worst = max(worst, distance)
    return worst > TOLERANCE


if __name__ == "__main__":
    sys.exit(main())
