"""Reading SQL as Athena's engine (Trino) does: what it would refuse, and what its words mean to DuckDB.

sqlglot reads more than Trino runs, so `refusals` names what it lets through: clauses that only others have, functions
outside a list that was taken from Trino's documentation, whole numbers divided by each other, which Trino rounds, and
days that are added to or taken from a date by a sign.
"""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp

FUNCTIONS = {
    *("And", "Or", "Xor", "Case", "If", "Cast", "TryCast", "Coalesce", "Nullif", "Exists", "Extract", "Array"),
    *("Count", "Sum", "Min", "Max", "Avg", "LogicalAnd", "LogicalOr", "ArgMin", "ArgMax"),
    *("RowNumber", "Lead", "Greatest", "ArrayPosition", "Struct"),
    *("DateAdd", "DateDiff", "DateTrunc", "TimestampTrunc", "DayOfWeekIso", "GenerateSeries", "Explode", "Unnest"),
    *("Substring", "Lower", "Concat", "MD5Digest", "Hex", "LowerHex", "Encode"),
}
"""Functions that the models and the library use, by sqlglot's names; each is in Trino's documentation."""
UNNAMED = {"row", "to_hex"}
TYPES = {"VARCHAR", "BIGINT", "INT", "DOUBLE", "DECIMAL", "DATE", "TIMESTAMP", "BOOLEAN", "ARRAY", "STRUCT"}
_NOT_TRINO = re.compile(r"::|\bmaterialized\b|\bby name\b|\b(?:group|order) by all\b|\busing sample\b", re.IGNORECASE)
_TEXTS = re.compile(r"'(?:[^']|'')*'|--[^\n]*")


def refusals(text: str) -> list[str]:
    """Return what Trino would refuse, or compute otherwise than meant, each with the SQL that it is about."""
    found = [f"not Trino: {word}" for word in _NOT_TRINO.findall(_TEXTS.sub("", text))]
    try:
        tree = sqlglot.parse_one(text, read="trino")
    except sqlglot.ParseError as error:
        return [*found, f"not readable: {str(error).splitlines()[0]}"]
    for node in tree.walk():
        why = _refused(node)
        if why is not None:
            found.append(f"{why}: {node.sql('trino')[:120]}")
    return found


def _refused(node: exp.Expression) -> str | None:
    if isinstance(node, exp.Star) and any(node.args.get(key) for key in ("except_", "except", "replace", "rename")):
        return "a star without some columns"
    if isinstance(node, exp.Join) and (node.args.get("method") or node.args.get("kind") in ("ANTI", "SEMI")):
        return "a join of another engine"
    if isinstance(node, exp.Anonymous):
        return None if str(node.this).lower() in UNNAMED else "an unknown function"
    if isinstance(node, exp.Func) and type(node).__name__ not in FUNCTIONS:
        return f"a function that is not on the list ({type(node).__name__})"
    if isinstance(node, exp.DataType) and node.this.name not in TYPES:
        return f"a type of another engine ({node.this.name})"
    if isinstance(node, exp.Div) and not (_is_fraction(node.this) or _is_fraction(node.expression)):
        return "whole numbers may be divided"
    if isinstance(node, exp.Add | exp.Sub) and any(_is_date(one) for one in (node.this, node.expression)):
        return "days are counted by a sign"
    return None


def _is_fraction(node: exp.Expression) -> bool:
    """Return whether a number has a fraction by its form: a cast to one, or a column of dollars."""
    node = node.unnest()
    if isinstance(node, exp.Cast):
        return node.to.this.name in ("DOUBLE", "DECIMAL")
    return isinstance(node, exp.Column) and node.name.endswith("_usd")


def _is_date(node: exp.Expression) -> bool:
    node = node.unnest()
    if isinstance(node, exp.Cast):
        return node.to.this.name == "DATE"
    if isinstance(node, exp.Min | exp.Max | exp.Window):
        return _is_date(node.this)
    return isinstance(node, exp.Column) and node.name.endswith("_date")


def in_duckdb(text: str) -> str:
    """Return a text of Trino's in DuckDB's words."""
    return sqlglot.parse_one(text, read="trino").sql("duckdb")
