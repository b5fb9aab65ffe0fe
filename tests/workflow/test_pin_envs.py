"""`make pin-envs`: what is pinned, what is refused, and that Snakemake takes the files; conda is stood in for."""

import subprocess
import sys

import pin_envs
import pytest
import yaml
from config_inputs import ROOT
from run_snakemake import snakemake

# Makes environments of nothing, lists what a file of the test says, and writes down how it was called.
CONDA = """\
#!/bin/sh
echo "$@" >> {folder}/calls
for word; do last=$word; done
case "$1 $2" in
info*) echo '{{"platform": "linux-64", "conda_prefix": "/opt/conda", "root_prefix": "/opt/conda"}}';;
config*) echo '{{"get": {{"channel_priority": "strict"}}}}';;
--version*) echo 'conda 25.1.1';;
"env create") mkdir "$last";;
create* | clean*) ;;
list*) cat {folder}/list;;
*) echo "what is $1?" >&2; exit 1;;
esac
"""
LIST = """\
# platform: linux-64
@EXPLICIT
https://conda.example/conda-forge/linux-64/python-3.11.14-hd63d673_2_cpython.conda#aa
https://conda.example/conda-forge/noarch/jinja2-3.1.6-pyhd8ed1ab_0.conda#bb
https://conda.example/conda-forge/linux-64/numpy-2.4.6-py311h2e04523_0.conda#cc
https://conda.example/conda-forge/linux-64/pandas-3.1.1-py311hed34c8f_2.tar.bz2#dd
https://conda.example/conda-forge/linux-64/_libgcc_mutex-0.1-conda_forge.tar.bz2#ee
"""
TABLES = {"python": "3.11", "jinja2": "3.1.6", "numpy": "2.4.6", "pandas": "3.1.1"}


def environment(folder, name="tables", pip=(), **packages):
    """Write an environment's file."""
    entries = [f"{key}={value}" for key, value in (packages or TABLES).items()]
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump({"dependencies": [*entries, *({"pip": [one]} for one in pip)]}))
    return file


@pytest.fixture
def conda(tmp_path, monkeypatch):
    """The folder of a conda that is on the PATH; its `calls`, and the `list` that it prints."""
    folder = tmp_path / "conda"
    folder.mkdir()
    (folder / "conda").write_text(CONDA.format(folder=folder))
    (folder / "conda").chmod(0o755)
    (folder / "list").write_text(LIST)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "12.9")
    return folder


def test_what_is_pinned():
    """Names and versions may hold hyphens and underscores."""
    found = pin_envs.pinned(LIST + "https://x/noarch/matplotlib-base-3.11.2-py311_0.conda\n")
    assert found == {"python": "3.11.14", "jinja2": "3.1.6", "numpy": "2.4.6", "pandas": "3.1.1",
                     "_libgcc_mutex": "0.1", "matplotlib-base": "3.11.2"}  # fmt: skip


def test_pins(conda, tmp_path, capsys):
    """Of an environment without a part for pip; one with it is named and left out."""
    file, other = environment(tmp_path), environment(tmp_path, "tasks", ["dinuc-shuf==0.1.0b1"])
    assert pin_envs.main([str(file), str(other)]) == 0
    assert (tmp_path / "tables.linux-64.pin.txt").read_text() == LIST
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "conda", "tables.linux-64.pin.txt", "tables.yaml", "tasks.yaml"
    ]  # fmt: skip
    assert "tasks.yaml: left out, for pip" in capsys.readouterr().out
    calls = (conda / "calls").read_text().splitlines()
    assert calls[0] == "info --json" and calls[1].startswith(f"env create --quiet --file {file} --prefix ")
    assert calls[2].startswith("list --explicit --md5 --prefix ") and len(calls) == 3


def test_all_environments_of_the_project_but_those_with_pip(conda, tmp_path, monkeypatch, capsys):
    made = []
    monkeypatch.setattr(pin_envs, "pin", lambda file, platform: made.append((file.stem, platform)) or file)
    assert pin_envs.main([]) == 0
    left_out = {"accessibility", "tasks"}
    assert dict(made) == {path.stem: "linux-64" for path in (ROOT / "envs").glob("*.yaml")
                          if path.stem not in left_out}  # fmt: skip
    assert capsys.readouterr().out.count("left out") == len(left_out)


