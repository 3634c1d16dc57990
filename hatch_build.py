"""The compiled build: with ``HALFOPEN_USE_MYPYC=1`` a wheel has `halfopen`'s core compiled by mypyc, else it is pure.

mypyc puts what it makes beside the source. It gets a copy, so that a working tree stays as it is: an interpreter that
finds both takes what is compiled, however old.
"""

import os
import shutil
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

IS_WANTED = os.environ.get("HALFOPEN_USE_MYPYC", "") not in ("", "0")
SOURCES = "src"
SEAM = "src/halfopen/wire/codec.py"
"""Compiled, it has the codec that is quick when compiled."""
RUNTIME = "librt>=0.16"


class CompiledBuild(BuildHookInterface[Any]):
    """Lets hatch-mypyc compile a copy; its settings are this hook's."""

    _copy: TemporaryDirectory[str] | None = None

    def dependencies(self) -> list[str]:
        """What building needs beyond hatchling: nothing, unless it is to compile."""
        return ["hatch-mypyc>=0.16", "mypy>=2.4", "setuptools"] if IS_WANTED else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles, and adds what came of it to the wheel; an editable installation runs from its source."""
        if not IS_WANTED or version == "editable":
            return
        from hatch_mypyc.plugin import MypycBuildHook

        self._copy = TemporaryDirectory()
        root = Path(self._copy.name).resolve()
        shutil.copytree(Path(self.root, SOURCES), root / SOURCES)
        shutil.copy(Path(self.root, "pyproject.toml"), root)
        seam = root / SEAM
        seam.write_text(seam.read_text().replace("codec_struct", "codec_native"))
        arguments = (self.config, self.build_config, self.metadata, self.directory, self.target_name, self.app)
        with chdir(root):
            MypycBuildHook(str(root), *arguments).initialize(version, build_data)
        build_data["artifacts"].clear()
        build_data["dependencies"].append(RUNTIME)
        for library in (root / SOURCES).rglob("*.so"):
            build_data["force_include"][str(library)] = str(library.relative_to(root / SOURCES))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The wheel is written: the copy can go."""
        if self._copy is not None:
            self._copy.cleanup()
