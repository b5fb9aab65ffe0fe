"""Related people and samples taken twice, told by their genotypes."""

import numpy as np

from genebert.genome.chromosomes import WHOLE
from genebert.genome.genotypes import MISSING, Genotypes

# Above these: the same person (or identical twins), first degree, second degree (Manichaikul et al. 2010, Table 1:
# powers of two, 2^-1.5, 2^-2.5, 2^-3.5).
DEGREES = {"duplicates": 2**-1.5, "first": 2**-2.5, "second": 2**-3.5}


def _snvs(genotypes: Genotypes) -> np.ndarray:
    """Return the rows of SNVs of autosomes with one alternative at their place."""
    sites = genotypes.sites
    single = (sites["ref"].str.len() == 1) & (sites["alt"].str.len() == 1)
    alone = ~sites.duplicated(["chrom", "start"], keep=False)
    autosome = sites["chrom"].map(lambda name: WHOLE.fullmatch(name.removeprefix("chr")) is not None)
    return np.flatnonzero((single & alone & autosome).to_numpy(dtype=bool))


def kinship(genotypes: Genotypes) -> np.ndarray:
    """Return the KING-robust kinship of all pairs of people.

    The estimate for people of different families of Manichaikul et al. 2010 (Bioinformatics 26:2867, equation 11), from
    SNVs with one alternative on autosomes that both people of a pair have two known alleles of:
    ``(N_het,het - 2 N_opposite homozygotes) / (2 N_het(i)) + 1/2 - (N_het(i) + N_het(j)) / (4 N_het(i))``, where i is
    the one of the two with fewer heterozygous genotypes. Near 1/2 for the same person, 1/4 for parents, children,
    sisters and brothers, 0 for strangers, below 0 for strangers of different populations.

    The expectation is that of the whole genome. A region of a few megabases is inherited as a whole: there strangers
    who share a stretch look like relatives, and only samples of the same person are told well.

    Returns
    -------
    float64 [n_samples, n_samples]
        Symmetric; the diagonal is 1/2. NaN where one of the two has no heterozygous genotype.
    """
    rows = _snvs(genotypes)
    calls = genotypes.calls[rows]
    known = (calls != MISSING).all(axis=2)
    dose = np.where(known, calls.sum(axis=2), MISSING)
    # float32 counts are exact up to 16 million sites.
    het, none, both = ((dose == value).T.astype(np.float32) for value in (1, 0, 2))
    return _king(het, none, both, known.T.astype(np.float32))


def _king(het: np.ndarray, none: np.ndarray, both: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the estimate from indicators (float32 [n_samples, n_sites]) of genotypes."""
    opposite = none @ both.T
    opposite = opposite + opposite.T
    of_first = (het @ known.T).astype(np.float64)
    fewer = np.minimum(of_first, of_first.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        shared = (het @ het.T - 2.0 * opposite) / (2 * fewer)
        found = shared + 0.5 - (of_first + of_first.T) / (4 * fewer)
    return np.where(fewer > 0, found, np.nan)


def related(coefficients: np.ndarray) -> dict[str, np.ndarray]:
    """Return the pairs of each degree of `DEGREES` (int64 [n_pairs, 2], the smaller number first), each pair once."""
    first, second = np.triu_indices(len(coefficients), k=1)
    values = coefficients[first, second]
    found, above = {}, np.inf
    for name, least in DEGREES.items():
        chosen = (values > least) & (values <= above)
        found[name] = np.stack([first[chosen], second[chosen]], axis=1)
        above = least
    return found
