"""The data of the registry: config/sources.tsv and config/tfbs.tsv against what is known of the files."""

import csv
import re
from collections import Counter

import pytest
import yaml

from genebert.run.models import IMAGENET_FILES
from genebert.sources.registry import read_registry, tfbs_sources

SOURCES_HEADER = ["name", "url", "mirrors", "checksum", "bytes", "set", "access", "licence", "note"]
TFBS_HEADER = [
    "file", "md5", "name", "factor", "cell", "antibody", "lab", "treatment", "quality", "accession", "tissue"
]  # fmt: skip
DREAM_FACTORS = ["CTCF", "E2F1", "EGR1", "FOXA1", "FOXA2", "GABPA", "HNF4A", "JUND", "MAX", "NANOG", "REST", "TAF1"]
LOGIN = {"spliceai/canonical_dataset.txt", "spliceai/gtex_dataset.txt"} | {
    f"dream/{factor}.{part}.labels.tsv.gz" for factor in DREAM_FACTORS for part in ("train", "final")
}
CONTROLLED = {f"hscr/{file}" for file in ("cohort.vcf.gz", "cohort.vcf.gz.tbi", "phenotypes.tsv", "regions.bed")}
# docs/facts.md 7: Table 7 name in lower case -> timm id with tag
TIMM = {
    "vit-b-384": "vit_base_patch16_384.augreg_in21k_ft_in1k",
    "vit-l-384": "vit_large_patch16_384.augreg_in21k_ft_in1k",
    "deit-s-224": "deit_small_patch16_224.fb_in1k",
    "deit-b-224": "deit_base_patch16_224.fb_in1k",
    "deit-b-384": "deit_base_patch16_384.fb_in1k",
    "swin-t-224": "swin_tiny_patch4_window7_224.ms_in1k",
    "swin-s-224": "swin_small_patch4_window7_224.ms_in1k",
    "swin-b-224": "swin_base_patch4_window7_224.ms_in1k",
    "swin-b-384": "swin_base_patch4_window12_384.ms_in1k",
}
T2T = {"t2t-vit-14/81.5_T2T_ViT_14.pth.tar", "t2t-vit-24/82.3_T2T_ViT_24.pth.tar"}
# docs/facts.md 32: Table 2, in the order of the paper
TABLE2 = {
    "CTCF_A549_CTCF_UT-A": ("UtaA549", "e9e399f203da14d6ab9eeceb9b620c12"),
    "CTCF_A549_CTCF_UW": ("UwA549", "255742c9ef3014d005b76a4f22056f6e"),
    "CTCF_AG04449_CTCF_UW": ("UwAg04449", "3299dd51bc4785240ee75f48e0e784ed"),
    "CTCF_AG04450_CTCF_UW": ("UwAg04450", "8b5a364179370a8c367adade18268e69"),
    "CTCF_AG09309_CTCF_UW": ("UwAg09309", "2cd9293bf2f423537c5ad0f242600b98"),
    "CTCF_AG09319_CTCF_UW": ("UwAg09319", "cbaea7e528e99ebd192dc9d0d96e8c98"),
    "CTCF_AG10803_CTCF_UW": ("UwAg10803", "450658c8215737384bdffeb9c63fa644"),
    "CTCF_AoAF_CTCF_UW": ("UwAoaf", "8c26598f0b0553f866541d847939243b"),
    "CTCF_BE(2)-C_CTCF_UW": ("UwBe2c", "6eaa08149ca06c5e0538f9cfee10e026"),
}
# docs/facts.md 11: every other checksum that is known; a further one needs a source
CHECKSUMS = {
    "hg19/hg19.fa.gz": "md5:806c02398f5ac5da8ffd6da2d1d5d1a9",
    "hg19/hg19.2bit": "md5:bcdbfbe9da62f19bee88b74dabef8cd3",
    "hg19/hg19.chrom.sizes": "md5:b3b0fcf79b5477ab0b3af02e81eac8dc",
    "epdnew/Hs_EPDnew_006_hg38.bed": "md5:3c4915c7fa367f1dd3d9e86b47efc0eb",
    "blacklist/hg19-blacklist.v2.bed.gz": "md5:24b982fd681020b1cf030b18a2f0f586",
    "epdnew/promoter_motifs.txt": "md5:340f62c2162e44523be6328618313868",
}
LABS = {
    "HudsonAlpha": 231, "Stanford": 188, "USC": 59, "UW": 52, "Broad": 45, "UT-A": 43, "Harvard": 37, "Yale": 30,
    "UChicago": 5,
}  # fmt: skip


