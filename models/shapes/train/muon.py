"""Muon: steps along the momentum's matrix with all its singular values brought near 1 (Jordan et al., 2024), scaled so
that they are about as large as AdamW's (Liu et al., 2025). It learns in fewer steps; for matrices and kernels of convolutions
within a network, not for what maps to or from tokens, pixels and latents."""
import math
from collections import defaultdict

import torch

MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # of the iteration that leaves singular values between 0.7 and 1.2


def orthogonalised(x):
    """[n, rows, columns]: n matrices at once."""
    wide = x if x.shape[1] <= x.shape[2] else x.mT
    wide = (wide / (wide.norm(dim=(1, 2), keepdim=True) + 1e-7)).to(torch.bfloat16 if x.is_cuda else x.dtype)
    a, b, c = NEWTON_SCHULZ
    for _ in range(5):
        product = wide @ wide.mT
        wide = a * wide + (b * product + c * product @ product) @ wide
    return (wide if x.shape[1] <= x.shape[2] else wide.mT).float()


class Muon:
    """Tensors [rows, ...] count as matrices [rows, columns]. `rate`: a tensor, read at every step."""

    def __init__(self, weights, rate, decay):
        self.rate, self.decay = rate, decay
        by_shape = defaultdict(list)
        for weight in weights:
            by_shape[weight.flatten(1).shape].append(weight)
        self.groups = list(by_shape.values())
        self.momenta = [torch.stack([torch.zeros_like(w).flatten(1) for w in group]) for group in self.groups]

    @torch.no_grad()
    def step(self):
        for group, momentum in zip(self.groups, self.momenta):
            gradient = torch.stack([weight.grad.flatten(1) for weight in group])
            momentum.lerp_(gradient, 1 - MOMENTUM)
            steps = orthogonalised(torch.lerp(gradient, momentum, MOMENTUM)) * (0.2 * math.sqrt(max(momentum.shape[1:])) * self.rate)
            torch._foreach_mul_(group, 1 - self.rate * self.decay)
            torch._foreach_sub_(group, [step.view_as(weight) for step, weight in zip(steps, group)])

    def state_dict(self):
        return {"momenta": self.momenta}

    def load_state_dict(self, state):
        for momentum, stored in zip(self.momenta, state["momenta"]):
            momentum.copy_(stored)
