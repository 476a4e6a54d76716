"""A folder of configuration as an operator writes it, and what is made of it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from aggregator import config, errors

ONE_SOURCE = "sources:\n  - name: Grist\n    url: https://grist.org/feed/\n"
TAXONOMY = """\
version: "1"
topics:
  - tag: renewable-energy
    label: Renewable energy
    words:
      en: ["renewable*", "wind power"]
      no: [vindkraft]
"""


class Files:
    """A config folder below the current directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "config").mkdir()
        self.write(main="", sources=ONE_SOURCE, taxonomy=TAXONOMY)

    def write(self, *, main: str | None = None, sources: str | None = None, taxonomy: str | None = None) -> None:
        for name, text in (("aggregator", main), ("sources", sources), ("taxonomy", taxonomy)):
            if text is not None:
                (self.root / f"config/{name}.yaml").write_text(text, encoding="utf-8")

    def load(self, env: Mapping[str, str] | None = None) -> config.Settings:
        return config.load(Path("config/aggregator.yaml"), env or {})

    def source(self, lines: str, env: Mapping[str, str] | None = None) -> config.SourceConfig:
        self.write(sources=ONE_SOURCE + "".join(f"    {line}\n" for line in lines.splitlines()))
        return self.load(env).sources[0]

    def mistakes(self, env: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(errors.ConfigError) as caught:
            self.load(env)
        return list(caught.value.lines)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.chdir(tmp_path)
    return Files(tmp_path)
