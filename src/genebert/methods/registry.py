"""The methods by name, and what is known of them without loading them."""

from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name

from genebert.errors import InputError
from genebert.evaluation.kinds.person import PersonStatus
from genebert.evaluation.kinds.registry import kind_of
from genebert.evaluation.kinds.two_class import TwoClass
from genebert.evaluation.site_labels import KIND
from genebert.files import read_json
from genebert.joblog import loading
from genebert.methods.base import Fitted, Method
from genebert.settings.fields import Block
from genebert.settings.methods import (
    CnnSettings,
    CommonVariantsSettings,
    DilatedCnnSettings,
    DisruptedMotifsSettings,
    SplicePwmSettings,
    SpliceWindowSettings,
)


@dataclass(frozen=True)
class Entry:
    """A method before it is loaded."""

    place: str  # module and class
    needs: tuple[str, ...] = ()  # files that it is made with: "model", a folder with a BERT; "jaspar", motif matrices
    torch: bool = False  # it computes with torch
    gpu: bool = False  # on a GPU where there is one
    factor: bool = False  # it is about one factor, which the task's data sets have
    kinds: tuple[str, ...] | None = None  # of tasks that it solves, as its class says; None: all
    settings: type[Block] | None = None  # of the configuration's block `methods`, as its class says


TWO, BASES, PEOPLE = (TwoClass.name,), (KIND,), (PersonStatus.name,)


def _dilated(place: str) -> Entry:
    return Entry(place, torch=True, gpu=True, kinds=BASES, settings=DilatedCnnSettings)


METHODS = {
    "finetune": Entry("genebert.methods.finetune:Finetune", needs=("model",), torch=True, gpu=True),
    "tag": Entry("genebert.methods.tagger:Tagger", needs=("model",), torch=True, gpu=True, kinds=BASES),
    "haplotypes": Entry("genebert.methods.haplotypes:Haplotypes", needs=("model",), torch=True, gpu=True, kinds=PEOPLE),
    "pwm": Entry("genebert.methods.pwm:Pwm", needs=("jaspar",), kinds=TWO, factor=True),
    "motif-best": Entry("genebert.methods.motifs:MotifBest", needs=("jaspar",), kinds=TWO),
    "motif-l1": Entry("genebert.methods.motifs:MotifL1", needs=("jaspar",), kinds=TWO),
    "motif-trees": Entry("genebert.methods.motifs:MotifTrees", needs=("jaspar",), kinds=TWO),
    "kmer-logreg": Entry("genebert.methods.features:KmerLogreg", kinds=TWO),
    "boosted-trees": Entry("genebert.methods.features:BoostedTrees", kinds=TWO),
    "cnn": Entry("genebert.methods.cnn:Cnn", torch=True, kinds=TWO, settings=CnnSettings),
    "splice-pwm": Entry("genebert.methods.splice_sites:SplicePwm", kinds=BASES, settings=SplicePwmSettings),
    "splice-logreg": Entry("genebert.methods.splice_sites:SpliceLogreg", kinds=BASES, settings=SpliceWindowSettings),
    "splice-trees": Entry("genebert.methods.splice_sites:SpliceTrees", kinds=BASES, settings=SpliceWindowSettings),
    "spliceai-80": _dilated("genebert.methods.dilated_cnn:DilatedCnn80"),
    "spliceai-400": _dilated("genebert.methods.dilated_cnn:DilatedCnn400"),
    "spliceai-2k": _dilated("genebert.methods.dilated_cnn:DilatedCnn2k"),
    "spliceai-10k": _dilated("genebert.methods.dilated_cnn:DilatedCnn10k"),
    "spliceai-published": Entry("genebert.methods.dilated_cnn:Published", torch=True, gpu=True, kinds=BASES),
    "one-snp": Entry("genebert.methods.risk:OneSnp", kinds=PEOPLE),
    "listed-snps": Entry("genebert.methods.risk:ListedSnps", kinds=PEOPLE),
    "common-variants": Entry("genebert.methods.risk:CommonVariants", kinds=PEOPLE, settings=CommonVariantsSettings),
    "polygenic": Entry("genebert.methods.risk:Polygenic", kinds=PEOPLE),
    "sex": Entry("genebert.methods.risk:Sex", kinds=PEOPLE),
    "disrupted-motifs": Entry(
        "genebert.methods.risk:DisruptedMotifs", needs=("jaspar",), kinds=PEOPLE, settings=DisruptedMotifsSettings
    ),
}


def baselines(kind: str | None = None) -> list[str]:
    """Return the methods that stand in tables under their own name; the others are named after their model.

    Those for tasks of a kind, by default of any.
    """
    own = {name: entry for name, entry in METHODS.items() if "model" not in entry.needs}
    return [name for name, entry in own.items() if kind is None or entry.kinds is None or kind in entry.kinds]


def fine_tuning(kind: str) -> str:
    """Return the method by which models are fine-tuned on tasks of a kind."""
    return {KIND: "tag", PersonStatus.name: "haplotypes"}.get(kind, "finetune")


def find_method(name: str) -> type[Method]:
    """Load a method.

    Raises
    ------
    InputError
        There is none of that name.
    """
    if name not in METHODS:
        raise InputError(f"method: found {name!r}, expected one of {', '.join(METHODS)}")
    with loading():
        return resolve_name(METHODS[name].place)


def load_classifier(folder: str | Path) -> Fitted:
    """Read a classifier that :meth:`genebert.methods.base.Fitted.save` wrote.

    Those of scikit-learn are pickles, which run code when they are read: load only what you trust.

    Raises
    ------
    InputError
        The folder holds none.
    """
    path = Path(folder) / "classifier.json"
    if not path.is_file():
        raise InputError(f"{path}: does not exist; expected the folder of a saved classifier")
    about = read_json(path)
    name, record = about["method"], about["record"]
    return find_method(name).fitted.read(path.parent, name, kind_of(about, str(path)), record)
