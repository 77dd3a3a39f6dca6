"""The way of clips from noise, by guided teachers in many steps and by their student in four."""
from dataclasses import dataclass

import torch
import torch.nn.functional as F

BOUNDARY = 0.875  # sigma from which on the high-noise expert works
SHIFT, STEPS = 5.0, 4  # the student's schedule


def shifted(u):
    """The noise level at 1 (noise) to 0 (clip) of an even schedule."""
    return SHIFT * u / (1 + (SHIFT - 1) * u)


def sigma_at(place):
    """At 0 (noise) to STEPS (clip): 1, 0.9375, 0.8333, 0.625, 0 between the student's steps."""
    return shifted(1 - place / STEPS)


def expert_at(sigma):
    return "high" if sigma >= BOUNDARY else "low"


@dataclass
class Words:
    """Embedded captions: embedded [n, longest, dim], of which `lengths` [n] rows count."""
    embedded: torch.Tensor
    lengths: torch.Tensor

    def padded(self, rows):
        return Words(F.pad(self.embedded, (0, 0, 0, rows - self.embedded.shape[1])), self.lengths)

    def repeated(self, count):
        return Words(self.embedded.expand(count, -1, -1), self.lengths.expand(count))

    def __getitem__(self, rows):
        return Words(self.embedded[rows], self.lengths[rows])


def joined(a: Words, b: Words):
    """Both of one padding."""
    return Words(torch.cat([a.embedded, b.embedded]), torch.cat([a.lengths, b.lengths]))


class Teacher:
    """Both experts with guidance. `away`: the embedded negative prompt, one row."""

    def __init__(self, experts, away: Words, guidance, substeps):
        self.experts, self.guidance, self.substeps = experts, guidance, substeps
        self.away = away.padded(away.embedded.shape[1] // 8 * 8 + 7)  # attention likes one less than a multiple of 8

    def velocity(self, x, sigma, words: Words):
        which, n = expert_at(sigma), len(x)
        both = joined(words.padded(self.away.embedded.shape[1]), self.away.repeated(n))
        t = torch.full((2 * n,), float(int(1000 * sigma)), device=x.device)  # truncated, as the teacher learnt it
        towards, away = self.experts[which](x.repeat(2, 1, 1, 1, 1), t, both.embedded, both.lengths).chunk(2)
        return away + self.guidance[which] * (towards - away)

    def advance(self, x, step, words: Words):
        """From the student's noise level before `step` to the one after it, in substeps of second order (Adams-Bashforth); the
        first one of each step is of first order, for what was before it may not be of this teacher."""
        before, last = None, None
        for k in range(self.substeps):
            here, there = (sigma_at(step + i / self.substeps) for i in (k, k + 1))
            v = self.velocity(x, here, words)
            # Across the boundary the velocities are of two experts: no line goes through them.
            slope = (v - before) / (here - last) if before is not None and expert_at(last) == expert_at(here) else 0
            x = x + (there - here) * (v + 0.5 * (there - here) * slope)
            before, last = v, here
        return x


def student_step(experts, x, step, words: Words):
    """One Euler step."""
    here, there = sigma_at(step), sigma_at(step + 1)
    t = torch.full((len(x),), 1000 * here, device=x.device)
    return x + (there - here) * experts[expert_at(here)](x, t, words.embedded, words.lengths)


def student_clip(experts, x, words: Words):
    for step in range(STEPS):
        x = student_step(experts, x, step, words)
    return x
