"""What torch makes of a plane with gaps: the numbers that geo_resize is compared with, so that tests need no torch.

    python test/data/make_torch_resize.py        (torch 2.15 on the CPU; writes test/data/torch_resize.json)

Data with 0 for NaN and its mask are both resized; data / mask where mask > 0.01, else NaN: OceanTACO's rule.
"""

import json
from pathlib import Path

import numpy as np
import torch

SIZES = [((16, 24), (8, 12)), ((9, 13), (20, 31)), ((20, 31), (9, 13)), ((1, 7), (3, 1)), ((5, 5), (5, 5)), ((7, 3), (64, 2)), ((23, 20), (1, 1))]


def resized(values, size):
    values = torch.from_numpy(values)[None, None]
    there = ~torch.isnan(values)
    resize = lambda plane: torch.nn.functional.interpolate(plane, size=size, mode="bilinear", align_corners=False)
    data, mask = resize(torch.where(there, values, 0.0)), resize(there.to(values.dtype))
    return torch.where(mask > 0.01, data / mask, torch.nan)[0, 0].numpy()


def main():
    cases = []
    for index, (shape, size) in enumerate(SIZES):
        for share in (0, 0.3, 0.9):
            rng = np.random.default_rng([index, int(share * 10)])
            values = rng.normal(280, 10, shape).round(2)
            values[rng.random(shape) < share] = np.nan
            number = lambda plane: [None if np.isnan(v) else float(v) for v in plane.ravel()]
            cases.append({"shape": shape, "size": size, "values": number(values), "resized": number(resized(values, size))})
    path = Path(__file__).with_name("torch_resize.json")
    path.write_text(json.dumps({"torch": torch.__version__.split("+")[0], "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
