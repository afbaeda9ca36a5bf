"""torch over the same batches: ready ones for an iterable dataset, single rows for a map-style one."""
from __future__ import annotations

from typing import Any, Iterator, Mapping

import numpy as np
import torch

from ._batches import Batch, batches
from ._reads import Read


def tensors(batch: Batch, keys: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A batch as torch has it: tensors over the same memory, and lists of what is no number. ``keys`` gives columns other names: ``{"data": "image"}``."""
    keys = keys or {}
    return {keys.get(name, name): _tensor(batch[name]) for name in batch}


def _tensor(values: Any) -> Any:
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        return torch.from_numpy(values if values.flags.writeable else values.copy())
    return values.tolist() if isinstance(values, np.ndarray) and values.dtype == object else values


class Batches(torch.utils.data.IterableDataset):
    """Ready batches: ``DataLoader(Batches(rows, size=64, shuffle="blocks"), batch_size=None)``.

    Takes what :func:`geoquilt.batches` takes, and ``keys``, other names of columns. Decoding has its own threads, so that ``num_workers=0`` is the fast way;
    workers take batches in turn, in the same order, and have to be spawned: ``multiprocessing_context="spawn"``.
    """

    def __init__(self, rows: Any, size: int = 32, reads: Read | Mapping[str, Read] | None = None, *, keys: Mapping[str, str] | None = None, **options: Any) -> None:
        self.batches, self.keys = batches(rows, size, reads, **options), dict(keys or {})

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = torch.utils.data.get_worker_info()
        for batch in self.batches._iterate(worker.id if worker else 0, worker.num_workers if worker else 1):
            yield tensors(batch, self.keys)

    def __len__(self) -> int:
        return len(self.batches)

    def set_epoch(self, epoch: int) -> None:
        """As :meth:`geoquilt.Batches.set_epoch`."""
        self.batches.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """As :meth:`geoquilt.Batches.state_dict`."""
        return self.batches.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As :meth:`geoquilt.Batches.load_state_dict`."""
        self.batches.load_state_dict(state)


class _Samples(list):
    """Samples of one batch, and that batch."""

    def __init__(self, batch: dict[str, Any], count: int) -> None:
        super().__init__({name: values[i] for name, values in batch.items()} for i in range(count))
        self.batch = batch


def collate(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """What ``DataLoader(Patches(rows), batch_size=64, collate_fn=geoquilt.torch.collate)`` wants: rows that were read together stay the batch they are."""
    return samples.batch if isinstance(samples, _Samples) else torch.utils.data.default_collate(samples)


class Patches(torch.utils.data.Dataset):
    """Rows by their index, for samplers of torch: a DataLoader asks for those of a batch at once, which are read together.

    Takes what :func:`geoquilt.batches` takes but for sizes and orders, which are the sampler's, and ``keys``, other names of columns.
    """

    def __init__(self, rows: Any, reads: Read | Mapping[str, Read] | None = None, *, keys: Mapping[str, str] | None = None, **options: Any) -> None:
        if options.get("on_error") == "skip":
            raise ValueError('Patches(on_error): "skip" would leave holes among the indices\nGive "report", or filter the rows')
        self.batches, self.keys = batches(rows, 1, reads, **options), dict(keys or {})

    def __len__(self) -> int:
        return len(self.batches.table)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        wanted = [int(index) + (len(self) if index < 0 else 0) for index in indices]
        if any(not 0 <= index < len(self) for index in wanted):
            raise IndexError(f"{indices} are not all rows of {len(self)}")
        batch = tensors(self.batches.read(wanted), self.keys)
        return _Samples(batch, len(wanted))
