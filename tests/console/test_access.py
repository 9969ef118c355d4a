"""Who gets into the console, and what it does not do for pages from elsewhere."""

import logging
import re
from http.cookies import SimpleCookie

import pytest
from fastapi.testclient import TestClient

from runweaver.console.web.access import own_path
from runweaver.console.web.app import create_app
from runweaver.console.web.headers import POLICY
from runweaver.console.web.sessions import SESSION_S, Sessions
from runweaver.console.web.tries import MOST_TRIES, WINDOW_S, Tries
from runweaver.shared.errors import SettingsError
from tests.support.processes import Pipeline
from tests.support.visiting import TOKEN, console_settings, guest, proof_on, stranger, visitor

_BEARER = {"Authorization": f"Bearer {TOKEN}"}
_DROP = "/operations/dead-letters/drop"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:8080", "127.8.0.1"])
def test_without_a_token_this_machine_is_in(pipeline: Pipeline, host: str) -> None:
    """By any name of its own."""
    assert 200 == visitor(pipeline).get("/runs", headers={"Host": host}).status_code


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "192.0.2.1:8080", "[::2]", "[", ""])
def test_without_a_token_other_names_are_refused(pipeline: Pipeline, host: str) -> None:
    """A page elsewhere may have its name point to this machine: whatever it asks for, it gets nothing."""
    client = visitor(pipeline)

    answers = [client.get(path, headers={"Host": host}) for path in ("/runs", "/api/status", "/static/console.js")]

    assert [421, 421, 421] == [answer.status_code for answer in answers]


def test_people_are_sent_to_where_they_show_the_token(pipeline: Pipeline) -> None:
    """And from there to what they wanted to see."""
    client = stranger(pipeline)

    sent = client.get("/runs?grep=a%26b")
    form = client.get(sent.headers["location"]).text
    [wanted] = re.findall(r'name="next" value="([^"]*)"', form)
    let_in = client.post("/login", data={"token": TOKEN, "next": wanted.replace("&amp;", "&")})

    assert (303, "/login?next=%2Fruns%3Fgrep%3Da%2526b") == (sent.status_code, sent.headers["location"])
    assert (303, "/runs?grep=a%26b") == (let_in.status_code, let_in.headers["location"])
    assert 200 == client.get("/runs").status_code
    assert (303, "/runs") == (
        client.get("/login?next=/runs").status_code,
        client.get("/login?next=/runs").headers["location"],
    )


@pytest.mark.parametrize("path", ["/api/status", "/api/openapi.json", "/api/no-such-thing"])
def test_programs_are_told_to_show_the_token(pipeline: Pipeline, path: str) -> None:
    """In JSON, with 401; a script of a page that has lost its session, too."""
    answer = stranger(pipeline).get(path)
    of_a_script = stranger(pipeline).get("/operations", headers={"Sec-Fetch-Mode": "cors"})

    assert (401, "Bearer") == (answer.status_code, answer.headers["www-authenticate"])
    assert {"detail": "this wants a token: Authorization: Bearer …"} == answer.json()
    assert 401 == of_a_script.status_code


