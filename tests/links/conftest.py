from collections.abc import Iterator

import pytest

from halfopen.links.namespaces import Namespace


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    with Namespace() as made:
        yield made
