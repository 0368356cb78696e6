"""A bar chart as SVG: how much of its goal each figure uses. Left of the line is good."""
from xml.sax.saxutils import escape

ROW, LABEL, SCALE, LIMIT = 22, 430, 240, 2.0


def used(value, goal, better):
    """1.0 is just the goal; None where there is nothing to compare."""
    if value is None or not goal:
        return None
    return value / goal if better == "low" else goal / max(value, 1e-9)


def bar(y, share):
    colour = "#4a7" if share <= 1 else "#c54"
    return f'<rect x="{LABEL}" y="{y + 4}" width="{min(share, LIMIT) * SCALE:.1f}" height="{ROW - 8}" fill="{colour}"/>'


def draw(figures, title):
    rows = [(f, used(f["median"], f["goal"], f["better"])) for f in figures]
    rows = [(f, share) for f, share in rows if share is not None]
    width, height = LABEL + LIMIT * SCALE + 110, ROW * (len(rows) + 3)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" font-family="sans-serif" font-size="12">',
           f'<rect width="100%" height="100%" fill="white"/><text x="8" y="16" font-weight="bold">{escape(title)}</text>']
    for i, (f, share) in enumerate(rows):
        y = ROW * (i + 1.5)
        out.append(f'<text x="8" y="{y + 15}">{escape(f["title"].strip())}</text>{bar(y, share)}')
        out.append(f'<text x="{LABEL + min(share, LIMIT) * SCALE + 6:.1f}" y="{y + 15}">{f["median"]:.4g} {f["unit"]}</text>')
        theirs = used(f["original"], f["goal"], f["better"])
        if theirs is not None:
            x = LABEL + min(theirs, LIMIT) * SCALE
            out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y + 2}" y2="{y + ROW - 2}" stroke="#357" stroke-width="3"/>')
    x, bottom = LABEL + SCALE, ROW * (len(rows) + 1.5)
    out.append(f'<line x1="{x}" x2="{x}" y1="{ROW}" y2="{bottom}" stroke="black" stroke-dasharray="4 3"/>')
    out.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">goal (shorter is better); blue: the Go original, at most {LIMIT:g} × the goal shown</text></svg>')
    return "\n".join(out) + "\n"
