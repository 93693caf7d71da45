"""The picture in the README: score against threshold during the simulated crisis, from the project's own detector.

``make picture`` runs it. The tone is the simulation's own, so that no model is needed; Chromium or Chrome turns the
plot into a picture.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from detectors.engine import BrandProfile
from detectors.incidents import instant
from detectors.plot import as_plotly, figure
from detectors.story import Story
from streams.backtest import GOLD, Backtest
from streams.classification import Classification
from streams.entries import Entry
from streams.matching import BrandMatcher
from streams.records import microseconds, tick_of
from streams.simulation import BRANDS, EVENTS, START, simulate

WIDTH, HEIGHT = 1100, 760
PICTURE = Path(__file__).parent / "crisis.png"


def main() -> None:
    """Draw the picture."""
    browser = next((found for name in ("chromium", "google-chrome", "chrome") if (found := shutil.which(name))), None)
    if browser is None:
        sys.exit(
            "the picture is drawn by Chromium or Chrome, and neither is on the PATH (Debian: apt-get install chromium)"
        )
    brands = [BrandProfile(brand.name) for brand in BRANDS]
    story = Story([brand.name for brand in brands])
    work = Classification(
        brands=[brand.name for brand in brands],
        matcher=BrandMatcher([(brand.name, brand.keywords) for brand in BRANDS]),
        author_key=b"picture",
        lateness_us=10_000_000,
        partitions=1,
        model=GOLD,
    )
    backtest = Backtest(brands, work, None, recorder=story.add)
    for _ in backtest.run(Entry("simulation", number, mention) for number, mention in enumerate(simulate(), 1)):
        pass
    crisis = next(event for event in EVENTS if event.is_crisis)
    brand = [one.name for one in brands].index(crisis.brand)
    begin = tick_of(microseconds(START + crisis.onset - timedelta(hours=14)))
    end = tick_of(microseconds(START + crisis.onset + timedelta(hours=20)))
    made = figure(story, brand, backtest.outcome.decisions, begin, end, detectors=("fast", "slow"))
    made["layout"].update(width=WIDTH, title={"text": f"<b>{crisis.brand}</b>", "x": 0.02})
    made["layout"]["margin"]["t"] = 64
    made["layout"]["height"] += 38
    for d in backtest.outcome.decisions:
        if d.brand == crisis.brand and begin <= d.tick <= end and (d.pages or d.type in ("opened", "resolved")):
            said = {
                "x": instant(d.tick)[:16].replace("T", " "),
                "y": 1.0,
                "yref": "paper",
                "text": "<b>page</b>" if d.pages else d.notify if d.type == "opened" else d.type,
                "showarrow": False,
                # A ticket is often raised to a page within minutes: their labels stand on either side.
                "xanchor": "right" if d.type == "opened" and not d.pages else "left",
                "yanchor": "bottom",
                "font": {"color": f"${d.notify}", "size": 13},
            }
            made["layout"]["annotations"].append(said)
    plot = as_plotly(made)
    with tempfile.TemporaryDirectory() as place:
        page = Path(place) / "crisis.html"
        page.write_text(plot.to_html(include_plotlyjs=True, config={"staticPlot": True}), encoding="utf-8")
        subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--hide-scrollbars",
                f"--user-data-dir={place}/profile",
                f"--window-size={WIDTH},{HEIGHT}",
                "--virtual-time-budget=5000",
                f"--screenshot={PICTURE}",
                page.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
    print(f"written: {PICTURE}")


if __name__ == "__main__":
    main()
