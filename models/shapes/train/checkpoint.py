"""Checkpoints in the published layout: names, shapes and files of Wan 2.2, as safetensors."""
import json
import struct
from pathlib import Path

import torch

DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "I64": torch.int64, "F64": torch.float64}
NAMES = {dtype: name for name, dtype in DTYPES.items()}

Weights = dict[str, torch.Tensor]


def with_prefix(prefix, weights: Weights) -> Weights:
    return {prefix + name: tensor for name, tensor in weights.items()}


def without_prefix(prefix, weights: Weights) -> Weights:
    """Those that have it."""
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}


def read_safetensors(file: Path) -> Weights:
    data = bytearray(Path(file).read_bytes())
    (size,) = struct.unpack("<Q", data[:8])
    weights = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            weights[name] = torch.frombuffer(data[begin:end], dtype=DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return weights


def write_safetensors(file: Path, weights: Weights, dtype: torch.dtype = torch.bfloat16):
    """Under its name when it is complete; names in order, so that the same weights give the same bytes."""
    header, blocks, offset = {}, [], 0
    for name in sorted(weights):
        block = weights[name].detach().to("cpu", dtype).flatten().view(torch.uint8).numpy().tobytes()
        header[name] = {"dtype": NAMES[dtype], "shape": list(weights[name].shape),
                        "data_offsets": [offset, offset + len(block)]}
        blocks.append(block)
        offset += len(block)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    with part.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        out.writelines(blocks)
    part.rename(file)


class Folder:
    """The files of a checkpoint. `wanfarm make-model` makes one with random weights, which is where training begins."""
    EXPERTS = ("high", "low")

    def __init__(self, path):
        self.path = Path(path)

    def file(self, part: str) -> Path:
        """part: "vae", "text", or an expert."""
        if part in self.EXPERTS:
            return self.path / f"{part}_noise_model" / "diffusion_pytorch_model.safetensors"
        return self.path / {"vae": "Wan2.1_VAE.safetensors", "text": "models_t5_umt5-xxl-enc-bf16.safetensors"}[part]

    def config(self, expert: str) -> dict:
        return json.loads((self.path / f"{expert}_noise_model" / "config.json").read_text())

    def read(self, part: str, device="cpu") -> Weights:
        """In f32; of an expert all shards."""
        file = self.file(part)
        shards = sorted(file.parent.glob("*.safetensors")) if part in self.EXPERTS else [file]
        return {name: tensor.to(device, torch.float32)
                for shard in shards for name, tensor in read_safetensors(shard).items()}

    def write(self, part: str, weights: Weights):
        write_safetensors(self.file(part), weights)
