"""Entry of the agent: ``python .../agent/__main__.py CONTROL EVENTS``, two numbers of open descriptors."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import sys

NAME = "alembook_agent"


def load() -> None:
    """Makes this folder importable as one package of a private name, and by no other.

    Python puts a script's folder first on ``sys.path``; there its modules would shadow the project's.
    """
    folder = os.path.dirname(os.path.abspath(__file__))
    if sys.path and os.path.abspath(sys.path[0]) == folder:
        del sys.path[0]
    spec = importlib.util.spec_from_file_location(
        NAME, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    if spec is None or spec.loader is None:
        raise ImportError(NAME)
    package = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    load()
    gc.disable()  # importing makes objects and no garbage: looking for some takes a seventh of the start
    work = importlib.import_module(NAME + ".work")
    gc.enable()
    work.main(int(sys.argv[1]), int(sys.argv[2]))
