"""What hypothesis draws: every generator of the property tests stands here."""
from hypothesis import HealthCheck, settings, strategies as st
from shapely import geometry as shapes

DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]


def law(examples):
    """Settings of a law: the same examples in every run, however slow the machine is."""
    return settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def dtypes():
    return st.sampled_from(DTYPES)


def nodata():
    """A nodata value that every dtype has, or none."""
    return st.sampled_from([None, 0, 7])


def windows(height, width, beside=30, largest=60):
    """(row, col, height, width) in, over and beside a raster of height x width."""
    return st.tuples(st.integers(-beside, height + 5), st.integers(-beside, width + 5), st.integers(1, largest), st.integers(1, largest))


@st.composite
def splits(draw):
    """(height, width, size, stride, edge) of a raster cut into patches that leave no pixel out: no stride is above its size."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    edge = draw(st.sampled_from(["snap", "overflow", "center", "pad"]))
    sides = [draw(st.integers(1, whole if edge == "snap" else 45)) for whole in (height, width)]
    return height, width, sides, [draw(st.integers(1, side)) for side in sides], edge


@st.composite
def specs(draw):
    """A raster in one line, for spec_raster."""
    height, width, bands = draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(1, 3))
    head = f"{height}x{width} {draw(dtypes())} EPSG:32632 10 at={draw(st.integers(0, 9))}00000,4600000"
    if draw(st.booleans()):
        head += " nodata=3"
    if draw(st.booleans()):
        head += f" strip={draw(st.integers(1, height))}"
    return head + "".join(f" | count+{draw(st.integers(0, 20))}" for _ in range(bands))


def coordinates(reach=(180, 90)):
    """Round numbers as well as those that take all digits, in (x, y) order."""
    x, y = reach
    axis = lambda far: st.integers(-3, 3).map(float) | st.floats(-far, far, allow_nan=False, allow_subnormal=False)
    return st.tuples(axis(x), axis(y))


def geometries():
    """Points, lines and polygons, alone and several, valid or not, none of them empty."""
    points, lines = coordinates(), st.lists(coordinates(), min_size=2, max_size=6)
    polygons = st.lists(coordinates(), min_size=3, max_size=6).map(shapes.Polygon)
    several = lambda one: st.lists(one, min_size=1, max_size=3)
    return st.one_of(
        points.map(shapes.Point), lines.map(shapes.LineString), polygons,
        several(points).map(shapes.MultiPoint), several(lines).map(shapes.MultiLineString), several(polygons).map(shapes.MultiPolygon))


def series():
    """Steps of a series: hours since the one before, and a whole number or none."""
    return st.lists(st.tuples(st.integers(1, 30), st.none() | st.integers(-9, 9)), min_size=1, max_size=14)