def ctcf_file(cell):
    return f"wgEncodeAwgTfbs{cell}CtcfUniPk.narrowPeak.gz"


def table(path):
    """Plain reading, independent of the package."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    header, *rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return header, [dict(zip(header, row, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def sources(root):
    return table(root / "config/sources.tsv")[1]


@pytest.fixture(scope="module")
def by_name(sources):
    return {row["name"]: row for row in sources}


@pytest.fixture(scope="module")
def tfbs(root):
    return table(root / "config/tfbs.tsv")[1]


@pytest.fixture(scope="module")
def plain(tfbs):
    """The 508 files of good quality without treatment."""
    return [row for row in tfbs if row["quality"] == "good" and row["treatment"] == "None"]


# ------------------------------------------------------------------------------------------------------- sources.tsv


def test_sources_are_well_formed(root, sources):
    assert table(root / "config/sources.tsv")[0] == SOURCES_HEADER
    for row in sources:
        assert all(value == " ".join(value.split()) for value in row.values()), row["name"]
        assert re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}|unknown", row["checksum"]), row["name"]
        assert re.fullmatch(r"|[1-9]\d*", row["bytes"]), row["name"]
        assert row["access"] in ("open", "login", "controlled"), row["name"]
        assert row["licence"], row["name"]
        assert row["note"].endswith("."), row["name"]
        assert re.search(r"\d [kMG]B|\d [KM]B|a few kB|size not known", row["note"]), row["name"]


def test_names_and_addresses_are_not_repeated(sources):
    assert len({row["name"] for row in sources}) == len(sources)
    assert len({row["name"].lower() for row in sources}) == len(sources)
    addresses = [
        url for row in sources if row["access"] == "open" for url in (row["url"], *row["mirrors"].split())
    ]  # the pages of files placed by hand hold several files
    assert [url for url, count in Counter(addresses).items() if count > 1] == []


def test_no_name_is_a_folder_of_another_or_is_taken_by_the_workflow(sources):
    names = {row["name"] for row in sources}
    for name in names:
        parts = name.split("/")
        assert not {"/".join(parts[:n]) for n in range(1, len(parts))} & names
        assert parts[0] not in ("simulated", "jaspar", "checksums", "placed")


def test_open_addresses_end_in_the_file(sources):
    for row in sources:
        if row["access"] == "open":
            file = row["name"].rsplit("/", 1)[1]
            for url in (row["url"], *row["mirrors"].split()):
                decoded = url.replace("%5F", "_").replace("%2E", ".")
                assert re.split("[/=]", decoded)[-1] == file, url


def test_only_known_checksums_and_sizes(sources):
    table2 = {f"tfbs/{ctcf_file(cell)}": f"md5:{md5}" for cell, md5 in TABLE2.values()}
    assert {row["name"]: row["checksum"] for row in sources if row["checksum"] != "unknown"} == CHECKSUMS | table2
    assert {row["name"]: row["bytes"] for row in sources if row["bytes"]} == {
        "hg19/hg19.2bit": "816241703", "blacklist/hg19-blacklist.v2.bed.gz": "7731"
    }  # fmt: skip


def test_files_placed_by_hand(sources):
    assert {row["name"] for row in sources if row["access"] == "login"} == LOGIN
    assert {row["name"] for row in sources if row["access"] == "controlled"} == CONTROLLED
    for row in sources:
        folder = row["name"].split("/")[0]
        if row["access"] != "open":
            assert row["set"] == folder and row["checksum"] == "unknown" and not row["mirrors"]
        else:
            assert folder not in ("spliceai", "hscr", "dream")


def test_sets(sources):
    counts = Counter(row["set"] for row in sources)
    assert counts == {
        "paper": 4 + len(TABLE2) + 3 + len(TIMM) + len(T2T), "descartes-site": 2, "descartes-geo-tables": 4,
        "genome-extra": 3, "blacklist": 1, "hg38-promoters": 1, "jaspar-text": 1, "tfbs-690": 1, "spliceai": 2,
        "hscr": 4, "dream": 24,
    }  # fmt: skip


def test_every_path_of_the_configs_is_there(root, by_name):
    found = set()
    for config in ("config.yaml", "chr20.yaml", "demo.yaml"):
        found |= set(_data_paths(yaml.safe_load((root / "config" / config).read_text())))
    assert len(found) >= 5
    assert len(IMAGENET_FILES) == 11
    for path in found | set(IMAGENET_FILES.values()):
        assert path in by_name or any(name.startswith(f"{path}/") for name in by_name), path
    assert {f"dnabert6/{file}" for file in ("config.json", "vocab.txt", "pytorch_model.bin")} <= set(by_name)


def _data_paths(value):
    if isinstance(value, str) and value.startswith("{data}/"):
        yield value.removeprefix("{data}/")
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _data_paths(item)


def test_backbones_of_table7(by_name):
    weights = {name for name in by_name if name.endswith((".safetensors", ".pth.tar"))}
    assert weights == {f"{name}/model.safetensors" for name in TIMM} | T2T
    for name, ident in TIMM.items():
        row = by_name[f"{name}/model.safetensors"]
        assert row["url"] == f"https://huggingface.co/timm/{ident}/resolve/main/model.safetensors"
        assert ident in row["note"]
        assert row["licence"] == ("MIT" if name.startswith("swin") else "Apache-2.0")
    for name in T2T:
        assert by_name[name]["url"].startswith("https://github.com/yitu-opensource/T2T-ViT/releases/download/main/")
        assert by_name[name]["licence"] == "BSD-3-Clause-Clear"


def test_addresses_that_were_not_seen_say_so(sources):
    doubtful = {row["name"] for row in sources if re.search("address (inferred|unconfirmed)", row["note"])}
    assert doubtful == {
        "descartes-cerebrum/GSM4508930_cerebrum_filtered.seurat.RDS.gz",
        "descartes-site/filtered.cell_metadata.for_website.txt.gz",
        "descartes-geo/GSE149683_File_S3.Motif_enrichments_across_cell_types.txt.gz",
        "descartes-geo/GSE149683_File_S5.Cicero_coaccessibility_scores_by_cell_type.csv.gz",
        "jaspar2018/JASPAR2018_CORE_vertebrates_non-redundant_pfms_jaspar.txt",
    }


def test_the_package_reads_the_registry(root, by_name):
    registry = read_registry(root / "config/sources.tsv")
    assert list(registry) == list(by_name)
    for name, source in registry.items():
        row = by_name[name]
        assert (source.name, source.url, source.checksum) == (name, row["url"], row["checksum"])
        assert source.mirrors == tuple(row["mirrors"].split())
        assert source.bytes == (int(row["bytes"]) if row["bytes"] else None)
        assert (source.set, source.access) == (row["set"], row["access"])
        assert (source.licence, source.note) == (row["licence"], row["note"])


# ---------------------------------------------------------------------------------------------------------- tfbs.tsv


def test_tfbs_list_is_well_formed(root, tfbs):
    path = root / "config/tfbs.tsv"
    assert path.stat().st_size < 150_000
    assert path.read_text().startswith("# ")  # where the facts come from
    assert table(path)[0] == TFBS_HEADER
    for row in tfbs:
        assert all(value == " ".join(value.split()) for value in row.values())
        assert all(row[column] for column in TFBS_HEADER[:-1])
        assert re.fullmatch(r"wgEncodeAwgTfbs\w+UniPk\.narrowPeak\.gz", row["file"])
        assert re.fullmatch(r"[0-9a-f]{32}", row["md5"])
        assert re.fullmatch(r"wgEncodeEH\d{6}", row["accession"])
        assert row["name"].startswith(f"{row['factor']}_{row['cell'].replace(' ', '-')}_")
        assert row["name"].endswith(f"_{row['lab']}")
        assert " " not in row["name"] and row["accession"] not in row["name"]


def test_tfbs_counts(tfbs, plain):
    assert len(tfbs) == len({row["file"] for row in tfbs}) == len({row["md5"] for row in tfbs}) == 690
    assert Counter(row["quality"] for row in tfbs) == {"good": 611, "caution": 79}
    assert sum(row["treatment"] == "None" for row in tfbs) == 583
    assert Counter(row["lab"] for row in tfbs) == LABS
    assert len({row["factor"] for row in tfbs}) == 161
    assert len({row["cell"] for row in tfbs}) == 91
    names = Counter(row["name"] for row in plain)
    assert (len(plain), len(names)) == (508, 506)
    assert {name for name, count in names.items() if count > 1} == {
        "REST_HepG2_NRSF_HudsonAlpha",
        "REST_SK-N-SH_NRSF_HudsonAlpha",
    }
    assert len({row["factor"] for row in plain}) == 137
    assert len({row["cell"] for row in plain}) == 84


def test_the_nine_of_table2_are_the_first_ctcf_names(tfbs, plain):
    assert sorted({row["name"] for row in plain if row["factor"] == "CTCF"})[:9] == list(TABLE2)
    first_of_all = min(row["name"] for row in tfbs if row["factor"] == "CTCF")
    assert first_of_all == "CTCF_A549_CTCF_(SC-5916)_HudsonAlpha"  # a treated one: the paper did not start from all 690


def test_the_nine_agree_in_both_files(by_name, plain):
    for name, (cell, md5) in TABLE2.items():
        (row,) = (row for row in plain if row["name"] == name)
        assert (row["file"], row["md5"]) == (ctcf_file(cell), md5)
        source = by_name[f"tfbs/{row['file']}"]
        assert source["checksum"] == f"md5:{row['md5']}"
        assert f" {name} " in source["note"]
    assert {name for name in by_name if name.endswith(".narrowPeak.gz")} == {
        f"tfbs/{ctcf_file(cell)}" for cell, _ in TABLE2.values()
    }


def test_tissues_of_table6(tfbs):
    assert {row["cell"]: row["tissue"] for row in tfbs if row["tissue"]} == {
        "AG04449": "Skin", "AG04450": "Lung", "AG09309": "Skin", "AG09319": "Gingival", "AG10803": "Skin",
        "AoAF": "Heart", "BE(2)-C": "Brain",
    }  # fmt: skip
    assert {row["name"] for row in tfbs if row["tissue"]} == set(TABLE2) - {"CTCF_A549_CTCF_UT-A", "CTCF_A549_CTCF_UW"}


def test_the_package_reads_the_tfbs_list(root, tfbs):
    listed = tfbs_sources(root / "config/tfbs.tsv")
    registry = read_registry(root / "config/sources.tsv")
    assert {name: source.checksum for name, source in listed.items()} == {
        f"tfbs/{row['file']}": f"md5:{row['md5']}" for row in tfbs
    }
    for name in listed.keys() & registry.keys():
        ours, theirs = registry[name], listed[name]
        assert (ours.url, ours.mirrors, ours.licence) == (theirs.url, theirs.mirrors, theirs.licence)
    assert len(listed.keys() & registry.keys()) == len(TABLE2)


@pytest.mark.shared
def test_tfbs_list_agrees_with_the_public_lists(shared_data, tfbs):
    ucsc = (shared_data / "tfbs/awg_files.txt").read_text().splitlines()[1:]
    deepbind = (shared_data / "tfbs/encode_tfbs.txt").read_text().splitlines()
    for row, line, named in zip(tfbs, ucsc, deepbind, strict=True):
        _, cell, factor, accession, _, details = line.split("\t")
        assert (row["cell"], row["factor"], row["accession"]) == (cell, factor, accession)
        for column, key in [("lab",) * 2, ("treatment",) * 2, ("antibody",) * 2, ("quality",) * 2, ("md5", "md5sum")]:
            assert re.search(rf"(?:^|; ){key}=([^;]*);", details)[1] == row[column], row["file"]
        assert f"tableName={row['file'].removesuffix('.narrowPeak.gz')};" in details
        assert named == f"{row['name']}_{accession}\t{row['file'].removesuffix('.narrowPeak.gz')}"
