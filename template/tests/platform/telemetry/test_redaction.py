"""Errors of the database name constraints and columns, and no values."""

import re
import timeit
import traceback
from time import process_time

import pytest
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database
from app.platform.errors import violated
from app.platform.telemetry import redaction as discretion
from app.platform.telemetry.redaction import stacktrace_of, text_of, without_secrets

CANARY = "ada@example.org"
_INSERT = text(
    "INSERT INTO catalog.items (owner, id, name) VALUES ('me', gen_random_uuid(), :value)"
)


@pytest.fixture
def db(engine: AsyncEngine) -> Database:
    return Database(engine, "catalog")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT CAST(CAST(:value AS text) AS uuid)",
        "SELECT CAST(:value AS uuid)",
        "SELECT CAST(CAST(:value AS text) AS integer)",
        "SELECT 1 / 0, CAST(:value AS text)",
        "SELECT nonsense, CAST(:value AS text)",
        "INSERT INTO catalog.items (owner, id, name, created_at) "
        "VALUES ('me', gen_random_uuid(), CAST(:value AS text), NULL)",
    ],
)
async def test_no_error_quotes_a_value(db: Database, statement: str) -> None:
    with pytest.raises(DBAPIError) as raised:
        async with db.transaction() as tx:
            await tx.execute(text(statement), {"value": CANARY})
    assert CANARY not in "".join(traceback.format_exception(raised.value))


async def test_a_constraint_is_named_but_not_what_violated_it(db: Database) -> None:
    with pytest.raises(IntegrityError) as raised:
        for _ in range(2):
            async with db.transaction() as tx:
                await tx.execute(_INSERT, {"value": CANARY})
    assert violated(raised.value) == "uq_items_owner_name"
    shown = "".join(traceback.format_exception(raised.value))
    assert 'unique constraint "uq_items_owner_name"' in shown
    assert CANARY not in shown


