"""Self-contained pages: Leaflet and our own script inside, and nothing asked of the network.

Two guards: a Content-Security-Policy makes the browser refuse every request, and `page`
refuses to hand out a page that names an address outside the libraries it has put in itself.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from branca.element import Element, Figure

from spatialplan.errors import InputError
from spatialplan.files import atomic_path

__all__ = ["asset", "frame", "header", "page", "save", "to_html", "to_json"]

MAX_BYTES = 5_000_000

# folium's popups ask for jQuery only to turn text into an element and to wait for the page.
_JQUERY_STAND_IN = """
window.$ = window.$ || function (what) {
  if (typeof what === "string") {
    const template = document.createElement("template");
    template.innerHTML = what.trim();
    return [template.content.firstElementChild];
  }
  return {ready: function (then) {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", then);
    else then();
  }};
};
"""
# An address is found by its slashes, which are quicker to look for than what comes before them.
_ADDRESS = re.compile(r"""//[\w\[][^\s"'<>)\\]*""")
_BEFORE = re.compile(r"""(?:(?:https?|wss?|ftp):|["'(=\s])$""", re.I)
_NAMESPACE = re.compile(r"^http://www\.w3\.org/\d{4}/\w+")
_IN_CSS = re.compile(r"url\((images/[^)]+)\)")


@cache
def asset(name: str) -> str:
    """Return one of the package's own files for pages."""
    return resources.files("spatialplan").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _leaflet() -> tuple[str, str]:
    """Return Leaflet's script and its style, pictures included."""
    from xstatic.pkg import leaflet

    folder = Path(leaflet.BASE_DIR)
    script = (folder / "leaflet.js").read_text(encoding="utf-8")
    style = (folder / "leaflet.css").read_text(encoding="utf-8")

    def picture(match: re.Match) -> str:
        content = base64.b64encode((folder / match[1]).read_bytes()).decode("ascii")
        return f"url(data:image/png;base64,{content})"

    return re.sub(r"//# sourceMappingURL=\S+", "", script), _IN_CSS.sub(picture, style)


def to_json(value: Any) -> str:
    """Return JSON that is safe inside a script element.

    No text of the data can end the element, open a comment, look like an address, or be taken
    for a template: branca renders what an element returns once more.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    text = re.sub(r"\{(?=[{%#])", r"\\u007b", text)
    return text.replace("//", "\\/\\/")


def to_html(text: str) -> str:
    """Return HTML that branca's second rendering leaves as it is."""
    return text.replace("{", "&#123;")


def header(styles: Iterable[str] = (), scripts: Iterable[str] = ()) -> Element:
    """Return a page header with Leaflet, and further styles and scripts of our own."""
    script, style = _leaflet()
    parts = [f"<style>{text}</style>" for text in (style, *styles)]
    parts += [f"<script>{text}</script>" for text in (script, _JQUERY_STAND_IN, *scripts)]
    return Element(_literal("\n".join(parts)))


def _literal(text: str) -> str:
    """Return a template that renders to `text` itself (branca takes strings as templates)."""
    return "{% raw %}" + text + "{% endraw %}"


def _policy(hosts: Iterable[str]) -> str:
    sources = " ".join(["data:", "blob:", *(f"https://{host}" for host in hosts)])
    return (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
        f"img-src {sources}; base-uri 'none'; form-action 'none'"
    )


def page(figure: Figure, title: str, hosts: Iterable[str] = ()) -> str:
    """Return the HTML of a figure whose header comes from `header`.

    Parameters
    ----------
    figure
        The figure, with its elements.
    title
        Of the page; plain text.
    hosts
        Hosts of map tiles that this page may ask; none by default. ``*.`` stands for any
        subdomain.

    Raises
    ------
    InputError
        When an element of the page would ask another host.
    """
    hosts = tuple(hosts)
    html = _rendered(figure)
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(hosts)}">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title>'
    )
    html = html.replace("<html>", '<html lang="zh-CN">', 1)
    html = html.replace("<head>", f'<head>\n<meta charset="utf-8">\n{head}', 1)
    _refuse_addresses(html, hosts)
    return html


def _rendered(figure: Figure) -> str:
    """Return the page, and leave the figure as it was.

    Rendering adds scripts to the figure, some under a new name each time: a second page of
    the same figure would hold them twice, and in another order.
    """
    scripts = figure.script._children
    before = set(scripts)
    html = figure.render()
    for name in set(scripts) - before:
        del scripts[name]
    return html


def _refuse_addresses(html: str, hosts: tuple[str, ...]) -> None:
    for text in (*_leaflet(), _policy(hosts)):
        html = html.replace(text, "")
    for url in _addresses(html):
        host = re.sub(r"^(\w+:)?//", "", url).split("/")[0]
        if _NAMESPACE.match(url) or any(_fits(host, allowed) for allowed in hosts):
            continue
        raise InputError.of(
            "HTML",
            f"网页会向外部请求 {url};请去掉需要联网的图层或插件",
            "the page would ask another host; remove the layer or plugin that needs it",
        )


def _addresses(html: str) -> Iterator[str]:
    for found in _ADDRESS.finditer(html):
        before = _BEFORE.search(html[max(found.start() - 6, 0) : found.start()])
        if before:
            yield before[0].strip("\"'(= \t\n") + found[0]


def _fits(host: str, allowed: str) -> bool:
    if not allowed.startswith("*."):
        return host == allowed
    return host.endswith(allowed[1:])


def save(html: str, path: str | Path) -> None:
    """Write a page of at most 5 MB, all or nothing.

    Raises
    ------
    InputError
        When the page is larger, or the file cannot be written.
    """
    content = html.encode("utf-8")
    if len(content) > MAX_BYTES:
        raise InputError.of(
            path,
            f"网页有 {len(content) / 1e6:.1f} MB,超过 5 MB;请减少图层",
            "the page is larger than 5 MB; use fewer layers",
        )
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def frame(html: str, height: int = 640) -> str:
    """Return a page as an inline frame, for notebooks."""
    return (
        f'<iframe srcdoc="{escape(html)}" style="width:100%;height:{height}px;border:0" '
        'sandbox="allow-scripts"></iframe>'
    )
