"""GeneBERT: a BERT over k-mers and an encoder of the region x TF matrix, with three losses (paper section 3)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from genebert.corpus.batches import Batch
from genebert.files import atomic_path, read_json, write_json
from genebert.genome.kmers import save_tokenizer
from genebert.models.attention import encode_joined
from genebert.models.backbones import build_region_encoder
from genebert.models.bert import initialise, load_pretrained, make_bert, save_code, sinusoidal_positions
from genebert.models.folders import REGRESSION_FILE, weights_file
from genebert.models.losses import matched_retrieval, sequence_region_matching, shared_regions
from genebert.models.motif_scores import About, best_scores, read_about
from genebert.models.weights import file_source, fill, read_tensors
from genebert.settings.models import REGRESSION, ModelSettings
from genebert.settings.training import TrainingSettings

# The learned inverse temperature stays below 100, as in CLIP: larger ones make the contrast numerically useless.
MAX_LOG_SCALE = math.log(100.0)


class Outputs(NamedTuple):
    """What the encoders give for some samples; `width` is `hidden`, times the regions with ``pooling: regions``."""

    sequence: torch.Tensor  # float [batch, width]: E_seq; see :meth:`GeneBERT.pool`
    region: torch.Tensor | None  # float [batch, width]: E_reg; None without a region encoder
    mgm: torch.Tensor  # summed cross-entropy over masked k-mers
    mgm_correct: torch.Tensor  # how many of them were predicted right
    ngsp: torch.Tensor  # the same over samples
    ngsp_correct: torch.Tensor
    regression: torch.Tensor  # summed squared error over known scores


def rest_file(srm: str | None) -> str:
    """Return the name of a model's file of all that is no sequence encoder, by the form of its matching loss."""
    return REGRESSION_FILE if srm == REGRESSION else "region_encoder.safetensors"


def shown_tokens(n_tokens: int, lengths: torch.Tensor) -> torch.Tensor:
    """Return bool [batch, n_tokens]: which tokens are no padding."""
    return torch.arange(n_tokens, device=lengths.device) < lengths[:, None]


IGNORED = -100  # a target that does not count: torch's default


