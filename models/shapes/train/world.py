"""Clips of the world and the tokens of their captions, by the C++ library that checker and tests use (ops.cpp)."""
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

SIZES = ((96, 96), (96, 128), (96, 160), (128, 96))  # height, width
FRAMES = 17


def load(library: Path, device="cpu"):
    """Needed before anything else here. On a GPU, f32 products may be computed in TF32 from now on."""
    torch.ops.load_library(str(library.resolve()))
    if torch.device(device).type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True


def clips(seed, count, size, frames=FRAMES, device="cpu", held_out=False, behind=""):
    """[count, 3, frames, height, width] in [-1, 1], and captions. behind: a colour that all have as their background, whatever
    their captions say."""
    return torch.ops.shapes.clips(seed, count, frames, *size, torch.device(device), held_out, behind)


def captions(seed, count, held_out=False):
    """Those of the same clips."""
    return torch.ops.shapes.captions(seed, count, held_out)


@dataclass
class Texts:
    """ids [n, longest], of which `lengths` [n] count."""
    ids: torch.Tensor
    lengths: torch.Tensor

    @classmethod
    def of(cls, tokenizer: Path, texts, device, longest=0):
        """Padded to the longest one, and at least to `longest`."""
        ids, lengths = torch.ops.shapes.tokens(str(tokenizer), list(texts))
        ids = F.pad(ids, (0, max(0, longest - ids.shape[1])))
        return cls(ids.to(device), lengths.to(device))

    def __getitem__(self, rows):
        return Texts(self.ids[rows], self.lengths[rows])

    def repeated(self, count):
        """A single text as often."""
        return Texts(self.ids.expand(count, -1), self.lengths.expand(count))

    def replaced(self, rows, other):
        """With a single other text of the same padding where `rows` [n] says so."""
        return Texts(torch.where(rows[:, None], other.ids, self.ids), torch.where(rows, other.lengths, self.lengths))
