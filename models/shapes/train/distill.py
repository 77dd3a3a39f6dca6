#!/usr/bin/env python3
"""Distils the shapes checkpoint to four Euler steps without guidance: trains a LoRA for each expert.

    distill.py models/shapes RESULT --library build/.../libshapes_ops.so --minutes 15

RESULT gets lightning_high.safetensors and lightning_low.safetensors, every minute those of then. The teacher is the checkpoint with
guidance. Between two of the student's noise levels it takes many steps; the student learns the one velocity that leads to where
the teacher arrives. At first it starts each of its steps where the teacher is; then, more and more, where its own steps have led,
so that later steps make up for the errors of earlier ones. README.md beside this file has the recipe and its figures.
"""
import argparse
import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import world
from checkpoint import Folder, with_prefix, without_prefix, write_safetensors
from expert import Expert
from lora import Lora, comfy_form, linears_of, small_tensors
from stage import Stage
from text_encoder import TextEncoder
from train import CAPTION_TOKENS, HELD_OUT_SEED, autocast
from trajectory import STEPS, Teacher, Words, sigma_at, student_clip, student_step
from world import Texts

CAPTION_SEED = 20_000_000_000  # far from those of the clips that the teacher learnt from
GUIDANCE = {"high": 4.0, "low": 3.0}