def guesses(logits: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the summed cross-entropy of logits [n, classes], and how many of them are largest at their target.

    A target of `IGNORED` does not count.
    """
    logits = logits.float()
    return F.cross_entropy(logits, target, reduction="sum"), (logits.argmax(1) == target).sum()


class GeneBERT(nn.Module):
    """Sequence encoder, region encoder and the pre-training heads.

    Parameters
    ----------
    motif_mean, motif_sd : float [n_tfs], optional
        Per-TF mean and standard deviation over the training regions; the matrix is standardised with them and missing
        values become 0, the mean; a mean is NaN where no region has a score. Needed when SRM is on, and kept with the
        weights.
    n_regions : int
        Regions a sample.
    """

    def __init__(
        self,
        settings: ModelSettings,
        motif_mean: torch.Tensor | None = None,
        motif_sd: torch.Tensor | None = None,
        n_regions: int = 10,
    ):
        super().__init__()
        self.settings, self.n_regions = settings, n_regions
        self.motif_ids: Sequence[str] = ()  # of the matrix' columns, where the loss predicts them
        self.sequence_encoder = make_bert(settings.k, settings.sequence_encoder)
        # What the encoders started from; a loaded model keeps what its folder says.
        self.initial_weights: dict[str, dict] = {"sequence_encoder": {"kind": "none"}}
        if settings.sequence_encoder.positions == "sinusoidal":
            table = self.sequence_encoder.bert.embeddings.position_embeddings.weight
            with torch.no_grad():
                table.copy_(sinusoidal_positions(*table.shape))
        if settings.sequence_encoder.weights is not None:
            initialise(self.sequence_encoder, settings.sequence_encoder.weights, settings.k)
            self.initial_weights["sequence_encoder"] = file_source(weights_file(settings.sequence_encoder.weights))
        self.region_encoder = self.log_scale = self.regression = None
        if settings.losses.srm is not None:
            self.register_buffer("motif_mean", motif_mean.float().nan_to_num())
            self.register_buffer("motif_sd", motif_sd.float())
        if settings.losses.srm == REGRESSION:
            self.regression = nn.Linear(settings.sequence_encoder.hidden, len(motif_mean))
            # A motif wider than all regions has no score to learn from, and no gradient: its output is a constant, so
            # that no probe takes its first random weights for a motif.
            for parameter in self.regression.parameters():
                parameter.data[motif_mean.isnan()] = 0
        elif settings.losses.contrasts:
            self.region_encoder = build_region_encoder(settings.region_encoder, len(motif_mean), n_regions)
            self.initial_weights["region_encoder"] = self.region_encoder.weights_source
            # Eq. 3 takes inner products, so the widths must agree; a projection only where they do not
            # (docs/facts.md 26).
            wanted, width = settings.sequence_encoder.hidden, self.region_encoder.width
            if settings.losses.pooling == "regions" and not self.region_encoder.per_region:
                wanted *= n_regions
            self.projection = nn.Identity() if width == wanted else nn.Linear(width, wanted, bias=False)
            self.log_scale = nn.Parameter(torch.tensor(-math.log(settings.losses.temperature)))

    def prepare(self, training: TrainingSettings) -> None:
        """Set up for training what changes neither weights nor results: compiled encoders, recomputed activations."""
        if training.checkpoint_activations:
            self.sequence_encoder.gradient_checkpointing_enable({"use_reentrant": False})
        if training.compile:
            # What stands between the attentions: its kernels are left to choose for themselves, for in the graph of a
            # whole BERT it became the plain form, which keeps tokens x tokens (over 75 GB at 8 x 5,120; torch 2.11 on
            # an H100). Pieces differ in length, and layers in nothing but weights: one graph of each part serves all.
            for layer in self.sequence_encoder.bert.encoder.layer:
                for part in (layer.attention.output, layer.intermediate, layer.output):
                    part.compile(dynamic=True)
            if self.region_encoder is not None:
                self.region_encoder.compile()

    def encode_sequences(
        self, ids: torch.Tensor, segments: torch.Tensor, lengths: torch.Tensor, owners: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the last hidden states [batch, tokens, hidden]; [CLS] is token 0.

        `owners` as in :class:`~genebert.corpus.batches.Batch`, for a convolution: filters end where a region does, even
        where attention goes on.
        """
        bert, shown = self.sequence_encoder.bert, None
        owners = None if self.settings.sequence_encoder.convolution is None else owners
        if int(lengths.min()) < ids.shape[1]:
            shown = shown_tokens(ids.shape[1], lengths)
            if ids.is_cuda:
                return encode_joined(bert, ids, segments, shown, owners)
        more = {} if owners is None else {"owners": owners}
        return bert(ids, attention_mask=shown, token_type_ids=segments, **more).last_hidden_state

    def standardised(self, motifs: torch.Tensor) -> torch.Tensor:
        """Return rows of the matrix [..., tfs] by mean and standard deviation of training regions; NaN stays NaN."""
        return (motifs - self.motif_mean) / self.motif_sd

    def encode_regions(self, motifs: torch.Tensor) -> torch.Tensor:
        """Return E_reg [batch, width] of motif rows [batch, regions, tfs]."""
        encoded = self.region_encoder(torch.nan_to_num(self.standardised(motifs), nan=0.0))
        if self.region_encoder.per_region and self.settings.losses.pooling != "regions":
            encoded = encoded.mean(1)
        return self.projection(encoded).flatten(1)

    def embed(self, batch: Batch, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return E_seq and E_reg [samples, width] alone; the same as in :meth:`forward` for equal random numbers."""
        hidden = self.encode_sequences(ids, batch.segments, batch.lengths, batch.owners)
        return self.pool(hidden, batch).float(), self.encode_regions(batch.motifs).float()

    def forward(self, batch: Batch, ids: torch.Tensor, chosen: torch.Tensor) -> Outputs:
        """Encode samples and sum their per-token and per-sample losses.

        Sums and not means, so that a batch cut into pieces gives the same loss as a whole one.

        Parameters
        ----------
        ids : int64 [rows, tokens]
            The batch's ids with masked k-mers.
        chosen : bool [rows, tokens]
            Where a k-mer is to be predicted.
        """
        losses = self.settings.losses
        hidden = self.encode_sequences(ids, batch.segments, batch.lengths, batch.owners)
        heads = self.sequence_encoder.cls
        zero = hidden.new_zeros((), dtype=torch.float32)
        mgm, mgm_correct, ngsp, ngsp_correct, region, regression = zero, zero, zero, zero, None, zero
        if losses.mgm:
            # Vocabulary logits only where a k-mer is masked: at 15 % this saves most of the output layer's time.
            places = chosen.flatten().nonzero()[:, 0]
            target = batch.ids.flatten()[places]
            # Their number differs in each step, and a CPU keeps the programs of its matrix products of each size: a
            # chr20 run grew by 17 MB a step, to 3.7 GB. With multiples of 128, by rows that do not count, it stays.
            more = -len(places) % 128
            places, target = F.pad(places, (0, more)), F.pad(target, (0, more), value=IGNORED)
            mgm, mgm_correct = guesses(heads.predictions(hidden.flatten(0, 1)[places]), target)
        if losses.ngsp:
            pooled = self.sequence_encoder.bert.pooler(self.pair(hidden, batch)[:, None])
            ngsp, ngsp_correct = guesses(heads.seq_relationship(pooled), batch.label)
        if losses.contrasts:
            region = self.encode_regions(batch.motifs).float()
        elif losses.srm is not None:
            wrong = self.predicted_scores(hidden, batch) - self.standardised(batch.motifs)
            regression = torch.nan_to_num(wrong, nan=0.0).square().sum()
        sequence = self.pool(hidden, batch).float()
        return Outputs(sequence, region, mgm, mgm_correct, ngsp, ngsp_correct, regression)

    def pool(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return E_seq [samples, width] of hidden states [rows, tokens, hidden]; see LossSettings."""
        samples, pooling = len(batch.label), self.settings.losses.pooling
        if pooling == "regions":
            return self.region_means(hidden, batch).flatten(1)
        if pooling == "cls":
            return hidden[:, 0].view(samples, -1, hidden.shape[2]).mean(1)
        shown = shown_tokens(hidden.shape[1], batch.lengths)[..., None]
        sums = (hidden * shown).sum(1).view(samples, -1, hidden.shape[2]).sum(1)
        return sums / batch.lengths.view(samples, -1).sum(1, keepdim=True)

    def region_means(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the mean hidden state of each region's k-mers [samples, regions, hidden]; 0 where it has none."""
        samples = len(batch.label)
        owners = batch.owners.view(samples, 1, -1)
        member = (owners == torch.arange(self.n_regions, device=owners.device)[:, None]).to(hidden.dtype)
        return member @ hidden.view(samples, -1, hidden.shape[2]) / member.sum(2, keepdim=True).clamp(min=1)

    def predicted_scores(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return what regression makes of each region's states, standardised scores [samples, regions, tfs] in float32.

        With ``readout: max`` the largest over the region's k-mers; 0, the mean, where it has none.
        """
        if self.settings.losses.readout == "mean":
            return self.regression(self.region_means(hidden, batch)).float()
        samples = len(batch.label)
        owners = batch.owners.view(samples, 1, -1)
        member = owners == torch.arange(self.n_regions, device=owners.device)[:, None]
        sizes = member.sum(2)  # a region's k-mers stand side by side
        at = member.int().argmax(2)[..., None] + torch.arange(int(sizes.max()), device=owners.device)
        beyond = at >= (at[..., :1] + sizes[..., None])
        states = hidden.reshape(-1, hidden.shape[2])
        row = torch.arange(samples, device=owners.device)[:, None, None] * owners.shape[2]
        each = self.regression(states[row + at.masked_fill(beyond, 0)])
        return best_scores(each, beyond).masked_fill(sizes[..., None] == 0, 0).float()

    def pair(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return what segment prediction sees [samples, hidden]; see LossSettings."""
        samples, pooling = len(batch.label), self.settings.losses.pooling
        if pooling == "cls" and len(hidden) == samples:
            return hidden[:, 0]
        if pooling == "cls":  # one row a region, each with a [CLS] of its own
            means = hidden[:, 0].view(samples, -1, hidden.shape[2])
        else:
            means = self.region_means(hidden, batch)
        half = self.n_regions // 2
        return (means[:, :half].mean(1) - means[:, half:].mean(1)).abs()

    def matching(
        self, sequence: torch.Tensor, region: torch.Tensor, regions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the SRM loss and retrieval accuracy of a whole contrastive batch; see models.losses.

        With ``contrast: regions``, embeddings [samples, regions x hidden] are taken as one vector a region.
        """
        losses = self.settings.losses
        if losses.contrast == "regions":
            regions = regions.reshape(-1, 1)
            sequence, region = (embedded.reshape(len(regions), -1) for embedded in (sequence, region))
        return sequence_region_matching(
            sequence, region, losses.srm, self.scale, shared_regions(regions), losses.centre
        )

    def matched(
        self, sequence: torch.Tensor, region: torch.Tensor, decoys: torch.Tensor, regions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return matched and swapped retrieval of a whole batch, of decoys [samples, some, width]; see models.losses.

        With ``contrast: regions``, regions are compared one by one, as in :meth:`matching`.
        """
        losses = self.settings.losses
        if losses.contrast == "regions":
            regions = regions.reshape(-1, 1)
            sequence, region = (embedded.reshape(len(regions), -1) for embedded in (sequence, region))
            decoys = decoys.unflatten(2, (self.n_regions, -1)).transpose(1, 2).flatten(0, 1)
        return matched_retrieval(sequence, region, decoys, losses.srm, shared_regions(regions), losses.centre)

    @property
    def scale(self) -> torch.Tensor:
        """The learned inverse temperature."""
        return self.log_scale.clamp(max=MAX_LOG_SCALE).exp()

    def save(self, folder: str | Path, record: dict, files: dict[str, str] | None = None) -> None:
        """Write a Hugging Face folder, as a whole or not at all.

        ``config.json``, ``model.safetensors`` and the tokenizer are loaded by `transformers` without this package
        (AutoModel, AutoModelForMaskedLM, BertForPreTraining; with a convolution by the code in the folder, see
        :func:`genebert.models.bert.save_code`); ``region_encoder.safetensors`` holds the rest
        (``regression.safetensors`` where that is a linear map of states) and ``model.json`` our settings with `record`.
        `files` are further text files, name to content.
        """
        with atomic_path(folder, directory=True) as temporary:
            self.sequence_encoder.save_pretrained(temporary)
            save_code(temporary, self.sequence_encoder.config)
            save_tokenizer(temporary, self.settings.k, self.settings.sequence_encoder.max_tokens)
            if rest := self.rest():
                about = None if self.regression is None else About(self.settings.losses.readout, self.motif_ids)
                save_file(rest, temporary / rest_file(self.settings.losses.srm), about and about.metadata())
            info = {"settings": self.settings.record(), "initial_weights": self.initial_weights, **record}
            info["parameters"] = self.parameter_counts()
            write_json(temporary / "model.json", info)
            for name, content in (files or {}).items():
                (temporary / name).write_text(content)

    def parameter_counts(self) -> dict[str, int]:
        """Return the numbers of parameters of both encoders, the sequence encoder without its heads."""
        encoders = {"sequence_encoder": self.sequence_encoder.bert, "region_encoder": self.region_encoder}
        return {
            name: sum(one.numel() for one in encoder.parameters())
            for name, encoder in encoders.items()
            if encoder is not None
        }

    def rest(self) -> dict[str, torch.Tensor]:
        """Return all tensors but those of the sequence encoder and its heads."""
        state = self.state_dict()
        return {name: state[name].contiguous() for name in state if not name.startswith("sequence_encoder.")}

    @classmethod
    def load(cls, folder: str | Path) -> "GeneBERT":
        """Read a folder written by :meth:`save`, both encoders and all heads."""
        folder = Path(folder)
        info = read_json(folder / "model.json")
        settings = info["settings"]
        # The weights are in the folder itself; those it once started from need not exist any more.
        settings["sequence_encoder"]["weights"] = settings["region_encoder"]["weights"] = None
        path = folder / rest_file(settings["losses"]["srm"])
        rest = {} if settings["losses"]["srm"] is None else read_tensors(path)
        none = torch.ones(1)  # a missing tensor is told below
        statistics = rest.get("motif_mean", none), rest.get("motif_sd", none)
        model = cls(ModelSettings.from_dict(settings), *statistics, info["regions_per_sample"])
        model.sequence_encoder = load_pretrained(folder)
        fill(model, path, rest, but=("sequence_encoder.",))
        if model.regression is not None:
            model.motif_ids = read_about(path, settings["losses"]).motif_ids
        model.initial_weights = info["initial_weights"]
        return model
