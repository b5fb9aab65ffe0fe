"""The site is the repository as its readers know it: README.md is its first page, what pages link to is a page.

Links in Markdown are those of the repository, so that they hold on a code host too. MkDocs knows `docs/` only: what
else is linked to is put beside it under its own path, files that are no Markdown as a page with their text. A link to a
folder leads to its README.md. What is not there stays as it is, and the strict build refuses it.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File, InclusionLevel

ROOT = Path(__file__).resolve().parents[2]
HOME = "README.md"
# In the navigation, also where no page links to them.
OTHER_PAGES = ("CONTRIBUTING.md", "CHANGELOG.md", "config/README.md")
LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")
LANGUAGES = {".yaml": "yaml", ".yml": "yaml", ".py": "python", ".smk": "python", ".toml": "toml", ".cff": "yaml"}
_SOURCES: dict[str, str] = {}  # page of the site -> file of the repository


def target_of(source: str, link: str) -> str | None:
    """Return the file of the repository that a link in another one leads to, None where there is none."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
    if (ROOT / path).is_dir():
        path = f"{path}/README.md"
    return path if (ROOT / path).is_file() and not path.startswith("..") else None


def place_of(path: str) -> str:
    """Return where a file of the repository lies in the site's sources."""
    if path == HOME:
        return "index.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return path if path.endswith(".md") else f"{path}.md"


def links(source: str) -> list[str]:
    """Return the files of the repository that a Markdown file of it links to."""
    found = (target_of(source, match[2]) for match in LINK.finditer((ROOT / source).read_text(encoding="utf-8")))
    return [path for path in found if path]


def on_files(files, config):
    """Add README.md, the other pages, and all files outside `docs/` that a page links to."""
    _SOURCES.clear()
    _SOURCES.update((file.src_uri, f"docs/{file.src_uri}") for file in files if file.src_uri.endswith(".md"))
    to_read = [HOME, *OTHER_PAGES, *_SOURCES.values()]
    known = set(to_read)
    while to_read:
        path = to_read.pop()
        if not path.startswith("docs/"):
            _SOURCES[place_of(path)] = path
            inclusion = InclusionLevel.INCLUDED if path in (HOME, *OTHER_PAGES) else InclusionLevel.NOT_IN_NAV
            if path.endswith(".md"):
                text = (ROOT / path).read_text(encoding="utf-8")
            else:
                language = LANGUAGES.get(Path(path).suffix, "text")
                text = f"# {path}\n\n````{language}\n{(ROOT / path).read_text(encoding='utf-8')}\n````\n"
            files.append(File.generated(config, place_of(path), content=text, inclusion=inclusion))
        if path.endswith(".md"):
            new = [one for one in links(path) if one not in known]
            to_read += new
            known.update(new)
    return files


def on_page_markdown(markdown, page, config, files):
    """Make the links of a page those between places of the site."""
    source = _SOURCES[page.file.src_uri]
    if not source.endswith(".md"):
        return markdown

    def moved(match):
        path = target_of(source, match[2])
        if path is None:
            return match[0]
        folder = posixpath.dirname(page.file.src_uri) or "."
        return f"{match[1]}{posixpath.relpath(place_of(path), folder)}{match[3]}"

    return LINK.sub(moved, markdown)