@pytest.mark.parametrize(
    "given", ["", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer", "Bearer \xe9"]
)
def test_what_is_not_the_token_opens_nothing(pipeline: Pipeline, given: str) -> None:
    """What is, does."""
    client = stranger(pipeline)

    assert 401 == client.get("/api/status", headers=[(b"Authorization", given.encode("latin-1"))]).status_code
    assert 401 == client.get("/api/status", headers=[("Authorization", _BEARER["Authorization"])] * 2).status_code
    assert 200 == client.get("/api/status", headers=_BEARER).status_code


def test_assets_need_no_token(pipeline: Pipeline) -> None:
    """The form has its looks; and says nothing of what is behind it."""
    client = stranger(pipeline)
    form = client.get("/login").text

    assets = re.findall(r'(?:src|href)="(/static/[^"]+)"', form)

    assert len(assets) >= 3
    assert [200] * len(assets) == [client.get(asset).status_code for asset in assets]
    assert "/operations" not in form
    assert 404 == client.get("/static/%2e%2e/runs").status_code


def test_the_cookie_is_for_this_console_only(pipeline: Pipeline) -> None:
    """No script reads it, no other site sends it, and it ends; behind TLS it goes nowhere else."""
    plain = stranger(pipeline).post("/login", data={"token": TOKEN})
    private = stranger(pipeline).post("/login", data={"token": TOKEN}, headers={"X-Forwarded-Proto": "https"})

    [(name, cookie)] = SimpleCookie(plain.headers["set-cookie"]).items()
    [secure] = SimpleCookie(private.headers["set-cookie"]).values()

    assert re.fullmatch(r"runweaver-[0-9a-f]{8}", name)
    assert TOKEN not in cookie.value
    assert (True, "strict", "/", str(SESSION_S), "") == (
        *(cookie["httponly"], cookie["samesite"], cookie["path"], cookie["max-age"], cookie["domain"]),
    )
    assert ("", True) == (cookie["secure"], secure["secure"])


def test_a_session_ends() -> None:
    """By itself, however busy it is; and when another token is set. A restart does not end it."""
    now = [1_000.0]
    sessions = Sessions(TOKEN, now=lambda: now[0])
    cookie = sessions.begin()
    session = sessions.find(cookie)
    assert session is not None

    assert session == Sessions(TOKEN, now=lambda: now[0]).find(cookie)
    assert None is Sessions(f"{TOKEN}x", now=lambda: now[0]).find(cookie)
    now[0] += SESSION_S - 1
    assert session == sessions.find(cookie)
    now[0] += 1
    assert None is sessions.find(cookie)


@pytest.mark.parametrize("cookie", [None, "", ".", "..", "9999999999.x.", "9999999999.x.\xe9", "x.y.z.0"])
def test_made_up_cookies_open_nothing(cookie: str | None) -> None:
    """Nor does one in which something was changed."""
    sessions = Sessions(TOKEN)
    real = sessions.begin()
    until, _, rest = real.partition(".")

    assert None is sessions.find(cookie)
    assert None is sessions.find(f"{int(until) + 1}.{rest}")
    assert None is sessions.find(real[:-1] + ("0" if real[-1] != "0" else "1"))


def test_who_logs_out_is_out(pipeline: Pipeline) -> None:
    """Also for who has kept the cookie. Others stay in."""
    client = guest(pipeline)
    kept = dict(client.cookies)
    other = TestClient(client.app, base_url="http://console.example", follow_redirects=False)
    other.post("/login", data={"token": TOKEN})

    left = client.post("/logout", data={"proof": proof_on(client, "/runs")})
    client.cookies.update(kept)

    assert (303, "/login") == (left.status_code, left.headers["location"])
    assert 303 == client.get("/runs").status_code
    assert 200 == other.get("/runs").status_code


@pytest.mark.parametrize(
    "address",
    [
        *("https://evil.example/", "//evil.example/", "/\\evil.example/", "\\\\evil.example", "/\t/evil.example/"),
        *("/\n/evil.example", "javascript:alert(1)", "evil.example", "", "http:/runs", "//[", "/a\\b"),
    ],
)
def test_logging_in_leads_nowhere_else(pipeline: Pipeline, address: str) -> None:
    """An address of another place becomes that of the first page."""
    answer = stranger(pipeline).post("/login", data={"token": TOKEN, "next": address})

    assert "/" == own_path(address)
    assert "/" == answer.headers["location"]


def test_wrong_tokens_are_told_and_counted(pipeline: Pipeline, caplog: pytest.LogCaptureFixture) -> None:
    """After some of them, not even the right one opens for a while, but for those who are in. No log has a token."""
    client = stranger(pipeline)
    insider = TestClient(client.app, base_url="http://console.example", follow_redirects=False)
    insider.post("/login", data={"token": TOKEN})

    with caplog.at_level(logging.DEBUG):
        wrong = [client.post("/login", data={"token": f"guess-number-{number}"}) for number in range(MOST_TRIES)]
        late = client.post("/login", data={"token": TOKEN})
        program = client.get("/api/status", headers=_BEARER)

    assert [401] * (MOST_TRIES - 1) + [429] == [answer.status_code for answer in wrong]
    assert "That is not the token." in wrong[0].text
    assert (429, 429) == (late.status_code, program.status_code)
    assert 0 < int(late.headers["retry-after"]) <= WINDOW_S + 1
    assert 200 == insider.get("/runs").status_code
    assert "guess-number" not in caplog.text
    assert TOKEN not in caplog.text


def test_tries_are_counted_by_address_for_a_minute() -> None:
    """Who comes from elsewhere is not kept waiting."""
    now = [0.0]
    tries = Tries(now=lambda: now[0])
    for _ in range(MOST_TRIES):
        assert 0 == tries.wait_s("there")
        tries.note_wrong("there")
        now[0] += 1

    assert WINDOW_S - MOST_TRIES == pytest.approx(tries.wait_s("there"), abs=1)
    assert 0 == tries.wait_s("elsewhere")
    now[0] = WINDOW_S + 1
    assert 0 == tries.wait_s("there")


@pytest.mark.parametrize("token", ["short", "with a blank in the token", "nicht-ascii-genügend-lang"])
def test_a_token_that_can_be_guessed_is_refused(pipeline: Pipeline, token: str) -> None:
    """And not told."""
    with pytest.raises(SettingsError, match="RUNWEAVER_CONSOLE_TOKEN: it needs at least 16") as raised:
        create_app(console_settings(pipeline, console_token=token))
    assert token not in str(raised.value)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://console.example"}, 200),
        ({"Origin": "http://console.example:81"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_what_other_sites_send_is_refused(pipeline: Pipeline, headers: dict[str, str], status: int) -> None:
    """Whether they know what a form has to say or not."""
    client = guest(pipeline)
    proof = proof_on(client, "/runs")

    assert status == client.post(_DROP, data={"proof": proof}, headers=headers).status_code
    assert 403 == client.post(_DROP, headers=headers).status_code


def test_a_form_has_to_say_what_its_page_gave_it(pipeline: Pipeline) -> None:
    """That of another session will not do; nor is it asked of programs, which show the token."""
    client, other = guest(pipeline), guest(pipeline)
    alone = visitor(pipeline)
    mine, theirs = proof_on(client, "/runs"), proof_on(other, "/runs")

    assert mine != theirs
    assert 200 == client.post(_DROP, data={"proof": mine}).status_code
    assert 403 == client.post(_DROP, data={"proof": theirs}).status_code
    assert 403 == client.post(_DROP, json={"proof": mine}).status_code
    assert 403 == client.post("/logout").status_code
    assert 403 == alone.post(_DROP, headers={"Sec-Fetch-Site": "same-origin"}).status_code
    assert 200 == stranger(pipeline).post(_DROP, headers=_BEARER).status_code


def test_where_no_token_is_wanted_showing_one_proves_nothing(pipeline: Pipeline) -> None:
    """A page elsewhere can send such a header, too."""
    assert 403 == visitor(pipeline).post(_DROP, headers=_BEARER).status_code


def test_a_form_has_a_size(pipeline: Pipeline) -> None:
    """What is far larger than any of ours is not read."""
    assert 413 == guest(pipeline).post(_DROP, data={"letter": "x" * 1_100_000}).status_code


def test_a_console_may_only_read(pipeline: Pipeline) -> None:
    """Then it changes nothing, whoever asks. Logging in and out is no change."""
    client = guest(pipeline, console_read_only=True)
    proof = proof_on(client, "/runs")
    of_a_program = stranger(pipeline, console_read_only=True).post(_DROP, headers=_BEARER)

    assert 403 == client.post(_DROP, data={"proof": proof}).status_code
    assert 403 == of_a_program.status_code
    assert "This console only reads" in of_a_program.text
    assert 303 == client.post("/logout", data={"proof": proof}).status_code


def test_every_answer_tells_browsers_to_trust_nothing_else(pipeline: Pipeline) -> None:
    """Also what is no page, what is refused, and what goes wrong."""
    client = guest(pipeline)
    broken = visitor(pipeline)
    broken.app.state.sources = None  # type: ignore[attr-defined]
    answers = [
        *(client.get(path) for path in ("/runs", "/nowhere", "/api/status", "/api/nowhere", "/static/console.css")),
        *(client.get(path) for path in ("/runs?status=nonsense", "/api/summaries?limit=0", "/runs/none")),
        stranger(pipeline).get("/runs"),
        client.post(_DROP),
        visitor(pipeline, host="evil.example").get("/runs"),
        broken.get("/runs"),
    ]

    assert 500 == answers[-1].status_code
    assert {POLICY} == {answer.headers["content-security-policy"] for answer in answers}
    assert {"nosniff"} == {answer.headers["x-content-type-options"] for answer in answers}
    assert {"DENY"} == {answer.headers["x-frame-options"] for answer in answers}
    assert "unsafe" not in POLICY
    assert {"no-store"} == {
        answer.headers["cache-control"] for answer in answers if not answer.request.url.path.startswith("/static/")
    }


@pytest.mark.parametrize("path", ["/login", "/runs", "/operations", "/operations/dead-letters"])
def test_pages_keep_to_the_policy(pipeline: Pipeline, path: str) -> None:
    """No script and no style stands in them, and all that they load is ours."""
    client = stranger(pipeline) if path == "/login" else guest(pipeline)
    text = client.get(path).text

    assert [] == re.findall(r"<script(?![^>]*\bsrc=\"/static/)[^>]*>|<style|\sstyle=|\son\w+=", text)
    assert [] == re.findall(r'(?:src|href|action)="(?![/#])[^"]*"', text)
