"""The report's files: everything foreign is escaped, failures can be replayed, equal results are equal bytes."""

from html.parser import HTMLParser
from xml.etree.ElementTree import fromstring

import msgspec
import pytest
from reported import ALL, HOSTILE, UNEXPECTED, VALID, result

from clef_runtime.errors import BadInput
from clef_sim.reporting.page import page_of
from clef_sim.reporting.report import html_page, markdown_page, timelines, write_report
from clef_sim.reporting.words import block, code, markdown, waited
from clef_sim.results import RunResult

NASTY = result(
    HOSTILE, shows=HOSTILE, app=HOSTILE, manifest=HOSTILE, guard=HOSTILE, replay=HOSTILE, faults={HOSTILE: 1}
)


class _Tags(HTMLParser):
    """The names of all elements, and whether they close as they open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_escapes_whatever_is_foreign() -> None:
    text = html_page(page_of([NASTY, UNEXPECTED]), "")
    tags = _Tags(text)
    assert "script" not in tags.names
    assert "&lt;script&gt;" in text
    assert tags.open == []


def test_html_needs_no_other_file() -> None:
    tags = _Tags(html_page(page_of(ALL), ""))
    assert {link for link in tags.links if not link.startswith("#")} == {"results.json"}
    assert not {"script", "link", "img", "iframe"} & set(tags.names)


def test_html_shows_failure_offence_and_replay() -> None:
    text = html_page(page_of(ALL), "")
    assert "orders-crash on C aws-event-driven, seed 7" in text
    assert "the crash never struck" in text
    assert text.count("clef-sim replay &#39;orders-crash.decisions&#39;") == 2  # at the top, and below the failure


def test_html_tells_expected_losses_apart_from_failures() -> None:
    text = html_page(page_of(ALL), "")
    failures, losses = text.split('<h2 id="failures">')[1].split('<h2 id="losses">')
    assert "hazard/once" not in failures
    assert "as expected: lost 3 firings in 1 of 1 runs" in losses


def test_html_of_no_results_is_a_page() -> None:
    assert "0 of 0 runs as expected" in html_page(page_of([]), "")


def test_markdown_tables_keep_their_columns() -> None:
    text = markdown_page(page_of([NASTY, *ALL]))
    bars = None
    for line in text.splitlines():
        if not line.startswith("|"):
            bars = None
            continue
        count = line.replace("\\|", "").count("|")
        assert bars in (None, count), line
        bars = count


def test_markdown_has_no_foreign_html() -> None:
    text = markdown_page(page_of([NASTY, UNEXPECTED]))
    text = text.replace(str(block(NASTY.replay)), "").replace(str(code(NASTY.replay)), "")
    assert "<script" not in text
    # A line that opens with an element is HTML: Markdown does not look into it.
    lines = [line for line in text.splitlines() if not line.startswith("<details>")]
    assert not any("](javascript" in line.replace("\\](", "") for line in lines)


def test_markdown_shows_failure_and_replay() -> None:
    text = markdown_page(page_of(ALL))
    assert "### orders-crash on C aws-event-driven, seed 7: not as expected" in text
    assert text.count("```\nclef-sim replay 'orders-crash.decisions'\n```") == 2


def test_markdown_keeps_names_readable() -> None:
    assert markdown("no_lost_firing") == "no_lost_firing"
    assert markdown("_a_ | b\nc") == "\\_a\\_ \\| b c"


def test_block_fence_is_longer_than_any_in_the_text() -> None:
    assert block("a ``` b") == "````\na ``` b\n````"


def test_code_in_a_table_escapes_bars() -> None:
    assert code("-k 'a|b'") == "`-k 'a\\|b'`"
    assert code("`") == "`` ` ``"


def test_waited_is_short() -> None:
    assert [waited(each) for each in (0.25, 2.0, 179.86, 200000)] == ["250 ms", "2.0 s", "180 s", "200,000 s"]


def test_timeline_files_are_xml_of_their_own() -> None:
    page = page_of([NASTY, VALID])
    files = timelines(page)
    assert list(files) == [flow.file for flow in page.flows]
    for text in files.values():
        assert "script" not in {element.tag.rpartition("}")[2] for element in fromstring(text).iter()}


def test_timeline_files_have_names_that_fit_everywhere() -> None:
    for name in timelines(page_of([NASTY, result("../../x")])):
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
        assert ".." not in name


@pytest.mark.slow
def test_report_of_equal_results_is_equal_bytes(tmp_path) -> None:
    runs = [*ALL, NASTY]
    written = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        pages = write_report(folder, runs)
        written.append({path.name: path.read_bytes() for path in sorted(folder.iterdir())})
    assert written[0] == written[1]
    assert [page.name for page in pages] == ["index.html", "report.md", "results.json"]
    assert {"latency.svg", *(flow.file for flow in page_of(runs).flows)} < set(written[0])
    assert msgspec.json.decode(written[0]["results.json"], type=list[RunResult]) == runs
    _Tags(written[0]["index.html"].decode())
    assert b"<script" not in written[0]["index.html"] + written[0]["latency.svg"]
    fromstring(written[0]["latency.svg"])


def test_report_that_cannot_be_written_says_which_file(tmp_path) -> None:
    (tmp_path / "index.html").mkdir()
    with pytest.raises(BadInput, match=r"index\.html cannot be written: Is a directory"):
        write_report(tmp_path, [])
