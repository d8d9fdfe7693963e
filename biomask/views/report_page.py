"""What every report page shares: its skeleton, its style and the script that sorts tables."""

from __future__ import annotations

import base64
import hashlib

STYLE = """
:root { color-scheme: light; --ink: #1b1f24; --soft: #59636e; --line: #d5dae0; --blue: #0072b2;
  --pale: #f5f7f9; --warn: #fff4e5; --edge: #d55e00; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff;
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 2rem 1.5rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 .25rem; text-wrap: balance; }
h2 { font-size: 1.25rem; margin: 3rem 0 .5rem; padding-top: 1rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
h1, h2, h3, p, li, th, .words, figcaption, blockquote { overflow-wrap: anywhere; }
p, li, blockquote { max-width: 46rem; }
a { color: var(--blue); }
.soft, figcaption, caption { color: var(--soft); font-size: .875rem; }
.finding { font-size: 1.125rem; border-left: 4px solid var(--blue); padding: .25rem 0 .25rem 1rem;
  margin: 1.5rem 0; }
.remarks { list-style: none; padding: 0; margin: 1rem 0; }
.remarks li { padding: .5rem .75rem; margin: .5rem 0; border-left: 4px solid var(--line);
  background: var(--pale); max-width: none; }
.remarks li.warns { border-color: var(--edge); background: var(--warn); }
figure { margin: 1rem 0; min-width: 0; break-inside: avoid; }
figure img { display: block; width: 100%; height: auto; }
figcaption { max-width: 46rem; }
.figures { display: grid; gap: 1rem 2rem; align-items: end;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
.scroll { overflow: auto; max-height: 36rem; margin: 1rem 0; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; font-size: .875rem;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .5rem; }
th, td { padding: .375rem .625rem; text-align: right; vertical-align: top;
  border-bottom: 1px solid var(--line); }
td { white-space: nowrap; }
.words { text-align: left; white-space: normal; min-width: 7rem; }
th { font-weight: inherit; }
th:first-child { text-align: left; padding-left: 0; min-width: 11rem; }
thead th { position: sticky; top: 0; background: #fff; font-weight: 600; white-space: nowrap;
  vertical-align: bottom; box-shadow: inset 0 -1px var(--ink); }
thead button { font: inherit; color: inherit; background: none; border: 0; padding: 0;
  cursor: pointer; }
thead button:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
th[aria-sort="ascending"] button::after { content: " ▲"; }
th[aria-sort="descending"] button::after { content: " ▼"; }
.mark { display: inline-block; font-size: .75rem; line-height: 1.3; padding: 0 .4em;
  border: 1px solid var(--blue); border-radius: 1em; color: var(--blue); white-space: nowrap; }
.mark.group { border-color: var(--edge); color: #a34700; }
pre, blockquote { background: var(--pale); margin: .75rem 0; padding: .75rem 1rem; }
pre { overflow: auto; font: .8125rem/1.5 ui-monospace, Menlo, Consolas, monospace; }
blockquote { user-select: all; }
summary { cursor: pointer; color: var(--blue); margin: .75rem 0; }
@media (max-width: 40rem) {
  main { padding: 1rem 1rem 3rem; }
  h1 { font-size: 1.4rem; }
  .finding { font-size: 1rem; }
  .scroll { max-height: 75vh; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, caption, tbody { display: block; }
  tr { display: flex; flex-wrap: wrap; gap: 0 1rem; padding: .5rem 0;
    border-bottom: 1px solid var(--line); }
  th, td { border: 0; padding: 0; text-align: left; }
  th:first-child { flex: 0 0 100%; }
  td { white-space: normal; }
  .words { min-width: 0; }
  td::before { content: attr(data-label) " "; color: var(--soft); }
  pre { font-size: .75rem; white-space: pre-wrap; }
}
@media print {
  @page { margin: 15mm; }
  :root, body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  .scroll { max-height: none; overflow: visible; }
  thead th { position: static; }
  thead button { display: contents; }
  table { font-size: 7.5pt; }
  th, td { padding: .15rem .4rem; }
  .mark { font-size: 6.5pt; }
  tr, .remarks li { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
  h2 { margin-top: 1.5rem; }
  pre { white-space: pre-wrap; }
  .screen { display: none; }
  .remarks li, .finding, blockquote, pre { print-color-adjust: exact; }
  figure img { max-width: 11cm !important; }
  .figures { grid-template-columns: repeat(3, 1fr); gap: 1rem; }
  .figures figure:only-child { grid-column: 1 / -1; }
}
"""

SCRIPT = """
for (const button of document.querySelectorAll("table.sortable thead button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), body = head.closest("table").tBodies[0];
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[head.cellIndex].dataset.key;
    const order = (a, b) => {
      if (a === "" || b === "") return (a === "") - (b === "");
      const found = isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
      return down ? -found : found;
    };
    [...body.rows].sort((a, b) => order(key(a), key(b))).forEach((row) => body.append(row));
  });
}
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const part of closed) part.open = true;
});
addEventListener("afterprint", () => { for (const part of closed) part.open = false; });
"""


def page(title: str, body: str) -> str:
    """The whole file.

    The browser is told to load nothing from anywhere and to run this one script only, so that not
    even a name that escaped the escaping could do anything.

    Parameters
    ----------
    title, body : str
        HTML.
    """
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
