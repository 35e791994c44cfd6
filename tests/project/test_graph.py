"""Graphs of revisions: order, ancestry, what is pending, what words mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from alembook import errors
from alembook.project import graph
from alembook.project.graph import Revision


def revision(identifier: str, *down: str, depends_on: tuple[str, ...] = (), labels: tuple[str, ...] = ()) -> Revision:
    """Returns a revision of which only the graph counts."""
    return Revision(
        id=identifier, down=down, depends_on=depends_on, branch_labels=labels, file=Path(identifier), sha256=identifier
    )


#: base - middle - left - merge - top; middle - right - merge; and a second base "web" whose second revision needs left.
TREE = (
    revision("base0001"),
    revision("middle02", "base0001"),
    revision("left0003", "middle02"),
    revision("right004", "middle02", labels=("right",)),
    revision("merge005", "left0003", "right004"),
    revision("top00006", "merge005"),
    revision("web00007", labels=("web",)),
    revision("web00008", "web00007", depends_on=("left0003",)),
)
LINE = (revision("aaaa1111"), revision("aaab2222", "aaaa1111"), revision("cccc3333", "aaab2222"))


def test_order_puts_parents_first() -> None:
    """Whatever the order given, a revision stands after what it revises and depends on."""
    ordered = [entry.id for entry in graph.order(TREE[::-1])]
    for entry in TREE:
        assert all(ordered.index(parent) < ordered.index(entry.id) for parent in entry.parents)


def test_order_keeps_an_order_that_is_right() -> None:
    """An order with parents first is left alone."""
    assert graph.order(TREE) == TREE


def test_a_circle_is_refused() -> None:
    """Revisions that revise each other are named."""
    with pytest.raises(errors.ProjectFailed, match="The revisions one, two form a circle"):
        graph.order([revision("one", "two"), revision("two", "one")])


def test_a_missing_parent_is_refused() -> None:
    """A revision whose parent has no file is named, and so is the parent."""
    with pytest.raises(errors.ProjectFailed) as caught:
        graph.order([revision("two", "one")])
    assert caught.value.what == "The revision two revises or depends on one, which the project does not have."


def test_ancestors_include_dependencies() -> None:
    """What is below a revision counts what it depends on."""
    assert graph.ancestors(TREE, ["web00008"]) == {"web00008", "web00007", "left0003", "middle02", "base0001"}


def test_tips_are_the_rows_of_the_version_table() -> None:
    """A revision another one depends on has no row of its own."""
    assert graph.tips(TREE, ["base0001", "middle02", "left0003", "web00007", "web00008"]) == ("web00008",)
    assert graph.tips(TREE, [entry.id for entry in TREE]) == ("top00006", "web00008")


@pytest.mark.parametrize(
    ("current", "wanted", "expected"),
    [
        ((), ("left0003",), ["base0001", "middle02", "left0003"]),
        (("middle02",), ("top00006",), ["left0003", "right004", "merge005", "top00006"]),
        (("left0003",), ("web00008",), ["web00007", "web00008"]),
        (("top00006", "web00008"), ("top00006", "web00008"), []),
        (("top00006",), ("left0003",), []),
    ],
)
def test_pending(current: tuple[str, ...], wanted: tuple[str, ...], expected: list[str]) -> None:
    """Pending is what is below the goal and not below the version rows, in graph order."""
    assert [entry.id for entry in graph.pending(TREE, current, wanted)] == expected


@pytest.mark.parametrize(
    ("revisions", "current", "wanted", "expected"),
    [
        (LINE, (), "head", ("cccc3333",)),
        (LINE, (), "heads", ("cccc3333",)),
        (LINE, (), "base", ()),
        (LINE, (), "aaab2222", ("aaab2222",)),
        (LINE, (), "aaab", ("aaab2222",)),
        (LINE, ("aaaa1111",), "+2", ("cccc3333",)),
        (LINE, (), "+1", ("aaaa1111",)),
        (LINE, (), "aaaa1111+1", ("aaab2222",)),
        (TREE, (), "heads", ("top00006", "web00008")),
        (TREE, (), "web@head", ("web00008",)),
        (TREE, (), "web", ("web00007",)),
        (TREE, (), "right@head", ("top00006",)),
        (TREE, (), "right@merge005", ("merge005",)),
    ],
)
def test_resolve(
    revisions: tuple[Revision, ...], current: tuple[str, ...], wanted: str, expected: tuple[str, ...]
) -> None:
    """Words become exact ids."""
    assert graph.resolve(revisions, current, wanted) == expected


@pytest.mark.parametrize(
    ("revisions", "current", "wanted", "what", "why"),
    [
        (LINE, (), "aaab2223", "The project has no revision 'aaab2223'.", "it has 3 of them; the nearest: aaab2222."),
        (LINE, (), "aaa", "The project has no revision 'aaa'.", "it has 3 of them."),
        (LINE, ("cccc3333",), "+1", "'+1' is not one revision.", "above cccc3333 there is none."),
        (LINE, (), "+0", "'+0' is not one revision.", "it means no step from an empty database."),
        (
            TREE,
            (),
            "head",
            "'head' means one head, and there are 2.",
            "the heads are: top00006 (right), web00008 (web).",
        ),
        (TREE, ("middle02",), "+1", "'+1' is not one revision.", "above middle02 there are 2: left0003, right004."),
        (
            TREE,
            ("left0003", "web00007"),
            "+1",
            "'+1' is not one revision.",
            "it would start at 2 revisions: left0003, web00007.",
        ),
        (TREE, (), "weB@head", "The project has no branch label 'weB'.", "it has 2 of them; the nearest: web."),
        ((), (), "head", "'head' means one head, and there are 0.", "the project has no revisions."),
    ],
)
def test_resolve_refuses(
    revisions: tuple[Revision, ...], current: tuple[str, ...], wanted: str, what: str, why: str
) -> None:
    """Words that mean nothing or several things are refused with what is near."""
    with pytest.raises(errors.UnknownRevision) as caught:
        graph.resolve(revisions, current, wanted)
    assert (caught.value.what, caught.value.why) == (what, why)


def test_a_beginning_of_several_ids_is_refused() -> None:
    """Four characters that begin two ids are not enough."""
    with pytest.raises(errors.UnknownRevision, match="'abcd' could be 2 revisions"):
        graph.resolve([revision("abcd1"), revision("abcd2", "abcd1")], (), "abcd")


def test_large_graphs_are_fast() -> None:
    """Two thousand revisions with a merge at every step are no burden."""
    chain = [revision("r0")]
    for number in range(1, 1000):
        chain += [revision(f"a{number}", chain[-1].id), revision(f"b{number}", chain[-1].id)]
        chain.append(revision(f"r{number}", f"a{number}", f"b{number}"))
    assert graph.resolve(chain, (), "head") == ("r999",)
    assert len(graph.pending(chain, ["r500"], ["r999"])) == 499 * 3
    assert graph.labels_of(chain, "r999") == ()


@pytest.mark.parametrize(
    ("current", "goal", "taken"),
    [
        (["top00006"], ["middle02"], ["top00006", "merge005", "right004", "left0003"]),
        (["top00006", "web00008"], ["web00007"], ["web00008"]),
        (["top00006"], ["right004"], ["top00006", "merge005"]),
        (["left0003"], [], ["left0003", "middle02", "base0001"]),
    ],
)
def test_undone_is_what_stands_on_the_goal(current: list[str], goal: list[str], taken: list[str]) -> None:
    """The last one first; a branch beside the goal stays."""
    assert [entry.id for entry in graph.undone(TREE, current, goal)] == taken
    assert graph.is_behind(TREE, current, goal)


def test_where_the_database_is_is_not_behind() -> None:
    """Going to a row of the version table, or up, takes nothing back; base from an empty database neither."""
    assert not graph.is_behind(TREE, ["left0003"], ["left0003"])
    assert not graph.is_behind(TREE, ["left0003"], ["top00006"])
    assert not graph.is_behind(TREE, [], [])
