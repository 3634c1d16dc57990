"""Fixtures: a wire, and a world in the running loop. Both take a `Medium` by indirect parametrization; TAP else."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from halfopen.stack.config import StackConfig
from tests.interop.world import TAP, Wire, World, open_wire, open_world


@pytest.fixture
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Wire]:
    with open_wire(getattr(request, "param", TAP), tmp_path / "capture.pcapng") as made:
        yield made


@pytest.fixture
def config() -> StackConfig:
    """Our host's; a test that wants another overrides it by parametrization."""
    return StackConfig()


@pytest_asyncio.fixture
async def world(wire: Wire, config: StackConfig) -> AsyncIterator[World]:
    async with open_world(wire, config) as made:
        yield made
