import concurrent.futures
import json
import socket
import sqlite3
import subprocess
import sys

kind, value = sys.argv[1], sys.argv[2]


class PaymentError(Exception):
    pass


def connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1)
    except OSError as e:
        raise PaymentError(f"payment of order {value} failed") from e


def disk():
    try:
        with open("/dev/full", "w") as f:
            f.write(value * 10000)
    except OSError as e:
        raise PaymentError(f"payment of order {value} failed") from e


def missing():
    try:
        open(f"/srv/none/{value}.dat")
    except OSError as e:
        raise PaymentError(f"payment of order {value} failed") from e


def during():
    try:
        {}[value]
    except KeyError:
        int("x" + value)


def depth(n):
    return depth(n + 1)


def db(sql):
    c = sqlite3.connect(":memory:")
    c.execute("create table orders (id integer primary key, name text not null)")
    c.execute(sql)


def group():
    raise ExceptionGroup(f"jobs of {value}", [ValueError(f"bad amount {value}"), OSError(5, "Input/output error")])


def group2():
    raise ExceptionGroup(f"jobs of {value}", [ValueError(f"bad amount {value}"), MemoryError()])


def run(what):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(what).result()


def runtime(text):
    raise RuntimeError(text)


KINDS = {
    "refused": lambda: connect(1),
    "disk": disk,
    "missing": missing,
    "during": during,
    "recursion": lambda: depth(0),
    "no_table": lambda: db(f"select {value} from customers"),
    "not_null": lambda: db("insert into orders values (1, null)"),
    "group": group,
    "group2": group2,
    "json": lambda: json.loads("{" + value),
    "thread": lambda: run(lambda: [][int(value)]),
    "attribute": lambda: None.total,
    "type": lambda: "a" + int(value),
    "process": lambda: subprocess.run(["false"], check=True),
    "encoding": lambda: (b"\xff" + value.encode()).decode(),
    "zero": lambda: int(value) / 0,
    "runtime_timeout": lambda: runtime(f"upstream 10.0.0.{value[:2]} timed out after {value} ms"),
    "runtime_quota": lambda: runtime(f"quota of tenant {value} is used up"),
}
KINDS[kind]()
