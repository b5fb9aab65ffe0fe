"""What `make exact` compares of two runs."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "long"))
from exact import comparable


def written(folder: Path, name: str, text: str) -> bytes | None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return comparable(path)


@pytest.mark.parametrize(
    ("name", "one", "timed", "other"),
    [
        ("scores/seed0.json", '{"auc": 0.5, "seconds": 5}', '{"auc": 0.5, "seconds": 9}', '{"auc": 0.6, "seconds": 5}'),
        ("tables/table1.csv", "model,auc,seconds\na,0.5,3", "model,auc,seconds\na,0.5,4", "model,auc,seconds\na,0.6,3"),
        (
            "tables/table4.md",
            "| Model | AUC | Seconds |\n| a | 0.5 | 3 |\n\n| Model | n |\n| a | 3 |\n",
            "| Model | AUC | Seconds |\n| a | 0.5 | 4 |\n\n| Model | n |\n| a | 3 |\n",
            "| Model | AUC | Seconds |\n| a | 0.5 | 3 |\n\n| Model | n |\n| a | 4 |\n",
        ),
    ],
)  # fmt: skip
def test_timings_alone_may_differ(tmp_path, name, one, timed, other):
    first = written(tmp_path, name, one)
    assert first is not None
    assert first == written(tmp_path, name, timed) != written(tmp_path, name, other)


def test_other_files_are_compared_whole(tmp_path):
    assert written(tmp_path, "tables/table1.md", "| a | 1 |") == b"| a | 1 |"
    assert written(tmp_path, "models/metrics.jsonl", '{"seconds": 3}') == b'{"seconds": 3}'
