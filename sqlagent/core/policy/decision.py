"""The policy's verdict on a script: allowed, asked about or denied, and by which rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlagent.core.nouns.analysis import Analysis, Kind, Risk, Statement
from sqlagent.core.nouns.policy import Allow, Ask, Deny, Facts, Policy, Reads, Rule, Verdict, Writes
from sqlagent.core.policy.rulebook import Rulebook
from sqlagent.core.policy.seen import Sight, sights
from sqlagent.core.policy.stages import merge

_WHY = {
    "outside-database": "it reaches outside the database: a file, a program, an extension or another database",
    "transaction-control": "it begins, ends or names a transaction, and sqlagent runs each proposal in one of its own",
    "unsafe-pragma": "it changes a setting of the connection or of the file, not data",
    "marker-table": "it changes the table in which runs leave their marks, and a crash is decided by them",
    "hidden-characters": "its text has characters that a screen hides, or shows as something else",
    "executable-comment": "it has a comment that some engines run as SQL",
    "read-only": "files are only read, and this is not proven to be a read",
}
_ELSEWHERE = "nobody can approve this here; change the SQL, or run it outside sqlagent"
BUILT_IN = frozenset({*_WHY, "reads", "confidence", "mcp"})
"""Ids that no file may give a rule."""


def relax(analysis: Analysis, policy: Policy) -> Analysis:
    """The analysis with what the user's own policy relaxes no longer denied; it stays UNKNOWN, and is asked."""
    return Analysis(
        tuple(
            replace(s, denied="", risk=max(s.risk, Risk.SEVERE)) if s.denied in policy.relaxed else s
            for s in analysis.statements
        )
    )


def builtin_denial(analysis: Analysis, policy: Policy) -> Deny | None:
    """The denial that no file of the user's can lift; a script that gets it is not even measured."""
    if analysis.denied:
        rule = analysis.denied[0]
        return Deny(rule, _WHY.get(rule, "a rule of the analysis forbids it"))
    if analysis.risk is not Risk.READ and policy.writes is not Writes.ASK:
        files = policy.writes is Writes.NEVER
        return Deny("read-only", _WHY["read-only"] if files else "this database is configured read_only")
    return None


def decide(analysis: Analysis, policy: Policy, facts: Facts) -> Verdict:
    """The verdict on a whole script: the strictest on any statement of it.

    Deny beats ask beats allow, in whatever order the rules stand; what no rule speaks of is asked.  Where statements
    or rules ask for different people, all of them are asked.
    """
    if denial := builtin_denial(analysis, policy):
        return denial
    return strictest([verdict for said in verdicts(sights(analysis, of(policy, facts)), policy) for verdict in said])


def of(policy: Policy, facts: Facts) -> Facts:
    """The facts with what the database is, as the policy's owner knows it."""
    return facts if policy.known_as is None else replace(facts, known_as=policy.known_as)


def verdicts(seen: Sequence[Sight], policy: Policy) -> tuple[tuple[Verdict, ...], ...]:
    """What the rules say of each statement, or the defaults behind them: a denial, all questions, or a permission."""
    fired = Rulebook(policy).firing(seen)
    return tuple(_ruled(sight, rules, policy) for sight, rules in zip(seen, fired, strict=True))


def _ruled(sight: Sight, fired: Sequence[Rule], policy: Policy) -> tuple[Verdict, ...]:
    """An allowance counts only where the model's drafts agree enough, but for a rule that looks at that itself."""
    statement, confidence = sight.statement, sight.whole.facts.confidence
    disagree = sight.whole.facts.drafts != 1  # what one draft is thought to be worth is for the rules to look at
    doubtful = disagree and confidence is not None and confidence < policy.least_confidence
    asks: list[Ask] = []
    allows: list[Allow] = []
    doubted = False
    for rule in fired:
        match rule.then:
            case Deny():
                return (replace(rule.then, what=doing(statement)),)
            case Ask():
                asks.append(rule.then)
            case Allow() if doubtful and "confidence" not in rule.when:
                doubted = True
            case Allow():
                allows.append(rule.then)
    if asks:
        return tuple(asks)
    if statement.risk is not Risk.READ and _is_over_mcp(sight):
        return (Ask("mcp", why="a model proposed it, and no rule lets a model change anything unasked"),)
    if statement.risk is Risk.READ and policy.reads is Reads.ALLOW:
        doubted |= doubtful
        allows += [] if doubtful else [Allow("reads")]
    if allows:
        return (allows[0],)
    return (Ask("confidence", why="drafts of the model disagree") if doubted else Ask(),)


