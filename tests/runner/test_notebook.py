"""One notebook headless: whatever happens to it, the record says what did."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import nbformat
import pytest

from alembook import errors
from alembook.runner import notebook
from alembook.runner.kernels import Kernels
from alembook.runner.outcome import Place, Status
from tests.runner.conftest import Log, Run, is_there, statuses, write_notebook

SLEEP = "import time\nprint('begun', flush=True)\ntime.sleep(60)"
DEAF = "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except KeyboardInterrupt:\n        pass"


def test_a_notebook_that_succeeds_is_recorded_cell_by_cell(run: Run, log: Log) -> None:
    """Each cell has its own status and outputs, and the events tell the same story."""
    outcome, nb = run("# Look", "print('a')\nprint(x)", "x + 1", given={"x": 41})
    assert (outcome.status, outcome.exit_code, outcome.failure()) == (Status.SUCCEEDED, 0, None)
    assert (outcome.cells_run, outcome.cells_total, outcome.cell) == (4, 4, None)
    assert statuses(nb) == ["succeeded", "succeeded", None, "succeeded", "succeeded"]
    assert nb.cells[3].outputs[0].text == "a\n41\n"
    assert nb.cells[4].outputs[0].data["text/plain"] == "42"
    assert log.names() == ["notebook_started", *["cell_started", "cell_replied"] * 4, "notebook_ended"]
    assert [entry["status"] for entry in log.found if entry["event"] == "cell_replied"] == ["succeeded"] * 4
    assert log.found[5]["title"] == "Look"


def test_the_source_is_not_changed_and_nothing_is_printed(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """papermill, nbclient and zmq say nothing on the terminal, also when a cell fails."""
    run("1 / 0")
    assert capfd.readouterr() == ("", "")
    assert all(not cell.get("outputs") for cell in nbformat.read(tmp_path / "source.ipynb", as_version=4).cells)


def test_progress_is_told_as_each_cell_starts(run: Run) -> None:
    """Number, total and the heading the cell stands under."""
    told: list[tuple[int, int, str]] = []
    run("# Head\n\n## First\ntext", "1", "# Second", "2", on_progress=lambda *cell: told.append(cell))
    assert told == [(1, 3, ""), (2, 3, "First"), (3, 3, "Second")]


def test_an_error_of_ours_keeps_its_class_text_and_exit_code(run: Run, log: Log) -> None:
    """What a step raised in the kernel is what the runner can raise again."""
    outcome, nb = run(
        "# Upgrade",
        "from alembook import errors\nraise errors.UpgradeFailed('Revision a failed.', why='55P03: lock timeout.', "
        "next='Look at the blockers.', state='nothing of it is applied.', evidence={'statement': 'ALTER\\nTABLE t'})",
        "print('later')",
    )
    failure = outcome.failure()
    assert isinstance(failure, errors.UpgradeFailed)
    assert (outcome.status, outcome.error_name, outcome.exit_code) == (Status.FAILED, "UpgradeFailed", 5)
    assert failure.evidence == {"statement": "ALTER\nTABLE t"}
    assert str(failure) == (
        "Revision a failed.\n"
        "  left: nothing of it is applied.\n"
        "  why:  55P03: lock timeout.\n"
        "  next: Look at the blockers.\n"
        "  statement:\n"
        "    ALTER\n"
        "    TABLE t"
    )
    assert statuses(nb) == ["succeeded", None, "failed", "not_run"]
    assert "Traceback" not in "".join(nb.cells[2].outputs[0].traceback)
    assert log.found[-1] == {
        "event": "notebook_ended",
        "notebook": "out.ipynb",
        "status": "failed",
        "cells_run": 1,
        "cells_total": 3,
        "seconds": outcome.seconds,
        "exit_code": 5,
        "error": "UpgradeFailed",
        "cell": "c2",
        "index": 2,
    }


def test_an_unknown_error_is_exit_1_and_adds_no_cells(run: Run) -> None:
    """papermill's banner cells stay out, so every index is the source's; later cells did not run."""
    outcome, nb = run("1 / 0", "print('later')")
    assert (outcome.status, outcome.exit_code, outcome.cells_run) == (Status.FAILED, 1, 1)
    assert outcome.cell == Place(index=1, id="c1", title="")
    assert statuses(nb) == ["succeeded", "failed", "not_run"]
    assert nb.cells[2].execution_count is None
    assert nb.metadata.papermill.exception is True
    assert str(outcome.failure()).splitlines()[:3] == [
        "ZeroDivisionError in out.ipynb, cell 2.",
        "  why:  division by zero",
        "  next: This is not an error Alembook knows; the executed notebook has all of it.",
    ]


def test_a_class_that_only_has_the_name_of_ours_is_unknown(run: Run) -> None:
    """IPython's own UsageError is not ours, and so not exit 2."""
    outcome, _ = run("from IPython.core.error import UsageError\nraise UsageError('no magic')")
    assert (outcome.error_name, outcome.exit_code) == ("UsageError", 1)


