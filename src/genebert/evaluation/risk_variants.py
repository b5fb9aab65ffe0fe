"""Variants that a data set of people names: in its configuration, or in a file of effect sizes."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.files import read_lines
from genebert.genome.alleles import normalise
from genebert.genome.bases import decode
from genebert.genome.builds import BUILD_LENGTHS, assembly
from genebert.genome.chromosomes import normalise_chromosome
from genebert.genome.fasta import Genome
from genebert.genome.tables import read_table, refuse
from genebert.settings.people import VARIANT

# As the PGS Catalog's scoring files.
EFFECT_COLUMNS = ("chr_name", "chr_position", "effect_allele", "other_allele", "effect_weight")
BUILD_LINE = "#genome_build="
SITE = ["chrom", "start", "ref", "alt"]
ALLELES = ["chrom", "start", "effect", "other"]


def read_effects(path: str | Path) -> pd.DataFrame:
    """Read effect sizes, tab-separated, with the columns of the PGS Catalog (lines with # hold nothing but the build).

    Returns
    -------
    DataFrame
        name (rsID, or the place; with place and alleles where several have it), chrom, start (0-based), effect and
        other (alleles), weight (float64); in the order of the file. `attrs` has `build`, None if it is not said.

    Raises
    ------
    InputError
        A column is missing, no line, a position or a weight that is no number, an allele that is not bases, or the same
        variant twice.
    """
    table = read_table(path, EFFECT_COLUMNS, comments=True)
    if table.empty:
        raise InputError(f"{path}: found a header but no variant, expected a line each")
    position, weight = (pd.to_numeric(table[name], errors="coerce") for name in ("chr_position", "effect_weight"))
    refuse(~(position >= 1) | (position % 1 != 0), table["chr_position"], path, "chr_position", "a position, from 1")
    refuse(~np.isfinite(weight), table["effect_weight"], path, "effect_weight", "a number")
    alleles = {name: table[f"{name}_allele"].str.upper() for name in ("effect", "other")}
    for name, text in alleles.items():
        refuse(~text.str.fullmatch("[ACGT]+"), text, path, f"{name}_allele", "bases A, C, G, T")
    chrom = table["chr_name"].map(normalise_chromosome)
    found = pd.DataFrame({"chrom": chrom, "start": position.astype(np.int64) - 1, **alleles})
    repeated = found.duplicated(ALLELES)
    refuse(repeated, table["chr_position"], path, "a variant that comes again, at chr_position", "each variant once")
    place = table["chr_name"] + ":" + table["chr_position"]
    name = table["rsID"].where(~table["rsID"].isin(("", "NA")), place) if "rsID" in table else place
    full = name + " " + place + " " + alleles["other"] + ">" + alleles["effect"]
    found.insert(0, "name", name.where(~name.duplicated(keep=False), full))
    found = found.assign(weight=weight.astype(float)).reset_index(drop=True)
    builds = [line.removeprefix(BUILD_LINE).strip() for line in read_lines(path) if line.startswith(BUILD_LINE)]
    found.attrs["build"] = builds[0] if builds else None
    return found


def check_build(effects: pd.DataFrame, build: str, where: str | Path) -> None:
    """Refuse effects that say that they are of another build than a known one."""
    said = effects.attrs.get("build")
    if said and build in BUILD_LENGTHS and (assembly(said) or said) != build:
        raise InputError(f"{where}: says genome_build={said}, expected {build}, the run's")


def _at(genome: Genome, chrom: str, start: int, allele: str) -> bool:
    """Say whether the genome has an allele at a place."""
    end = start + len(allele)
    return end <= genome.lengths[chrom] and decode(genome.codes(chrom, start, end)) == allele


def _sites(rows: Iterable[tuple[str, int, str, str]], names: list[str], genome: Genome) -> pd.DataFrame:
    """Return normalised sites, as those of a VCF are."""
    found = [(chrom, *normalise(chrom, start, ref, alt, genome)) for chrom, start, ref, alt in rows]
    return pd.DataFrame(found, columns=SITE, index=names).astype({"start": np.int64})


def variant_sites(variants: Mapping[str, str], genome: Genome) -> pd.DataFrame:
    """Return chrom, start (0-based), ref, alt of variants written as in the configuration, by name; normalised.

    Raises
    ------
    InputError
        The genome lacks the chromosome, or has other bases than REF.
    """
    rows = []
    for name, text in variants.items():
        parts = VARIANT.fullmatch(text).groupdict()
        chrom, start, ref = normalise_chromosome(parts["chrom"]), int(parts["position"]) - 1, parts["ref"]
        where = f"tasks.disease.snps.{name}: found {text}"
        if chrom not in genome.lengths:
            raise InputError(f"{where}, expected one of the run's chromosomes, {', '.join(genome.lengths)}")
        if ref == parts["alt"] or start < 0 or not _at(genome, chrom, start, ref):
            raise InputError(f"{where}, expected REF as the genome has it there, and another ALT")
        rows.append((chrom, start, ref, parts["alt"]))
    return _sites(rows, list(variants), genome)


def readings_of_effects(effects: pd.DataFrame, genome: Genome) -> pd.DataFrame:
    """Return what sites effects may be at, normalised, in their order, by name.

    An insertion or a deletion has two readings where the genome has either allele: of A and AT before a T the file does
    not say which one is REF.

    Returns
    -------
    DataFrame
        chrom, start, ref, alt; turned (bool): the allele with the effect is the genome's; weight; line: the effect's
        row. Effects whose alleles are both others than the genome's, as where they are of the other strand, are not
        among them.
    """
    rows, kept, turned = [], [], []
    for i, (chrom, start, effect, other) in enumerate(effects[ALLELES].itertuples(index=False)):
        for ref, alt, is_turned in ((other, effect, False), (effect, other, True)):
            if ref != alt and chrom in genome.lengths and _at(genome, chrom, start, ref):
                rows.append((chrom, start, ref, alt))
                kept.append(i)
                turned.append(is_turned)
    here = effects.iloc[kept]
    found = _sites(rows, here["name"].tolist(), genome)
    return found.assign(turned=np.array(turned, dtype=bool), weight=here["weight"].to_numpy(), line=kept)


def sites_of_effects(readings: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return one reading of each effect: the one that is among known sites (columns `SITE`), else the first."""
    here = pd.MultiIndex.from_frame(readings[SITE]).isin(pd.MultiIndex.from_frame(known[SITE]))
    first = np.lexsort((~here, readings["line"].to_numpy()))  # stable: of two that are known, or not, the first
    return readings.iloc[first].drop_duplicates("line").drop(columns="line")
