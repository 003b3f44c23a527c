"""Everything that a statement's tree calls or reads, by oid: functions, operators, types and tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlagent.databases.postgres.opinion.node_text import Node

_READING_NODES = frozenset(
    """
    QUERY RANGETBLENTRY RTE RTEPERMISSIONINFO ALIAS FROMEXPR JOINEXPR RANGETBLREF RANGETBLFUNCTION RTEFUNCTION
    TABLESAMPLECLAUSE TARGETENTRY VAR CONST AGGREF GROUPINGFUNC WINDOWFUNC WINDOWFUNCRUNCONDITION SUBSCRIPTINGREF
    FUNCEXPR NAMEDARGEXPR OPEXPR DISTINCTEXPR NULLIFEXPR SCALARARRAYOPEXPR BOOLEXPR SUBLINK FIELDSELECT RELABELTYPE
    COERCEVIAIO ARRAYCOERCEEXPR CONVERTROWTYPEEXPR COLLATEEXPR CASEEXPR CASE CASEWHEN WHEN CASETESTEXPR ARRAYEXPR
    ARRAY ROWEXPR ROW ROWCOMPAREEXPR ROWCOMPARE COALESCEEXPR COALESCE MINMAXEXPR MINMAX SQLVALUEFUNCTION XMLEXPR
    JSONFORMAT JSONRETURNING JSONVALUEEXPR JSONCONSTRUCTOREXPR JSONISPREDICATE JSONBEHAVIOR JSONEXPR JSONTABLEPATH
    JSONTABLEPATHSCAN JSONTABLESIBLINGJOIN TABLEFUNC NULLTEST BOOLEANTEST COERCETODOMAIN COERCETODOMAINVALUE
    SORTGROUPCLAUSE GROUPINGSET WINDOWCLAUSE COMMONTABLEEXPR CTESEARCHCLAUSE CTECYCLECLAUSE SETOPERATIONSTMT
    """.split()
)
"""A node that is not here may do anything."""
_FUNCTIONS = ("funcid", "aggfnoid", "winfnoid", "tsmhandler", "hashfuncid", "negfuncid")
_OPERATORS = ("opno", "opnos", "eqop", "sortop", "ltop", "gtop", "sortOperators", "eqOperators", "cycle_mark_neop")
_CARRIED = ("vartype", "coltypes", "ctecoltypes", "colTypes")
"""Types of values that are there already; making them ran before."""


@dataclass(slots=True)
class Reached:
    """The oids that were reached, and the first reason why it is more than a read."""

    functions: set[int] = field(default_factory=set)
    operators: set[int] = field(default_factory=set)
    made: set[int] = field(default_factory=set)
    """Types of which it makes values."""
    carried: set[int] = field(default_factory=set)
    """Types of which it passes values on."""
    tables: set[int] = field(default_factory=set)
    beyond: str = ""
    """What it does beyond reading; empty where it is a query and nothing else."""
    parameter: bool = False

    def add(self, trees: Iterable[Node]) -> None:
        """All that these trees reach."""
        for tree in trees:
            for node in tree.walk():
                self._see(node)

    def _see(self, node: Node) -> None:
        if node.tag == "PARAM":
            self.parameter = True
        elif node.tag not in _READING_NODES:
            self._note(f"`{node.tag[:40]}` is not on the list of what only reads")
        if node.tag == "QUERY":
            self._note(_not_a_query(node))
        for name, values in node.fields.items():
            if name in _FUNCTIONS:
                self.functions.update(node.numbers(name))
            elif name in _OPERATORS:
                self.operators.update(node.numbers(name))
            elif name in _CARRIED:
                self.carried.update(node.numbers(name))
            elif "type" in name.lower() and values:
                self.made.update(number for number in node.numbers(name) if number > 0)
            elif name == "relid":
                self.tables.update(node.numbers(name))

    def _note(self, beyond: str) -> None:
        self.beyond = self.beyond or beyond

    def settle(self) -> None:
        """Drop the zeros, which stand for nothing."""
        for oids in (self.functions, self.operators, self.made, self.carried, self.tables):
            oids.discard(0)


def _not_a_query(query: Node) -> str:
    if query.word("utilityStmt") or query.nodes("utilityStmt"):
        return "it is no query"
    if query.word("commandType") != "1":
        return "it writes"
    if query.word("hasModifyingCTE") != "false":
        return "it writes in a WITH"
    if query.word("hasForUpdate") != "false" or query.nodes("rowMarks"):
        return "it locks the rows that it reads"
    return ""
