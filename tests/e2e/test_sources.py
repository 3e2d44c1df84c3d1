"""Recipients looked up in SQLite, PostgreSQL and socketmap: who decides, what a failure does, what hostile names do."""
import contextlib
import os
import sqlite3
import threading
import time

import pytest

from harness import mails, wait
from harness.client import Client
from harness.guard import run_guard
from harness.postgres import Postgres
from harness.socketmap import Socketmap, slowly

UNKNOWN = "550 5.1.1 Recipient address rejected: user unknown (id "
UNSURE = "451 4.3.0 Recipient could not be checked, try later (id "
QUERY = "select active from mailbox where address = $1"
PEOPLE = [("joe@example.test", 1), ("o'hara@example.test", 1), ("gone@example.test", 0), ("null@example.test", None),
          ("a b@example.test", 1), ("jörg@example.test", 1), ('quo"te@example.test', 1)]


def ask(port, *rcpts):
    """The replies to RCPT, one after the other in one mail."""
    with Client(port) as c:
        c.ehlo()
        c.cmd("MAIL FROM:<s@client.test>")
        replies = [c.cmd(f"RCPT TO:<{r}>").lines[0] for r in rcpts]
        c.cmd("QUIT")
        return replies


def one(port, rcpt):
    return ask(port, rcpt)[0]


def make_sqlite(path, rows=PEOPLE):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("create table mailbox (address text primary key, active int)")
        db.executemany("insert into mailbox values (?, ?)", rows)
        db.commit()
    os.chmod(path, 0o644)


def source(kind, **more):
    return {"recipient_sources": ({"name": "people", "type": kind, "timeout": "20s", **more},)}


def relay(*steps, **more):
    return {"recipients": list(steps), **more}


@pytest.fixture
def database(folder):
    path = folder / "db" / "people.sqlite"
    path.parent.mkdir()
    make_sqlite(path)
    return path


@pytest.fixture
def postgres(folder):
    server = Postgres(folder / "pg")
    try:
        server.sql("create table mailbox (address text primary key, active int);"
                   "create role reader login password 'secret'; grant select on mailbox to reader;")
        for address, active in PEOPLE:
            server.sql("insert into mailbox values ('%s', %s)" % (address.replace("'", "''"),
                                                                 "null" if active is None else active))
        yield server
    finally:
        server.remove()


@pytest.fixture
def socketmap(folder):
    servers = []

    def make(answers, **where):
        servers.append(Socketmap(answers, **where))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


def check_words(g):
    """What every source must say of PEOPLE, in one mail."""
    assert [r[:9] for r in ask(g.port, "joe@example.test", "joe@EXAMPLE.test", '"joe"@example.test',
                               "nope@example.test", "gone@example.test", "null@example.test")] == \
        ["250 2.1.5"] * 3 + ["550 5.1.1"] * 3


HOSTILE = ["o'hara@example.test", '"a b"@example.test', '"quo\\"te"@example.test']
STRANGE = ["'or'1'='1@example.test", '"x\';drop table mailbox;--"@example.test', '"\' or 1=1 --"@example.test',
           "$1@example.test",
           "%@example.test", "_oe@example.test", '"joe@example.test"@example.test', "{joe}@example.test"]


def check_hostile(g):
    for rcpt in HOSTILE:
        assert one(g.port, rcpt) == "250 2.1.5 Ok", rcpt
    for rcpt in STRANGE:
        assert one(g.port, rcpt).startswith(UNKNOWN), rcpt
    with Client(g.port) as c:
        c.ehlo()
        c.cmd("MAIL FROM:<s@client.test>")
        c.send(b"RCPT TO:<jo\0e@example.test>\r\n")
        assert c.reply().code // 100 == 5
    assert one(g.port, "joe@example.test") == "250 2.1.5 Ok"


# ---- SQLite ----

def test_sqlite_says_who_is_there(guard, backend, database):
    b = backend()
    g = guard(b, relay=relay("sqlite:people"), **source("sqlite", file=str(database), query=QUERY))
    check_words(g)
    assert not b.lines("RCPT")
    mails.send(g.port, "x", rcpts=["joe@example.test"])
    assert b.one_mail().recipients == ["joe@example.test"]


