import html
import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from halfopen.base.samples import Sample
from halfopen.capture.pcapng import Reader, Writer
from halfopen.capture.record import Record
from halfopen.report.page import MAX_POINTS, Report, make_report
from halfopen.sim.rules import Rule, drop
from halfopen.wire import arp
from halfopen.wire.tcp import SYN
from tests.report.captures import over_a_router, two_hosts
from tests.report.frames import ALICE, ALICE_MAC, TAP, arp_frame, captured, segment

VOID = frozenset({"meta", "img", "br", "rect", "path", "circle"})


class Page(HTMLParser):
    """A page as tags and text; fails where they are not balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style") and data.strip():
            self.texts.append(data.strip())


def lossy() -> Report:
    records, names = two_hosts("rate 10mbit delay 20ms loss 2% limit 100", 400_000)
    return make_report(records, title="A lossy link", names=names)


def test_a_page_tells_of_the_run_and_of_each_direction_of_each_connection() -> None:
    page = Page(lossy().as_html({"seed": 7}))
    for words in ("A lossy link", "seed", "7", "client, server", "closed", "400 kB", "Lost packets", "Ladder"):
        assert words in page.texts
    assert sum(text.startswith("client:") and text.endswith("→ server:80") for text in page.texts) >= 2


def test_a_page_loads_nothing() -> None:
    text = lossy().as_html()
    assert "default-src 'none'" in text
    for tag, attributes in Page(text).tags:
        assert tag not in ("link", "iframe", "object", "base")
        for name in ("src", "href", "data"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert not re.search(r"@import|url\((?!#)|https?://(?!www\.w3\.org/2000/svg)", text)


def test_losses_are_listed_with_what_the_capture_says_of_them() -> None:
    records, names = two_hosts("delay 30ms", rule=lose_syn_ack)
    page = Page(make_report(records, names=names).as_html())
    assert "dropped by link client-server, rule 1" in page.texts
    assert "1 lost" in page.texts


def lose_syn_ack() -> Rule:
    return drop(syn=True, ack=True, first=1)


def test_names_are_those_that_the_reader_learns(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.add_names({ALICE: "alice"})
        writer.write(writer.add_interface("tun0", 101), 0, segment(SYN, 1))
    with path.open("rb") as file:
        report = make_report(Reader(file))
    assert report.hosts == ("alice", "192.0.2.2")
    assert report.connections[0].ending == "no answer to 1 SYN"


def test_a_capture_without_frames_makes_a_page_too() -> None:
    report = make_report([])
    assert (report.packets, report.connections, report.figures) == (0, (), ())
    assert "TCP" in Page(report.as_html()).texts


def test_a_handshake_alone_has_a_graph() -> None:
    (drawn,) = make_report([captured(0, segment(SYN, 1))]).figures
    assert drawn.as_svg().startswith("<svg")


def test_directions_that_carry_next_to_nothing_have_no_graph() -> None:
    assert [drawn.graph.title.split(":")[0] for drawn in lossy().figures] == ["client"]


def test_the_hosts_on_the_way_are_named() -> None:
    records, names = over_a_router()
    assert make_report(records, names=names).hosts == ("client", "r1", "server")


def test_a_host_that_is_known_by_its_mac_only_keeps_all_of_it() -> None:
    probe = arp_frame(arp.REQUEST, (ALICE_MAC, bytes(4)), (bytes(6), ALICE))
    assert make_report([captured(0, probe, TAP)]).hosts == ("02:00:5e:00:53:01", "192.0.2.1")


def test_samples_make_strips() -> None:
    records, names = two_hosts("delay 20ms")
    samples = [Sample(records[0].when, "client-server>server", "queue_packets", 3)]
    report = make_report(records, samples, names=names)
    assert [strip.title for strip in report.figures[0].strips][2] != "Queue"  # It was before the connection began.
    later = [Sample(report.connections[0].began + 1, "client-server>server", "queue_packets", 3)]
    assert [strip.title for strip in make_report(records, later, names=names).figures[0].strips][2] == "Queue"


def test_a_topology_is_shown_as_an_image_that_can_do_nothing() -> None:
    records, names = over_a_router()
    drawing = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    text = make_report(records, names=names, topology_svg=drawing).as_html()
    assert "alert" not in text
    assert [attributes["alt"] for tag, attributes in Page(text).tags if tag == "img"] == ["topology", "ladder diagram"]


def test_text_from_a_capture_stays_text() -> None:
    nasty = "</script><script>alert('x')</script>\x1b[31m"
    records = [captured(0, segment(SYN, 1), comment=f"dropped {nasty}"), captured(1_000_000, segment(SYN, 1))]
    text = make_report(records, title=nasty, names={ALICE: nasty}).as_html({nasty: nasty})
    assert "<script>alert" not in text
    assert "\x1b" not in text
    assert any(html.unescape("dropped </script>") in words for words in Page(text).texts)


def test_a_page_of_10000_packets_stays_below_2_megabytes() -> None:
    records, names = two_hosts("rate 100mbit delay 20ms loss 1% limit 200", 5_000_000)
    report = make_report(records, names=names)
    assert len(records) >= 10_000
    assert len(report.as_html()) < 2_000_000


def test_only_so_many_packets_answer_to_the_mouse_and_all_remarkable_ones() -> None:
    records, names = two_hosts("rate 100mbit delay 20ms loss 1% limit 200", 5_000_000)
    report = make_report(records, names=names)
    found = re.search(r'class="points">(.*?)</script>', report.as_html())
    assert found is not None
    texts = [text for _, _, text in json.loads(found[1])]
    assert len(texts) < MAX_POINTS
    assert sum("retransmission" in text for text in texts) == report.connections[0].streams[0].retransmissions


@pytest.mark.needs("chromium")
def test_a_browser_zooms_into_the_graph(tmp_path: Path) -> None:
    act = """<script>
    addEventListener("error", (event) => { document.title = "failed: " + event.message; });
    const svg = document.querySelector("svg.tsg"), matrix = svg.getScreenCTM();
    svg.setPointerCapture = () => {};
    const act = (kind, x, y) => {
      const at = new DOMPoint(x, y).matrixTransform(matrix);
      svg.dispatchEvent(new PointerEvent(kind, { clientX: at.x, clientY: at.y, pointerId: 1, bubbles: true }));
    };
    const range = () => [...svg.querySelectorAll(".times text")].map((each) => each.textContent).join("|");
    const before = range();
    act("pointerdown", 300, 200); act("pointermove", 420, 320); act("pointerup", 420, 320);
    const zoomed = range();
    svg.dispatchEvent(new MouseEvent("dblclick"));
    document.title = JSON.stringify([before, zoomed, range()]);
    </script>"""
    page = tmp_path / "page.html"
    page.write_text(lossy().as_html().replace("</body>", act + "</body>"))
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]
    shown = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=60).stdout
    found = re.search(r"<title>\[\"(.*?)\",\"(.*?)\",\"(.*?)\"\]</title>", shown)
    assert found is not None, re.search(r"<title>.*?</title>", shown)
    before, zoomed, after = found.groups()
    assert before == after != zoomed
    assert "0|" not in zoomed


def test_what_nobody_understands_is_left_out() -> None:
    assert make_report([Record(0, captured(0, b"").interface, b"\x60" + bytes(40))]).packets == 0
