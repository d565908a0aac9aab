"""Builds the wheel, installs it in a fresh environment, and uses it from a folder that does not know the checkout."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from ingest.state.tables import SCHEMAS

REPOSITORY = Path(__file__).parents[2]
NAME = "speechsense-ingest"


def run(*command: str | Path, cwd: Path, expect: int = 0) -> str:
    """What `command` prints, in an environment without any of ours."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "INGEST", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with the hatchling that is installed, so that nothing is fetched."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, cwd=REPOSITORY)
    (built,) = folder.glob("*.whl")
    return built


def needed(requirements: list[str]) -> Iterator[importlib.metadata.Distribution]:
    """The installed distributions that `requirements` lead to."""
    waiting, seen = [Requirement(text) for text in requirements], set[str]()
    while waiting:
        requirement = waiting.pop()
        if requirement.name in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(requirement.name)
        found = importlib.metadata.distribution(requirement.name)
        assert found.version in requirement.specifier, requirement
        yield found
        waiting += [Requirement(text) for text in found.requires or []]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a fresh environment with the wheel, and with exactly what the wheel says it needs.

    What it needs is linked from the environment of the tests instead of fetched again; a module that is used and
    not declared, or declared for development only, is missing here as it would be on a server.
    """
    place = tmp_path_factory.mktemp("server") / "venv"
    venv.create(place, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(place), "platbase": str(place)}))
    install = ("install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel))
    run(sys.executable, "-m", "pip", "--python", place / "bin" / "python", *install, cwd=place)
    with zipfile.ZipFile(wheel) as content:
        (metadata,) = [name for name in content.namelist() if name.endswith(".dist-info/METADATA")]
        text = content.read(metadata).decode()
    for distribution in needed(re.findall(r"^Requires-Dist: (.*)$", text, re.MULTILINE)):
        tops = {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}
        for top in tops:
            link = packages / top
            if not link.exists():
                link.symlink_to(Path(str(distribution.locate_file(top))))
    return place / "bin"


def test_the_wheel_holds_what_a_server_needs_and_no_more(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
    for shipped in ("migrations", "systemd"):
        here = {str(file.relative_to(REPOSITORY)) for file in (REPOSITORY / shipped).rglob("*") if file.is_file()}
        wanted = {f"ingest/_shipped/{name}" for name in here if "__pycache__" not in name}
        assert wanted
        assert wanted <= set(names)
    assert "ingest/_shipped/config.example.yaml" in names
    assert "ingest/_shipped/systemd/speechsense-ingest.service" in names
    assert "ingest/py.typed" in names
    strangers = [name for name in names if not name.startswith(("ingest/", "speechsense_ingest-"))]
    assert not strangers
    assert not [name for name in names if "test" in name.lower() or name.endswith(".pyc")]


def test_the_service_works_without_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = run(installed / "python", "-c", "import ingest; print(ingest.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(installed.parent)
    shipped = run(
        installed / "python", "-c", "from ingest.shipped import shipped; print(shipped('systemd'))", cwd=tmp_path
    )
    assert (Path(shipped.strip()) / "speechsense-ingest.service").is_file()
    assert run(installed / "ingest", "--version", cwd=tmp_path).split()[-1] == importlib.metadata.version(NAME)

    key = tmp_path / "api-key"
    key.write_text("a-key\n")
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    configuration = tmp_path / "config.yaml"
    configuration.write_text(
        f"speechsense:\n  credentials: {{api_key_file: {key}}}\n"
        f"state: {{url: 'sqlite:///{tmp_path}/state.db'}}\n"
        f"sources:\n  - {{name: floor, path: {recordings}, connection_id: connection-0001}}\n"
    )
    assert SCHEMAS[-1] in run(installed / "ingest", "migrate", "-c", configuration, cwd=tmp_path)
    assert "no problem found" in run(installed / "ingest", "check", "-c", configuration, cwd=tmp_path)
    told = run(installed / "ingest", "demo", cwd=tmp_path)
    assert told.count("received byte for byte") == 3


def test_every_module_finds_what_it_imports(installed: Path, tmp_path: Path) -> None:
    files = (REPOSITORY / "ingest").rglob("*.py")
    modules = {".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__") for file in files}
    modules.remove("ingest.__main__")
    run(installed / "python", "-c", "import pytest", cwd=tmp_path, expect=1)  # the environment is that of a server
    run(installed / "python", "-c", f"import {', '.join(sorted(modules))}", cwd=tmp_path)
