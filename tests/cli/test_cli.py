import json
import os
import shlex
import subprocess
import sys

import pytest

from genebert.cli.main import main


@pytest.fixture
def here(root, tmp_path, monkeypatch):
    """An empty working folder; the command finds the project's own config."""
    monkeypatch.chdir(tmp_path)
    return root / "config" / "demo.yaml"


def test_budget_of_one_model(here, capsys):
    assert main(["budget", "--configfile", str(here)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "run demo (simulated toy atlas, tiny model)"
    assert [line.split()[0] for line in lines if line.startswith(("genebert ", "sum"))] == ["genebert", "sum"]


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (["--model", "mgm-ngsp"], {"mgm-ngsp"}),
        (["--tables"], {"genebert", "dnabert", "from-scratch", "mgm-ngsp", "swin-b-384", "region-transformer"}),
        (["--all"], {"genebert", "dnabert", "mgm-ngsp", "region-transformer", "swin-b-384", "batch-512"}),
    ],
)
def test_budget_as_json(here, capsys, tmp_path, choice, names):
    extra = tmp_path / "extra.yaml"
    extra.write_text("run: extra\n")
    options = ["--configfile", str(here), str(extra), "--utilisation", "0.2", "--json"]
    assert main(["budget", *choice, *options]) == 0
    budget = json.loads(capsys.readouterr().out)
    assert (budget["run"], budget["utilisation"]) == ("extra", 0.2)
    found = {one["model"] for one in budget["models"]}
    assert names <= found
    assert choice != ["--model", "mgm-ngsp"] or names == found
    # those that no table shows, and those that the run says it cannot have
    assert choice == ["--all"] or not {"paper-literal", "batch-512"} & found


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--model", "genbert"], "error: --model: unknown model genbert; did you mean genebert?"),
        (["--utilisation", "40"], "error: --utilisation: found 40, expected a share above 0 and at most 1"),
        (["--configfile", "none.yaml"], "error: none.yaml: cannot be read"),
        (["--folder", "nowhere"], "error: nowhere/config.yaml: cannot be read"),
        (["--config", "nowhere"], "error: --config: found nowhere, expected KEY=VALUE as for snakemake"),
        (["--config", "data=/x", "model=3"], "error: config: model: found 3, expected a block of keys"),
        (["--config", "modle={k: 3}"], "error: config: unknown key modle; did you mean model?"),
    ],
)
def test_bad_input_is_one_sentence(here, capsys, options, sentence):
    assert main(["budget", *options]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(sentence)
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize("command", ["sources", "budget"])
def test_an_installed_package_away_from_a_checkout(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("genebert.cli.main.PROJECT", tmp_path / "site-packages")
    assert main([command]) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert printed.err.startswith("error: config/sources.tsv: not found; expected a checkout of the project")


def test_settings_as_for_snakemake(here, capsys):
    """Blocks are laid over what stands there, texts read as Snakemake reads them; of two options the last counts."""
    settings = [
        "--config",
        "run=other",
        "--config",
        "run=yes",
        "scale=12:30",
        "model={training: {batch: 64, steps: 7}}",
    ]
    assert main(["budget", "--configfile", str(here), *settings, "--json"]) == 0
    budget = json.loads(capsys.readouterr().out)
    (model,) = budget["models"]
    assert (budget["run"], budget["scale"], model["steps"]) == ("yes", "12:30", 7)
    assert model["tokens_per_step"] == 64 * model["tokens_per_sample"]


def test_one_choice_of_models(here, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["budget", "--all", "--tables"])
    assert stopped.value.code == 2


@pytest.mark.parametrize(
    "command", [["sources"], ["sources", "--json"], ["budget"], ["config", "--schema"], ["config"], ["--help"]]
)
def test_a_command_whose_reader_has_gone_ends_without_a_word(here, capfd, monkeypatch, command):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out:
        monkeypatch.setattr("sys.stdout", out)
        assert main(command) == 128 + 13
    assert capfd.readouterr().err == ""


def test_the_command_as_a_module(here):
    """As in `python -m genebert.cli config | head -1`."""
    python = f"{shlex.quote(sys.executable)} -m genebert.cli config"
    piped = ["bash", "-c", f"{python} | head -1; echo ${{PIPESTATUS[0]}}"]
    done = subprocess.run(piped, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[0].startswith("# The paper's scale")
