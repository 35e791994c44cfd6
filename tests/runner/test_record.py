"""The executed notebook as a record: whole at every instant, and true."""

from __future__ import annotations

import json
import resource
import threading
from pathlib import Path

import nbformat
import pytest

from alembook import errors
from alembook.runner import notebook
from alembook.runner.kernels import Kernels
from alembook.runner.outcome import Status
from tests.runner.conftest import Log, Run, is_there, statuses, write_notebook


def test_the_record_keeps_ids_and_names_no_path_of_the_machine(run: Run, tmp_path: Path) -> None:
    """Cells keep the ids of the source, and the metadata holds file names only."""
    outcome, nb = run("1 + 1", given={"x": 2})
    assert [cell.id for cell in nb.cells] == ["c0", "injected-parameters", "c1"]
    assert nb.metadata.papermill.input_path == "source.ipynb"
    assert nb.metadata.papermill.output_path == "out.ipynb"
    assert nb.metadata.papermill.parameters == {"x": 2}
    assert nb.metadata.papermill.exception is None
    assert nb.metadata.alembook.status == "succeeded"
    assert nb.metadata.alembook.kernel_pid == outcome.kernel_pid
    assert str(tmp_path) not in json.dumps(nb)


def test_tags_cannot_make_a_record_prettier(kernels: Kernels, log: Log, tmp_path: Path) -> None:
    """A cell tagged to be skipped is recorded as not run, and one whose error is expected fails all the same."""
    source = write_notebook(tmp_path / "source.ipynb", "1", "1 / 0", "3")
    nb = nbformat.read(source, as_version=4)
    nb.cells[1].metadata["tags"] = ["skip-execution"]
    nb.cells[2].metadata["tags"] = ["raises-exception"]
    nbformat.write(nb, source)
    outcome = notebook.execute(source, tmp_path / "out.ipynb", {}, events=log, kernels=kernels, is_last=False)
    assert (outcome.status, outcome.cells_run, outcome.cells_total) == (Status.FAILED, 1, 3)
    recorded = statuses(nbformat.read(tmp_path / "out.ipynb", as_version=4))
    assert recorded == ["succeeded", "not_run", "failed", "not_run"]


def test_a_save_that_fails_in_the_middle_is_not_swallowed(run: Run, log: Log, tmp_path: Path) -> None:
    """A disk that takes no more ends the run at the cell's end; the last whole record stays readable."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(errors.ArchiveFailed) as caught:
            run("print('y' * 50_000)", "2")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.why == "writing out.ipynb gave: File too large."
    nb = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert statuses(nb) == ["succeeded", "running", "pending"]
    assert not is_there(log.found[0]["kernel_pid"])
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_reader_never_sees_half_a_record(run: Run, tmp_path: Path) -> None:
    """A poller parses whatever it finds, all through a run with large outputs."""
    output, is_over, seen = tmp_path / "out.ipynb", threading.Event(), list[int]()

    def poll() -> None:
        while not is_over.is_set():
            if output.exists():
                seen.append(len(json.loads(output.read_text(encoding="utf-8"))["cells"]))

    poller = threading.Thread(target=poll)
    poller.start()
    try:
        run(*["print('z' * 300_000)"] * 6)
    finally:
        is_over.set()
        poller.join()
    assert len(seen) > 20
    assert set(seen) == {7}


def test_streams_are_one_output_each(run: Run) -> None:
    """Many flushes do not make many outputs."""
    _, nb = run(
        "import sys\nfor i in range(40):\n    print(i, flush=True)\nprint('e', file=sys.stderr)",
        "for i in range(40):\n    print(f'\\r{i} %', end='', flush=True)\nprint(' done')",
    )
    assert [(output.name, output.text.count("\n")) for output in nb.cells[1].outputs] == [("stdout", 40), ("stderr", 1)]
    assert [output.text for output in nb.cells[2].outputs] == ["39 % done\n"]


def test_a_folder_that_cannot_be_written_stops_before_any_cell(kernels: Kernels, log: Log, tmp_path: Path) -> None:
    """The first save is before the first cell, and the kernel ends with the error."""
    source = write_notebook(tmp_path / "source.ipynb", "open('ran', 'w')")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(errors.ArchiveFailed) as caught:
        notebook.execute(source, tmp_path / "file/out.ipynb", {}, events=log, kernels=kernels, is_last=False)
    assert caught.value.what == f"The archive cannot be written: {tmp_path / 'file'}."
    assert log.found == []
