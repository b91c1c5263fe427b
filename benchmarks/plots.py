"""Plots of cost and of pauses against live entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .designs import FLOOR
from .pauses import CONTROL


def draw(results: Mapping[str, Any], folder: Path) -> None:
    """Write performance-cost.svg and performance-pauses.svg into a folder."""
    _draw(
        _curves(results["memory"], "new, ", lambda figures: figures["ratio"]),
        folder / "performance-cost.svg",
        title="A new jti: cost ÷ floor",
        reference=FLOOR,
        scale="linear",
    )
    _draw(
        _curves(results["pauses"], "", lambda figures: figures["p99.99 us"]),
        folder / "performance-pauses.svg",
        title="One reserve in 10,000 takes longer, microseconds",
        reference=CONTROL,
        scale="log",
    )


def _curves(
    section: Mapping[str, Any], start: str, figure: Callable[[Mapping[str, float]], float]
) -> dict[str, dict[int, float]]:
    curves: dict[str, dict[int, float]] = {}
    for table, designs in section.items():
        if table.startswith(start) and " live" in table:
            live = int(table.removeprefix(start).split(" live")[0].replace(",", ""))
            for name, figures in designs.items():
                curves.setdefault(name, {})[live] = figure(figures)
    return curves


def _draw(
    curves: dict[str, dict[int, float]], path: Path, *, title: str, reference: str, scale: str
) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "jti"  # The same figures give the same file.
    mpl.rcParams["svg.fonttype"] = "none"  # Letters as text: a quarter of the size.
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for name, points in curves.items():
        style = {"color": "black", "linestyle": "--"} if name == reference else {}
        axes.plot(list(points), list(points.values()), marker="o", label=name, **style)
    axes.set(xscale="log", yscale=scale, xlabel="live entries", title=title)
    if scale == "linear":
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
