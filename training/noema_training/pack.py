"""Steps `pack` and `unpack-data`: tokenised text as one small file for a machine that only trains.

A zip of `NAME.npy.xz` members. Growing offsets are stored as differences and document orders as distances to the next new sentence, both
mostly tiny numbers; xz is told the width of the numbers.
"""

import io
import lzma
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

PLAIN = ("tokenizer.json", "text/counts.json")
LEFT_OUT = "story-sentences"  # the same sentences are in documents.*.npz


def pack(work: Path, out: Path) -> dict[str, int]:
    """Writes the token arrays of a work directory to one file; returns sizes in bytes by source."""
    members: dict[str, bytes] = {name: (work / name).read_bytes() for name in PLAIN}
    sources = [path for path in sorted((work / "tokens").glob("*.npz")) if LEFT_OUT not in path.name]
    sources += sorted(work.glob("documents.*.npz"))
    jobs = []
    for path in sources:
        with np.load(path) as arrays:
            jobs += [(f"{path.relative_to(work)}/{name}", *to_small(name, arrays[name])) for name in arrays]
    with ThreadPoolExecutor(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count()))) as pool:
        packed = pool.map(lambda job: (f"{job[0]}.{job[1]}.npy.xz", _compress(job[2])), jobs)
        members |= dict(packed)
    out.parent.mkdir(parents=True, exist_ok=True)
    sizes: dict[str, int] = {}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
        for name, data in members.items():
            file.writestr(name, data)
            source = name.split(".npz/")[0]
            sizes[source] = sizes.get(source, 0) + len(data)
    return {"total": out.stat().st_size, **sizes}


def unpack_data(file: Path, work: Path) -> dict[str, int]:
    """Restores what `pack` read; returns the number of arrays of each file."""
    arrays: dict[str, dict[str, np.ndarray]] = {}
    with zipfile.ZipFile(file) as source:
        for name in source.namelist():
            if name in PLAIN:
                (work / name).parent.mkdir(parents=True, exist_ok=True)
                (work / name).write_bytes(source.read(name))
                continue
            path, _, rest = name.partition(".npz/")
            array, how = rest.removesuffix(".npy.xz").split(".")
            small = np.load(io.BytesIO(lzma.decompress(source.read(name))), allow_pickle=False)
            arrays.setdefault(f"{path}.npz", {})[array] = from_small(how, small)
    for path, found in arrays.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        np.savez(work / path, **found)
    return {path: len(found) for path, found in arrays.items()}


def to_small(name: str, array: np.ndarray) -> tuple[str, np.ndarray]:
    """How an array is stored, and the array to store."""
    if name.startswith(("offsets", "starts")):
        return "lengths", _narrow(np.diff(array))
    if name == "order":
        new = np.maximum.accumulate(np.concatenate([[-1], array[:-1]])) + 1
        return "order", _narrow(new - array)
    return "plain", array


def from_small(how: str, small: np.ndarray) -> np.ndarray:
    if how == "lengths":
        return np.concatenate([[0], np.cumsum(small.astype(np.int64))])
    if how == "order":
        first = small == 0
        return (np.cumsum(first) - first - small.astype(np.int64)).astype(np.int32)
    return small


def _narrow(array: np.ndarray) -> np.ndarray:
    return array.astype(np.min_scalar_type(int(array.max(initial=0))))


def _compress(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    bits = {1: 0, 2: 1}.get(array.dtype.itemsize, 2)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 2, "lp": bits, "pb": bits}]
    return lzma.compress(buffer.getvalue(), filters=filters)
