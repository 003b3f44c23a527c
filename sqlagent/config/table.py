"""Every setting in one table: loading, `config show`, `help environment` and the README are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import inf

from sqlagent.config.kinds import (
    BASE_URL,
    CHAT_ROWS,
    COMMAND,
    DURATION,
    EXAMPLES,
    LIMIT,
    NAMES,
    PATH,
    PATHS,
    ROWS,
    SAMPLES,
    SIZE,
    STORE,
    TEXT,
    YES_NO,
    Kind,
    one_of,
    some_of,
)
from sqlagent.core.policy import RELAXABLE


class Project(Enum):
    """What a project file, which may have come with somebody's clone, may do with a setting."""

    MAY_SET = "may set"
    MAY_TIGHTEN = "may tighten"
    """It may not set the setting's loose value, and its strict one wins."""
    MAY_SHRINK = "may shrink"
    """It may set a limit below the one that counts without it."""
    MAY_NOT_SET = "may not set"


class Strict(Enum):
    """Which of two numbers is the stricter setting."""

    NEITHER = "neither"
    LESS = "less"
    MORE = "more"
    """What is kept for the user is kept at least so long."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One setting: its names, what it may be, and what it is when nobody says."""

    key: str
    kind: Kind
    default: object
    doc: str
    flag: str = ""
    """As help shows it: `-d, --db`."""
    env: tuple[str, ...] = ()
    """Variables, first one set wins."""
    in_file: bool = True
    project: Project = Project.MAY_SET
    loose: object = None
    """The value that lifts a restriction; any source that says otherwise wins over it."""
    strict: Strict = Strict.NEITHER
    unlimited: object = None
    """The value of a limit that stands for none."""
    default_text: str = ""
    """How the default reads in documentation, where it is not the value itself."""

    def strictness(self, value: object) -> float | None:
        """The more of it the stricter; None where a setting has no strict side."""
        if self.loose is not None:
            return 0.0 if value == self.loose else 1.0
        if self.strict is Strict.NEITHER or not isinstance(value, int | float):
            return None
        size = inf if value == self.unlimited else float(value)
        return size if self.strict is Strict.MORE else -size

    @property
    def field(self) -> str:
        """What it is called in Python: a key may have a dot."""
        return self.key.replace(".", "_")

    @property
    def long_flag(self) -> str:
        """`--db` of `-d, --db`."""
        return self.flag.split(", ")[-1].split(" ")[0]


_NEVER = Project.MAY_NOT_SET
_TIGHTEN = Project.MAY_TIGHTEN
_SHRINK = Project.MAY_SHRINK

