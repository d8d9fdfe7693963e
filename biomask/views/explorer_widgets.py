"""The explorer's widgets: controls, table and details, all of them plain ipywidgets."""

from __future__ import annotations

import ipywidgets as widgets
import pandas as pd

from biomask.errors import ArgumentError, BiomaskError
from biomask.views import explorer_html as html
from biomask.views.explorer_details import Details, details
from biomask.views.explorer_figures import Picture, picture_html, pictures
from biomask.views.explorer_parts import Neighbours, Table
from biomask.views.explorer_query import Finder, Found, Query
from biomask.views.explorer_saving import save_pictures, save_table
from biomask.views.explorer_source import Measure, Source

ALL = "all"  # the option itself: ipywidgets takes None for "nothing chosen"


class Explorer(widgets.VBox):
    """What `biomask.explore` returns.

    Attributes
    ----------
    source : Source
    shown : DataFrame
        The pathways as filtered and sorted; see `find`.
    chosen : str or None
        The pathway whose details are shown.
    """

    def __init__(self, source: Source, groupings: dict[str, pd.DataFrame]):
        self.source = source
        self._groupings = groupings
        self._finder = Finder(source)
        self._query = Query(by=source.by, falling=True)
        self._found: Found = self._finder.find(self._query)
        self._details: Details | None = None
        self._pictures: list[Picture] = []
        self._make_controls()
        self._table = Table(source.headings, self._sort, self.choose)
        self._neighbours = Neighbours(self.choose)
        self._facts, self._figures, self._genes = (widgets.HTML() for _ in range(3))
        super().__init__(self._parts())
        self.add_class("biomask")
        first = self._found.table.index
        if len(first):
            self.choose(first[0])

    @property
    def shown(self) -> pd.DataFrame:
        """The pathways as filtered and sorted, on all pages."""
        return self._found.table

    @property
    def chosen(self) -> str | None:
        """The pathway whose details are shown."""
        return self._details.name if self._details else None

    def choose(self, name: str) -> None:
        """Show the details of this pathway.

        Raises
        ------
        ArgumentError
            There is none of that name.
        """
        if name not in self.source.table.index:
            raise ArgumentError("no such pathway", code="E-EXPLORE", genes=[name])
        self._details = details(self.source, name)
        self._show_details()
        self._table.show(self._found.table, self.source.table, self._query, name)

    def __repr__(self) -> str:
        return f"Explorer({len(self.source.table):,} pathways, chosen: {self.chosen!r})"

    # ------------------------------------------------------------------ controls

    def _make_controls(self) -> None:
        self._text = widgets.Text(placeholder="words of its name", description="Pathway")
        self._gene = widgets.Text(placeholder="such as IRF7", description="Has gene")
        measures = [(measure.text, measure) for measure in self.source.measures]
        self._measure = widgets.Dropdown(options=measures, description="Keep")
        self._limit = widgets.SelectionSlider(options=_limits(measures[0][1]), value=ALL)
        seeds = [(ALL, ALL), *((str(seed + 1), seed) for seed in self.source.seeds)]
        self._seed = widgets.SelectionSlider(options=seeds, description="Seed")
        self._grouping = widgets.Dropdown(options=list(self._groupings), description="Activity by")
        self._name = widgets.Text("explorer", description="Save as")
        self._save_table = _button("Table", "NAME.csv, or NAME.xlsx: all pages of the table")
        self._save_pictures = _button("Pictures", "NAME_genes.png, .pdf, .csv and so on")
        self._status, self._message = widgets.HTML(), widgets.HTML()
        for control in (self._text, self._gene, self._limit, self._seed):
            control.observe(self._search, "value")
        self._measure.observe(self._new_measure, "value")
        self._grouping.observe(lambda _: self._show_details(), "value")
        self._save_table.on_click(lambda _: self._save(save_table, self.shown))
        self._save_pictures.on_click(lambda _: self._save(save_pictures, self._pictures))

    def _parts(self) -> list[widgets.Widget]:
        head = widgets.HTML(html.STYLE + html.head_html(self.source))
        top = [self._text, self._gene, self._measure, self._limit]
        if self.source.seeds:
            top.append(self._seed)
        for control, pixels in (
            (self._text, 210),
            (self._gene, 180),
            (self._measure, 170),
            (self._limit, 160),
            (self._seed, 150),
            (self._name, 210),
            (self._grouping, 280),
        ):
            control.layout.width = f"{pixels}px"
        below = [self._table.pager, self._name, self._save_table, self._save_pictures]
        side_by_side = widgets.HBox(
            [self._genes, self._neighbours], layout=widgets.Layout(flex_flow="row wrap")
        )
        side_by_side.add_class("bm-sides")
        self._genes.layout.flex = self._neighbours.layout.flex = "1 1 380px"
        own = [self._facts, self._figures, side_by_side]
        if len(self._groupings) > 1:
            own.insert(1, _controls([self._grouping]))
        mine = widgets.VBox(own)
        mine.add_class("bm-details")
        message = [self._message, self._table, _controls(below), self._status]
        return [head, _controls(top), *message, mine]

    # ------------------------------------------------------------------ what they do

    def _new_measure(self, _) -> None:
        self._limit.unobserve(self._search, "value")  # new options choose the first by themselves
        self._limit.options = _limits(self._measure.value)
        self._limit.value = ALL
        self._limit.observe(self._search, "value")
        self._search(None)

    def _search(self, _) -> None:
        self._query = self._query._replace(
            text=self._text.value,
            genes=self._gene.value,
            measure=self._measure.value,
            limit=_or_none(self._limit.value),
            seed=_or_none(self._seed.value),
        )
        self._find()

    def _sort(self, column: str, falling: bool) -> None:
        self._query = self._query._replace(by=column, falling=falling)
        self._find()

    def _find(self) -> None:
        self._found = self._finder.find(self._query)
        self._table.page = 0
        self._table.show(self._found.table, self.source.table, self._query, self.chosen)
        self._show_message()
        self._show_genes()

    def _save(self, save, what) -> None:
        try:
            self._status.value = (
                f'<p role="status">{html.escaped(save(self._name.value, what))}</p>'
            )
        except BiomaskError as error:
            self._status.value = f'<p role="alert" class="bm-wrong">{html.escaped(error)}</p>'

    # ------------------------------------------------------------------ what they show

    def _show_message(self) -> None:
        seed = ""
        if self._query.seed is not None:
            seed = " · " + html.seed_html(self.source.study, self._query.seed)
        sentence = html.escaped(self._found.sentence)
        self._message.value = f'<p role="status"><b>{sentence}</b>{seed}</p>'

    def _show_details(self) -> None:
        found = self._details
        grouping = self._groupings.get(self._grouping.value)
        self._pictures = pictures(self.source, found, grouping)
        drawn = "".join(map(picture_html, self._pictures))
        self._facts.value = html.details_html(self.source, found)
        self._figures.value = f'<div class="bm-figures">{drawn}</div>'
        self._neighbours.show(found, self.source.table["size"])
        self._show_message()
        self._show_genes()

    def _show_genes(self) -> None:
        self._genes.value = html.genes_html(self._details, self._found.genes)


def _or_none(value: object) -> object:
    return None if value == ALL else value


def _limits(measure: Measure) -> list[tuple[str, object]]:
    """Steps of the slider; "all" stands where nothing is left out."""
    steps = [(f"{limit:g}", limit) for limit in measure.limits]
    return [(ALL, ALL), *steps] if measure.least else [*steps, (ALL, ALL)]


def _button(text: str, tooltip: str) -> widgets.Button:
    return widgets.Button(description=text, tooltip=tooltip, layout=widgets.Layout(width="auto"))


def _controls(children: list[widgets.Widget]) -> widgets.HBox:
    box = widgets.HBox(children, layout=widgets.Layout(flex_flow="row wrap"))
    box.add_class("bm-controls")
    return box
