"""Tables as one Excel workbook that reads well: headings, widths, colours of verdicts."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialplan.palette import VERDICT
from spatialplan.script import wide
from spatialplan.targets import VERDICT_NAMES

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

    from spatialplan.dossier import Table

__all__ = ["write"]

_WIDEST, _NARROWEST = 60, 8
_HEAD_FILL = "1F3A4D"


def write(tables: Sequence[Table], path: str | Path, notes: Sequence[str] = ()) -> None:
    """Write tables as sheets of a workbook, the notes on a sheet in front.

    Parameters
    ----------
    tables
        One sheet each, named by its Chinese title.
    path
        Of the ``.xlsx`` file.
    notes
        Lines of the first sheet.
    """
    from openpyxl import Workbook

    book = Workbook()
    front = book.active
    front.title = "说明"
    _write_notes(front, tables, notes)
    for table in tables:
        _write_table(book.create_sheet(_sheet_name(table.zh)), table)
    book.save(path)


def _sheet_name(title: str) -> str:
    # Excel refuses these characters and more than 31 of them.
    return "".join(c for c in title if c not in r"[]:*?/\'")[:31]


def _write_notes(sheet: Worksheet, tables: Sequence[Table], notes: Sequence[str]) -> None:
    from openpyxl.styles import Alignment, Font

    sheet.column_dimensions["A"].width = 26
    sheet.column_dimensions["B"].width = 90
    for note in notes:
        sheet.append([None, _text(wide(note))])
    sheet.append([])
    for table in tables:
        sheet.append([table.zh, f"{table.en}({len(table.frame)} 行 rows)"])
        cell = sheet.cell(sheet.max_row, 1)
        cell.hyperlink = f"#'{_sheet_name(table.zh)}'!A1"
        cell.font = Font(color="1F5FA8", underline="single")
    for (cell,) in sheet.iter_rows(min_col=2, max_col=2):
        cell.alignment = Alignment(wrap_text=True, vertical="top")


def _write_table(sheet: Worksheet, table: Table) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter

    sheet.append(list(table.headings.values()))
    for row in table.frame.itertuples(index=False, name=None):
        sheet.append([_plain(value) for value in row])
    for cell in sheet[1]:
        cell.font = Font(bold=True, color="FFFFFF")
        cell.fill = PatternFill("solid", start_color=_HEAD_FILL)
        cell.alignment = Alignment(wrap_text=True, vertical="center")
    sheet.freeze_panes = "C2"
    sheet.auto_filter.ref = sheet.dimensions
    wrapped = Alignment(wrap_text=True, vertical="top")
    for column, width in enumerate(_widths(sheet), start=1):
        sheet.column_dimensions[get_column_letter(column)].width = width
        if width == _WIDEST:
            for (cell,) in sheet.iter_rows(min_row=2, min_col=column, max_col=column):
                cell.alignment = wrapped
    _colour(sheet)


def _plain(value: Any) -> Any:
    """Return a value as Excel has it: text that looks like a formula stays text."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return "是" if value else "否"
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, float):
        return round(float(value), 4)
    return value.item() if hasattr(value, "item") else value


def _text(value: str) -> str:
    # XML has no control characters.
    clean = "".join(c for c in value if c in "\n\t" or ord(c) >= 32)
    return f"'{clean}" if clean.startswith("=") else clean


def _widths(sheet: Worksheet) -> list[int]:
    widths = []
    for column in sheet.iter_cols(max_row=min(sheet.max_row, 200)):
        longest = max(_width(str(cell.value)) for cell in column[1:]) if len(column) > 1 else 0
        # Headings may wrap at the space between Chinese and English.
        heading = max(_width(word) for word in str(column[0].value).split(" "))
        widths.append(min(max(longest, heading, _NARROWEST) + 3, _WIDEST))
    return widths


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _colour(sheet: Worksheet) -> None:
    """Give every cell that begins with a verdict its colour."""
    from openpyxl.styles import Font

    fonts = {
        name: Font(bold=True, color=VERDICT[verdict].lstrip("#").upper())
        for verdict, names in VERDICT_NAMES.items()
        for name in names
    }
    for row in sheet.iter_rows(min_row=2):
        for cell in row:
            if isinstance(cell.value, str) and cell.value:
                font = fonts.get(cell.value) or fonts.get(cell.value.split(" ")[0])
                if font:
                    cell.font = font