def test_sqlite_gets_names_as_values_only(guard, backend, database):
    g = guard(backend(), relay=relay("sqlite:people"), **source("sqlite", file=str(database), query=QUERY))
    check_hostile(g)


def test_what_was_said_is_remembered_and_can_be_forgotten(guard, backend, database):
    g = guard(backend(), relay=relay("sqlite:people"), **source("sqlite", file=str(database), query=QUERY))
    assert one(g.port, "new@example.test").startswith(UNKNOWN)
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("insert into mailbox values ('new@example.test', 1)")
        db.commit()
    assert one(g.port, "new@example.test").startswith(UNKNOWN)
    assert g.journaled("mail", 2, by="source")
    assert g.ctl("forget", "new@example.test").returncode == 0
    assert one(g.port, "new@example.test") == "250 2.1.5 Ok"


def test_a_database_moved_into_place_is_used(guard, backend, database):
    g = guard(backend(), relay=relay("sqlite:people"), **source("sqlite", file=str(database), query=QUERY))
    assert one(g.port, "joe@example.test") == "250 2.1.5 Ok"
    fresh = database.parent / "fresh"
    make_sqlite(fresh, [("ann@example.test", 1)])
    fresh.rename(database)
    assert one(g.port, "ann@example.test") == "250 2.1.5 Ok"
    database.unlink()
    assert one(g.port, "zoe@example.test").startswith(UNSURE)
    make_sqlite(database, [("zoe@example.test", 1)])
    wait.until(lambda: one(g.port, "zoe@example.test") == "250 2.1.5 Ok", 10, "the database used again")
    assert g.said("recipient source people: works again")


def test_a_locked_database_defers_and_a_log_in_use_does_not(guard, backend, database):
    g = guard(backend(), relay=relay("sqlite:people"), **source("sqlite", file=str(database), query=QUERY,
                                                                timeout=f"{2 * wait.PATIENCE:g}s"))
    db = sqlite3.connect(database, isolation_level=None, timeout=20)
    db.execute("begin exclusive")
    assert one(g.port, "joe@example.test").startswith(UNSURE)
    db.execute("rollback")
    wait.until(lambda: one(g.port, "joe@example.test") == "250 2.1.5 Ok", 10, "the database unlocked")
    db.execute("pragma journal_mode=wal")
    db.execute("insert into mailbox values ('wal@example.test', 1)")
    wait.until(lambda: one(g.port, "wal@example.test") == "250 2.1.5 Ok", 10, "an answer in time")
    db.close()
    wait.until(lambda: one(g.port, "nope@example.test").startswith(UNKNOWN), 10, "another one")


def test_an_endless_query_ends_and_holds_nobody_else(guard, backend, database):
    endless = ("with recursive n(i) as (select 1 union all select i+1 from n) "
               "select count(*) from n where $2 = 'slow' or i<2")
    g = guard(backend(), relay=relay("sqlite:people"),
              **source("sqlite", file=str(database), query=endless + " limit 1", timeout="1s", connections=1))
    start = time.monotonic()
    assert one(g.port, "slow@example.test").startswith(UNSURE)
    assert 0.5 < time.monotonic() - start < 10 * wait.PATIENCE
    assert g.said("recipient source people: .*too long")


# ---- PostgreSQL ----

def test_postgres_says_who_is_there_and_gets_values_only(guard, backend, postgres, folder):
    passfile = folder / "pgpass"
    passfile.write_text("*:*:*:reader:secret\n")
    passfile.chmod(0o600)
    g = guard(backend(), relay=relay("pgsql:people"), **source(
        "pgsql", connect=f"host={postgres.folder} user=reader dbname=postgres passfile={passfile}", query=QUERY))
    check_words(g)
    check_hostile(g)
    assert postgres.sql("select count(*) from mailbox") == str(len(PEOPLE))
    assert not any("secret" in m for m in g.messages())


def test_postgres_may_end_and_come_back(guard, backend, postgres):
    g = guard(backend(), relay=relay("pgsql:people"), **source(
        "pgsql", connect=f"host={postgres.folder} user=postgres dbname=postgres", query=QUERY))
    assert one(g.port, "joe@example.test") == "250 2.1.5 Ok"
    postgres.stop()
    assert ask(g.port, "joe@example.test", "nope@example.test")[0] == "250 2.1.5 Ok"
    assert one(g.port, "nope@example.test").startswith(UNSURE)
    postgres.start()
    wait.until(lambda: one(g.port, "nope@example.test").startswith(UNKNOWN), 20, "PostgreSQL asked again", pause=0.2)
    # a new server behind a connection that stood idle costs nobody a try
    postgres.stop()
    postgres.start()
    assert one(g.port, "other@example.test").startswith(UNKNOWN)


