"""The first tables.

A migration says what the schema was then, so it takes nothing from the models, which go on.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
SERVERS = {"engine": "InnoDB", "charset": "utf8mb4", "collate": "utf8mb4_bin"}
OPTIONS: dict[str, Any] = {
    "sqlite_with_rowid": False,
    **{f"{server}_{name}": value for server in ("mysql", "mariadb") for name, value in SERVERS.items()},
}
BELONGING = ("runs", "subruns", "attempts", "jobs", "products", "decisions", "readings")


def _of_night() -> tuple[sa.Column[Any], sa.Column[Any], sa.ForeignKeyConstraint]:
    return (
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("production", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["date", "production"], ["nights.date", "nights.production"], ondelete="CASCADE"),
    )


def upgrade() -> None:
    """Make them."""
    _make_nights()
    _make_attempts()
    _make_decisions()
    _make_jobs()
    _make_products()
    _make_readings()
    _make_runs()
    _make_subruns()


def downgrade() -> None:
    """Take them away."""
    for name in (*BELONGING, "nights"):
        op.drop_table(name)


def _make_nights() -> None:
    op.create_table(
        "nights",
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("production", sa.String(length=64), nullable=False),
        sa.Column("folder", sa.String(length=512), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("closed", TIME, nullable=True),
        sa.Column("declared", sa.Integer(), nullable=True),
        sa.Column("made", sa.Integer(), nullable=True),
        sa.Column("calibration_date", sa.Date(), nullable=True),
        sa.Column("drs4_run", sa.Integer(), nullable=True),
        sa.Column("pedcal_run", sa.Integer(), nullable=True),
        sa.Column("lstchain", sa.String(length=64), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("subruns", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("cpu_s", sa.Double(), nullable=False),
        sa.Column("jobs", sa.Integer(), nullable=False),
        sa.Column("products", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("decisions", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("date", "production"),
        **OPTIONS,
    )


def _make_attempts() -> None:
    op.create_table(
        "attempts",
        *_of_night(),
        sa.Column("step", sa.String(length=64), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("run", sa.Integer(), nullable=True),
        sa.Column("subrun", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("signal_number", sa.Integer(), nullable=True),
        sa.Column("timed_out", sa.Boolean(), nullable=False),
        sa.Column("started", TIME, nullable=True),
        sa.Column("ended", TIME, nullable=True),
        sa.Column("wall_s", sa.Double(), nullable=True),
        sa.Column("cpu_s", sa.Double(), nullable=True),
        sa.Column("verify_wall_s", sa.Double(), nullable=True),
        sa.Column("verify_cpu_s", sa.Double(), nullable=True),
        sa.Column("peak_memory_mb", sa.Double(), nullable=True),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("log", sa.String(length=512), nullable=False),
        sa.Column("step_key", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("date", "production", "step", "unit", "id"),
        **OPTIONS,
    )


def _make_decisions() -> None:
    op.create_table(
        "decisions",
        *_of_night(),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("run", sa.Integer(), nullable=True),
        sa.Column("subrun", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.String(length=255), nullable=False),
        sa.Column("who", sa.String(length=255), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("decided", TIME, nullable=True),
        sa.Column("undoes", sa.String(length=255), nullable=False),
        sa.Column("undone", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("date", "production", "number"),
        **OPTIONS,
    )


def _make_jobs() -> None:
    op.create_table(
        "jobs",
        *_of_night(),
        sa.Column("array_name", sa.String(length=255), nullable=False),
        sa.Column("element", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("restarts", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("executor", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("cause", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("ended", TIME, nullable=True),
        sa.Column("memory_asked_mb", sa.Integer(), nullable=True),
        sa.Column("time_asked_s", sa.Double(), nullable=True),
        sa.Column("cores_asked", sa.Integer(), nullable=True),
        sa.Column("peak_memory_mb", sa.Double(), nullable=True),
        sa.Column("cpu_s", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("date", "production", "array_name", "element", "place", "restarts"),
        **OPTIONS,
    )


def _make_products() -> None:
    op.create_table(
        "products",
        *_of_night(),
        sa.Column("step", sa.String(length=64), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("run", sa.Integer(), nullable=True),
        sa.Column("subrun", sa.Integer(), nullable=True),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("tables_hash", sa.String(length=64), nullable=False),
        sa.Column("step_key", sa.String(length=64), nullable=False),
        sa.Column("made", TIME, nullable=True),
        sa.Column("attempt", sa.String(length=128), nullable=False),
        sa.Column("linked_from", sa.String(length=512), nullable=False),
        sa.PrimaryKeyConstraint("date", "production", "step", "unit", "path"),
        **OPTIONS,
    )


def _make_readings() -> None:
    op.create_table(
        "readings",
        *_of_night(),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("read_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("unreadable", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("date", "production"),
        **OPTIONS,
    )


def _make_runs() -> None:
    op.create_table(
        "runs",
        *_of_night(),
        sa.Column("run", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_type", sa.String(length=16), nullable=True),
        sa.Column("source", sa.String(length=64), nullable=True),
        sa.Column("subruns", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("date", "production", "run"),
        **OPTIONS,
    )
    op.create_index("ix_runs_run", "runs", ["run"])


def _make_subruns() -> None:
    op.create_table(
        "subruns",
        *_of_night(),
        sa.Column("run", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subrun", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("declared", sa.Integer(), nullable=False),
        sa.Column("made", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("cpu_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("date", "production", "run", "subrun"),
        **OPTIONS,
    )
