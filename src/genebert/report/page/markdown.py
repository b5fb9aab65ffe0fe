"""Markdown of this workflow (the data card, docs/choices.md) as part of the page."""

from collections.abc import Mapping
from pathlib import Path

from genebert.files import read_text


def markdown_html(text: str, pictures: Mapping[str, tuple[str, str]], level: int = 0) -> str:
    """Return Markdown as HTML: tables in boxes that scroll, pictures inside, links to other files as their text.

    Parameters
    ----------
    text : str
        HTML in it is shown as text.
    pictures : dict
        Address of a picture in the text -> its data URI and what it shows in words.
    level : int
        Added to the level of each heading.
    """
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("table_open", lambda *_: f'{SCROLL}<table class="sortable">\n')
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + level)}"
        inner: list[Token] = []
        for one in token.children or []:
            if one.type == "image" and one.attrs["src"] in pictures:
                source, alt = pictures[one.attrs["src"]]
                one.attrs["src"], one.children = source, [Token("text", "", 0, content=alt)]
            # Files of the checkout are not beside the page.
            if one.type not in ("link_open", "link_close"):
                inner.append(one)
        token.children = inner if token.children is not None else None
    return parser.renderer.render(tokens, parser.options, {})


SCROLL = '<div class="scroll" tabindex="0" role="region" aria-label="table, scrolls sideways">'


def without_title(text: str) -> str:
    """Return Markdown without its first heading."""
    first, _, rest = text.partition("\n")
    return rest.lstrip("\n") if first.startswith("# ") else text


def read_markdown(path: str | Path, pictures: Mapping[str, tuple[str, str]], level: int = 0) -> str:
    """Return a file as :func:`markdown_html` gives it, without its first heading."""
    return markdown_html(without_title(read_text(path)), pictures, level)
