"""geoquilt: folders of satellite, model and in-situ files into machine-learning patches.

SQL says *which* patches; :func:`batches` carries their pixels into NumPy, torch or JAX without a copy::

    import geoquilt

    con = geoquilt.connect()
    con.sql("CREATE TABLE registry AS FROM geo_patch_grid('scenes/*.tif', size := 128)")
    for batch in geoquilt.batches(con.table("registry"), size=64):
        batch["data"]           # float32 [64, band, row, col], NaN where there is no pixel
        batch["patch_id"]       # the row's own columns
"""
from . import plot
from ._batches import Batch, Batches, batches
from ._convert import to_geopandas, to_xarray
from ._library import Error, __version__, connect, extension_path, load
from ._reads import Read, rasterize, read_array, read_patch, read_series, read_slice

__all__ = [
    "Batch", "Batches", "Error", "Read", "__version__", "batches", "connect", "extension_path", "load", "plot", "rasterize", "read_array", "read_patch",
    "read_series", "read_slice", "to_geopandas", "to_xarray",
]