async def test_a_log_or_an_answer_tells_no_values(
    client: AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    refused = await client.post("/catalog/items", json={"name": [CANARY], CANARY: 1})
    assert refused.status_code == 422
    for _ in range(2):
        answer = await client.post("/catalog/items", json={"name": "a", "secret": CANARY})
    assert answer.status_code == 409
    lost = await client.get("/catalog/items/" + CANARY)
    assert CANARY not in refused.text + answer.text + caplog.text
    assert lost.status_code == 422


@pytest.mark.parametrize(
    "word",
    [
        "x",
        "eyJabcde-",
        "a: passw",
        "a: ",
        "a@",
        "://",
        "://a:",
        "://a:b@",
        "--token ",
        "<passw",
        "<token>",
        "<token ",
        "<token><![CDATA[",
        "&lt;token",
        "<a",
        "token<",
        'name="token"',
        'name="token"\n',
        'name="token"\na: b\n',
        "name=a",
        "token\n",
        "session=",
        "session",
        "sess-",
        "sid=",
        "bearer:",
        "bearer ",
        "token\\",
        'token\\"',
        "token=\\",
        'token" ',
        'token" value=',
    ],
)
def test_a_text_that_is_ten_times_as_long_takes_about_ten_times_as_long(word: str) -> None:
    def seconds(length: int) -> float:
        text = (word * length)[:length]
        # Of the processor: whatever else runs here takes its time as well.
        hide = timeit.Timer(lambda: discretion._hidden(text), timer=process_time)
        return min(hide.repeat(number=1, repeat=5))

    assert seconds(100_000) < 1000 * seconds(1_000)  # Squared, it would be 10,000.


@pytest.mark.parametrize("text", ["eyJabcde-" * 100_000, "a: " + "passw" * 200_000, "a" * 10**6])
def test_a_long_text_is_cut(text: str) -> None:
    for value in (text, ValueError(text), {"a": [text]}):
        assert len(str(without_secrets(value))) < 10_100


PEM = "-----BEGIN {0}PRIVATE KEY-----\nMIIEabc/+\nCANARY\n-----END {0}PRIVATE KEY-----"


@pytest.mark.parametrize(
    "said",
    [
        *(PEM.format(kind) for kind in ("", "RSA ", "EC ", "ENCRYPTED ", "OPENSSH ")),
        PEM.format("").replace("\n", "\\n"),
        PEM.format("").replace("\n", " "),
        PEM.format("").partition("-----END")[0],
        "ghp_CANARYCANARYCANARY1234",
        "github_pat_CANARYCANARY_CANARY1234",
        "glpat-CANARYCANARYCANARY",
        "xoxb-123456-CANARY",
        "AKIACANARYCANARY1234",
        "AWS_SECRET_ACCESS_KEY=CANARY/+",
        "sk-proj-CANARYCANARYCANARY",
        "sk_live_CANARYCANARY",  # gitleaks:allow
        "rk_live_CANARYCANARY",  # gitleaks:allow
        "AIzaCANARYCANARYCANARYCANARYCANARY1234567",
        "ya29.CANARYCANARY",
        "npm_CANARYCANARYCANARYCANARY123456",
        "pypi-CANARYCANARYCANARYCANARY",
        "SG.CANARYCANARY.CANARYCANARY",
        "https://hooks.slack.com/services/T0/B0/CANARY",
        "x-eyJhbGciOiJub25lIn0.CANARY.CANARY",
        "https://ada:CANARY@host/path",
        "redis://:CANARY@host:6379/0",
        "postgresql://u:CAN/CANARY@host/db",
        "postgresql://u:p@CANARY@host/db",
        "postgresql://u:p@x.y/CANARY@host:5432",
        "postgresql://u:p:CANARY#?/a@host.example.com/db?sslmode=require",
        "<password>CANARY</password>",
        "<ns:Password xsi:type='xsd:string'>CANARY and CANARY</ns:Password>",
        "<user><apiKey>\n  CANARY\n</apiKey></user>",
        "<client_secret><![CDATA[<CANARY>]]></client_secret>",
        "&lt;password&gt;CANARY&amp;CANARY&lt;/password&gt;",
        '<add key="Password" value="CANARY and CANARY" />',
        '<input name="password" type="password" value="CANARY">',
        '<entry key="db.password">CANARY</entry>',
        'Content-Disposition: form-data; name="password"\r\n\r\nCANARY and CANARY\r\n--x',
        'form-data; name="user[password]"\nContent-Type: text/plain\n\nCANARY\n--x--',
        repr(b'--x\r\nform-data; name="api_key"\r\nA: b\r\n\r\nCANARY\r\n--x--'),
        "bearer:CANARY",
        "Bearer: CANARY",
        "bearer=CANARY",
        "Bearer\tCANARY12",
        "Bearer%20CANARY12",
        "/shop;jsessionid=CANARY",
        "JSESSIONID=CANARY; Path=/",
        "PHPSESSID=CANARY",
        "ASP.NET_SessionId=CANARY",
        "connect.sid=s%3ACANARY",
        "laravel_session=CANARY",
        "sessionid=CANARY",
        "a=b; session=CANARY",
        "sid=CANARY",
        "{'sid': 'CANARY'}",
        '{"session_id": "CANARY"}',
        "pass=CANARY",
        r'{"a": "{\"b\": \"{\\\"password\\\": \\\"CANARY and CANARY\\\"}\"}"}',
        "Authorization: Token CANARY",
        "Proxy-Authorization: Basic CANARY==",
        "[(b'authorization', b'Bearer CANARY'), (b'cookie', b'a=b; session=CANARY')]",
        "Cookie: a=b; session=CANARY",
        "Set-Cookie: session=CANARY; Path=/",
        "X-Api-Key: CANARY",
        "password=CANARY",
        "PGPASSWORD=CANARY",
        "pwd = CANARY",
        "passphrase: CANARY",
        "client_secret=CANARY&x=1",
        "password%3DCANARY",
        "host=h user=u password=CANARY dbname=d",
        "{'password': 'CANARY and CANARY'}",
        '{"password": "CANARY, CANARY"}',
        r'{"body": "{\"password\": \"CANARY and CANARY\"}"}',
        '{"refresh_token":"CANARY"}',
        'tokens: ["CANARY", "CANARY"]',
        "password => 'CANARY'",
        "ALTER ROLE ada PASSWORD 'CANARY'",
        "deploy --password CANARY",
        "PASSWORD=\u0130CANARY",
    ],
)
def test_what_looks_like_a_secret_is_withheld(said: str) -> None:
    for each in (said, f"It failed: {said}", f"{'x ' * 100}{said} and so on"):
        assert "CANARY" not in str(without_secrets(each))


@pytest.mark.parametrize(
    "said",
    [
        "The token was refused: it has expired.",
        "Unexpected token '}' in line 3",
        "task-queue-is-longer-than-it-usually-is-at-night",
        "0190f0c2-7b7a-7c1c-9d2e-5a8a3f1e9b11",
        "-----BEGIN CERTIFICATE-----\nMIIEabc\n-----END CERTIFICATE-----",
        "The session ended: 5 s idle, in session 12",
        "3 passed, 2 failed; one pass: ok",
        "the basic plan: inside, on this side",
        "https://example.com:8080/a/b",
        "http://example.com/@handle",
        "<name>Ada</name><pass>",
        'form-data; name="title"\r\n\r\nHello',
    ],
)
def test_what_does_not_is_told(said: str) -> None:
    assert without_secrets(said) == said


def test_a_pair_is_withheld_by_its_name() -> None:
    pairs = [("X-Api-Key", "CANARY"), [b"cookie", b"CANARY"], ("a", "b"), ("token", "b", "c")]
    shown = without_secrets({"headers": pairs})
    assert shown == {
        "headers": [
            ["X-Api-Key", "[withheld]"],
            ["b'cookie'", "[withheld]"],
            ["a", "b"],
            ["token", "b", "c"],
        ]
    }


def test_a_key_whose_middle_was_cut_out_is_withheld() -> None:
    key = PEM.format("").replace("CANARY", "CANARY\n" * 2000)
    for before in range(0, 5000, 997):
        assert "CANARY" not in str(without_secrets("x " * (before // 2) + key))
        assert "CANARY" not in str(without_secrets(key + "x " * (before // 2)))


def test_no_secret_is_cut_in_half_and_so_printed() -> None:
    for before in range(4950, 5001):
        text = f"{'x ' * (before // 2)}{'y' * (before % 2)} redis://app:{CANARY}@h/ "
        shown = str(without_secrets(text + "z " * 10_000))
        assert not re.search("app:|ada", shown)
        shown = str(without_secrets("z " * 10_000 + text[-before:]))
        assert "ada" not in shown


def test_a_long_traceback_keeps_its_head_and_its_tail() -> None:
    try:
        raise ValueError("x " * 20_000 + "the end")
    except ValueError as error:
        shown = str(without_secrets(stacktrace_of(error)))
    assert shown.startswith("  File")
    assert shown.endswith("the end")
    assert len(shown) <= 10_001


def test_an_error_tells_a_statement_without_the_values_in_it() -> None:
    statement = r"SELECT E'it\'s hidden 12' /* hidden */ WHERE id = 12"
    said = text_of(StatementError("failed", statement, None, Exception()))
    assert "SELECT" in said
    assert "hidden" not in said
    assert "12" not in said
