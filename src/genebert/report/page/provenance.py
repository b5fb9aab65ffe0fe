"""What a run was made from and with, without places: no absolute path, no name of a machine or of a person."""

import re
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from genebert import __version__
from genebert.files import sha256
from genebert.report.page.fits import AllFits
from genebert.report.text import leaves
from genebert.settings.load import expand, load_yaml

# A text that is an absolute path, below a home, or the address of a server, and such within a text, up to a blank; what
# is shown of it is its last part.
_WHOLE = re.compile(r"(?:~?/|[a-z][a-z0-9+.-]*://).*/([^/]+)/?")
_PLACE = re.compile(r"(?:(?<![\w./:~})-])~?/|\b[a-z][a-z0-9+.-]*:///?)(?:[^\s/'\",;]+/)*([^\s/'\",;]*)/?")
RENDERED_BY = ("numpy", "pandas", "scipy", "matplotlib", "jinja2", "markdown-it-py", "rocrate")


def placeless(value: Any) -> Any:
    """Return a value with absolute paths and addresses in its texts, also in keys, cut to their last part."""
    if isinstance(value, str):
        value = _WHOLE.sub(r"/\1", value) if _WHOLE.fullmatch(value) else value
        return _PLACE.sub(lambda found: f"\u2026/{found[1]}" if len(found[0]) > 1 else found[0], value)
    if isinstance(value, Mapping):
        return {placeless(key): placeless(one) for key, one in value.items()}
    return [placeless(one) for one in value] if isinstance(value, list | tuple) else value


def config_text(config: Mapping) -> str:
    """Return a whole configuration as YAML, without places."""
    return yaml.safe_dump(placeless(config), sort_keys=False, allow_unicode=True, width=110)


def _said(value: Any) -> str:
    text = yaml.safe_dump(placeless(value), default_flow_style=True, allow_unicode=True, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")


def differences(default: str | Path, config: Mapping) -> list[tuple[str, str, str]]:
    """Return the keys in which a configuration is not the default: key, default, this run; without places.

    Parameters
    ----------
    default : path
        ``config/config.yaml``, the paper's scale.
    config : dict
        As the run has it, or some of its blocks. What only one of the two has is a dash on the other side.
    """
    usual = load_yaml(default)
    usual = {key: value for key, value in expand(usual, usual["data"]).items() if key in config}
    before, now = leaves(usual), leaves(config)
    keys = dict.fromkeys([*now, *before])
    sides = {key: [_said(one[key]) if key in one else "-" for one in (before, now)] for key in keys}
    return [(placeless(key), *pair) for key, pair in sides.items() if pair[0] != pair[1]]


def revision(folder: str | Path) -> dict[str, str]:
    """Return what version of the workflow lies in a folder.

    Returns
    -------
    dict
        version, of the package. Of the top folder of a git checkout, where git can be asked: revision (40 hex digits),
        date (of the commit, YYYY-MM-DD), state (whether tracked files differ from it).
    """
    found = {"version": __version__}
    if not (Path(folder) / ".git").exists():
        return found

    def git(*arguments: str) -> str:
        command = ["git", "-c", "safe.directory=*", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()

    try:
        name, date = git("log", "-1", "--format=%H %cs").split()
        changed = git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError, ValueError):
        return found  # the page then says that it knows the version only
    state = "with uncommitted changes" if changed else "as committed"
    return found | {"revision": name, "date": date, "state": state}


def recorded_versions(fits: AllFits) -> dict[str, str]:
    """Return package -> version of what fitted the methods, as score files have it; several where they differ."""
    found: dict[str, set[str]] = {}
    for one in fits.values():
        for score in one.scores:
            for name, number in score.get("versions", {}).items():
                found.setdefault(name, set()).add(str(number))
    return {name: ", ".join(sorted(found[name])) for name in sorted(found)}


def rendering_versions() -> dict[str, str]:
    """Return package -> version of what made the page."""
    found = {}
    for name in RENDERED_BY:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    return found


def environments(paths: Iterable[str | Path]) -> dict[str, list[str]]:
    """Return stage -> pinned packages of its conda environment (``envs/{stage}.yaml``)."""
    found = {}
    for path in sorted(map(Path, paths)):
        pins: list[str] = []
        for entry in load_yaml(path)["dependencies"]:
            pins += entry["pip"] if isinstance(entry, dict) else [entry]
        found[path.stem] = [pin for pin in pins if pin.partition("=")[0] != "pip"]
    return found


def model_hashes(fits: AllFits) -> list[tuple[str, str, str]]:
    """Return file and sha256 of the weights of each model that was fine-tuned, as score files have them."""
    found = {}
    for (_, model), one in fits.items():
        for score in one.scores:
            if "model_sha256" in score:
                found.setdefault((score["model_sha256"], score.get("model_file", "")), []).append(model)
    rows = ((", ".join(dict.fromkeys(models)), file, digest) for (digest, file), models in found.items())
    return sorted(rows)


def test_hashes(fits: AllFits) -> list[tuple[str, str, str]]:
    """Return data set, split and sha256 of the examples that methods were fitted and tested on."""
    found = {}
    for (dataset, _), one in fits.items():
        for score in one.scores:
            for split, digest in score.get("data_sha256", {}).items():
                found[dataset, split, digest] = None
    return sorted(found)


def file_hashes(paths: Iterable[str | Path], folder: str | Path) -> list[tuple[str, str]]:
    """Return name within a folder and sha256 of files."""
    return [(Path(path).relative_to(folder).as_posix(), sha256(path)) for path in paths]
