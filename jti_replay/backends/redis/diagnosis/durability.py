"""What a Redis remembers after a restart."""

from __future__ import annotations

from collections.abc import Iterator

from redis import Redis

from jti_replay.backends.findings import Finding

HINT = "Set 'appendonly yes' and 'appendfsync always'."


def examine_durability(server: Redis, refuses_cold_start: bool) -> Iterator[Finding]:
    """Ask how it writes to disk."""
    if server.info("persistence")["aof_enabled"]:
        yield judge_append_only(server.config_get("appendfsync")["appendfsync"])
    elif server.config_get("save")["save"]:
        yield judge_snapshots(refuses_cold_start)
    else:
        yield judge_nothing(refuses_cold_start)


def judge_append_only(fsync: str | None) -> Finding:
    """
    Warn of an append-only file unless all that is answered has been written to it.

    With ``everysec`` Redis goes on answering, and does not write for up to two seconds, while
    the system takes its time over the last second's fsync (flushAppendOnlyFile() in aof.c).
    """
    value, text = f"aof, appendfsync {fsync}", f"It appends to a file (appendfsync {fsync})."
    if fsync == "always":
        return Finding.ok(
            "persistence", value, f"{text} A restart and a loss of power forget nothing."
        )
    if fsync == "everysec":
        text += (
            " A server that is killed forgets what it answered while the disk was busy, of up "
            "to two seconds, and a loss of power takes as much."
        )
    else:
        text += " A loss of power takes what the system had not written, half a minute's."
    hint = "Set 'appendfsync always'."
    return Finding.warning("persistence", value, text, hint=hint, check="jti_replay.W011")


def judge_snapshots(refuses_cold_start: bool) -> Finding:
    """Warn of snapshots: COLD_START does not help, for they hold the marker too."""
    text = (
        "It writes snapshots. After a crash the jtis since the last one are gone, and their "
        "tokens pass again."
    )
    if refuses_cold_start:
        text += (
            " COLD_START does not prevent it: the snapshot brings its marker back, so that the "
            "memory looks complete."
        )
    return Finding.warning("persistence", "rdb", text, hint=HINT, check="jti_replay.W011")


def judge_nothing(refuses_cold_start: bool) -> Finding:
    """Warn of a memory that a restart empties, unless tokens from before are refused."""
    if refuses_cold_start:
        return Finding.ok(
            "persistence",
            "none",
            "It writes nothing to disk. After a restart all jtis are gone, and COLD_START "
            "refuses the tokens from before.",
        )
    return Finding.warning(
        "persistence",
        "none",
        "It writes nothing to disk. After a restart all jtis are gone, and every token that is "
        "in force passes again.",
        hint=f"{HINT} Or set COLD_START to 'refuse'.",
        check="jti_replay.W011",
    )
