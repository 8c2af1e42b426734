# SPDX-License-Identifier: Apache-2.0
"""Runs the notebooks from top to bottom and keeps what they show.

python notebooks/execute.py [DIRECTORY]: writes them there, or in their place.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

NOTEBOOKS: Final = sorted(Path(__file__).parent.glob("*.ipynb"))
_TIMEOUT: Final = 60  # seconds for a cell


def executed(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs it has now; nothing in it tells one run from another.

    Raises:
        CellExecutionError: a cell fails.
    """
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)
    with TemporaryDirectory() as sockets:  # a kernel takes orders from whoever reaches it
        transport = {"transport": "ipc", "ip": f"{sockets}/kernel"}
        NotebookClient(
            notebook,
            config=Config({"KernelManager": transport}),
            timeout=_TIMEOUT,
            resources={"metadata": {"path": str(path.parent)}},
            record_timing=False,
        ).execute()
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def main() -> None:
    """Execute all notebooks."""
    for path in NOTEBOOKS:
        directory = Path(sys.argv[1]) if len(sys.argv) > 1 else path.parent
        nbformat.write(executed(path), directory / path.name)
        print(path.name, flush=True)


if __name__ == "__main__":
    main()
