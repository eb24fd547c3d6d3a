"""`python tests/make_stored_weights.py FILE`: matrices stored in int8 and int4 as safetensors, and what Python expands them to.

The file is `src/formats/stored-weights.json`; the browser's reader is held to it.
"""

import base64
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save

from noema_training.stored_weights import expanded, stored

torch.manual_seed(7)
TENSORS = {
    "grouped.weight": torch.randn(3, 64),
    "whole.weight": torch.randn(2, 10) * 1e-3,
    "x.bias": torch.randn(3),
}

if __name__ == "__main__":
    cases = []
    for dtype in ("int8", "int4"):
        kept = stored(TENSORS, dtype)
        values = {name: expanded(kept, name).flatten().tolist() for name in TENSORS}
        cases.append({"dtype": dtype, "file": base64.b64encode(save(kept)).decode(), "values": values})
    Path(sys.argv[1]).write_text(json.dumps(cases) + "\n")
