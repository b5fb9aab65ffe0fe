"""What `make test-conda` is made of, without the minutes."""

import subprocess
import sys
from importlib.metadata import distribution

import pytest
import yaml
from config_inputs import ROOT

sys.path.insert(0, str(ROOT / "tests/conda"))

import channel
import run as conda_run
import standin


@pytest.mark.parametrize(
    ("name", "expected"),
    [("torch", "pytorch"), ("MOODS-python", "moods"), ("matplotlib", "matplotlib-base"),
     ("scikit_learn", "scikit-learn"), ("huggingface_hub", "huggingface_hub")],
)  # fmt: skip
def test_names(name, expected):
    assert channel.conda_name(name) == expected


def test_every_package_of_the_environments_is_installed_here():
    """But for Python and what pip installs."""
    names = {channel.conda_name(found.metadata["Name"]) for found in channel.needed(conda_run.wanted())}
    assert conda_run.wanted() - names == {"python"}
    assert "genebert" not in names


def test_dependencies():
    """As conda writes them, without extras."""
    found = channel.dependencies(distribution("pandas"))
    assert found[0] == "python 3.11.*"
    assert any(text.startswith("numpy >=") for text in found) and not any("pytest" in text for text in found)
    assert all(";" not in text and "[" not in text for text in channel.dependencies(distribution("torch")))


def test_files_lie_where_they_do_in_an_environment():
    files = channel.files_of(distribution("pyfaidx"))
    assert "lib/python3.11/site-packages/pyfaidx/__init__.py" in files
    assert any(place.endswith(".dist-info/METADATA") for place in files)
    assert all(path.is_file() and "__pycache__" not in place for place, path in files.items())
    assert not any(place.startswith("bin/") or ".." in place for place in files)


def test_python_itself():
    files = channel.python_files()
    assert {"bin/python", "lib/python3.11/os.py"} <= set(files)
    assert not any("site-packages" in place or "__pycache__" in place for place in files)


def test_a_job_finds_nothing_outside_its_environment(tmp_path):
    """But Snakemake's own modules, though the packages of the tests are on its path."""
    own = conda_run.snakemakes_own()
    assert "snakemake" in own and not {"numpy", "pandas", "scipy", "torch", "pyarrow"} & own
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    (tmp_path / "env/lib/python3.11/site-packages/sitecustomize.py").write_text(standin.SITE)
    outside = str(distribution("pandas").locate_file(""))
    code = f"import sys; sys.path.append({outside!r}); import snakemake, json; print(json.__name__); import pandas"
    command = [tmp_path / "env/bin/python", "-c", code]
    environment = {"CONDA_TEST_OWN": " ".join(own)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "json\n" and "No module named 'pandas'" in done.stderr


def test_the_stand_in_knows_what_snakemake_asks(capsys):
    for words, shown in ((["--version"], "conda 25"), (["info", "--json"], "conda_prefix"), (["config"], "strict")):
        standin.main(words)
        assert shown in capsys.readouterr().out
    with pytest.raises(SystemExit, match="does not know: list --explicit"):
        standin.main(["list", "--explicit"])


def test_the_environments_are_read_as_they_are():
    names = {entry.split("=")[0] for path in (ROOT / "envs").glob("*.yaml")
             for entry in yaml.safe_load(path.read_text())["dependencies"] if isinstance(entry, str)}  # fmt: skip
    assert conda_run.wanted() == names and {"pytorch", "moods", "timm"} <= names
