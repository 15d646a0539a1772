"""The page: self-contained, inert, well-formed, the same bytes twice, and readable in a real browser."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import made_up_results
import made_up_study as study
import numpy as np
import pandas as pd
import pytest

from soilscope.errors import UsageError
from soilscope.findings import Finding
from soilscope.report import Picture, document, render
from soilscope.report.bodies import objects_part
from soilscope.report.document import Caveat, Column, CoreSection, Document, Fact, Summary, Table
from soilscope.report.inline import inline_svg, raster_address
from soilscope.structure import ObjectKind

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}{% raw %}\u202e&amp;javascript:alert(3)"
VOID = {"meta", "img", "br", "link", "hr", "input"}


@cache
def example() -> str:
    return render(document(made_up_results.results()))


@cache
def hostile() -> str:
    """The example with hostile text wherever a user's text can come in."""
    results = made_up_results.results((HOSTILE, "pine-2"))
    named = {"pine-1": HOSTILE}
    cards = {
        (HOSTILE + k if k.startswith("pine-1") else k): {**c, "channels": HOSTILE} for k, c in results.cards.items()
    }
    frames = {
        name: getattr(results, name).replace(
            {"core": named, "model": {k: HOSTILE + k for k in study.cards() if k.startswith("pine-1")}}
        )
        for name in ("models", "matrix", "predictions")
    }
    results = replace(
        results,
        title=HOSTILE,
        settings={**results.settings, "labels": HOSTILE, HOSTILE: HOSTILE},
        slices=results.slices.replace({"name": {"organic": HOSTILE}}),
        cover=results.cover.assign(cores=HOSTILE),
        cards=cards,
        findings=(Finding(HOSTILE, "warning", HOSTILE, (HOSTILE,)),),
        versions={HOSTILE: HOSTILE},
        **frames,
    )
    return render(document(results))


