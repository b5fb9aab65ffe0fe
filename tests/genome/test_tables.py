"""One reader for tables separated by tabs: in every room they are read alike, and refused alike."""

from functools import partial

import pytest

from genebert.errors import InputError
from genebert.genome.tables import read_table
from genebert.motifs.jaspar import read_jaspar
from genebert.report.tables.paper import read_paper
from genebert.sources.cohort import check_phenotypes
from genebert.sources.registry import TFBS_COLUMNS, read_registry, read_tfbs_list
from genebert.sources.splice_table import check_splice_table

TEXT = 'name\tnote\nA\tsays "so\nB\t\n'
JASPAR = ">M1\tX\n" + "".join(f"{base} [ 1 2 ]\n" for base in "ACGT")


def motifs(path):
    text = path.with_name("m.jaspar")
    text.write_text(JASPAR)
    return [(motif.matrix_id, motif.tf_class, motif.tf_family) for motif in read_jaspar(text, path)]


# A reader, a good table for it, and a cell of its last line that may hold any letter.
READERS = {
    "phenotypes": (check_phenotypes, "sample_id\tstatus\tsex\tsegment\tcohort\n"
                   "C1\t1\tM\tS\tHK\nK1\t0\tM\tNA\tHK\n", "K1"),
    "sources": (read_registry, "name\turl\tmirrors\tchecksum\tbytes\tset\taccess\tlicence\tnote\n"
                "hg19/x.fa\thttps://a.b/x\t\tunknown\t5\tpaper\topen\tfree\tany\n", "any"),
    "peak files": (read_tfbs_list, "\t".join(TFBS_COLUMNS) + "\n"
                   f"x.narrowPeak.gz\t{'0' * 32}\tn\tf\tc\ta\tl\tNone\tgood\tacc\tt\n", "acc"),
    "splice table": (partial(check_splice_table, paired=True), "LONE\t1\tchrX\t-\t1000\t2000\t\t\n", "LONE"),
    "paper": (read_paper, "dataset\tmodel\tour_model\tauc\tsource\ntfbs/x\tB\tcnn\t0.5\tTable\n", "Table"),
    "motifs": (motifs, "matrix_id\tname\ttf_class\ttf_family\nM1\tX\tclass\tfamily\n", "class"),
}  # fmt: skip


def test_fields_are_text_and_lines_have_numbers(tmp_path):
    (tmp_path / "x.tsv").write_text(TEXT + "\n# C\td\n")
    table = read_table(tmp_path / "x.tsv", ["note"])
    assert table.to_dict("index") == {2: {"name": "A", "note": 'says "so'}, 3: {"name": "B", "note": ""},
                                      5: {"name": "# C", "note": "d"}}  # fmt: skip
    assert read_table(tmp_path / "x.tsv", ["note"], comments=True).index.tolist() == [2, 3]
    bare = read_table(tmp_path / "x.tsv", ["a", "b"], header=False)
    assert bare["a"].tolist() == ["name", "A", "B", "# C"] and bare.index.tolist() == [1, 2, 3, 5]
    (tmp_path / "x.tsv").write_text("name\tnote\n")
    assert read_table(tmp_path / "x.tsv", ["note"]).empty


@pytest.mark.parametrize("name", READERS)
def test_a_quote_is_a_letter(tmp_path, name):
    read, text, cell = READERS[name]
    (tmp_path / "x.tsv").write_text(f'"{cell}'.join(text.rsplit(cell, 1)))
    read(tmp_path / "x.tsv")


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: "", "x.tsv: empty, expected a table with the columns "),
        (lambda text: text.rstrip("\n") + "\tx\n", r"x.tsv: line \d: the number of columns is '\d+', expected \d+ "),
        (lambda text: text.rstrip("\n").rpartition("\t")[0] + "\n", r"x.tsv: line \d: the number of columns is "),
    ],
)  # fmt: skip
def test_bad_tables(tmp_path, name, change, sentence):
    read, text, _ = READERS[name]
    (tmp_path / "x.tsv").write_text(change(text))
    with pytest.raises(InputError, match=sentence):
        read(tmp_path / "x.tsv")


@pytest.mark.parametrize("name", [name for name in READERS if name != "splice table"])
def test_columns_that_are_missing_or_come_twice(tmp_path, name):
    read, text, _ = READERS[name]
    first, second, *_ = text.split("\n")[0].split("\t")
    (tmp_path / "x.tsv").write_text(text.replace(first, "other", 1))
    with pytest.raises(
        InputError,
        match=f"x.tsv: line 1: the column {first} is missing; {'expected' if name == 'phenotypes' else 'found other'}",
    ):
        read(tmp_path / "x.tsv")
    (tmp_path / "x.tsv").write_text(text.replace(f"\t{second}", f"\t{first}", 1))
    with pytest.raises(InputError, match=r"x.tsv: line 1: the column \w+ (comes twice|is missing)"):
        read(tmp_path / "x.tsv")
