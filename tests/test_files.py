import json
import logging

import pytest

from genebert.errors import InputError
from genebert.files import atomic_path, read_json, sha256, write_json
from genebert.joblog import logged


def test_a_file_appears_only_when_the_block_ends_well(tmp_path):
    target = tmp_path / "deep/er/file.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
    assert target.read_text() == "half"
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as temporary:
        temporary.write_text("other")
        raise KeyboardInterrupt
    assert target.read_text() == "half"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(RuntimeError), atomic_path(target, directory=True) as temporary:
        (temporary / "new").touch()
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["old"]
    with atomic_path(target, directory=True) as temporary:
        (temporary / "new").touch()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("parent", ["a file", "/proc/none/here"])
def test_folder_that_cannot_be_written(tmp_path, parent):
    (tmp_path / "a file").touch()
    with pytest.raises(InputError, match=r"table\.csv: cannot be written \(.*write permission"):
        write_json(tmp_path / parent / "table.csv", {})


def test_json(tmp_path):
    write_json(tmp_path / "x.json", {"é": 1.5})
    assert read_json(tmp_path / "x.json") == {"é": 1.5}
    assert (tmp_path / "x.json").read_text().endswith("}\n")
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "y.json", float("nan"))
    assert not (tmp_path / "y.json").exists()
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(InputError, match=r"x\.json: not valid JSON"):
        read_json(tmp_path / "x.json")


def test_sha256(tmp_path):
    (tmp_path / "abc").write_text("abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_bad_input_ends_a_job_with_one_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped, logged(tmp_path / "logs/job.log"):
        raise InputError("peaks.bed: line 3 is empty")
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "error: peaks.bed: line 3 is empty\n"
    log = (tmp_path / "logs/job.log").read_text()
    assert log.endswith(" peaks.bed: line 3 is empty\n")
    assert "Traceback" not in log


def test_a_defect_keeps_its_traceback_in_the_log(tmp_path):
    with pytest.raises(ZeroDivisionError), logged(tmp_path / "job.log"):
        logging.getLogger("genebert.part").info("began")
        json.dumps(1 / 0)
    log = (tmp_path / "job.log").read_text()
    assert "began" in log
    assert "Traceback" in log
    assert "ZeroDivisionError" in log