class Reader(HTMLParser):
    """Collects tags, attributes and text, and checks that elements nest."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.stack[-1:] == [tag], f"</{tag}> closes {self.stack[-1:]}"
        self.stack.pop()

    def handle_data(self, data):
        if "style" not in self.stack:
            self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.stack == []
    return reader


def small(**more: object) -> Document:
    """The least a document can be, and whatever is given."""
    given = {
        "title": "t",
        "summary": Summary((), (), ()),
        "methods": (),
        "references": (),
        "cores": (),
        "caveats": (),
        **more,
    }
    return Document(**given)


def test_the_page_is_well_formed_and_no_id_stands_twice():
    reader = read(example())
    ids = Counter(attributes["id"] for _, attributes in reader.tags if "id" in attributes)
    assert max(ids.values()) == 1
    assert len(ids) > 500


def test_every_reference_inside_the_page_leads_to_an_id_of_it():
    reader = read(example())
    ids = {attributes["id"] for _, attributes in reader.tags if "id" in attributes}
    wanted = [a["href"][1:] for _, a in reader.tags if (a.get("href") or "").startswith("#")]
    wanted += re.findall(r"url\(#([^)]+)\)", example())
    assert len(wanted) > 100
    assert set(wanted) <= ids


def test_nothing_is_asked_from_outside_the_page():
    for page in (example(), hostile()):
        reader = read(page)
        for tag, attributes in reader.tags:
            for name in ("src", "srcset", "data", "action", "poster", "background", "xlink:href"):
                assert (attributes.get(name) or "data:").startswith(
                    "data:image/"[: len(attributes.get(name) or "data:")]
                ), (tag, name)
            target = attributes.get("href")
            if target is not None and not target.startswith("#"):
                assert (tag == "a" and target.startswith("https://doi.org/10.")) or (
                    tag == "image" and target.startswith("data:image/png")
                )
        assert not re.search(r"url\(\s*['\"]?(?!#)", page)
        assert "@import" not in page


def test_there_is_no_script_no_handler_and_a_policy_that_forbids_both():
    for page in (example(), hostile()):
        reader = read(page)
        names = {tag for tag, _ in reader.tags}
        assert not names & {"script", "iframe", "object", "embed", "form", "foreignobject", "base"}
        assert not [name for _, attributes in reader.tags for name in attributes if name.startswith("on")]
        policy = next(
            a["content"] for tag, a in reader.tags if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"
        )
        assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_hostile_text_stands_on_the_page_as_text():
    page = hostile()
    words = "".join(read(page).words)
    shown = HOSTILE.replace("\u202e", "")
    assert words.count(shown) >= 8
    assert "\u202e" not in page
    assert "<img src=x" not in page
    assert "7*7" in words


def test_the_same_results_give_the_same_bytes():
    draw = made_up_results.results.__wrapped__  # anew, past the cache
    assert render(document(draw(("only",)))) == render(document(draw(("only",))))


def test_the_page_says_its_language_and_every_picture_has_a_text_of_its_own():
    reader = read(example())
    assert next(a for tag, a in reader.tags if tag == "html")["lang"] == "en"
    pictures = [a for tag, a in reader.tags if tag in ("svg", "img") and a.get("class") == "drawn"]
    texts = [a.get("aria-label") or a.get("alt") for a in pictures]
    assert len(pictures) >= 12
    assert all(texts)
    assert len(set(texts)) >= len(texts) - 2


def test_every_table_has_a_caption_and_headed_columns():
    tables = re.findall(r"<table>.*?</table>", example(), re.DOTALL)
    assert len(tables) >= 7
    for table in tables:
        assert re.search(r"<caption>\s*\S", table)
        heads = len(re.findall(r'<th scope="col"', table))
        for row in re.findall(r"<tr.*?</tr>", table.partition("<tbody>")[2], re.DOTALL):
            assert len(re.findall("<td", row)) == heads


def test_the_page_knows_how_to_print():
    style = example().partition("<style>")[2].partition("</style>")[0]
    printed = style.partition("@media print")[2]
    for rule in ("nav { display: none; }", "break-inside: avoid", "max-height: 128mm", "table-header-group", "@page"):
        assert rule in printed


def test_the_first_screen_holds_results_and_warnings_before_anything_else():
    page = example()
    order = [
        page.index(text)
        for text in ("Results</h3>", "Before you use these numbers", 'id="limits"', 'id="cores"', 'id="methods"')
    ]
    assert order == sorted(order)


def test_a_page_of_four_cores_stays_below_four_megabytes():
    assert len(example().encode()) < 4_000_000


def test_numbers_have_three_digits_and_missing_ones_a_dash():
    columns = (Column("n", "mm", True), Column("text"))
    table = Table("c", columns, ((0.123456, "x"), (float("nan"), None), (-12345.678, True), (7, "y")))
    page = render(small(cores=(CoreSection("a", (), classes=table),)))
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page)
    assert cells == ["0.123", "x", "–", "–", "−12346", "yes", "7", "y"]


def test_a_doi_in_any_text_leads_to_the_publication():
    page = render(small(caveats=(Caveat("c", "see doi:10.1098/rsos.201275: and (doi:10.1111/ecog.02881)."),)))
    assert '<a href="https://doi.org/10.1098/rsos.201275" rel="noreferrer">doi:10.1098/rsos.201275</a>: and' in page
    assert '<a href="https://doi.org/10.1111/ecog.02881" rel="noreferrer">doi:10.1111/ecog.02881</a>).' in page


def test_a_study_that_only_measured_has_a_report_without_models():
    results = replace(
        made_up_results.results(("only",)),
        models=None,
        matrix=None,
        cover=None,
        cards={},
        predictions=None,
        explanations=(),
    )
    page = render(document(results))
    read(page)
    for heading in ('id="models"', 'id="evaluation"', 'id="explanations"', 'id="comparison"'):
        assert heading not in page


def test_a_report_without_cores_is_refused():
    with pytest.raises(UsageError, match="no-cores"):
        document(replace(made_up_results.results(("only",)), cores=()))


def test_a_core_that_stands_out_is_marked_in_the_contents_and_in_its_section():
    results = made_up_results.results(("only",))
    names = [f"c{k}" for k in range(6)]
    metrics = pd.DataFrame(
        [(n, "1", "fraction", v, "1") for n, v in zip(names, [0.1, 0.11, 0.12, 0.1, 0.11, 0.5], strict=True)],
        columns=["core", "class", "metric", "value", "unit"],
    )
    cores = tuple(replace(results.cores[0], name=name, pictures=()) for name in names)
    made = document(
        replace(
            results, cores=cores, core_metrics=metrics, models=None, matrix=None, cover=None, cards={}, explanations=()
        )
    )
    assert [c.name for c in made.cores if c.stands_out] == ["c5"]
    assert made.comparison is not None
    assert made.comparison.table is not None
    assert render(made).count("stands out</span>") == 2
    assert "has its name framed" in made.comparison.picture.caption
    assert len(re.findall(r"font-weight: 700[^>]*>c5<", made.comparison.picture.data)) == 1
    assert not re.search(r"font-weight: 700[^>]*>c[0-4]<", made.comparison.picture.data)


def test_an_svg_from_elsewhere_is_stripped_of_what_could_act():
    bad = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="10pt" height="5pt" onload="x()">'
        '<script>x()</script><style>*{display:none}</style><a href="https://example.org"><text>in</text></a><foreignObject/>'
        '<image xlink:href="https://example.org/x.png"/><rect id="r" fill="url(#g)" style="fill:url(https://example.org/)"/>'
        '<use xlink:href="#r"/></svg>'
    )
    made = inline_svg(Picture(bad, 'a "picture"'), "p-")
    assert "example.org" not in made
    for word in ("script", "onload", "style>", "foreignObject"):
        assert word not in made
    assert 'id="p-r"' in made
    assert 'fill="url(#p-g)"' in made
    assert 'href="#p-r"' in made
    assert 'aria-label="a &quot;picture&quot;"' in made


@pytest.mark.parametrize("text", ["<svg", "<html></html>", ""])
def test_what_is_no_svg_is_refused(text):
    with pytest.raises(UsageError, match="not-svg"):
        inline_svg(Picture(text, "a"), "p-")


def test_rasters_are_embedded_and_other_bytes_refused():
    assert raster_address(Picture(b"\x89PNG\r\n\x1a\n...", "a")).startswith("data:image/png;base64,iVBOR")
    with pytest.raises(UsageError, match="not-a-picture"):
        raster_address(Picture(b"GIF89a", "a"))


@pytest.fixture(scope="module")
def browser():
    """Chromium, without a network."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: test)")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium fonts-liberation")
    with api.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.browser
