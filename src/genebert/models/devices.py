"""Where to compute, and in which precision."""

import contextlib

import torch


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of that name; ``auto`` is a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def has_bfloat16(device: torch.device) -> bool:
    """Return whether matrix products in bfloat16 are native: elsewhere they are emulated and slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.ops.mkldnn._is_mkldnn_bf16_supported() and torch.cpu._is_avx512_bf16_supported()


def computed_in(precision: str, device: torch.device) -> str:
    """Return float32 or bfloat16 for a precision: auto is bfloat16 where :func:`has_bfloat16`."""
    if precision == "auto":
        return "bfloat16" if has_bfloat16(device) else "float32"
    return precision


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager:
    """Return the autocast context of a precision (:func:`computed_in`)."""
    if computed_in(precision, device) == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()
