"""Settings as classes: what the plan refuses, the class refuses, and the other way round."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genebert.errors import InputError
from genebert.run.config import config_class
from genebert.settings.data import AccessibilitySettings, CorpusSettings, MotifSettings, SimulationSettings
from genebert.settings.fields import Block, Problem, complete, hints, key, plain, problems
from genebert.settings.fitting import FinetuneSettings
from genebert.settings.models import ConvolutionSettings, LossSettings, RegionEncoderSettings, SequenceEncoderSettings
from genebert.settings.rules import Count, Rule, words
from genebert.settings.training import TrainingSettings
from genebert.settings.variants import VariantSettings

CLASSES = (
    SimulationSettings, MotifSettings, CorpusSettings, TrainingSettings, FinetuneSettings, LossSettings,
    SequenceEncoderSettings, RegionEncoderSettings, VariantSettings,
)  # fmt: skip
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 10**6), st.floats(allow_nan=True), st.text(max_size=5),
    st.lists(st.floats(0, 1), max_size=3), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


@dataclass(frozen=True)
class Inner(Block):
    """Below."""

    block = "outer.inner"
    size: Count = key(1, "a size")


@dataclass(frozen=True)
class Outer(Block):
    """Above."""

    block = "outer"
    name: Annotated[str, Rule(some=True)] = key(doc="must be given")
    inner: Inner = key(Inner(), "below")
    kind: Literal["a", "b", None] = key("a", "one of a few")
    seed: int = key(0, internal=True)


def lines(hint: Any, value: Any, **more: Any) -> list[str]:
    return [str(one) for one in problems(hint, value, **more)]


@given(st.sampled_from(CLASSES), st.data())
def test_class_and_plan_agree(cls, data):
    """Whatever the value of one key, both refuse it or neither does, in the same words."""
    name = data.draw(st.sampled_from([name for name, (_, one) in hints(cls).items() if not one.metadata["internal"]]))
    value = data.draw(ODD)
    given_ = {key: item for key, item in plain(cls()).items() if key != "seed"} | {name: value}
    said = lines(cls, given_, where=tuple(cls.block.split(".")))
    try:
        cls(**given_)
    except InputError as error:
        assert said and str(error) == str(InputError("\n".join(said)))
    else:
        assert not said


@given(st.sampled_from(CLASSES))
def test_defaults_are_allowed_and_complete_what_is_missing(cls):
    whole = complete(cls, {})
    assert lines(cls, whole) == []
    assert complete(cls, whole) == whole
    assert plain(cls(**whole)) | {"seed": 0} == whole | {"seed": 0} or "seed" in hints(cls)


def test_unknown_and_missing_keys():
    assert lines(Outer, {"nam": "x"}) == [
        "unknown key nam; did you mean name?", "missing key name; expected text that is not empty"
    ]  # fmt: skip
    assert lines(Outer, {"nam": "x"}, partial=True) == ["unknown key nam; did you mean name?"]
    assert lines(Outer, {"name": "x", "inner": {"sizes": 2}}, where=("o",)) == [
        "unknown key o.inner.sizes; did you mean o.inner.size?"
    ]
    # internal keys are set by code only
    assert lines(Outer, {"name": "x", "seed": 3}) == ["unknown key seed; expected one of name, inner, kind"]
    assert Outer(name="x", seed=3).seed == 3


def test_blocks_become_objects_and_lists_of_fixed_length_tuples():
    made = Outer(name="x", inner={"size": 4})
    assert made.inner == Inner(4)
    assert TrainingSettings(betas=[0.9, 0.99]).betas == (0.9, 0.99)
    assert plain(made) == {"name": "x", "inner": {"size": 4}, "kind": "a", "seed": 0}
    with pytest.raises(InputError, match=r"^outer\.inner\.size: found 0, expected a whole number of at least 1$"):
        Outer(name="x", inner={"size": 0})
    with pytest.raises(InputError, match=r"^unknown key outer\.inner\.siz; did you mean size\?$"):
        Outer(name="x", inner={"siz": 1})


def test_default_values_are_not_shared():
    one, other = FinetuneSettings(), FinetuneSettings()
    one.grid["epochs"] = [1]
    assert other.grid == {}
    assert config_class()().simulate.chromosomes is not config_class()().simulate.chromosomes


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (Literal["a", None], "one of a, null"),
        (Count | None, "a whole number of at least 1 or null"),
        (Annotated[float, Rule(above=0, at_most=1)], "a number above 0 and at most 1"),
        (tuple[float, float], "a list of 2"),
        (Annotated[list[int], Rule(least=2)], "a list with at least one entry"),
        (Inner, "a block of keys"),
        (bool, "true or false"),
    ],
)
def test_words(hint, text):
    assert words(hint) == text


def test_true_is_no_number_and_one_is_not_true():
    assert lines(Count, True)[0].startswith("found true, expected a whole number")
    assert lines(Literal[True, "a"], 1) == ["found 1, expected one of True, a"]


def test_problems_know_their_place():
    (found,) = problems(Outer, {"name": "x", "inner": {"size": 0}}, ("top",))
    assert found == Problem(("top", "inner", "size"), "found 0, expected a whole number of at least 1")


def test_accessibility_of_all_forms():
    for form, needs in {
        "bed": {"beds": {"a": "b"}},
        "mtx": {"peaks": "p", "cells": "c"},
        "dgcmatrix": {"cells": "c"},
    }.items():
        assert AccessibilitySettings(format=form, **needs).format == form
        with pytest.raises(InputError, match=f"but accessibility.format {form} needs it"):
            AccessibilitySettings(format=form)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"filter": 8}, "unknown key a.convolution.filter; did you mean a.convolution.filters?"),
        ({"filters": 0}, "a.convolution.filters: found 0, expected a whole number of at least 1"),
        (19, "a.convolution: found 19, expected a block of keys or null"),
    ],
)
def test_a_block_or_null(value, said):
    """What is wrong in such a block is told there; keys that are left out have their defaults."""
    assert lines(SequenceEncoderSettings, {"convolution": value}, where=("a",)) == [said]
    begins = said.partition(";")[0].replace("a.", "model.sequence_encoder.", 1)
    with pytest.raises(InputError, match=re.escape(begins)):
        SequenceEncoderSettings(convolution=value)
    assert SequenceEncoderSettings(convolution={"filters": 8}).convolution == ConvolutionSettings(8, 19)
    filters = complete(SequenceEncoderSettings, {"convolution": {"width": 7}})["convolution"]
    assert filters == {"filters": 256, "width": 7}
    assert complete(SequenceEncoderSettings, {})["convolution"] is None