def refused(capsys, file):
    """Return the one line of a refusal, which leaves no file behind."""
    assert pin_envs.main([str(file)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    assert not list(file.parent.glob("*pin*"))
    return said


def test_without_conda(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "conda: not found on PATH; expected" in refused(capsys, environment(tmp_path))


def test_make_without_conda(tmp_path):
    """The command itself; make is given the Python of the tests."""
    (tmp_path / "bin").mkdir()
    (tmp_path / ".ready").touch()
    (tmp_path / "bin/python").write_text(f'#!/bin/sh\nPATH={tmp_path} exec {sys.executable} "$@"\n')
    (tmp_path / "bin/python").chmod(0o755)
    command = ["make", "-o", f"{tmp_path}/.ready", f"VENV={tmp_path}", "pin-envs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode and "error: conda: not found on PATH" in done.stderr, done.stdout + done.stderr


def test_conda_fails(conda, tmp_path, capsys):
    (conda / "list").unlink()
    assert "found an error: cat: " in refused(capsys, environment(tmp_path))


def test_another_version_than_asked_for(conda, tmp_path, capsys):
    """Also one that only begins alike, and one that is missing."""
    file = environment(tmp_path, numpy="2.4", pandas="3.1.10", python="3.1", scipy="1.17.1", jinja2="3.1.6")
    said = refused(capsys, file)
    assert "expected pandas=3.1.10 (pinned: 3.1.1), python=3.1 (pinned: 3.11.14), scipy=1.17.1 (pinned: not at" in said


@pytest.mark.parametrize(("cuda", "gpu", "fine"), [(None, False, False), (None, True, True), ("", False, True)])
def test_torch_without_a_word_about_cuda(conda, tmp_path, monkeypatch, capsys, cuda, gpu, fine):
    """Its build would be that of the login node, for all nodes; of environments without torch nothing is asked."""
    monkeypatch.delenv("CONDA_OVERRIDE_CUDA")
    if cuda is not None:
        monkeypatch.setenv("CONDA_OVERRIDE_CUDA", cuda)
    if gpu:
        (conda / "nvidia-smi").symlink_to("/bin/true")
    (conda / "list").write_text("https://x/linux-64/pytorch-2.15.0-cuda129_0.conda#a\n")
    file = environment(tmp_path, "fit", pytorch="2.15.0")
    if fine:
        assert pin_envs.main([str(file)]) == 0
    else:
        said = refused(capsys, file)
        assert "CONDA_OVERRIDE_CUDA: not set" in said and "such as 12.9, for fit.yaml" in said
        (conda / "list").write_text(LIST)
        assert pin_envs.main([str(environment(tmp_path))]) == 0


def test_pins_that_no_longer_fit(tmp_path):
    environment(tmp_path)
    for name in ("tables", "tasks", "gone"):
        (tmp_path / f"{name}.linux-64.pin.txt").write_text(LIST)
    environment(tmp_path, "tasks", ["dinuc-shuf==0.1.0b1"])
    gone, with_pip = pin_envs.problems(tmp_path)
    assert gone.startswith("gone.linux-64.pin.txt: found no gone.yaml")
    assert with_pip.startswith("tasks.linux-64.pin.txt: found a part for pip")
    environment(tmp_path, **TABLES | {"numpy": "2.4.7"})
    assert "numpy=2.4.7 (pinned: 2.4.6)" in list(pin_envs.problems(tmp_path))[1]


def test_those_of_the_project_fit():
    """None are there until somebody with conda commits some."""
    assert list(pin_envs.problems(ROOT / "envs")) == []


@pytest.mark.workflow
def test_snakemake_takes_them(conda, tmp_path, root):
    """In place of the file, and in the way that leaves out what pip installs: without `env`."""
    pin_envs.main([str(environment(tmp_path))])
    environment(tmp_path, "tasks", ["dinuc-shuf==0.1.0b1"])
    rules = (f'rule {name}:\n    output: "{name}"\n    conda: "{name}.yaml"\n    shell: "touch {{output}}"\n'
             for name in ("tables", "tasks"))  # fmt: skip
    (tmp_path / "Snakefile").write_text("\n".join(rules))
    (conda / "calls").unlink()
    done = snakemake(root, "--use-conda", "--conda-create-envs-only", "--cores", "1", "--directory", tmp_path,
                     "--snakefile", tmp_path / "Snakefile", "--", "tables", "tasks")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    made = [one for one in (conda / "calls").read_text().splitlines() if "create " in one]
    assert len(made) == 2
    assert any(one.startswith("create ") and ".pin.txt" in one for one in made)
    assert any(one.startswith("env create ") and ".yaml" in one for one in made)
