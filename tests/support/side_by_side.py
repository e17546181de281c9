"""Tests that mostly wait run at the same time: all of a module with the first of them, and each tells its own outcome.

A story is an async function; `side_by_side` makes it a test. It takes what it is parametrised with, and `directory`, an
empty one of its own. Fixtures are not for it. Only those run that were selected.
"""

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest

Story = Callable[..., Coroutine[Any, Any, None]]
Outcomes = Mapping[str, BaseException | None]
_OUTCOMES = pytest.StashKey[dict[str, Outcomes]]()


def side_by_side(story: Story) -> Callable[..., None]:
    """Make a test of a story; it runs together with all others of its module that were selected."""

    @functools.wraps(story)
    def test(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, **_: object) -> None:
        told = request.session.stash.setdefault(_OUTCOMES, {})
        module = request.node.path.as_posix()
        if module not in told:
            try:
                told[module] = asyncio.run(_run_all(request, tmp_path_factory))
            except BaseException as error:
                # Out of time, or interrupted: the others are not begun again.
                told[module] = dict.fromkeys((item.nodeid for item in request.session.items), error)
                raise
        outcome = told[module][request.node.nodeid]
        if outcome is not None:
            raise outcome

    own = [name for name in inspect.signature(story).parameters if name != "directory"]
    names = ["request", "tmp_path_factory", *own]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    test.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])  # type: ignore[attr-defined]
    test.story = story  # type: ignore[attr-defined]
    return test


async def _run_all(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    stories: dict[str, Coroutine[Any, Any, None]] = {}
    for item in request.session.items:
        story = getattr(getattr(item, "function", None), "story", None)
        if story is not None and item.path == request.node.path:
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            directory: Path = tmp_path_factory.mktemp("story")
            stories[item.nodeid] = story(directory=directory, **parameters)
    outcomes = await asyncio.gather(*stories.values(), return_exceptions=True)
    return dict(zip(stories, outcomes, strict=True))