@pytest.mark.parametrize("make", [example, hostile])
def test_a_browser_opens_the_page_offline_without_a_request_or_a_complaint(browser, tmp_path, make):
    file = tmp_path / "report.html"
    file.write_text(make(), encoding="utf-8")
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("dialog", lambda dialog: heard.append(dialog.message))
    page.on(
        "request", lambda request: heard.append(request.url) if not request.url.startswith(("file:", "data:")) else None
    )
    page.goto(file.as_uri())
    page.wait_for_load_state("load")
    assert heard == []
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0  # nothing sticks out sideways
    sizes = page.evaluate(
        "[...document.querySelectorAll('.drawn')].map(e => e.getBoundingClientRect()).map(r => [r.width, r.height])"
    )
    assert len(sizes) >= 8
    assert np.array(sizes).min() > 60
    context.close()


@pytest.mark.browser
def test_the_warnings_are_on_the_first_screen_of_a_laptop(browser, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(example(), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(file.as_uri())
    bottom = page.evaluate("document.querySelector('.box.warn').getBoundingClientRect().bottom")
    assert bottom <= 800
    page.close()


@pytest.mark.browser
def test_text_in_pictures_is_readable_at_the_size_shown(browser, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(example(), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(file.as_uri())
    heights = page.evaluate(
        "[...document.querySelectorAll('svg.drawn text')]"
        ".map(e => { const m = e.getScreenCTM(); return e.getBBox().height * Math.hypot(m.c, m.d); })"
    )
    assert len(heights) > 100
    assert min(heights) > 10  # pixels
    page.close()


@pytest.mark.browser
def test_a_table_of_eleven_columns_is_seen_whole_at_twelve_hundred_pixels(browser, tmp_path):
    """The widest table, objects with tubes: a column beyond the edge of its box is easily taken for none."""
    none = pd.DataFrame(columns=["core", "kind", "skeleton_mm"])
    kinds = (ObjectKind("roots", (2,), "tubes", at_least_mm=1.0),)
    part = objects_part(made_up_results.results().cores[0], none, kinds, {"2": "organic"})
    assert len(part.table.columns) == 11
    (tmp_path / "report.html").write_text(render(small(cores=(CoreSection("a", (), parts=(part,)),))), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.goto((tmp_path / "report.html").as_uri())
    assert page.evaluate("[...document.querySelectorAll('.wide')].map(e => e.scrollWidth - e.clientWidth)") == [0]
    page.close()


@pytest.mark.browser
def test_the_page_prints_without_cutting_a_table_or_picture(browser, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(example(), encoding="utf-8")
    page = browser.new_page(viewport={"width": 680, "height": 1000})
    page.emulate_media(media="print")
    page.goto(file.as_uri())
    width = page.evaluate("document.documentElement.clientWidth")
    right = page.evaluate(
        "Math.max(...[...document.querySelectorAll('table, .drawn')].map(e => e.getBoundingClientRect().right))"
    )
    assert right <= width + 1
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert page.pdf(prefer_css_page_size=True)[:5] == b"%PDF-"
    page.close()


def test_facts_and_captions_are_escaped():
    page = render(small(settings=(Fact("<b>", "<i>"),), cores=(CoreSection("<u>", ()),)))
    assert "&lt;b&gt;" in page
    assert "&lt;i&gt;" in page
    assert "<u>" not in page