@pytest.mark.parametrize("source", ["import sys\nsys.exit(0)", "exit()", "quit", "raise SystemExit"])
def test_a_cell_that_exits_did_not_succeed(run: Run, source: str) -> None:
    """exit() and sys.exit(0) are no end of a runbook."""
    outcome, nb = run(source, "print('later')")
    assert (outcome.status, outcome.exit_code) == (Status.EXITED, 5)
    assert isinstance(outcome.failure(), errors.NotebookExited)
    assert statuses(nb) == ["succeeded", "exited", "not_run"]


def test_a_kernel_killed_in_a_cell_is_noticed_within_two_seconds(run: Run, log: Log) -> None:
    """SIGKILL: the cell did not reply, what it had said is kept, later cells did not run."""
    outcome, nb = run("import os, time\nprint('so far', flush=True)\ntime.sleep(0.2)\nos.kill(os.getpid(), 9)", "2")
    assert (outcome.status, outcome.exit_code, outcome.cells_run) == (Status.KERNEL_DIED, 5, 1)
    assert isinstance(outcome.failure(), errors.KernelDied)
    assert outcome.seconds < 4.0  # booting included; the death itself is seen within a second
    assert statuses(nb) == ["succeeded", "kernel_died", "not_run"]
    assert nb.cells[1].outputs[0].text == "so far\n"
    assert log.names()[-2:] == ["cell_started", "notebook_ended"]


def test_what_a_dying_kernel_says_on_its_own_stderr_is_kept(run: Run) -> None:
    """A crash of an extension writes outside any cell; the error shows it."""
    outcome, _ = run("import faulthandler, ctypes\nfaulthandler.enable()\nctypes.string_at(0)")
    assert outcome.status is Status.KERNEL_DIED
    assert "Segmentation fault" in outcome.last_words
    assert "Segmentation fault" in str(outcome.failure())


def test_a_cell_over_its_time_is_interrupted(run: Run) -> None:
    """The cell sees KeyboardInterrupt, and is recorded as timed out, not as interrupted."""
    outcome, nb = run(SLEEP, "2", cell_timeout_s=0.5)
    assert (outcome.status, outcome.exit_code) == (Status.TIMED_OUT, 5)
    assert isinstance(outcome.failure(), errors.CellTimedOut)
    assert statuses(nb) == ["succeeded", "timed_out", "not_run"]
    assert nb.cells[1].outputs[-1].ename == "KeyboardInterrupt"


def test_a_cell_that_ignores_the_interrupt_is_killed_after_the_grace(run: Run) -> None:
    """Nothing a cell does can hold a run up for ever."""
    began = time.monotonic()
    outcome, nb = run(DEAF, "2", cell_timeout_s=0.5, grace_s=0.5)
    assert outcome.status is Status.TIMED_OUT
    assert statuses(nb) == ["succeeded", "timed_out", "not_run"]
    assert time.monotonic() - began < 6.0
    assert not is_there(outcome.kernel_pid)


def test_an_interrupt_from_elsewhere_is_no_failure_of_the_cell(run: Run) -> None:
    """SIGINT sent to the kernel itself ends as interrupted, exit 130."""
    outcome, nb = run("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)", "2")
    assert (outcome.status, outcome.exit_code) == (Status.INTERRUPTED, 130)
    assert statuses(nb) == ["succeeded", "interrupted", "not_run"]
    assert str(outcome.failure()).startswith("The run was stopped by an interrupt of its kernel in out.ipynb, cell 2.")


def test_input_is_refused_instead_of_waited_for(run: Run) -> None:
    """There is nobody to ask."""
    outcome, _ = run("input('continue?')")
    assert (outcome.status, outcome.error_name) == (Status.FAILED, "StdinNotImplementedError")


def test_what_postgresql_quotes_of_a_row_is_left_out(run: Run, tmp_path: Path) -> None:
    """DETAIL never reaches the record; SQLSTATE's message, HINT and the rest do."""
    outcome, _ = run(
        "secret = '-'.join(['123', '45', '6789'])\n"
        "raise ValueError(f'null value in \"a\"\\nDETAIL:  Failing row contains (1, {secret}).\\nHINT:  none')"
    )
    text = (tmp_path / "out.ipynb").read_text(encoding="utf-8")
    assert "123-45-6789" not in text + outcome.error_text
    assert outcome.error_text.splitlines()[0] == 'null value in "a"'
    assert outcome.error_text.splitlines()[-1] == "HINT:  none"


