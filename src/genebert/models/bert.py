"""BERT over k-mers: its configuration, its position table, loading, and pooling of its states."""

import contextlib
import math
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForPreTraining, BertModel, PreTrainedModel
from transformers.utils import logging as library

from genebert.errors import InputError
from genebert.files import read_json
from genebert.genome.kmers import SPECIALS, vocabulary_k
from genebert.models import convolved_bert
from genebert.models.attention import ATTENTION
from genebert.models.convolved_bert import ConvolvedBertConfig, ConvolvedBertForPreTraining, ConvolvedBertModel
from genebert.models.folders import weights_file
from genebert.models.weights import read_tensors
from genebert.settings.models import SequenceEncoderSettings

# Bars for reading and writing one small file only clutter the logs of jobs.
library.disable_progress_bar()
# Tensors that a BERT must have; old checkpoints also store the constant position_ids.
_ENCODER = re.compile(r"(bert\.)?(embeddings|encoder|convolution)\.(?!position_ids)")
_SIZES = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size", "type_vocab_size",
)  # fmt: skip
_CONVOLVED = {BertModel: ConvolvedBertModel, BertForPreTraining: ConvolvedBertForPreTraining}
# How a folder names the code that it brings for a network with a convolution: file, and class for each way to load it.
_CODE = "modeling_convolved_bert"
_CONVOLUTION = "bert.convolution."  # before the names of its tensors
_AUTO_MAP = {
    auto: f"{_CODE}.ConvolvedBert{name}"
    for auto, name in {
        "AutoConfig": "Config",
        "AutoModel": "Model",
        "AutoModelForMaskedLM": "ForMaskedLM",
        "AutoModelForPreTraining": "ForPreTraining",
    }.items()
}


@contextlib.contextmanager
def _quiet_loading() -> Iterator[None]:
    """Silence the library's loading report; what matters in it is checked by the caller."""
    verbosity = library.get_verbosity()
    library.set_verbosity_error()
    try:
        yield
    finally:
        library.set_verbosity(verbosity)


def read_bert_config(folder: str | Path) -> dict[str, Any]:
    """Return the ``config.json`` of a Hugging Face folder; InputError where it is not one of a BERT."""
    path = Path(folder) / "config.json"
    config = read_json(path) if path.is_file() else {}
    if config.get("model_type") != "bert":
        raise InputError(
            f"{folder}: config.json says model_type {config.get('model_type')!r}; expected a Hugging Face folder of a "
            "BERT"
        )
    return config


def load_weights(kind: type[PreTrainedModel], folder: str | Path, **options: Any) -> PreTrainedModel:
    """Return a BERT of a Hugging Face folder in float32, whose embeddings and layers are all from its file.

    Heads are not asked for: those that the file lacks are random, and those that `kind` lacks are left out. `options`
    are of its ``from_pretrained``.

    Raises
    ------
    InputError
        Not a folder with a BERT, a file that cannot be read, one whose tensors are not those of its configuration, or
        a vocabulary of another size than the configuration's.
    """
    own = read_bert_config(folder)
    kind = _CONVOLVED[kind] if own.get("convolution") else kind
    size = own.get("vocab_size")
    if size != (known := len(SPECIALS) + 4 ** vocabulary_k(folder)):
        raise InputError(f"{folder}: config.json says vocab_size {size}, but vocab.txt has {known} tokens")
    # Read here and not by the library, which knows neither a checkpoint around the tensors nor a prefix.
    tensors = read_tensors(weights_file(folder))
    with _quiet_loading():
        try:
            config, others = kind.config_class.from_pretrained(
                folder, local_files_only=True, return_unused_kwargs=True, **options
            )
            model, report = kind.from_pretrained(
                None,
                config=config,
                state_dict=tensors,
                attn_implementation=ATTENTION,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # reported below, with their names
                output_loading_info=True,
                **others,
            )
        except Exception as error:  # an odd configuration makes the library raise nearly anything
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise InputError(f"{folder}: weights cannot be loaded ({reason})") from error
    for problem in _problems(report):
        raise InputError(f"{folder}: weights cannot be loaded ({problem})")
    return model


def _problems(report: dict[str, Any]) -> Iterator[str]:
    """Tell what is wrong with the tensors of an encoder, from the library's loading report."""
    for name, found, expected in sorted(report["mismatched_keys"]):
        yield f"the tensor {name} has the shape {tuple(found)}, expected {tuple(expected)}"
    for key, what in (("missing_keys", "missing"), ("unexpected_keys", "not those of config.json")):
        names = sorted(name for name in report[key] if _ENCODER.match(name))
        if names:
            yield f"{len(names)} tensors of the encoder are {what}, the first is {names[0]}"


def load_pretrained(folder: str | Path) -> BertForPreTraining:
    """Return the network of a Hugging Face folder with both heads of pre-training; see :func:`load_weights`."""
    return load_weights(BertForPreTraining, folder)


def save_code(folder: str | Path, config: BertConfig) -> None:
    """Write the code of a network with a convolution beside its ``config.json``, which names it (``auto_map``).

    `transformers` loads it with ``trust_remote_code=True``; without, it loads a plain BERT and leaves the convolution's
    tensors out. A plain BERT has no such file.
    """
    if isinstance(config, ConvolvedBertConfig):
        (Path(folder) / f"{_CODE}.py").write_text(Path(convolved_bert.__file__).read_text())


