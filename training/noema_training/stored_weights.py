"""How weights lie in a model folder's safetensors file: f32, f16, int8 or int4.

int8 and int4 are for matrices: each row is cut into groups of GROUP columns (one group where GROUP does not divide them), and a group is
integers times one f32 scale. `name` holds the integers, I8 [rows, columns] or U8 [rows, columns / 2] (an even column in the low
half of a byte, 8 added to both), and `name.group_scales` F32 [rows, groups] the scales. The browser expands them to f16 when it loads them.
Everything else is F32 there. `src/formats/group-scales.ts` reads it.
"""

import torch
from torch import Tensor

DTYPES = ("f32", "f16", "int8", "int4")
GROUP = 32


def stored(tensors: dict[str, Tensor], dtype: str) -> dict[str, Tensor]:
    """What the file holds; the normalizer stays f32 in every form."""
    result = {}
    for name, value in tensors.items():
        value = value.detach().float().contiguous()
        if dtype == "f32" or "sonar_normalizer" in name:
            result[name] = value
        elif dtype == "f16":
            if value.abs().max() > torch.finfo(torch.float16).max:
                raise ValueError(f"{name} has numbers too large for f16")
            result[name] = value.half()
        elif value.ndim != 2 or (dtype == "int4" and value.shape[1] % 2):
            result[name] = value
        else:
            result[name], result[f"{name}.group_scales"] = quantized(value, 127 if dtype == "int8" else 7)
            if dtype == "int4":
                pairs = (result[name] + 8).to(torch.uint8)
                result[name] = (pairs[:, ::2] | (pairs[:, 1::2] << 4)).contiguous()
    return result


def quantized(matrix: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """int8 [rows, columns] from -most to most, and f32 scales [rows, groups]."""
    rows, columns = matrix.shape
    groups = matrix.view(rows, -1, GROUP if columns % GROUP == 0 else columns)
    scales = groups.abs().amax(dim=2) / most
    scales[scales == 0] = 1
    integers = (groups / scales[..., None]).round().clamp(-most, most)
    return integers.view(rows, columns).to(torch.int8), scales


def expanded(kept: dict[str, Tensor], name: str) -> Tensor:
    """One tensor as the browser gets it from a file, f32."""
    value, scales = kept[name], kept.get(f"{name}.group_scales")
    if scales is None:
        return value.float()
    if value.dtype == torch.uint8:
        value = torch.stack([value & 15, value >> 4], dim=2).flatten(1).to(torch.int8) - 8
    groups = value.float().view(*scales.shape, -1) * scales[..., None]
    return groups.view(value.shape).half().float()


def relative_error(tensors: dict[str, Tensor], kept: dict[str, Tensor]) -> dict:
    """Norm of the difference over the norm, of all weights together and of the worst tensor."""
    total = difference = 0.0
    worst = (0.0, "")
    for name, value in tensors.items():
        value = value.double()
        norm, gap = value.square().sum().item(), (expanded(kept, name).double() - value).square().sum().item()
        total, difference = total + norm, difference + gap
        if norm:
            worst = max(worst, ((gap / norm) ** 0.5, name))
    return {"all": (difference / total) ** 0.5 if total else 0.0, "worst": worst[0], "worst_tensor": worst[1]}