TABLE: tuple[Definition, ...] = (
    Definition(
        "database", TEXT, "", "a path, a name from config, or a URL without a password",
        flag="-d, --db", env=("SQLAGENT_DB",), default_text="the only one configured, else `./sample.db`",
    ),
    Definition(
        "model", TEXT, "auto", "a key or base URL decides; else `local`, the embedded model (`local:0.5b` is light)",
        flag="-m, --model", env=("SQLAGENT_MODEL",), project=_NEVER,
    ),
    Definition(
        "base_url", BASE_URL, "", "any OpenAI-compatible server: Ollama, vLLM, LM Studio, llama.cpp",
        flag="--base-url", env=("SQLAGENT_BASE_URL", "OPENAI_BASE_URL"), project=_NEVER, default_text="OpenAI's",
    ),
    Definition(
        "api_key_file", PATH, "", "mode 0600 or it is refused; `OPENAI_API_KEY` is read last",
        env=("SQLAGENT_API_KEY_FILE",), project=_NEVER, default_text="none",
    ),
    Definition(
        "model_timeout", DURATION, 120.0, "how long to wait for the model without hearing from it; `0`: no limit",
        flag="--model-timeout", env=("SQLAGENT_MODEL_TIMEOUT",), project=_SHRINK, strict=Strict.LESS, unlimited=0.0,
    ),
    Definition(
        "keep_alive", DURATION, 600.0, "idle time the embedded model stays loaded; `0`: it ends with the command",
        env=("SQLAGENT_KEEP_ALIVE",), project=_SHRINK, strict=Strict.LESS,
    ),
    Definition(
        "send_examples", YES_NO, False, "show examples of your data to remote models too",
        env=("SQLAGENT_SEND_EXAMPLES",), project=_TIGHTEN, loose=True, default_text="`false`",
    ),
    Definition(
        "examples", EXAMPLES, 3, "example values a column that a model is shown",
        env=("SQLAGENT_EXAMPLES",), project=_NEVER, strict=Strict.LESS,
    ),
    Definition(
        "samples", SAMPLES, 1, "drafts of a question; how many of them agree is its confidence",
        flag="--samples", env=("SQLAGENT_SAMPLES",), project=_NEVER,
    ),
    Definition(
        "repair", YES_NO, True, "put right in a draft what the schema tells is mistaken; every correction is shown",
        flag="--no-repair", env=("SQLAGENT_REPAIR",),
    ),
    Definition(
        "tables", NAMES, (), "tables that a model is told of; else those that the question is about",
        flag="--tables", env=("SQLAGENT_TABLES",), default_text="as many as the model can take",
    ),
    Definition(
        "ask_back", YES_NO, True, "ask, without a model, where the schema shows two readings of a question",
        env=("SQLAGENT_ASK_BACK",),
    ),
    Definition(
        "reads", one_of("ask", "allow"), "ask", "`allow`: proven reads run unasked",
        env=("SQLAGENT_READS",), project=_TIGHTEN, loose="allow",
    ),
    Definition(
        "relax", some_of(*RELAXABLE), (), "rules that ask instead of denying, by name",
        env=("SQLAGENT_RELAX",), project=_NEVER, default_text="none",
    ),
    Definition(
        "policy", PATHS, (), "files of rules; they add up, and the strictest rule wins: `sqlagent help policy`",
        flag="--policy", env=("SQLAGENT_POLICY",), default_text="ask for everything",
    ),
    Definition(
        "timeout", DURATION, 30.0, "for the statement; `0`: none, and the screen says so",
        flag="--timeout", env=("SQLAGENT_TIMEOUT",), project=_SHRINK, strict=Strict.LESS, unlimited=0.0,
    ),
    Definition(
        "expires", DURATION, 0.0, "a proposal's life", flag="--expires", env=("SQLAGENT_EXPIRES",), default_text="none",
        project=_SHRINK, strict=Strict.LESS, unlimited=0.0,
    ),
    Definition(
        "measure_again", DURATION, 60.0, "a measurement older than this is taken again before you are asked",
        env=("SQLAGENT_MEASURE_AGAIN",), project=_SHRINK, strict=Strict.LESS, unlimited=0.0, default_text="`1m`",
    ),
    Definition(
        "keep_undo", DURATION, 7 * 86_400.0, "how long what a run changed is kept, so that it can be undone",
        env=("SQLAGENT_KEEP_UNDO",), default_text="`7d`", project=_NEVER, strict=Strict.MORE,
    ),
    Definition(
        "learn", YES_NO, True, "what you approve is kept as an example for the next question on that database",
        env=("SQLAGENT_LEARN",), project=_TIGHTEN, loose=True,
    ),
    Definition(
        "on_pending", COMMAND, (), "`[\"command\", \"argument\"]`: gets what waits for a person as JSON on its stdin",
        project=_NEVER, default_text="none",
    ),
    Definition(
        "on_decided", COMMAND, (), "the same, of what a person decided, or time: who, and what",
        project=_NEVER, default_text="none",
    ),
    Definition(
        "chat_rows", CHAT_ROWS, 0, "rows of a result in LangGraph's `messages`, which its server keeps; 0: how many",
        env=("SQLAGENT_CHAT_ROWS",), project=_NEVER,
    ),
    Definition(
        "limit", LIMIT, 200, "rows on a screen, and anywhere where it is said; `-1`: all",
        flag="-n, --limit", env=("SQLAGENT_LIMIT",),
        project=_SHRINK, strict=Strict.LESS, unlimited=-1,
    ),
    Definition(
        "format",
        one_of("auto", "table", "csv", "csv-safe", "tsv", "json", "jsonl", "markdown", "vertical", "parquet", "xlsx",
               "none"),
        "auto", "of results; `auto`: by the name of `-o FILE`, else a table", flag="--format", env=("SQLAGENT_FORMAT",),
    ),
    Definition(
        "wide", one_of("vertical", "pager"), "vertical", "where a table is wider than the screen",
        env=("SQLAGENT_WIDE",),
    ),
    Definition(
        "auto_reject", YES_NO, False, "reject what would ask; exit 5",
        flag="--auto-reject", env=("SQLAGENT_AUTO_REJECT",), in_file=False, default_text="off",
    ),
    Definition(
        "no_input", YES_NO, False, "never ask; exit 8",
        flag="--no-input", env=("SQLAGENT_NO_INPUT", "CI"), in_file=False, default_text="off",
    ),
    Definition(
        "color", one_of("auto", "always", "never"), "auto", "`NO_COLOR` beats `FORCE_COLOR` beats `TERM=dumb`",
        flag="--color", env=("NO_COLOR", "FORCE_COLOR", "TERM"),
    ),
    Definition(
        "pager", TEXT, "less", "for long SQL on a terminal, with `LESS=FRX` unless set; `--no-pager`: none",
        flag="--no-pager", env=("SQLAGENT_PAGER", "PAGER"), project=_NEVER,
    ),
    Definition(
        "editor", TEXT, "vi", "opened by `[e]`; split as a shell would",
        env=("SQLAGENT_EDITOR", "VISUAL", "EDITOR"), project=_NEVER,
    ),
    Definition(
        "state_dir", PATH, "", "journal and checkpoints; mode 0700",
        flag="--state-dir", env=("SQLAGENT_STATE_DIR",), project=_NEVER, default_text="XDG state dir",
    ),
    Definition(
        "store", STORE, "", "a team's store instead of a folder: `postgresql://host/database`; `sqlagent help store`",
        env=("SQLAGENT_STORE",), project=_NEVER, default_text="the state folder",
    ),
    Definition(
        "cache_dir", PATH, "", "model weights",
        env=("SQLAGENT_CACHE_DIR",), project=_NEVER, default_text="XDG cache dir",
    ),
    Definition(
        "config", PATH, "", "one file instead of `./sqlagent.toml` and the user's",
        flag="--config", env=("SQLAGENT_CONFIG",), in_file=False, default_text="XDG config dir",
    ),
    Definition(
        "debug", YES_NO, False, "tracebacks and timings, on stderr, redacted",
        flag="--debug", env=("SQLAGENT_DEBUG",), in_file=False, default_text="off",
    ),
)  # fmt: skip

