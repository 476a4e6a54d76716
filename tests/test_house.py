"""The repository itself: what its files say of each other is true."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from aggregator import __version__, cli

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=; ]", requirement)[0].lower().replace("_", "-")


def test_every_dependency_is_pinned_by_name_and_version_only() -> None:
    lines = (ROOT / "constraints.txt").read_text().split()
    pinned = {_name(line) for line in lines}
    extras = [
        one for name, many in PROJECT["project"]["optional-dependencies"].items() if name != "cluster" for one in many
    ]

    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
    assert {_name(one) for one in [*PROJECT["project"]["dependencies"], *extras]} - pinned == set()


def test_no_package_index_is_named_anywhere() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    own = str(Path(__file__).relative_to(ROOT))
    bad = [
        name
        for name in tracked
        if name != own and re.search(rb"index-url|pypi\.org|pythonhosted", (ROOT / name).read_bytes())
    ]

    assert bad == []


def test_the_compose_file_runs_sqlite_alone_and_postgres_by_profile() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    plain = [name for name, service in compose["services"].items() if not service.get("profiles")]

    assert plain == ["aggregator"]
    assert compose["services"]["aggregator-postgres"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert all("healthcheck" in compose["services"][name] for name in ("postgres",))
    assert set(compose["volumes"]) == {"data", "postgres"}


def test_the_image_is_not_root_and_checks_its_health() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.M)

    assert "USER aggregator" in dockerfile
    assert "HEALTHCHECK" in dockerfile
    assert "/healthz" in dockerfile
    assert all((ROOT / name).exists() for names in copied for name in names.split())


def test_the_make_targets_that_the_readme_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()

    for target in re.findall(r"make (\w+)", (ROOT / "README.md").read_text().split("```")[1]):
        assert f"\n{target}:" in makefile


def _commands() -> set[str]:
    def walk(command: Any, prefix: str) -> set[str]:
        children = getattr(command, "commands", {})
        return (
            {prefix}
            if not children
            else {n for name, child in children.items() for n in walk(child, f"{prefix} {name}")}
        )

    return walk(typer.main.get_command(cli.cli), "aggregator")


def test_every_command_is_in_the_readme_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text()
    rows = re.findall(r"^\| `aggregator ([^`]*)` \|", readme, re.M)
    named = {f"aggregator {word}" for row in rows for word in _expand(row)}

    assert named == _commands()


def _expand(row: str) -> list[str]:
    words = [word for word in row.replace("\\|", "|").split() if re.match(r"[a-z]", word)]
    return [" ".join([*words[:-1], last]) for last in words[-1].split("|")]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_link_in_the_documentation_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert target.startswith("https://") or (path.parent / target).exists(), target


def test_workers_do_not_load_the_commands_the_database_or_the_page() -> None:
    told = "import sys, aggregator.__main__, aggregator.draft, aggregator.feed.parse; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert not {"typer", "sqlalchemy", "starlette", "httpx2", "uvicorn", "rich"} & set(loaded)


def test_what_workers_are_forked_from_has_one_thread() -> None:
    told = "import aggregator.draft, aggregator.feed.parse; print(open('/proc/self/status').read())"
    status = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert re.findall(r"^Threads:\s+(\d+)$", status, re.M) == ["1"]


def test_the_version_is_told() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "aggregator", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert told.stdout.strip() == f"aggregator {__version__}"


@pytest.mark.parametrize("command", sorted(_commands()))
def test_every_command_explains_itself(command: str) -> None:
    arguments = [sys.executable, "-m", *command.split(), "--help"]
    told = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert "Usage:" in told
    assert len(told) > 300
