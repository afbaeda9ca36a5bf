"""Runs a page of docs/gallery as a reader would, in the folder that one stands in: gallery.py PAGE [OLD NEW]. What each block printed comes out as JSON.

OLD is replaced by NEW in its code, such as a URL by that of a server of the test's.
"""
import contextlib
import io
import json
import re
import sys

BLOCK = re.compile(r"```python\n(.*?)```(\n\n```text\n.*?```)?", re.S)


def run(text, replace=None):
    """The printed text of each block of Python, which all share their names."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names, printed = {"__name__": "page"}, []
    for code, _ in BLOCK.findall(text):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(code.replace(*replace) if replace else code, "page", "exec"), names)
        printed.append(out.getvalue())
    plt.close("all")
    return printed


if __name__ == "__main__":
    said = run(open(sys.argv[1]).read(), sys.argv[2:4] or None)
    print(json.dumps(said))