class Pairs:
    """The latest of what the student learns from, of one size: for each of its steps, latents before it and the velocity that leads
    from there to where the teacher arrives. A ring: new ones take the place of the oldest."""

    def __init__(self, capacity, size, dim, device):
        shape = (capacity, 16, world.FRAMES // 4 + 1, size[0] // 8, size[1] // 8)
        self.x, self.velocity = (torch.zeros(STEPS, *shape, dtype=torch.float16, device=device) for _ in range(2))
        self.words = Words(torch.zeros(capacity, CAPTION_TOKENS, dim, device=device),
                           torch.ones(capacity, dtype=torch.long, device=device))
        self.capacity, self.added = capacity, 0

    def add(self, pairs, words):
        rows = (self.added + torch.arange(len(words.lengths), device=self.x.device)) % self.capacity
        for step, (x, velocity) in enumerate(pairs):
            self.x[step, rows], self.velocity[step, rows] = x.half(), velocity.half()
        self.words.embedded[rows], self.words.lengths[rows] = words.embedded, words.lengths
        self.added += len(rows)

    def draw(self, count):
        """`count` for each step, those of the first step first: x, velocity, and their words."""
        rows = torch.randint(min(self.added, self.capacity), (STEPS, count), device=self.x.device)
        steps, words = torch.arange(STEPS, device=rows.device)[:, None], self.words[rows.flatten()]
        return self.x[steps, rows].flatten(0, 1).float(), self.velocity[steps, rows].flatten(0, 1).float(), words


class Distillation:
    def __init__(self, args):
        self.args, self.device, self.folder = args, args.device, Folder(args.model)
        self.encoder = TextEncoder(self.folder.read("text", self.device))
        weights = {which: self.folder.read(which, self.device) for which in Folder.EXPERTS}
        self.plain = {which: self.expert(which, weights[which], False) for which in Folder.EXPERTS}
        self.loras = {which: Lora(weights[which], self.linears(which), args.rank, small_tensors(weights[which]))
                      for which in Folder.EXPERTS}
        with torch.no_grad(), autocast(self.device):
            away = self.embed([torch.ops.shapes.negative_prompt()])
        experts = {which: self.expert(which, weights[which], args.compile) for which in Folder.EXPERTS}
        self.teacher = Teacher(experts, away, GUIDANCE, args.substeps)
        self.pairs = [Pairs(args.capacity, size, away.embedded.shape[2], self.device) for size in world.SIZES]
        self.captions_seen = 0

    def expert(self, which, weights, compiled):
        return Expert(weights, self.folder.config(which), compiled)

    def linears(self, which):
        """The blocks' and the one that tells all of them the noise level."""
        return linears_of(self.folder.config(which)) + ["time_projection.1"]

    def student(self, compiled=False):
        return {which: self.expert(which, lora.merged(), compiled) for which, lora in self.loras.items()}

    def embed(self, captions):
        texts = Texts.of(self.args.model / "google/umt5-xxl/tokenizer.json", captions, self.device, CAPTION_TOKENS)
        return Words(self.encoder(texts.ids, texts.lengths).float(), texts.lengths)

    def noise(self, count, size):
        return torch.randn(count, 16, world.FRAMES // 4 + 1, size[0] // 8, size[1] // 8, device=self.device)

    @torch.no_grad()
    def refill(self, turn, own_share):
        """New pairs of one size. own_share: of clips that go on where the student's own steps lead; the others follow the teacher."""
        size, count = world.SIZES[turn % len(world.SIZES)], self.args.refill
        captions = world.captions(CAPTION_SEED + self.captions_seen, count)
        self.captions_seen += count
        x, own = self.noise(count, size), torch.rand(count, 1, 1, 1, 1, device=self.device) < own_share
        student, pairs = self.student(), []
        with autocast(self.device):
            words = self.embed(captions)
            for step in range(STEPS):
                arrived = self.teacher.advance(x, step, words)
                pairs.append((x, (arrived - x) / (sigma_at(step + 1) - sigma_at(step))))
                x = torch.where(own, student_step(student, x, step, words), arrived)
        self.pairs[turn % len(world.SIZES)].add(pairs, words)

    def loss(self, x, velocity, embedded, lengths):
        """Of the four steps, each on its quarter of the batch: the first two by the high-noise expert."""
        count, half = len(x) // STEPS, len(x) // 2
        student = self.student(self.args.compile)
        t = torch.cat([torch.full((count,), 1000 * sigma_at(step), device=x.device) for step in range(STEPS)])
        with autocast(self.device):
            halves = (student[which](x[rows], t[rows], embedded[rows], lengths[rows])
                      for which, rows in (("high", slice(half)), ("low", slice(half, None))))
            errors = [F.mse_loss(ours, theirs) for ours, theirs in zip(torch.cat(list(halves)).chunk(STEPS), velocity.chunk(STEPS))]
        return sum(errors), {f"step {i + 1}": error for i, error in enumerate(errors)}

    def leaves(self):
        return {name: leaf for which, lora in self.loras.items() for name, leaf in with_prefix(which + ".", lora.leaves).items()}

    def keep(self, leaves):
        for which in Folder.EXPERTS:
            write_safetensors(self.args.result / f"lightning_{which}.safetensors", comfy_form(without_prefix(which + ".", leaves)))

    def own_share(self, progress):
        return min(1.0, progress / self.args.lead_in)

    def train(self, seconds):
        def inputs(step):
            if step % self.args.every == 0:
                self.refill(step // self.args.every, self.own_share(stage.progress()))
            x, velocity, words = self.pairs[step % len(self.pairs)].draw(self.args.batch // STEPS)
            return x, velocity, words.embedded, words.lengths

        stage = Stage("lightning", self.leaves(), lambda name, tensor: False, inputs, self.loss, rate=self.args.rate,
                      seconds=seconds, work=self.args.work, graphs=self.args.graphs, keep=self.keep)
        averaged = stage.run(log_every=self.args.log_every)
        with torch.no_grad():
            for name, leaf in stage.weights.items():
                leaf.copy_(averaged[name])

    @torch.no_grad()
    def distances(self):
        """Squared errors of clips of held-out captions, as latents, from those of the teacher that began with the same noise: of the
        student's, and of four plain steps without guidance."""
        errors, student = {"student": 0.0, "plain": 0.0}, self.student()
        for i, size in enumerate(world.SIZES):
            noise = self.noise(self.args.refill, size)
            with autocast(self.device):
                words = self.embed(world.captions(HELD_OUT_SEED + i * 1_000_000, self.args.refill, held_out=True))
                right = noise
                for step in range(STEPS):
                    right = self.teacher.advance(right, step, words)
                for name, experts in (("student", student), ("plain", self.plain)):
                    errors[name] += float(F.mse_loss(student_clip(experts, noise, words), right)) / len(world.SIZES)
        return errors


def say(stage, **figures):
    print(json.dumps({"stage": stage, **{name: round(figure, 4) for name, figure in figures.items()}}), flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("build/lora"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=15, help="of everything: teacher, training, evaluation")
    parser.add_argument("--rank", type=int, default=18, help="of the factors; 18 is what 2 MB hold")
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--batch", type=int, default=256, help="pairs of a step, a quarter for each of the student's steps")
    parser.add_argument("--substeps", type=int, default=4, help="of the teacher, between two of the student's noise levels")
    parser.add_argument("--refill", type=int, default=256, help="clips at a time that the teacher makes")
    parser.add_argument("--first", type=int, default=16, help="refills before training begins")
    parser.add_argument("--every", type=int, default=16, help="training steps between two refills")
    parser.add_argument("--capacity", type=int, default=16_384, help="clips of each size that are kept")
    parser.add_argument("--lead-in", type=float, default=0.3, help="share of the time in which the student's own steps take over")
    parser.add_argument("--log-every", type=int, default=100)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--graphs", action=argparse.BooleanOptionalAction, default=True)
    return parser.parse_args()


def main():
    began, args = time.monotonic(), arguments()
    world.load(args.library, args.device)
    torch.manual_seed(1)
    distillation = Distillation(args)
    for turn in range(args.first):
        distillation.refill(turn, own_share=0)
        say("teacher", clips=(turn + 1) * args.refill, seconds=time.monotonic() - began)
    say("before", **distillation.distances())
    measured = time.monotonic()
    distillation.train(60 * args.minutes - (measured - began) - 20)  # seconds for the rest of this function
    distillation.keep({name: leaf.detach() for name, leaf in distillation.leaves().items()})
    say("after", **distillation.distances(), minutes=(time.monotonic() - began) / 60)


if __name__ == "__main__":
    main()
