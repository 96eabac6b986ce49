"""Execute the notebooks of the documentation and keep what they show.

    python -m tests.run_notebooks [NAME ...]

Each runs in a new folder. Of its outputs go to the file what a reader wants: no stderr,
no lines of libraries' logs, one form of each picture.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
_LOGS = re.compile(r"^(INFO|WARNING|I0000|W0000)\b.*\n?", re.MULTILINE)


def executed(path, folder):
    """The notebook with the outputs of this run; a cell that fails raises.

    Args:
        path: The `.ipynb` file.
        folder: Where it works.
    """
    import nbclient
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    # A kernel is a process of its own: it finds this checkout as this process does.
    environment = {
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "TMPDIR": str(folder),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={}
    )
    client.execute(cwd=str(folder), env={**os.environ, **environment})
    return notebook


def main(names) -> None:
    """Execute those named, or all, and write them."""
    import nbformat

    for path in NOTEBOOKS:
        if names and path.stem not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            notebook = executed(path, folder)
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
            if cell.cell_type == "code":
                cell.outputs = [*filter(None, map(_kept, cell.outputs))]
        notebook.metadata["language_info"] = {"name": "python"}
        nbformat.write(notebook, path)


def _kept(output):
    if output.output_type == "stream":
        output.text = _LOGS.sub("", output.text)
        return output if output.name == "stdout" and output.text else None
    if "image/jpeg" in output.data:  # a tenth of the same as PNG
        output.data.pop("image/png", None)
    return output


if __name__ == "__main__":
    main(sys.argv[1:])