def test_few_connections_serve_many_clients(guard, backend, postgres):
    g = guard(backend(), server={"workers": 4}, relay=relay("pgsql:people"), **source(
        "pgsql", connect=f"host={postgres.folder} user=postgres dbname=postgres", query=QUERY, timeout="20s",
        connections=2))
    replies = []
    threads = [threading.Thread(target=lambda n=n: replies.append(one(g.port, f"u{n % 20}@example.test")))
               for n in range(60)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(replies) == 60 and all(r.startswith(UNKNOWN) for r in replies)
    assert int(postgres.sql("select count(*) from pg_stat_activity where application_name = 'smtpguardd'")) <= 2


def test_a_slow_query_defers_within_the_timeout(guard, backend, postgres):
    g = guard(backend(), relay=relay("pgsql:people"), **source(
        "pgsql", connect=f"host={postgres.folder} user=postgres dbname=postgres", timeout=f"{wait.PATIENCE:g}s",
        query="select pg_sleep(case when $2 = 'slow' then 20 else 0 end) is not null where $3 <> ''"))
    start = time.monotonic()
    assert one(g.port, "slow@example.test").startswith(UNSURE)
    assert time.monotonic() - start < 10 * wait.PATIENCE
    wait.until(lambda: one(g.port, "quick@example.test") == "250 2.1.5 Ok", 10, "a quick answer")


def test_a_wrong_query_defers_and_is_told(guard, backend, postgres):
    g = guard(backend(), relay=relay("pgsql:people"), **source(
        "pgsql", connect=f"host={postgres.folder} user=postgres dbname=postgres", query="select nothing from nowhere"))
    assert one(g.port, "joe@example.test").startswith(UNSURE)
    assert g.said("recipient source people: .*nowhere.* does not exist")


def test_a_name_is_looked_up_within_the_sandbox(guard, backend):
    g = guard(backend(), relay=relay("pgsql:people"), **source(
        "pgsql", connect="host=localhost port=1 user=postgres dbname=postgres", query=QUERY))
    assert one(g.port, "joe@example.test").startswith(UNSURE)
    assert g.said("recipient source people: .*refused")


# ---- socketmap ----

def test_socketmap_says_who_is_there(guard, backend, socketmap, folder):
    for where in ({"path": str(folder / "map")}, {}):
        m = socketmap({"joe@example.test": "OK joe/"}, **where)
        # one alone: a second may be opened while the first is on its way back from its question
        g = guard(backend(), relay=relay("socketmap:people"),
                  **source("socketmap", address=m.address, map="users", connections=1))
        replies = ask(g.port, "joe@Example.TEST", "nope@example.test", "joe@example.test")
        assert [r[:3] for r in replies] == ["250", "550", "250"]
        assert m.asked == ["users joe@example.test", "users nope@example.test"]
        assert m.connections == 1


@pytest.mark.parametrize("reply", ["TEMP down", "TIMEOUT ", "PERM no", "", "HELLO", b"junk\r\n", b"0:,", b"99999999:x",
                                   b"007:OK joes,", b"2:OK", b"2:OK;", b"2:OK,2:OK,", None, slowly(3, "OK late")])
def test_what_socketmap_cannot_say_defers(guard, backend, socketmap, reply):
    m = socketmap({"bad@example.test": reply, "joe@example.test": "OK " + "x" * 60000})
    g = guard(backend(), relay=relay("socketmap:people"), **source("socketmap", address=m.address, timeout="1s"))
    assert one(g.port, "bad@example.test").startswith(UNSURE)
    wait.until(lambda: one(g.port, "joe@example.test") == "250 2.1.5 Ok", 10, "the next answer", pause=0.2)


def test_a_dead_socketmap_defers_and_comes_back(guard, backend, socketmap, folder):
    path = str(folder / "map")
    m = socketmap({"joe@example.test": "OK x"}, path=path)
    g = guard(backend(), relay=relay("socketmap:people", recipient_ok_for="0s", recipient_bad_for="0s"),
              **source("socketmap", address=m.address))
    assert one(g.port, "joe@example.test") == "250 2.1.5 Ok"
    m.drop_clients()
    assert one(g.port, "joe@example.test") == "250 2.1.5 Ok"  # lost while idle: asked anew at once
    m.stop()
    assert one(g.port, "joe@example.test").startswith(UNSURE)
    assert g.said("recipient source people: .*deferred")
    socketmap({"joe@example.test": "OK x"}, path=path)
    wait.until(lambda: one(g.port, "joe@example.test") == "250 2.1.5 Ok", 10, "the new server asked", pause=0.1)


def test_equal_questions_are_asked_once(guard, backend, socketmap):
    m = socketmap({"joe@example.test": slowly(1, "OK x")})
    g = guard(backend(), relay=relay("socketmap:people"), **source("socketmap", address=m.address, timeout="10s"))
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(one(g.port, "joe@example.test"))) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert replies == ["250 2.1.5 Ok"] * 20 and len(m.asked) == 1