def load_encoder(folder: str | Path, dropout: float, attention_dropout: float | None = None) -> BertModel:
    """Return the encoder of a Hugging Face folder, without pooler; see :func:`load_weights`.

    Without `attention_dropout`, attention has the dropout of hidden states.
    """
    return load_weights(
        BertModel,
        folder,
        add_pooling_layer=False,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout if attention_dropout is None else attention_dropout,
    )


def pool(states: torch.Tensor, mask: torch.Tensor | None, pooling: str) -> torch.Tensor:
    """Return one state a sequence, float32 [n, hidden], of hidden states [n, tokens, hidden].

    Parameters
    ----------
    mask : int64 [n, tokens] or None
        0 where a token is padding; None: none is.
    pooling : {"cls", "mean", "max"}
        The state at [CLS], or the mean over all tokens that are not padding, as
        :meth:`genebert.models.genebert.GeneBERT.pool` takes them; or each unit's largest value over these tokens.
    """
    if pooling == "cls":
        return states[:, 0].float()
    if pooling == "max":
        states = states.float()
        return (states if mask is None else states.masked_fill(mask[..., None] == 0, -torch.inf)).amax(1)
    if mask is None:
        return states.float().mean(1)
    return (states.float() * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


# Five times BERT's spread of k-mer embeddings; wavelengths that cover a regulatory region.
POSITION_SCALE = 0.1
POSITION_BASE = 200.0


def bert_config(k: int, settings: SequenceEncoderSettings) -> BertConfig:
    """Return the Hugging Face configuration of the sequence encoder."""
    convolution = settings.convolution
    more = {} if convolution is None else {"convolution": asdict(convolution), "auto_map": _AUTO_MAP}
    return (ConvolvedBertConfig if more else BertConfig)(
        vocab_size=len(SPECIALS) + 4**k,
        hidden_size=settings.hidden,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        intermediate_size=settings.intermediate,
        hidden_dropout_prob=settings.dropout,
        attention_probs_dropout_prob=settings.attention_dropout,
        max_position_embeddings=settings.max_tokens,
        type_vocab_size=2,
        **more,
    )


def make_bert(k: int, settings: SequenceEncoderSettings) -> BertForPreTraining:
    """Return the sequence encoder with both heads of pre-training and random weights."""
    config = bert_config(k, settings)
    config._attn_implementation = ATTENTION
    return (BertForPreTraining if settings.convolution is None else ConvolvedBertForPreTraining)(config)


def tile_positions(table: torch.Tensor, rows: int) -> torch.Tensor:
    """Repeat a position table [n, width] until it has `rows` rows (ten tiles of 512 make DNABERT's reach 5,120)."""
    return table.repeat(math.ceil(rows / len(table)), 1)[:rows].clone()


def sinusoidal_positions(rows: int, width: int) -> torch.Tensor:
    """Return sines and cosines of `width` / 2 wavelengths from 6 to 6 x 200 tokens as a position table [rows, width].

    Overlapping k-mers make a masked one easy to tell from its neighbours, once attention has found them. From a random
    table that takes thousands of steps; here "so many tokens to the left" is one linear map from the start
    (docs/learning.md, masked k-mers).
    """
    half = (width + 1) // 2
    frequency = POSITION_BASE ** -(torch.arange(half) / half)
    angle = torch.arange(rows)[:, None] * frequency
    return POSITION_SCALE * torch.cat([angle.sin(), angle.cos()], 1)[:, :width]


def initialise(encoder: BertForPreTraining, folder: str, k: int) -> None:
    """Copy all tensors that a checkpoint has; positions are tiled, heads it lacks stay random.

    So does a convolution, which begins with the scale 0: the network is at first what the checkpoint is.

    Raises
    ------
    InputError
        No BERT over the same k-mers and of the same sizes, one with another convolution, or see :func:`load_weights`.
    """
    if (found := vocabulary_k(folder)) != k:
        raise InputError(f"{folder}: the vocabulary is of {found}-mers, but the model's k is {k}")
    source, expected = load_pretrained(folder), encoder.config
    for key in _SIZES:
        if getattr(source.config, key) != getattr(expected, key):
            raise InputError(
                f"{folder}: {key} is {getattr(source.config, key)}, but config asks for {getattr(expected, key)}"
            )
    has, wanted = (getattr(config, "convolution", None) for config in (source.config, expected))
    if has and has != wanted:
        raise InputError(f"{folder}: sequence_encoder.convolution is {has}, but config asks for {wanted or 'none'}")
    state = source.state_dict()
    if wanted and not has:
        own = encoder.state_dict()
        state |= {name: own[name] for name in own if name.startswith(_CONVOLUTION)}
        state[f"{_CONVOLUTION}scale"] = torch.zeros_like(own[f"{_CONVOLUTION}scale"])
    position = "bert.embeddings.position_embeddings.weight"
    state[position] = tile_positions(state[position], expected.max_position_embeddings)
    encoder.load_state_dict(state)
