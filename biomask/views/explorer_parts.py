"""Parts of the explorer that are pools of buttons: the table, its pager, the neighbours.

Their buttons are made once; a page, an order or a pathway only changes their texts.
"""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets
import pandas as pd

from biomask.views.explorer_details import NEIGHBOURS, Details
from biomask.views.explorer_html import (
    NEIGHBOUR_WIDTH,
    cells_html,
    escaped,
    neighbour_html,
    neighbours_head_html,
)
from biomask.views.explorer_query import ROWS, Query, page
from biomask.views.explorer_source import Heading

_GROWS = "1 1 0"


class Table(widgets.VBox):
    """A page of pathways: a button for each name, its numbers beside it, headings that sort.

    Attributes
    ----------
    page : int
        From 0.
    pager : HBox
        The buttons that turn the page.
    """

    def __init__(
        self,
        headings: list[Heading],
        sort: Callable[[str, bool], None],
        choose: Callable[[str], None],
    ):
        self.page = 0
        self._headings = headings
        self._sort = sort
        self._shown = ()
        self._heads = [self._head(heading) for heading in headings]
        width = f"{sum(heading.width for heading in headings)}px"
        self._rows = [_Row(width, choose) for _ in range(ROWS)]
        self._where = widgets.HTML()
        self._back, self._on = (
            widgets.Button(description=text, layout=widgets.Layout(width="auto"))
            for text in ("◀ Previous", "Next ▶")
        )
        self._back.on_click(lambda _: self._turn(-1))
        self._on.on_click(lambda _: self._turn(1))
        self.pager = widgets.HBox([self._back, self._where, self._on])
        self.pager.add_class("bm-pager")
        head = widgets.HBox(self._heads)
        head.add_class("bm-head")
        super().__init__([head, *self._rows])
        self.add_class("bm-table")

    def show(
        self, table: pd.DataFrame, whole: pd.DataFrame, query: Query, chosen: str | None
    ) -> None:
        """Show the page of `table`, with the decimals of `whole`."""
        self._shown = table, whole, query, chosen
        rows, self.page, pages = page(table, self.page)
        cells = cells_html(self._headings, rows, whole)
        for i, row in enumerate(self._rows):
            if i < len(rows):
                row.show(rows.index[i], cells[i], rows.index[i] == chosen)
            row.layout.display = "flex" if i < len(rows) else "none"
        first = self.page * ROWS
        self._where.value = (
            f"{first + 1:,}–{first + len(rows):,} of {len(table):,}" if len(rows) else "none"
        )
        self._back.disabled, self._on.disabled = self.page == 0, self.page == pages - 1
        for heading, button in zip(self._headings, self._heads, strict=True):
            self._mark(heading, button, query)

    def _head(self, heading: Heading) -> widgets.Button:
        layout = {"width": f"{heading.width}px"} if heading.width else {"flex": _GROWS}
        button = widgets.Button(tooltip=heading.meaning, layout=widgets.Layout(**layout))
        button.layout.min_width = "0"
        if heading.width and heading.column != "nearest":
            button.add_class("bm-number")
        button.on_click(lambda _: self._clicked(heading))
        return button

    def _clicked(self, heading: Heading) -> None:
        """Sort by this column; a second click turns the order round."""
        query = self._shown[2]
        again = query.by == heading.column
        self._sort(heading.column, not query.falling if again else heading.falling)

    def _mark(self, heading: Heading, button: widgets.Button, query: Query) -> None:
        sorts = heading.column == query.by
        arrow = (" ▼" if query.falling else " ▲") if sorts else ""
        button.description = heading.text + arrow
        (button.add_class if sorts else button.remove_class)("bm-sorted")

    def _turn(self, step: int) -> None:
        self.page += step
        self.show(*self._shown)


class _Row(widgets.HBox):
    """A button with the name of a pathway, and its numbers."""

    def __init__(self, width: str, choose: Callable[[str], None]):
        self._name = ""
        self._button = widgets.Button(layout=widgets.Layout(flex=_GROWS, min_width="0"))
        self._button.on_click(lambda _: choose(self._name))
        self._cells = widgets.HTML(layout=widgets.Layout(width=width, margin="0"))
        super().__init__([self._button, self._cells])
        self.add_class("bm-row")

    def show(self, name: str, cells: str, chosen: bool) -> None:
        """Put these texts in; a button's text is never taken for HTML."""
        self._name = name
        self._button.description = self._button.tooltip = name
        self._cells.value = cells
        (self.add_class if chosen else self.remove_class)("bm-chosen")


class Neighbours(widgets.VBox):
    """The pathways that share genes with the chosen one, and its family; each is a button."""

    def __init__(self, choose: Callable[[str], None]):
        self._choose = choose
        self._title = widgets.HTML()
        self._rows = [_Row(f"{NEIGHBOUR_WIDTH}px", choose) for _ in range(NEIGHBOURS)]
        self._family = widgets.VBox()
        super().__init__([self._family, self._title, *self._rows])

    def show(self, found: Details, sizes: pd.Series) -> None:
        """The neighbours of this pathway."""
        table = found.neighbours
        self._title.value = neighbours_head_html(found)
        for i, row in enumerate(self._rows):
            row.layout.display = "flex" if i < len(table) else "none"
            if i < len(table):
                name = table.index[i]
                row.show(name, neighbour_html(table.iloc[i], sizes[name]), chosen=False)
        self._family.children = [
            part
            for word, names in (("Part of", found.parents), ("Consists of", found.children))
            for part in self._relatives(word, names)
        ]

    def _relatives(self, word: str, names: list[str]) -> list[widgets.Widget]:
        if not names:
            return []
        shown = names[:NEIGHBOURS]
        more = f", {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
        links = [self._link(name) for name in shown]
        return [widgets.HTML(f'<div class="bm-title">{word}{escaped(more)}</div>'), *links]

    def _link(self, name: str) -> widgets.Button:
        layout = widgets.Layout(width="auto", max_width="100%")
        button = widgets.Button(description=name, tooltip=name, layout=layout)
        button.add_class("bm-link")
        button.on_click(lambda _: self._choose(name))
        return button
