"""Writes the files that the tests of the readers read: python make_files.py (torch 2.15.0, numpy 2.4.6)."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

here = Path(__file__).parent
base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 8


def save(name, value, **options):
    torch.save(value, here / name, **options)


save(
    "tensors.pt",
    {
        "plain": base,
        "transposed": base.T,
        "columns": base[:, 1::2],
        "permuted": torch.arange(24, dtype=torch.float32).reshape(2, 3, 4).permute(2, 0, 1),
        "expanded": base[0, :2].expand(3, 2),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(base[1]),
        "float64": base[0].double(),
        "float16": base[0].half(),
        "bfloat16": base[0].bfloat16(),
        "int64": torch.tensor([-1, 2**31 - 1]),
        "int32": torch.tensor([-(2**31), 5], dtype=torch.int32),
        "int16": torch.tensor([-300, 7], dtype=torch.int16),
        "int8": torch.tensor([-128, 127], dtype=torch.int8),
        "uint8": torch.tensor([0, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
    },
)
linear = torch.nn.Linear(2, 3)
with torch.no_grad():
    linear.weight.copy_(base[:3, :2])
    linear.bias.copy_(base[3, :3])
save(
    "nested.pt",
    {
        "model": linear.state_dict(),
        "config": {"k": 32, "rate": 0.25, "name": "relu", "none": None, "flag": True, "list": [1, 2]},
        "ordered": OrderedDict(a=torch.ones(1)),
        "shape": torch.Size([2, 3]),
        "big": 2**40,
        "steps": (1, "two"),
    },
)
save("protocol_4.pt", {"plain": base}, pickle_protocol=4)
save("legacy.pt", {"plain": base}, _use_new_zipfile_serialization=False)
save("module.pt", torch.nn.Linear(2, 3))
save("function.pt", {"f": torch.relu})

arrays = {
    "plain": base.numpy(),
    "fortran": np.asfortranarray(base.numpy()),
    "cube": np.asfortranarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4)),
    "scalar": np.float32(2.5),
    "empty": np.zeros((0, 3), np.float32),
    "float64": base[0].double().numpy(),
    "float16": base[0].half().numpy(),
    "int64": np.array([-1, 2**31 - 1]),
    "int32": np.array([-(2**31), 5], np.int32),
    "int16": np.array([-300, 7], np.int16),
    "int8": np.array([-128, 127], np.int8),
    "uint8": np.array([0, 255], np.uint8),
    "bool": np.array([True, False]),
}
np.savez(here / "arrays.npz", **arrays)
np.savez_compressed(here / "compressed.npz", **arrays)
np.savez(here / "big_endian.npz", big=np.arange(3, dtype=">f4"))
np.savez(here / "text.npz", text=np.array(["a", "bc"]))
np.savez(here / "records.npz", records=np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]))
np.savez(here / "objects.npz", objects=np.array([{}, None], dtype=object))
