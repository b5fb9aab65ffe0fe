"""The files of a run listed for machines: RO-Crate metadata (https://w3id.org/ro/crate/1.1) of the run's folder."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from genebert.files import sha256, write_json

NAME, VERSION = "ro-crate-metadata.json", "1.1"
# Forms that mimetypes does not know alike on every machine.
FORMATS = {
    ".csv": "text/csv", ".html": "text/html", ".json": "application/json", ".md": "text/markdown",
    ".png": "image/png", ".svg": "image/svg+xml", ".tex": "application/x-tex", ".tsv": "text/tab-separated-values",
    ".parquet": "application/vnd.apache.parquet",
}  # fmt: skip


def write_crate(
    folder: str | Path, files: Iterable[str | Path], about: Mapping[str, str], workflow: Mapping[str, str]
) -> dict[str, Any]:
    """Write ``ro-crate-metadata.json`` into a run's folder; no file is copied or changed.

    Parameters
    ----------
    folder : path
        ``results/{run}``.
    files : iterable of path
        Files in it, each with its size and sha256.
    about : dict
        name and description of the run.
    workflow : dict
        From :func:`genebert.report.page.provenance.revision`. The date of the crate is that of its commit, so that the
        same files give the same bytes; there is none where the commit is not known.

    Returns
    -------
    dict
        What was written.
    """
    from rocrate.model.softwareapplication import SoftwareApplication
    from rocrate.rocrate import ROCrate

    folder = Path(folder)
    crate = ROCrate(version=VERSION)
    crate.name, crate.description = about["name"], about["description"]
    del crate.root_dataset["datePublished"]  # the moment of writing
    if "date" in workflow:
        crate.root_dataset["datePublished"] = workflow["date"]
    crate.root_dataset["license"] = "licences of the sources: config/sources.tsv of the workflow"
    made_by = {"name": "GeneBERT, reproducible", "softwareVersion": workflow["version"], "license": "MIT"}
    if "revision" in workflow:
        made_by["identifier"] = f"git revision {workflow['revision']}, {workflow['state']}"
    software = crate.add(SoftwareApplication(crate, "#workflow", properties=made_by))
    listed = []
    for path in sorted(map(Path, files)):
        name = path.relative_to(folder).as_posix()
        about_file = {"name": name, "contentSize": str(path.stat().st_size), "sha256": sha256(path)}
        if path.suffix in FORMATS:
            about_file["encodingFormat"] = FORMATS[path.suffix]
        listed.append(crate.add_file(path, name, properties=about_file))
    action = {"name": f"made {about['name']}", "@type": "CreateAction"}
    crate.add_action(software, "#run", result=listed, properties=action)
    crate.root_dataset["mentions"] = {"@id": "#run"}
    metadata = crate.metadata.generate()
    write_json(folder / NAME, metadata)
    return metadata