def test_a_client_that_leaves_harms_nobody(guard, backend, socketmap):
    m = socketmap({"slow@example.test": slowly(1, "OK x")})
    g = guard(backend(), relay=relay("socketmap:people"), **source("socketmap", address=m.address, connections=1))
    for _ in range(5):
        with Client(g.port) as c:
            c.ehlo()
            c.cmd("MAIL FROM:<s@client.test>")
            c.send(b"RCPT TO:<slow@example.test>\r\n")
    assert one(g.port, "nope@example.test").startswith(UNKNOWN)


# ---- the order, and what a yes is not ----

def test_the_next_one_is_asked_for_who_was_not_found(guard, backend, socketmap, database, folder):
    m = socketmap({"map@example.test": "OK x", "gone@example.test": "OK x"})
    (folder / "staff").write_text("staff@example.test\n")
    b = backend({"RCPT": lambda c, line: None if "probe" in line else "550 5.1.1 the backend does not know"})
    sources = source("sqlite", file=str(database), query=QUERY)["recipient_sources"] + (
        {"name": "maps", "type": "socketmap", "address": m.address},)
    g = guard(b, relay=relay("list:staff", "sqlite:people", "socketmap:maps", "backend"),
              lists={"staff": str(folder / "staff")}, recipient_sources=sources)
    assert [r[:9] for r in ask(g.port, "staff@example.test", "joe@example.test", "map@example.test",
                               "probe@example.test", "nope@example.test", "gone@example.test")] == \
        ["250 2.1.5"] * 4 + ["550 5.1.1"] * 2
    assert [line.split("<")[1].split("@")[0] for line in b.lines("RCPT")] == ["probe", "nope"]
    assert m.asked == ["virtual map@example.test", "virtual probe@example.test", "virtual nope@example.test"]


def test_a_failure_ends_the_walk_and_is_not_remembered(guard, backend, socketmap, database):
    m = socketmap({"joe@example.test": "TEMP not now"})
    sources = source("sqlite", file=str(database), query=QUERY)["recipient_sources"] + (
        {"name": "maps", "type": "socketmap", "address": m.address},)
    g = guard(backend(), relay=relay("socketmap:maps", "sqlite:people"), recipient_sources=sources)
    assert one(g.port, "joe@example.test").startswith(UNSURE)
    m.answers.clear()
    assert one(g.port, "joe@example.test") == "250 2.1.5 Ok"


def test_a_yes_opens_no_relay(guard, backend, socketmap):
    m = socketmap({"joe@other.test": "OK x", "joe@other.test@example.test": "OK x"})
    g = guard(backend(), relay=relay("socketmap:people"), **source("socketmap", address=m.address))
    assert one(g.port, "joe@other.test").startswith("550 5.7.1 Relaying denied")
    assert m.asked == []
    g = guard(backend(), relay=relay("socketmap:people", clients=["127.0.0.1"]),
              **source("socketmap", address=m.address))
    assert one(g.port, "ann@other.test") == "250 2.1.5 Ok"
    assert m.asked == []  # not ours to know


