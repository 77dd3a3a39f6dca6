"""A stage of training: steps that can be interrupted, and go on where they were."""
import json
import math
import time
from pathlib import Path

import torch


class Average:
    """Of the weights over the last steps: what is kept in the end."""

    def __init__(self, weights, decay=0.999):
        self.weights = {name: tensor.detach().clone() for name, tensor in weights.items()}
        self.decay = decay

    @torch.no_grad()
    def update(self, weights, step):
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.weights.values()), [weights[name].detach() for name in self.weights], 1 - decay)


class Stage:
    """`weights`: leaves that learn. loss(step) -> a scalar and figures for the curve."""

    def __init__(self, name, weights, loss, *, steps, rate, work: Path, seed=1):
        self.name, self.weights, self.loss, self.steps, self.rate, self.work, self.seed = name, weights, loss, steps, rate, work, seed
        for tensor in weights.values():
            tensor.requires_grad_()
        self.average = Average(weights)
        on_gpu = next(iter(weights.values())).is_cuda
        # Norms, biases and embeddings of positions do not decay.
        groups = [{"params": [w for w in weights.values() if (w.dim() > 1) == decays], "weight_decay": 0.01 * decays}
                  for decays in (True, False)]
        self.optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99), fused=on_gpu)
        self.step = 0

    @property
    def file(self):
        return self.work / f"{self.name}.pt"

    def store(self):
        state = {"step": self.step, "weights": self.weights, "average": self.average.weights, "optimizer": self.optimizer.state_dict()}
        part = self.file.with_suffix(".part")
        torch.save(state, part)
        part.rename(self.file)

    def restore(self):
        if not self.file.exists():
            return
        state = torch.load(self.file, map_location=next(iter(self.weights.values())).device)
        self.step = state["step"]
        with torch.no_grad():
            for name, tensor in self.weights.items():
                tensor.copy_(state["weights"][name])
                self.average.weights[name].copy_(state["average"][name])
        self.optimizer.load_state_dict(state["optimizer"])

    def rate_at(self, step):
        """Up over the first steps, then down along half a cosine."""
        return self.rate * min((step + 1) / 200, 0.5 + 0.5 * math.cos(math.pi * step / self.steps) + 0.005)

    def run(self, log_every=100, store_every=60.0):
        """Returns the averaged weights."""
        self.work.mkdir(parents=True, exist_ok=True)
        self.restore()
        stored, figures = time.monotonic(), None
        began, first = time.monotonic(), self.step
        while self.step < self.steps:
            torch.manual_seed(self.seed * 1_000_003 + self.step)  # a step is the same whether or not the run was interrupted
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate_at(self.step)
            loss, parts = self.loss(self.step)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(list(self.weights.values()), 1.0)
            self.optimizer.step()
            self.average.update(self.weights, self.step)
            self.step += 1
            figures = parts if figures is None else {name: 0.98 * figures[name] + 0.02 * parts[name] for name in parts}
            if self.step % log_every == 0 or self.step == self.steps:
                self.tell(figures, (time.monotonic() - began) / (self.step - first))
            if time.monotonic() - stored > store_every:
                self.store()
                stored = time.monotonic()
        self.store()
        return self.average.weights

    def tell(self, figures, seconds_a_step):
        line = {"stage": self.name, "step": self.step, "seconds_a_step": round(seconds_a_step, 5)}
        line |= {name: float(f"{float(value):.5g}") for name, value in figures.items()}
        print(json.dumps(line), flush=True)
        with (self.work / f"{self.name}.jsonl").open("a") as curve:
            curve.write(json.dumps(line) + "\n")
