"""What a study found as HTML that stands in a notebook: sentences, and bars along the depth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from padscope.study.card_html import text

WIDTH, HEIGHT = 520, 72
Bar = tuple[str, int, int]  # site, filters counted, filters measured


def draw_summary(
    model: str, images: str, sentences: Sequence[str], bars: Sequence[Bar], title: str
) -> str:
    """Draw a summary.

    Parameters
    ----------
    model, images : str
    sentences : sequence of str
    bars : sequence of (str, int, int)
        Site, filters that count, and filters measured, in the order of the forward pass.
    title : str
        What the bars are shares of.
    """
    said = "".join(f'<p style="margin:4px 0">{text(sentence)}</p>' for sentence in sentences)
    return (
        '<div style="font:13px/1.45 system-ui,sans-serif;max-width:46rem;overflow-wrap:anywhere">'
        f'<div style="font-weight:600"><bdi>{text(model)}</bdi></div>'
        f'<div style="opacity:.7"><bdi>{text(images)}</bdi></div>{said}{_draw(bars, title)}'
        '<div style="opacity:.7">study.card(site, filter) shows one filter; '
        "padscope.render_report(study) writes the whole page.</div></div>"
    )


def _draw(bars: Sequence[Bar], title: str) -> str:
    shares = [part / whole if whole else 0.0 for _, part, whole in bars]
    most = max(shares, default=0.0)
    words = f"{title}, along the depth: at most {most:.1%} of a site's measured filters"
    return (
        f'<figure style="margin:8px 0"><figcaption style="opacity:.7">{text(words)}</figcaption>'
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{text(words)}" style="max-width:100%;height:auto">'
        f"{''.join(_columns(bars, shares, most or 1.0))}"
        f'<path d="M0 {HEIGHT - 0.5}H{WIDTH}" stroke="currentColor" stroke-opacity=".5"/>'
        "</svg></figure>"
    )


def _columns(bars: Sequence[Bar], shares: Sequence[float], most: float) -> Iterator[str]:
    step = WIDTH / max(len(bars), 1)
    for place, ((site, part, whole), share) in enumerate(zip(bars, shares, strict=True)):
        height = (HEIGHT - 2) * share / most
        yield (
            f'<rect x="{place * step:.1f}" y="{HEIGHT - height:.1f}" '
            f'width="{max(step - 2, 0.5 * step):.1f}" height="{height:.1f}" fill="#0b7fc4">'
            f"<title>{text(site)}: {part:,} of {whole:,} filters</title></rect>"
        )
