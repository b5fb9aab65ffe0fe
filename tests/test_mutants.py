"""The tool behind `make mutants`: which changes it makes, and that it tells the noticed from the survivors."""

import mutants
import pytest

TOY = b"""def positive(numbers):
    return [n for n in numbers if n > 0]


def wait(n):
    while n:
        n -= 1
    return n


def unseen(n: int = 3, *, twice: bool = False) -> float:
    if n == 7:
        raise ValueError(f"found {n + 1}" + " and more")
    return n * 1.5
"""
# (line, what becomes of it)
CHANGES = [
    (2, "return [n for n in numbers if n >= 0]"),
    (2, "return [n for n in numbers if n > 1]"),
    (6, "while not n:"),
    (7, "pass"),
    (7, "n += 1"),
    (7, "n -= 2"),
    (11, "def unseen(n: int = 4, *, twice: bool = False) -> float:"),
    (11, "def unseen(n: int = 3, *, twice: bool = True) -> float:"),
    (12, "if n != 7:"),
    (12, "if n == 8:"),
    (13, "pass"),
    (14, "return n / 1.5"),
    (14, "return n * 2.5"),
]
TESTS = """from genebert.toy import positive, unseen, wait

def test_all():
    assert positive([0, 1]) == [1]
    assert unseen(2) == 3
    assert wait(2) == 0
"""


def changes(code):
    return mutants.mutants_of("toy", code)


def test_changes():
    found = changes(TOY)
    assert sorted((one.line, one.after) for one in found) == sorted(CHANGES)
    lines = TOY.decode().splitlines()
    assert all(one.before == lines[one.line - 1].strip() for one in found)


@pytest.mark.parametrize(
    ("code", "after"),
    [
        ("x = a is not  None", ["x = a is None"]),
        ("x = a not in b and not c", ["x = a in b and not c", "x = a not in b or not c", "x = a not in b and c"]),
        ("x = sort(min(a), axis=1)", ["x = asarray(min(a), axis=1)", "x = sort(max(a), axis=1)", "x = sort(min(a))",
                                      "x = sort(min(a), axis=2)"]),
        ("x = zip(a, strict=True)", []),
        ("logger.info('%d', a + 1)", []),
        ("x = [1, 2, 3, 4, 5, 6, 7, 8, 9]", []),
        ("π = (a) + b", ["π = (a) - b"]),
        ("f(\n    a,\n    1)", ["pass", "2)"]),
    ],
)  # fmt: skip
def test_operators(code, after):
    assert sorted(one.after for one in changes(code.encode())) == sorted(after)


def test_the_choice_is_the_same_wherever_the_code_stands():
    def chosen(text, seed=0):
        return [(one.before, one.after) for one in mutants.ranked(changes(text), {"toy": text}, seed)]

    assert chosen(TOY) == chosen(b"import os\n\n\n" + TOY) != chosen(TOY, seed=1)
    assert sorted(chosen(TOY)) == sorted((one.before, one.after) for one in changes(TOY))
    # what would be no code is not chosen: f(, b)
    assert [after for _, after in chosen(b"x = f(a=None, b=None)")] == ["x = f(a=None)"]


@pytest.fixture
def toy(tmp_path):
    """A project of one module, whose tests see part of it."""
    (tmp_path / "src/genebert").mkdir(parents=True)
    (tmp_path / "src/genebert/__init__.py").touch()
    (tmp_path / "src/genebert/toy.py").write_bytes(TOY)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_toy.py").write_text(TESTS)
    return tmp_path


def run(toy, *arguments, same=()):
    path = toy / "equivalent.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in (("module", "before", "after", "reason"), *same)))
    where = {"root": toy, "tests": {"toy": "test_toy.py"}, "equivalent": path, "grace": 1}
    return mutants.main(["--jobs", "2", *arguments], **where)


def test_survivors_are_told(toy, capsys):
    """Of what the toy's tests see, all is noticed, and a loop without end by its time; of `unseen` they see a part."""
    same = [("toy", "n -= 1", "n -= 2", "only even numbers are waited for")]
    assert run(toy, "--at-least", "0.7", same=same) == 1
    head, place = "def unseen(n: int = 3, *, twice: bool = False) -> float:", "src/genebert/toy.py"
    assert capsys.readouterr().out.splitlines() == [
        f"{place}:11: {head} -> {head.replace('3', '4')}",
        f"{place}:11: {head} -> {head.replace('False', 'True')}",
        f"{place}:12: if n == 7: -> if n == 8:",
        f'{place}:13: raise ValueError(f"found {{n + 1}}" + " and more") -> pass',
        "8 of 12 changes noticed (66.7%), 2 of them by their time; 1 more mean the same as the code",
    ]
    assert (toy / "src/genebert/toy.py").read_bytes() == TOY
    assert run(toy, "--at-least", "0", "--number", "1") == 0


def test_what_cannot_be_run_is_refused(toy):
    for row, words in (
        (("toy", "n -= 1", "n -= 2", " "), "line 2: found no reason"),
        (("toy", "n -= 1", "n -= 3", "x"), "line 2: toy has no change of 'n -= 1' to 'n -= 3'"),
    ):
        with pytest.raises(SystemExit, match=words):
            run(toy, same=[row])
    (toy / "tests/test_toy.py").write_text("def test_all(): assert False")
    with pytest.raises(SystemExit, match=r"tests/test_toy\.py: failed on the code as it is; expected tests that pass"):
        run(toy)


def test_every_module_and_test_named_is_there(root):
    for module, tests in mutants.TESTS.items():
        assert (root / mutants.PACKAGE / f"{module}.py").is_file(), module
        for test in tests.split():
            assert (root / "tests" / test.partition("::")[0]).exists(), test