def test_the_kernel_has_the_given_environment_and_no_other(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the runner's own environment gets later is not inherited."""
    monkeypatch.setenv("ALEMBOOK_LATER", "x")
    _, nb = run("import os\nos.environ.get('ALEMBOOK_TEST'), os.environ.get('ALEMBOOK_LATER')")
    assert nb.cells[1].outputs[0].data["text/plain"] == "('given', None)"


def test_the_kernel_can_check_its_own_parameters(run: Run) -> None:
    """`In` holds the cells as papermill made them."""
    _, nb = run("from alembook.config import parameters\nparameters.check_cells(In, globals())", given={"x": 7})
    assert nb.cells[2].outputs[0].data["text/plain"] == "{'x': 7, 'name': ''}"


def test_braces_in_a_path_are_no_parameters(kernels: Kernels, log: Log, tmp_path: Path) -> None:
    """papermill formats paths; ours reach it unharmed."""
    folder = tmp_path / "a {x} {b"
    folder.mkdir()
    source = write_notebook(folder / "source.ipynb", "x")
    outcome = notebook.execute(source, folder / "o.ipynb", {"x": 3}, events=log, kernels=kernels, is_last=False)
    assert outcome.status is Status.SUCCEEDED


def test_wrong_parameters_are_refused_before_a_kernel_is_taken(log: Log, tmp_path: Path) -> None:
    """No environment is known yet, so a kernel could not even start."""
    source = write_notebook(tmp_path / "source.ipynb", "x")
    with Kernels() as unused, pytest.raises(errors.ParameterError):
        notebook.execute(source, tmp_path / "out.ipynb", {"x": "1"}, events=log, kernels=unused)
    assert not (tmp_path / "out.ipynb").exists()
    assert log.found == []


def test_a_file_that_is_no_notebook_is_refused(log: Log, tmp_path: Path) -> None:
    """Neither a missing file nor a text one is a runbook."""
    (tmp_path / "text.ipynb").write_text("hello", encoding="utf-8")
    with Kernels() as unused:
        for name, why in [
            ("text.ipynb", "it is not a notebook of format 4."),
            ("no.ipynb", "No such file or directory."),
        ]:
            with pytest.raises(errors.UsageError) as caught:
                notebook.execute(tmp_path / name, tmp_path / "out.ipynb", {}, events=log, kernels=unused)
            assert (caught.value.what, caught.value.why) == (f"The notebook {tmp_path / name} cannot be read.", why)


def test_an_executed_notebook_is_never_overwritten(log: Log, tmp_path: Path) -> None:
    """The earlier record stays byte for byte."""
    source, output = write_notebook(tmp_path / "source.ipynb", "x"), tmp_path / "out.ipynb"
    output.write_text("earlier", encoding="utf-8")
    with Kernels() as unused, pytest.raises(errors.ArchiveFailed) as caught:
        notebook.execute(source, output, {}, events=log, kernels=unused)
    assert output.read_text(encoding="utf-8") == "earlier"
    assert str(caught.value) == (
        "out.ipynb is already in the archive.\n"
        "  left: nothing was begun.\n"
        "  why:  an executed notebook is a record and is never overwritten.\n"
        "  next: Write the next attempt beside it (.a2), as a run's folder does."
    )


def test_what_a_cell_started_ends_with_its_kernel(run: Run) -> None:
    """A program in the kernel's group does not outlive a notebook, however that ended."""
    outcome, nb = run(
        "import os, subprocess\nchild = subprocess.Popen(['sleep', '300'])\nprint(child.pid, flush=True)\n"
        "import time\ntime.sleep(0.3)\nos.kill(os.getpid(), 9)"
    )
    assert outcome.status is Status.KERNEL_DIED
    deadline = time.monotonic() + 3
    child = int(nb.cells[1].outputs[0].text)
    while is_there(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_there(child)


def test_a_kernel_that_dies_while_booting_is_said_so(log: Log, tmp_path: Path) -> None:
    """There is no cell to blame."""
    source = write_notebook(tmp_path / "source.ipynb", "x")
    with Kernels() as own:
        own.warm(dict(os.environ))
        booting = own.take()
        os.kill(booting.pid, signal.SIGKILL)
        own._spare = booting
        while booting.is_alive():
            time.sleep(0.01)
        own.take = lambda: booting  # type: ignore[method-assign]
        outcome = notebook.execute(source, tmp_path / "out.ipynb", {}, events=log, kernels=own)
    assert (outcome.status, outcome.cell) == (Status.KERNEL_DIED, None)
    assert str(outcome.failure()).splitlines()[0] == "The kernel died: out.ipynb, before its first cell."
