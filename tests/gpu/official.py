#!/usr/bin/env python3
# tests/gpu/official.py: times the official implementation on this GPU, at full size with random weights, so that it can
# be compared with wanfarm within one run.
#
#   python3 tests/gpu/official.py REPOSITORY WHAT...
#
# WHAT: forward[:SIZE[:ATTENTION]], vae[:SIZE] or text; without SIZE (832x480, 1280x720) and ATTENTION (cudnn, fa3) all.
# REPOSITORY contains the folder wan/ of github.com/Wan-Video/Wan2.2. Needs torch with CUDA and, for FlashAttention-3, the
# package fa3-fwd. Prints one JSON line per figure: what, seconds (median of a few runs), peak tensor memory.
import json
import sys
import types

import torch

SIZES = {"832x480": (60, 104), "1280x720": (90, 160)}  # latent rows and columns
LATENT_FRAMES = 21  # of 81


def report(what, seconds, **more):
    gib = torch.cuda.max_memory_allocated() / 2**30
    print(json.dumps({"official": what, "seconds": round(seconds, 4), "peak_gib": round(gib, 1), **more}), flush=True)


def median_seconds(work, runs=3):
    work()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    times = []
    for _ in range(runs):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / 1000)
    return sorted(times)[len(times) // 2]


def import_official(repository):
    """Imports the official modules with empty packages, since their __init__ files import the dependencies of all tasks."""
    sys.path.insert(0, repository)
    for name in ("wan", "wan.modules"):
        module = types.ModuleType(name)
        module.__path__ = [f"{repository}/{name.replace('.', '/')}"]
        sys.modules[name] = module
    for name, stand_ins in {
        "diffusers.configuration_utils": {"ConfigMixin": type("ConfigMixin", (), {}), "register_to_config": lambda f: f},
        "diffusers.models.modeling_utils": {"ModelMixin": torch.nn.Module},
        "ftfy": {"fix_text": lambda text: text},
    }.items():
        parts = name.split(".")
        for i in range(len(parts)):
            sys.modules.setdefault(".".join(parts[: i + 1]), types.ModuleType(parts[i]))
        sys.modules[name].__dict__.update(stand_ins)


def attention_of(name):
    """Returns a stand-in for the official wrapper that uses one given kernel, with the wrapper's casts."""
    if name == "fa3":
        import fa3_fwd_interface

        def kernel(q, k, v):
            out = fa3_fwd_interface.flash_attn_func(q, k, v)
            return out[0] if isinstance(out, tuple) else out
    else:
        def kernel(q, k, v):
            q, k, v = (x.transpose(1, 2) for x in (q, k, v))
            with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.CUDNN_ATTENTION):
                return torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)

    def attention(q, k, v, k_lens=None, dtype=torch.bfloat16, **_):
        half = lambda x: x if x.dtype in (torch.float16, torch.bfloat16) else x.to(dtype)
        return kernel(half(q).to(half(v).dtype), half(k).to(half(v).dtype), half(v)).type(q.dtype)

    return attention


def make_expert():
    import wan.modules.model as official

    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = official.WanModel(model_type="t2v", dim=5120, ffn_dim=13824, freq_dim=256, num_heads=40, num_layers=40,
                                  in_dim=16, out_dim=16, text_len=512).eval().requires_grad_(False)
    torch.set_default_dtype(torch.float32)
    head = 128
    model.freqs = torch.cat([official.rope_params(1024, head - 4 * (head // 6)),
                             official.rope_params(1024, 2 * (head // 6)), official.rope_params(1024, 2 * (head // 6))], dim=1)
    for parameter in model.parameters():
        parameter.normal_(0, 0.02)
    return official, model


def forward(*sizes, attentions=("cudnn", "fa3")):
    official, model = make_expert()
    text = torch.randn(60, 4096, device="cuda", dtype=torch.bfloat16)
    time = torch.tensor([900.0], device="cuda")
    for size in sizes or SIZES:
        rows, columns = SIZES[size]
        x = torch.randn(16, LATENT_FRAMES, rows, columns, device="cuda")
        tokens = LATENT_FRAMES * rows * columns // 4
        for name in attentions:
            official.flash_attention = attention_of(name)

            def run():
                with torch.no_grad(), torch.amp.autocast("cuda", dtype=torch.bfloat16):
                    return model([x], t=time, context=[text], seq_len=tokens)

            try:
                report("forward", median_seconds(run, 2), size=size, attention=name)
            except ImportError as missing:
                print(json.dumps({"official": "forward", "size": size, "attention": name, "missing": str(missing)}))
            torch.cuda.empty_cache()


def vae(*sizes):
    import wan.modules.vae2_1 as official

    with torch.device("cuda"):
        model = official.WanVAE_(dim=96, z_dim=16, dim_mult=[1, 2, 4, 4], num_res_blocks=2, attn_scales=[],
                                 temperal_downsample=[False, True, True]).eval().requires_grad_(False)
    scale = [torch.zeros(16, device="cuda"), torch.ones(16, device="cuda")]
    for size in sizes or SIZES:
        rows, columns = SIZES[size]
        z = torch.randn(1, 16, LATENT_FRAMES, rows, columns, device="cuda")

        def run():
            with torch.no_grad():
                model.decode(z, scale)

        report("vae", median_seconds(run, 1), size=size, tf32=torch.backends.cudnn.allow_tf32)  # on, by torch's default
        torch.cuda.empty_cache()


def text():
    import wan.modules.t5 as official

    model = official.umt5_xxl(encoder_only=True, dtype=torch.bfloat16, device="cuda").eval().requires_grad_(False)
    for tokens in (28, 126, 512):
        ids = torch.zeros(1, 512, dtype=torch.long, device="cuda")
        ids[0, :tokens] = torch.randint(4, 256000, (tokens,), device="cuda")
        mask = (ids > 0).long()

        def run():
            with torch.no_grad():
                model(ids, mask)

        report("text", median_seconds(run, 10), tokens=tokens)


def main():
    import_official(sys.argv[1])
    for argument in sys.argv[2:]:
        what, *size = argument.split(":")
        chosen = {"attentions": [size.pop()]} if len(size) == 2 else {}
        {"forward": forward, "vae": vae, "text": text}[what](*size, **chosen)
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