DATABASE_TABLE: tuple[Definition, ...] = (
    Definition("url", TEXT, "", "a path, or a URL without a password"),
    Definition(
        "foreign_keys", YES_NO, True, "enforce foreign keys (and run their cascades)", project=_TIGHTEN, loose=False
    ),
    Definition(
        "password_command",
        COMMAND,
        (),
        'a program that prints the server\'s password: `["pass", "show", "db"]`',
        project=_NEVER,
    ),
    Definition(
        "measure_url", TEXT, "", "a clone or a branch of a server's database, where changes are tried", project=_NEVER
    ),
    Definition(
        "measure.rows",
        ROWS,
        100_000,
        "on a server: a change of more rows, as its planner guesses, is not tried",
        project=_SHRINK,
        strict=Strict.LESS,
    ),
    Definition(
        "measure.scan_bytes",
        SIZE,
        2_000_000_000,
        "on a server: larger tables are counted, and their rows not read",
        project=_SHRINK,
        strict=Strict.LESS,
        default_text="2 GB",
    ),
    Definition("read_only", YES_NO, False, "never write to it", project=_TIGHTEN, loose=False),
    Definition(
        "examples", EXAMPLES, 3, "example values a column that a model is shown", project=_NEVER, strict=Strict.LESS
    ),
    Definition(
        "marker_table",
        YES_NO,
        False,
        "runs leave their marks in a table of it, `sqlagent_runs`: a crash is decided by it",
        project=_TIGHTEN,
        loose=True,
    ),
)
"""The keys of a `[databases.NAME]` table."""

BY_KEY = {definition.key: definition for definition in TABLE}


@dataclass(frozen=True, slots=True)
class EnvironmentRow:
    """One line of the documentation's table; a field is empty where there is no such name."""

    environment: str
    flag: str
    key: str
    default: str
    note: str


def environment_rows() -> tuple[EnvironmentRow, ...]:
    """What `help environment` prints and the README's table holds; markdown backticks included."""
    return tuple(
        EnvironmentRow(
            environment=", ".join(f"`{name}`" for name in definition.env),
            flag=f"`{definition.flag}`" if definition.flag else "",
            key=f"`{definition.key}`" if definition.in_file else "",
            default=definition.default_text or f"`{definition.kind.show(definition.default)}`",
            note=definition.doc,
        )
        for definition in TABLE
    )
