"""The order of rows: as they are, shuffled by blocks of files or as a whole, shared among ranks."""
from __future__ import annotations

import dataclasses

import numpy as np

SHUFFLES = (None, "blocks", "global")


@dataclasses.dataclass(frozen=True)
class Order:
    """How rows are dealt to batches."""

    size: int
    drop_last: bool = False
    shuffle: str | None = None
    seed: int = 0
    held: int = 8
    rank: int = 0
    world_size: int = 1
    even: str = "drop"

    def check(self) -> None:
        """Refuses what makes no sense."""
        if self.size < 1:
            raise ValueError(f"batches(size): {self.size} is not valid: must be a number of rows from 1 on")
        if self.shuffle not in SHUFFLES:
            raise ValueError(f'batches(shuffle): "{self.shuffle}" is not a shuffle: one of None, "blocks", "global"')
        if self.held < 1:
            raise ValueError(f"batches(held): {self.held} is not valid: must be a number of blocks from 1 on")
        if not 0 <= self.rank < self.world_size:
            raise ValueError(f"batches(rank): {self.rank} is not valid: must be from 0 to world_size - 1, which is {self.world_size - 1}")
        if self.even not in ("drop", "pad"):
            raise ValueError(f'batches(even): "{self.even}" is not a rule: one of "drop", "pad"')

    def rows(self, files: np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of one rank in an epoch, and which of them are there to make the ranks even."""
        order = self._shuffled(files, epoch)
        if self.world_size == 1:
            return order, np.zeros(len(order), bool)
        share = -(-len(order) // self.world_size) if self.even == "pad" else len(order) // self.world_size
        if self.drop_last:
            share -= share % self.size
        if share == 0:
            raise ValueError(
                f"batches(world_size): {self.world_size} ranks share {len(order)} rows, which leaves some of them no batch of {self.size}: "
                "ask for fewer ranks, smaller batches, or even=\"pad\"")
        places = np.arange(self.rank * share, (self.rank + 1) * share)
        return order[places % len(order)], places >= len(order)

    def _shuffled(self, files: np.ndarray, epoch: int) -> np.ndarray:
        rows = np.arange(len(files), dtype=np.int64)
        if self.shuffle is None or not len(files):
            return rows
        rng = np.random.default_rng([self.seed, epoch])
        if self.shuffle == "global":
            return rng.permutation(rows)
        by_file = np.argsort(files, kind="stable")
        blocks = np.split(by_file, np.flatnonzero(np.diff(files[by_file])) + 1)
        turns = rng.permutation(len(blocks))
        groups = [np.concatenate([blocks[turn] for turn in turns[at : at + self.held]]) for at in range(0, len(turns), self.held)]
        return np.concatenate([rng.permutation(group) for group in groups])


def mixing(files: np.ndarray, order: np.ndarray, size: int) -> float:
    """How well batches are mixed: 1 where two rows of a batch come from one file as seldom as if all rows were shuffled, 0 where they always do."""
    _, counts = np.unique(files, return_counts=True)
    n = len(files)
    if n < 2 or len(counts) < 2:
        return 1.0
    by_chance = float(np.sum(counts * (counts - 1))) / (n * (n - 1))
    same = pairs = 0
    for at in range(0, len(order), size):
        _, counts = np.unique(files[order[at : at + size]], return_counts=True)
        total = int(counts.sum())
        same += int(np.sum(counts * (counts - 1)))
        pairs += total * (total - 1)
    return min(1.0, (1 - same / pairs) / (1 - by_chance)) if pairs else 1.0
