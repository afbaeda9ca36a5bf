"""geoquilt.torch, in an environment that holds torch: a large one, made once and kept in the tests' cache."""
import os
import subprocess
import textwrap

import numpy as np
import pytest
from conftest import EXTENSION, ROOT, write_raster

ROWS = """
import numpy as np, pyarrow as pa
def rows(count=40, side=16):
    rng = np.random.default_rng(5)
    return pa.table({
        "path": [PATHS[i % len(PATHS)] for i in range(count)], "kind": [f"k{i % 3}" for i in range(count)],
        "win": [dict(row_off=int(r), col_off=int(c), height=side, width=side) for r, c in rng.integers(0, 80, (count, 2))], "number": np.arange(count)})
"""


@pytest.fixture(scope="module")
def run(torch_python, tmp_path_factory):
    folder = tmp_path_factory.mktemp("torch")
    rng = np.random.default_rng(1)
    paths = [write_raster(folder / f"{i}.tif", rng.normal(0, 1, (2, 100, 100)).astype("float32"), tiled=True, blockxsize=32, blockysize=32) for i in range(4)]

    def run(code, timeout=180, main=True):
        script = folder / "script.py"
        body = textwrap.dedent(code)
        # Workers that are spawned import the script: what it does stands behind its name.
        script.write_text(f"PATHS = {paths!r}\n{ROWS}\n" + ("if __name__ == '__main__':\n" + textwrap.indent(body, "    ") if main else body))
        env = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "GEOQUILT_EXTENSION": EXTENSION, "OMP_NUM_THREADS": "1"}
        answer = subprocess.run([torch_python, str(script)], capture_output=True, text=True, timeout=timeout, env=env)
        assert answer.returncode == 0, answer.stderr[-3000:]
        return answer.stdout

    return run


def test_tensors_are_the_batches_memory(run):
    said = run("""
        import geoquilt, geoquilt.torch, torch
        from torch.utils.data import DataLoader
        plain = list(geoquilt.batches(rows(), size=8))
        loader = DataLoader(geoquilt.torch.Batches(rows(), size=8, keys={"data": "image"}), batch_size=None)
        assert len(loader) == 5
        for batch, wanted in zip(loader, plain, strict=True):
            assert batch["image"].dtype == torch.float32 and batch["image"].shape == (8, 2, 16, 16)
            assert batch["image"].data_ptr() % 64 == 0 and torch.equal(batch["image"], torch.from_numpy(wanted["data"]))
            assert batch["number"].tolist() == wanted["number"].tolist() and batch["kind"] == wanted["kind"].tolist()
        one = plain[0]
        assert geoquilt.torch.tensors(one)["data"].data_ptr() == one["data"].ctypes.data == torch.from_dlpack(one["data"]).data_ptr()
        print("same")
    """)
    assert said == "same\n"


def test_workers_that_are_spawned_give_the_same_batches_in_the_same_order(run):
    said = run("""
        import geoquilt.torch, torch
        from torch.utils.data import DataLoader
        make = lambda: geoquilt.torch.Batches(rows(44), size=8, shuffle="blocks", seed=2)
        alone = [batch["number"].tolist() for batch in DataLoader(make(), batch_size=None)]
        workers = [batch["number"].tolist() for batch in DataLoader(make(), batch_size=None, num_workers=2, multiprocessing_context="spawn")]
        print(alone == workers, sorted(sum(workers, [])) == list(range(44)))
    """)
    assert said == "True True\n"


def test_workers_that_are_forked_after_a_read_say_how_they_begin(run):
    said = run("""
        import geoquilt.torch
        from torch.utils.data import DataLoader
        dataset = geoquilt.torch.Batches(rows(), size=8)
        list(dataset)
        try:
            list(DataLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context="fork"))
        except Exception as error:
            print('multiprocessing_context="spawn"' in str(error))
    """)
    assert said == "True\n"


def test_patches_by_index_are_read_together_and_stay_one_batch(run):
    said = run("""
        import geoquilt, geoquilt.torch, torch
        from torch.utils.data import DataLoader
        patches = geoquilt.torch.Patches(rows())
        whole = next(iter(geoquilt.batches(rows(), size=40)))["data"]
        assert len(patches) == 40 and torch.equal(patches[-1]["data"], torch.from_numpy(whole[39]))
        for options in (dict(collate_fn=geoquilt.torch.collate), {}, dict(num_workers=1, multiprocessing_context="spawn", collate_fn=geoquilt.torch.collate)):
            torch.manual_seed(3)
            seen = []
            for batch in DataLoader(patches, batch_size=7, shuffle=True, **options):
                assert torch.equal(batch["data"], torch.from_numpy(whole[batch["number"].numpy()]))
                seen += batch["number"].tolist()
            assert sorted(seen) == list(range(40)) and seen != sorted(seen)
        samples = patches.__getitems__([3, 1])
        assert geoquilt.torch.collate(samples)["data"].data_ptr() == samples[0]["data"].data_ptr()
        try:
            patches[40]
        except IndexError as error:
            print(error)
    """)
    assert said == "[40] are not all rows of 40\n"


def test_a_run_that_was_killed_goes_on_with_the_tensors_that_follow(run, tmp_path):
    state = str(tmp_path / "state.pt")
    begun = f"""
        import geoquilt.torch, torch, os, signal
        from torch.utils.data import DataLoader
        dataset = geoquilt.torch.Batches(rows(), size=6, shuffle="global", seed=4)
        whole = [b["data"].sum().item() for b in geoquilt.torch.Batches(rows(), size=6, shuffle="global", seed=4)]
        print(whole, flush=True)
        for i, batch in enumerate(DataLoader(dataset, batch_size=None)):
            if i == 2:
                torch.save(dataset.state_dict(), {state!r})
                os._exit(0)
    """
    whole = eval(run(begun))
    resumed = f"""
        import geoquilt.torch, torch
        dataset = geoquilt.torch.Batches(rows(), size=6, shuffle="global", seed=4)
        dataset.load_state_dict(torch.load({state!r}))
        print([b["data"].sum().item() for b in dataset])
    """
    assert eval(run(resumed)) == whole[3:]


def test_a_small_network_learns_from_batches(run):
    said = run("""
        import geoquilt, geoquilt.torch, torch
        from torch.utils.data import DataLoader
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Conv2d(2, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 1, 3, padding=1))
        optimizer = torch.optim.Adam(net.parameters(), 0.01)
        dataset = geoquilt.torch.Batches(rows(80), size=16, shuffle="blocks")
        losses = []
        for epoch in range(6):
            dataset.set_epoch(epoch)
            for batch in DataLoader(dataset, batch_size=None):
                loss = torch.nn.functional.mse_loss(net(batch["data"])[:, 0], batch["data"].mean(1))
                optimizer.zero_grad(); loss.backward(); optimizer.step()
                losses.append(loss.item())
        print(losses[0], losses[-1])
    """)
    first, last = map(float, said.split())
    assert last < first / 3
