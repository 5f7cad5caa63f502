"""The report: self-contained, complete, and alive in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import fake_results

from sparsectl.evaluate import report, results
from sparsectl.files import FileError

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return report.write(fake_results.write(tmp_path_factory.mktemp("fake"), episodes=4))


@pytest.fixture(scope="module")
def html(path):
    return path.read_text()


class Links(HTMLParser):
    """Everything that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "srcset", "data", "poster") or (name == "href" and tag == "link"):
                self.found.append(value)


def test_nothing_is_fetched(html):
    links = Links()
    links.feed(html)
    assert links.found
    assert all(link.startswith("data:") for link in links.found)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


def test_every_clip_and_filmstrip_is_embedded(html):
    images = re.findall(r'<img src="data:image/webp;base64,', html)
    assert len(images) == 2 * 5


def test_clips_of_all_models_are_side_by_side_the_reference_first(tmp_path):
    """One model's players followed the other's, far below."""
    folder = fake_results.write(
        tmp_path, models=("dense", "sparse"), controllers=("cem", "mip"), episodes=3, steps=3,
        clips=2, states=0,
    )  # fmt: skip
    reference = results.read(folder).settings["reference"]
    groups = report._clips(results.read(folder))
    assert [g["title"][:9] for g in groups] == ["Episode 0", "Episode 1"]
    for group in groups:
        names = [(c["name"], c["caption"].split(":")[0]) for c in group["cards"]]
        assert len(set(names)) == 4
        assert [n for n, _ in names[:2]] == [reference] * 2


def test_names_are_escaped(html):
    assert "Rope &lt;demo&gt;" in html
    assert "<demo>" not in html


def test_it_says_how_it_was_made(html):
    assert "sparsectl compare --config configs/rope.yaml" in html
    assert "torch" in html
    assert "pole: false" in html


def test_figures_and_tables_are_written_beside_it(path):
    assert len(list((path.parent / "figures").glob("*.svg"))) == 6
    assert (path.parent / "summary.csv").exists()


def test_a_comparison_without_pictures_or_rows_still_has_a_report(tmp_path):
    fake_results.write(tmp_path, controllers=("mip",), episodes=1, pictures=False)
    rows = results.read(tmp_path).rows
    results.add_row(tmp_path, {**rows[0], "clip_note": "no clip: no display"}, {})
    assert "no clip: no display" in report.write(tmp_path).read_text()
    for name in ("episodes.jsonl", "planned.jsonl"):
        (tmp_path / name).write_text("")
    assert "0 of 1 episodes" in report.write(tmp_path).read_text()


def test_units_that_crashed_are_listed(tmp_path):
    fake_results.write(tmp_path, controllers=("mip",), episodes=1, pictures=False)
    names = {"model": "model", "controller": "mip", "episode": 0, "key": "k"}
    broken = {**names, "outcome": "error", "success": False, "message": "<b>died</b>"}
    results.add_row(tmp_path, broken, {})
    assert "&lt;b&gt;died&lt;/b&gt;" in report.write(tmp_path).read_text()


def test_no_comparison_is_an_error_that_creates_nothing(tmp_path):
    with pytest.raises(FileError, match="no comparison"):
        report.write(tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="apt-get install chromium")
def test_a_browser_runs_it_without_an_error_and_sorts_the_table(path, html, tmp_path):
    probe = """<script>
window.addEventListener("error", e => document.documentElement.dataset.error = e.message);
document.querySelectorAll("#episodes th button")[5].click();
</script>"""
    page = tmp_path / "probe.html"
    page.write_text(html.replace("</body>", probe + "</body>"))
    dom = browse(page, tmp_path)
    assert 'data-ready="true"' in dom
    assert "data-error" not in dom
    assert dom.count('class="tile"') == 4
    body = dom[dom.index('id="episodes"') :]
    values = [float(v) for v in re.findall(r'data-value="([^"]+)"', body)]
    assert len(values) == 4 * 5
    assert values == sorted(values)
    assert 'aria-sort="ascending"' in body


def browse(page: Path, folder: Path) -> str:
    """The document after its scripts ran."""
    quiet = ["no-first-run", "disable-background-networking", "disable-component-update"]
    flags = ["headless", "no-sandbox", "disable-gpu", "disable-quic", "disable-sync", *quiet]
    command = [CHROMIUM, *(f"--{f}" for f in flags), f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run(
        [*command, "--dump-dom", f"file://{page}"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
