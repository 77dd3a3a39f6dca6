"""A stage of training: steps that can be interrupted, and go on where they were."""
import json
import math
import time
from pathlib import Path

import torch

from muon import Muon


class Average:
    """Of the weights over the last thousand steps: what is kept in the end."""
    EVERY, DECAY = 10, 0.99

    def __init__(self, weights):
        self.weights = {name: tensor.detach().clone() for name, tensor in weights.items()}

    @torch.no_grad()
    def update(self, weights, step):
        if step % self.EVERY == 0:
            decay = min(self.DECAY, (1 + step) / (100 + step))
            torch._foreach_lerp_(list(self.weights.values()), [weights[name].detach() for name in self.weights], 1 - decay)


class Replays:
    """A function over tensors as CUDA graphs, one for each set of shapes: the thousands of small kernels of a step are
    launched at once. Its first calls of each shape run as they are, which lets libraries choose their kernels; that must
    not happen while a graph is recorded, nor may copies from the host. What it gives lives until the next call."""
    AS_THEY_ARE = 3

    def __init__(self, function):
        self.function = function
        self.calls, self.graphs, self.memory = {}, {}, None

    def __call__(self, *tensors):
        shapes = tuple(tensor.shape for tensor in tensors)
        self.calls[shapes] = self.calls.get(shapes, 0) + 1
        if self.calls[shapes] <= self.AS_THEY_ARE:
            return self.beside(tensors)
        if shapes not in self.graphs:
            self.record(shapes, tensors)
        graph, inputs, result = self.graphs[shapes]
        torch._foreach_copy_(inputs, list(tensors))
        graph.replay()
        return result

    def beside(self, tensors):
        """On a stream of its own, as recording will be."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            result = self.function(*tensors)
        torch.cuda.current_stream().wait_stream(stream)
        return result

    def record(self, shapes, tensors):
        inputs, graph = [tensor.clone() for tensor in tensors], torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.memory):
            result = self.function(*inputs)
        self.memory = graph.pool()
        self.graphs[shapes] = graph, inputs, result


class Stage:
    """`weights`: leaves that learn; within(name, tensor) says which of them Muon takes, AdamW has the others.
    inputs(step) -> tensors: all that differs from step to step, chance included. loss(*tensors) -> a scalar, and figures
    for the curve by name. It takes `steps` steps, or as many as `seconds` allow. keep(averaged weights) is called whenever
    the state is stored."""

    def __init__(self, name, weights, within, inputs, loss, *, rate, work: Path, steps=None, seconds=None, graphs=True,
                 keep=lambda weights: None):
        self.name, self.weights, self.inputs, self.loss, self.keep = name, weights, inputs, loss, keep
        self.steps, self.seconds, self.rate, self.work = steps, seconds, rate, work
        for tensor in weights.values():
            tensor.requires_grad_()
        self.average = Average(weights)
        device = next(iter(weights.values())).device
        on_gpu = device.type == "cuda"
        self.current_rate = torch.tensor(rate, device=device)  # where graphs can see it change
        inner = {key: tensor for key, tensor in weights.items() if within(key, tensor)}
        outer = [tensor for key, tensor in weights.items() if key not in inner]
        adam = torch.optim.AdamW(outer, lr=self.current_rate, betas=(0.9, 0.99), weight_decay=0, fused=on_gpu, capturable=on_gpu)
        self.optimizers = {"muon": Muon(inner.values(), self.current_rate, decay=0.01), "adam": adam}
        self.learn = Replays(self.learn_from) if on_gpu and graphs else self.learn_from
        self.step, self.spent = 0, 0.0  # seconds

    @property
    def file(self):
        return self.work / f"{self.name}.pt"

    def store(self):
        state = {"step": self.step, "spent": self.spent, "weights": self.weights, "average": self.average.weights}
        state |= {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}
        part = self.file.with_suffix(".part")
        torch.save(state, part)
        part.rename(self.file)
        self.keep(self.average.weights)

    def restore(self):
        if not self.file.exists():
            return
        state = torch.load(self.file, map_location=self.current_rate.device)
        self.step, self.spent = state["step"], state["spent"]
        with torch.no_grad():
            for name, tensor in self.weights.items():
                tensor.copy_(state["weights"][name])
                self.average.weights[name].copy_(state["average"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state[name])
        self.optimizers["adam"].param_groups[0]["lr"] = self.current_rate

    def progress(self):
        """From 0 to 1, at which the stage ends."""
        return min(1.0, self.step / self.steps if self.steps else self.spent / self.seconds)

    def rate_now(self):
        """Up over the first steps, then down along half a cosine."""
        return self.rate * min((self.step + 1) / 200, 0.5 + 0.5 * math.cos(math.pi * self.progress()) + 0.005)

    def learn_from(self, *inputs):
        """One step. Returns the figures."""
        for tensor in self.weights.values():
            tensor.grad = None
        loss, figures = self.loss(*inputs)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.weights.values()), 1.0)
        for optimizer in self.optimizers.values():
            optimizer.step()
        return {name: figure.detach() for name, figure in figures.items()}

    def run(self, log_every=100, store_every=60.0):
        """Returns the averaged weights."""
        self.work.mkdir(parents=True, exist_ok=True)
        self.restore()
        stored = began = time.monotonic()
        curve, first, before = {}, self.step, self.spent
        while self.progress() < 1:
            torch.manual_seed(1_000_003 + self.step)  # a step is the same whether or not the run was interrupted
            self.current_rate.fill_(self.rate_now())
            for name, figure in self.learn(*self.inputs(self.step)).items():
                curve[name] = torch.lerp(curve.get(name, figure), figure, 0.02)
            self.average.update(self.weights, self.step)
            self.step += 1
            self.spent = before + time.monotonic() - began
            if self.step % log_every == 0 or self.progress() == 1:
                self.tell(curve, (self.spent - before) / (self.step - first))
                if time.monotonic() - stored > store_every:
                    self.store()
                    stored = time.monotonic()
        self.store()
        return self.average.weights

    def tell(self, figures, seconds_a_step):
        rounded = {name: float(f"{float(value):.5g}") for name, value in figures.items()}
        line = {"stage": self.name, "step": self.step, "seconds_a_step": round(seconds_a_step, 5), **rounded}
        print(json.dumps(line), flush=True)
        if not all(math.isfinite(value) for value in rounded.values()):
            raise FloatingPointError(f"{self.name} diverged before step {self.step}: what is stored is older, go on from it at a lower rate")
        with (self.work / f"{self.name}.jsonl").open("a") as curve:
            curve.write(json.dumps(line) + "\n")