def test_an_extension_is_cut_when_the_settings_say_so(guard, backend, socketmap):
    m = socketmap({"joe@example.test": "OK x"})
    g = guard(backend(), relay=relay("socketmap:people"), **source("socketmap", address=m.address, delimiter="+"))
    assert [r[:3] for r in ask(g.port, "joe+a+b@example.test", "ann+a@example.test", "+joe@example.test")] == \
        ["250", "550", "550"]
    assert m.asked == ["virtual joe+a+b@example.test", "virtual joe@example.test", "virtual ann+a@example.test",
                       "virtual ann@example.test", "virtual +joe@example.test"]


def test_the_backend_is_asked_where_a_delivery_contradicts(guard, backend, socketmap):
    m = socketmap({"joe@example.test": "OK x"})
    b = backend({"RCPT": "550 5.1.1 joe has left"})
    g = guard(b, relay=relay("socketmap:people"), **source("socketmap", address=m.address))
    with Client(g.port) as c:
        c.at_data(rcpts=["joe@example.test"])
        assert c.cmd("Subject: x\r\n\r\nx\r\n.").code // 100 in (4, 5)
    assert one(g.port, "joe@example.test") == "550 5.1.1 joe has left"


# ---- settings ----

def test_a_reload_keeps_the_connection_of_the_same_source(guard, backend, socketmap):
    m = socketmap({"joe@example.test": "OK x"})
    g = guard(backend(), relay=relay("socketmap:people", recipient_ok_for="0s"),
              **source("socketmap", address=m.address, connections=1))
    for _ in range(3):
        assert one(g.port, "joe@example.test") == "250 2.1.5 Ok"
        g.reload()
    assert m.connections == 1
    other = socketmap({"joe@example.test": "OK x"})
    g.configure(relay=relay("socketmap:people", recipient_ok_for="0s"), **source("socketmap", address=other.address))
    g.reload()
    assert one(g.port, "joe@example.test") == "250 2.1.5 Ok" and other.connections == 1


@pytest.mark.parametrize("steps, given, said", [
    (["sqlite:nobody"], {}, 'there is no "nobody" of this type'),
    (["pgsql:people"], {"type": "sqlite", "file": "DB", "query": QUERY}, 'there is no "people" of this type'),
    (["sqlite:people"], {"type": "sqlite", "file": "DB"}, '"people" needs query'),
    (["sqlite:people"], {"type": "sqlite", "query": QUERY}, '"people" needs file'),
    (["pgsql:people"], {"type": "pgsql", "query": QUERY}, '"people" needs connect'),
    (["socketmap:people"], {"type": "socketmap"}, '"people" needs address'),
    (["sqlite:people"], {"type": "sqlite", "file": "/nowhere/db", "query": QUERY}, "/nowhere/db: No such file"),
    (["sqlite:people"], {"type": "sqlite", "file": "DB", "query": "select * from nowhere"}, "no such table"),
    (["sqlite:people"], {"type": "sqlite", "file": "DB", "query": "delete from mailbox"}, "not one that reads"),
    (["sqlite:people"], {"type": "sqlite", "file": "DB", "query": QUERY + "; select 2"}, "more than one statement"),
    (["sqlite:people"], {"type": "sqlite", "file": "DB", "query": "select $4"}, "a parameter other than"),
    (["pgsql:people"], {"type": "pgsql", "connect": "hots=x", "query": QUERY}, 'invalid connection option "hots"'),
    (["pgsql:people"], {"type": "pgsql", "connect": "password=x", "query": QUERY}, "a password does not belong here"),
    (["pgsql:people"], {"type": "pgsql", "connect": "postgresql://a:b@/c", "query": QUERY}, "a password does not"),
    (["socketmap:people"], {"type": "socketmap", "address": "inet:localhost:1"}, '"inet:IP:PORT" is wanted'),
    (["socketmap:people"], {"type": "socketmap", "address": "unix:rel"}, '"unix:/PATH" or'),
])
def test_check_says_what_is_wrong(guard, database, steps, given, said):
    given = {k: str(database) if v == "DB" else v for k, v in given.items()}
    sources = ({"name": "people", **given},) if given else ()
    g = guard(1, start=False, relay=relay(*steps), recipient_sources=sources)
    done = run_guard("-c", g.config, "--check")
    assert done.returncode == 1 and said in done.stderr + done.stdout, done