def _is_over_mcp(sight: Sight) -> bool:
    return sight.whole.facts.environment.partition(":")[0] == "mcp"


def strictest(said: Sequence[Verdict]) -> Verdict:
    """One verdict for several: the first denial, a question that stands for all, or a permission."""
    for verdict in said:
        if isinstance(verdict, Deny):
            return verdict
    asks = tuple(dict.fromkeys(verdict for verdict in said if isinstance(verdict, Ask)))
    allows = tuple(dict.fromkeys(verdict for verdict in said if isinstance(verdict, Allow)))
    if not asks:
        return _together(allows) if allows else Ask()
    if len(asks) == 1:
        return asks[0]
    cited = _together(asks)
    why = "; ".join(dict.fromkeys(ask.why for ask in asks if ask.why))
    return Ask(cited.rule, merge([ask.stages for ask in asks]), why, cited.where)


def _together(said: Sequence[Verdict]) -> Allow:
    """The rules of several verdicts, each once."""
    cited = dict(pair for verdict in said for pair in _cited(verdict))
    return Allow(", ".join(cited), tuple(cited.values()) if any(cited.values()) else ())


def _cited(verdict: Verdict) -> list[tuple[str, str]]:
    """Each rule behind a verdict and where it stands; nowhere for a built-in one."""
    rules = verdict.rule.split(", ") if verdict.rule else []
    where = verdict.where or ("",) * len(rules)
    return list(zip(rules, where, strict=True))


_SHAPES = frozenset({Kind.CREATE, Kind.ALTER, Kind.DROP})


def doing(statement: Statement) -> str:
    """What a statement does, in two words at most: `drop table`, `delete`."""
    if statement.kind not in _SHAPES:
        return statement.kind.value
    return " ".join(word for word in statement.sql.lower().split()[:2] if word.isalpha()) or statement.kind.value


def refusal(denial: Deny, database: str) -> tuple[str, str]:
    """The message of a denial, and the hint what can be done."""
    cited = words(denial).removeprefix("deny ")
    if not denial.what:
        files = denial.rule == "read-only" and denial.why == _WHY["read-only"]
        hint = "change the file itself, or put its rows in a database" if files else _ELSEWHERE
        return f"the policy denies this: {denial.why}  {cited}", hint
    hint = "nobody can approve this here; change the policy, or run it outside sqlagent"
    why = f"{denial.why}; " if denial.why else ""
    return f"the policy denies {denial.what} on {database}  {cited}", why + hint


def word_of(verdict: Verdict) -> str:
    """`allow`, `ask` or `deny`, as a policy file writes it."""
    match verdict:
        case Allow():
            return "allow"
        case Ask():
            return "ask"
        case Deny():
            return "deny"


def words(verdict: Verdict) -> str:
    """As the screen and the record say it: `ask, 2 people  [prod-writes, policy.toml:14]`, `allow [reads]`."""
    cited = "; ".join(", ".join(filter(None, pair)) for pair in _cited(verdict))
    match verdict:
        case Allow():
            return f"allow [{cited}]"
        case Deny():
            return f"deny [{cited}]"
        case Ask():
            people = len(verdict.seats)
            return "ask" + (f", {people} people" if people > 1 else "") + (f"  [{cited}]" if cited else "")
